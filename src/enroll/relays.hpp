#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace lethe {

/// The relays that the operator gave a torrc for: the names in files lethe.torrc.NAME of a folder of credentials.
struct ConfiguredRelays {
    std::vector<std::string> names;    ///< ascending
    std::vector<std::string> refused;  ///< not names that a relay can have
};
ConfiguredRelays configured_relays(const std::filesystem::path& credentials);

}  // namespace lethe
