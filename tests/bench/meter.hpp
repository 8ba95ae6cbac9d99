#pragma once

#include <chrono>
#include <ctime>
#include <memory>

#include "../unit/counting_tcti.hpp"
#include "base/disk.hpp"

namespace lethe {

/// What passes on the clock, and what the process works of it, in the kernel too.
struct Taken {
    std::chrono::nanoseconds wall{}, processor{};

    static Taken now() { return {of(CLOCK_MONOTONIC), of(CLOCK_PROCESS_CPUTIME_ID)}; }
    Taken operator-(const Taken& other) const { return {wall - other.wall, processor - other.processor}; }
    Taken& operator+=(const Taken& other) { return *this = {wall + other.wall, processor + other.processor}; }

private:
    static std::chrono::nanoseconds of(clockid_t clock) {
        timespec time{};
        clock_gettime(clock, &time);
        return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
    }
};

/// Counts what goes to the disk, and takes the time of that and of the TPM's commands.
struct Meter {
    unsigned writes = 0, syncs = 0, reads = 0;
    std::size_t written_octets = 0, read_octets = 0;
    Taken syncing, reading, verbs, commands;  ///< `verbs` of the TPM port, with the commands that they send

    template <class Verb>
    static auto timed(Taken& sum, Verb verb) {
        const Taken begin = Taken::now();
        auto result = verb();
        sum += Taken::now() - begin;
        return result;
    }

    /// Takes the time of each command that passes from now on, from its last octet to the answer's: what ESAPI does around it is not in it.
    void attach(CountingTcti& traffic) {
        traffic.before = [this](std::uint32_t) {
            begun_ = Taken::now();
            return std::nullopt;
        };
        traffic.tamper = [this](std::uint32_t, std::span<std::uint8_t>) { commands += Taken::now() - begun_; };
    }

private:
    Taken begun_;
};

/// Borrows the meter.
class MeteredDisk final : public Disk {
public:
    MeteredDisk(std::unique_ptr<Disk> disk, Meter& meter) : disk_(std::move(disk)), meter_(meter) {}

    Result<std::vector<std::string>> names() const override { return disk_->names(); }
    Result<bool> exists(const std::string& file) const override { return disk_->exists(file); }
    Result<Octets> read(const std::string& file) const override {
        ++meter_.reads;
        auto octets = Meter::timed(meter_.reading, [&] { return disk_->read(file); });
        if (octets) meter_.read_octets += octets->size();
        return octets;
    }
    Result<void> write(const std::string& file, OctetView octets) override {
        ++meter_.writes;
        meter_.written_octets += octets.size();
        return disk_->write(file, octets);
    }
    Result<void> sync(const std::string& file) override {
        ++meter_.syncs;
        return Meter::timed(meter_.syncing, [&] { return disk_->sync(file); });
    }
    Result<void> remove(const std::string& file) override { return disk_->remove(file); }
    Result<void> sync_names() override {
        ++meter_.syncs;
        return Meter::timed(meter_.syncing, [&] { return disk_->sync_names(); });
    }
    Result<std::uint64_t> free_octets() const override { return disk_->free_octets(); }
    std::size_t block_octets() const override { return disk_->block_octets(); }
    std::string place() const override { return disk_->place(); }

private:
    std::unique_ptr<Disk> disk_;
    Meter& meter_;
};

}  // namespace lethe
