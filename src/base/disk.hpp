#pragma once

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/file.hpp"
#include "base/octets.hpp"

namespace lethe {

/// No file that is read from a disk is larger, 64 MiB.
constexpr std::size_t disk_file_limit_octets = 64 << 20;

/// A place of files in one level, as far as what has to outlive a power cut touches it: the verbs between which power can go. What was
/// written is there for good once its file is synced; a file that is new, or gone, once the names are.
class Disk {
public:
    virtual ~Disk() = default;

    virtual Result<std::vector<std::string>> names() const = 0;
    virtual Result<bool> exists(const std::string& file) const = 0;
    /// The whole file, from the medium and not from a cache.
    /// @error not_found  it does not exist.
    /// @error corrupt    it is no regular file, or larger than disk_file_limit_octets.
    virtual Result<Octets> read(const std::string& file) const = 0;
    /// Its first octets, `count` at most. @error as read()
    virtual Result<Octets> read_start(const std::string& file, std::size_t count) const {
        Octets octets = TRY(read(file));
        octets.resize(std::min(octets.size(), count));
        return octets;
    }
    /// Writes from the start of the file, which is made when there is none, and leaves what lies behind.
    virtual Result<void> write(const std::string& file, OctetView octets) = 0;
    virtual Result<void> sync(const std::string& file) = 0;
    virtual Result<void> remove(const std::string& file) = 0;
    virtual Result<void> sync_names() = 0;

    /// How many octets there is room for besides what the files have already.
    /// @error wrong_state  no other files fit here than those that it has a fixed place for: a store in the TPM.
    virtual Result<std::uint64_t> free_octets() const = 0;

    /// Keeps every other process that calls this waiting, for as long as the result lives. Where there is nothing to hold on to, it keeps
    /// nobody.
    virtual Result<Fd> exclude() { return Fd(); }

    /// A store's slots are padded to a multiple of this, so that files seldom grow.
    virtual std::size_t block_octets() const = 0;
    /// For messages: where a person finds it.
    virtual std::string place() const = 0;
};

/// A directory, on any file system.
/// @error not_found  no such directory: its file system is not mounted.
Result<std::unique_ptr<Disk>> open_folder_disk(const std::filesystem::path& directory);

}  // namespace lethe
