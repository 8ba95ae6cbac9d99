#pragma once

#include <set>

#include "image/esp.hpp"
#include "recorded_disk.hpp"

namespace lethe {

/// A folder of a Medium that has several: its files' names begin with `folder`, which ends with a slash, or is empty at the top. Borrows.
class RecordedFolder final : public Disk {
public:
    RecordedFolder(Medium& medium, std::string folder, RecordedDisk::Before before)
        : medium_(medium), folder_(std::move(folder)), before_(before), disk_(medium, std::move(before)) {}

    Result<std::vector<std::string>> names() const override;
    Result<bool> exists(const std::string& file) const override { return disk_.exists(folder_ + file); }
    Result<Octets> read(const std::string& file) const override { return disk_.read(folder_ + file); }
    Result<void> write(const std::string& file, OctetView octets) override { return disk_.write(folder_ + file, octets); }
    Result<void> sync(const std::string& file) override { return disk_.sync(folder_ + file); }
    Result<void> remove(const std::string& file) override { return disk_.remove(folder_ + file); }
    Result<void> sync_names() override;
    Result<std::uint64_t> free_octets() const override { return disk_.free_octets(); }
    std::size_t block_octets() const override { return disk_.block_octets(); }
    std::string place() const override { return "the recorded ESP/" + folder_.substr(0, folder_.rfind('/')); }

private:
    Medium& medium_;
    std::string folder_;
    RecordedDisk::Before before_;
    RecordedDisk disk_;
};

/// An ESP on a Medium, which can hold a store besides. A folder is an empty file of its name; the names in it are synced by themselves.
/// Borrows the medium and the boot loader's variable. @param before  told before each verb that changes something.
class RecordedEsp final : public Esp {
public:
    RecordedEsp(Medium& medium, std::string& one_shot, RecordedDisk::Before before)
        : medium_(medium), one_shot_(one_shot), before_(before), images_(medium, folder, std::move(before)) {}

    Disk& images() override { return images_; }
    Result<std::unique_ptr<Disk>> beside(const std::string& version) override;
    Result<std::unique_ptr<Disk>> make_beside(const std::string& version) override;
    Result<void> remove_beside(const std::string& version) override;
    Result<void> set_one_shot(const std::string& entry) override;
    Result<std::string> one_shot() override { return one_shot_; }
    Result<void> rename(const std::string& from, const std::string& to) override;
    std::filesystem::path place() const override { return "the recorded ESP"; }

    static constexpr const char* folder = "EFI/Linux/";
    std::set<std::string>* read_only = nullptr;  ///< names in it that FAT has as read-only: no boot loader renames them. Borrowed

private:
    bool has_files(const std::string& version) const;

    Medium& medium_;
    std::string& one_shot_;
    RecordedDisk::Before before_;
    RecordedFolder images_;
};

}  // namespace lethe
