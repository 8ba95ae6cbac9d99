#pragma once

#include <filesystem>
#include <map>

#include "base/large_file.hpp"
#include "measure/prediction.hpp"

namespace lethe {

/// Where the files of one boot lie.
struct BootPaths {
    std::filesystem::path uki;
    std::optional<std::filesystem::path> loader = {};
    /// UKI.extra.d, /loader/credentials and /loader/addons; one that does not exist is empty.
    std::optional<std::filesystem::path> beside = {}, global_credentials = {}, global_addons = {};
};

/// The folder of the files beside a UKI, as the stub finds it: "lethe_1+3.efi" has "lethe_1.efi.extra.d".
/// Source: systemd 257, src/boot/stub.c, get_extra_dir().
std::filesystem::path folder_beside(const std::filesystem::path& uki);

/// The files of one boot, read into memory.
class BootReading {
public:
    /// @error not_found  the UKI or the loader is not there.
    /// @error corrupt    an image is none, a file is larger than 1 GiB, or something in a folder is neither a regular file nor a folder.
    /// @error io
    static Result<BootReading> read(const BootPaths& paths);

    /// Borrows from this.
    const BootFiles& files() const { return files_; }

private:
    Result<OctetView> read_once(const std::filesystem::path& file);
    Result<PeImage> read_image(const std::filesystem::path& file);
    Result<std::vector<CpioFile>> read_folder(const std::optional<std::filesystem::path>& folder);

    std::map<std::filesystem::path, LargeFile> contents_;
    BootFiles files_;
};

}  // namespace lethe
