#pragma once

#include "borrowed_tpm.hpp"
#include "image/esp.hpp"

namespace lethe {

/// Asked before each verb of a port; an error is what the verb comes to.
using Refuse = std::function<Result<void>(const std::string& verb)>;

class RefusingDisk final : public Disk {
public:
    RefusingDisk(Disk& disk, Refuse refuse) : disk_(disk), refuse_(std::move(refuse)) {}
    RefusingDisk(std::unique_ptr<Disk> disk, Refuse refuse) : owned_(std::move(disk)), disk_(*owned_), refuse_(std::move(refuse)) {}

    Result<std::vector<std::string>> names() const override {
        TRY(refuse_("list " + place()));
        return disk_.names();
    }
    Result<bool> exists(const std::string& file) const override {
        TRY(refuse_("look for " + file));
        return disk_.exists(file);
    }
    Result<Octets> read(const std::string& file) const override {
        TRY(refuse_("read " + file));
        return disk_.read(file);
    }
    Result<void> write(const std::string& file, OctetView octets) override {
        TRY(refuse_("write " + file));
        return disk_.write(file, octets);
    }
    Result<void> sync(const std::string& file) override {
        TRY(refuse_("sync " + file));
        return disk_.sync(file);
    }
    Result<void> remove(const std::string& file) override {
        TRY(refuse_("remove " + file));
        return disk_.remove(file);
    }
    Result<void> sync_names() override {
        TRY(refuse_("sync the names in " + place()));
        return disk_.sync_names();
    }
    Result<std::uint64_t> free_octets() const override {
        TRY(refuse_("ask for the room in " + place()));
        return disk_.free_octets();
    }
    std::size_t block_octets() const override { return disk_.block_octets(); }
    std::string place() const override { return disk_.place(); }

private:
    std::unique_ptr<Disk> owned_;
    Disk& disk_;
    Refuse refuse_;
};

class RefusingEsp final : public Esp {
public:
    RefusingEsp(std::unique_ptr<Esp> esp, Refuse refuse)
        : esp_(std::move(esp)), refuse_(refuse), images_(esp_->images(), std::move(refuse)) {}

    Disk& images() override { return images_; }
    Result<std::unique_ptr<Disk>> beside(const std::string& version) override {
        TRY(refuse_("open the folder beside " + version));
        return std::make_unique<RefusingDisk>(TRY(esp_->beside(version)), refuse_);
    }
    Result<std::unique_ptr<Disk>> make_beside(const std::string& version) override {
        TRY(refuse_("make the folder beside " + version));
        return std::make_unique<RefusingDisk>(TRY(esp_->make_beside(version)), refuse_);
    }
    Result<void> remove_beside(const std::string& version) override {
        TRY(refuse_("remove the folder beside " + version));
        return esp_->remove_beside(version);
    }
    Result<void> set_one_shot(const std::string& entry) override {
        TRY(refuse_("set the next entry"));
        return esp_->set_one_shot(entry);
    }
    Result<std::string> one_shot() override {
        TRY(refuse_("look for the next entry"));
        return esp_->one_shot();
    }
    Result<void> rename(const std::string& from, const std::string& to) override {
        TRY(refuse_("rename " + from));
        return esp_->rename(from, to);
    }
    std::filesystem::path place() const override { return esp_->place(); }

private:
    std::unique_ptr<Esp> esp_;
    Refuse refuse_;
    RefusingDisk images_;
};

class RefusingTpm final : public BorrowedTpm {
public:
    RefusingTpm(Tpm& tpm, Refuse refuse) : BorrowedTpm(tpm), refuse_(std::move(refuse)) {}

    Result<PcrValues> read_pcrs(std::span<const unsigned> pcrs) override {
        TRY(refuse_("read the PCRs"));
        return tpm_.read_pcrs(pcrs);
    }
    Result<Octets> nv_read(std::uint32_t handle) override {
        TRY(refuse_("read the NV index"));
        return tpm_.nv_read(handle);
    }

private:
    Refuse refuse_;
};

}  // namespace lethe
