#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "measure/measurement.hpp"

namespace lethe {

/// A file of an archive. Borrows the octets.
struct CpioFile {
    std::string name;
    OctetView octets;
};

/// One of the archives that the stub makes of files on the ESP, for the kernel to unpack.
struct CpioTarget {
    std::string_view folder;  ///< no slash at either end
    unsigned folder_mode = 0;
    unsigned file_mode = 0;
    unsigned pcr = 0;             ///< 0: the stub measures none of it
    std::string_view what;        ///< as the stub names it in the event log
    std::string_view suffix;      ///< of the files it takes, in any case
    std::string_view not_suffix;  ///< of those it leaves alone, when not empty
};

/// `*.cred` beside the UKI.
inline constexpr CpioTarget cpio_credentials{".extra/credentials", 0500, 0400, pcr::kernel_config, "Credentials initrd", ".cred", ""};
/// `*.cred` in /loader/credentials.
inline constexpr CpioTarget cpio_global_credentials{".extra/global_credentials", 0500,    0400, pcr::kernel_config,
                                                    "Global credentials initrd", ".cred", ""};
inline constexpr CpioTarget cpio_sysext{".extra/sysext", 0555, 0444, pcr::sysexts, "System extension initrd", ".raw", ".confext.raw"};
inline constexpr CpioTarget cpio_confext{".extra/confext", 0555, 0444, pcr::kernel_config, "Configuration extension initrd",
                                         ".confext.raw",   ""};
/// What the stub gives of its own sections (os-release, profile, ...), each in an archive: part of what the kernel extends into PCR 9.
inline constexpr CpioTarget cpio_own{".extra", 0555, 0444, 0, "", "", ""};

/// Whether the stub puts a file of this name into this archive.
bool is_taken(const CpioTarget& target, std::string_view name);

/// The archive of the files in any order, exactly as the stub lays it out: newc, sorted, inodes from 1, no times, no owners.
///
/// @error invalid_argument  no file (the stub then makes no archive), a name that it would not take or that is there twice, or 4 GiB.
/// Source: systemd 257, src/boot/cpio.c; Linux, Documentation/driver-api/early-userspace/buffer-format.rst.
Result<Octets> cpio_archive(const CpioTarget& target, std::span<const CpioFile> files);

}  // namespace lethe
