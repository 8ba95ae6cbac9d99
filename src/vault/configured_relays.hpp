#pragma once

#include <array>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace lethe {

/// Where systemd looks for the credentials of services, as far as Lethe uses them: what the initrd has taken from the ESP, and what is part
/// of the image.
inline const std::array<std::filesystem::path, 2> credential_folders{"/run/credstore", "/usr/lib/credstore"};

/// The relays that the operator gave a torrc for: the names in files lethe.torrc.NAME of folders of credentials.
struct ConfiguredRelays {
    std::vector<std::string> names;    ///< ascending
    std::vector<std::string> refused;  ///< not names that a relay can have
};
ConfiguredRelays configured_relays(std::span<const std::filesystem::path> folders);

}  // namespace lethe
