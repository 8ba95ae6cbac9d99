#include "vault/configured_relays.hpp"

#include <set>

#include "vault/object.hpp"

namespace lethe {

ConfiguredRelays configured_relays(std::span<const std::filesystem::path> folders) {
    constexpr std::string_view prefix = "lethe.torrc.";
    std::set<std::string> names;
    std::error_code error;
    for (const auto& folder : folders) {
        for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
            const std::string file = entry.path().filename();
            if (file.starts_with(prefix)) names.insert(file.substr(prefix.size()));
        }
    }
    ConfiguredRelays relays;
    for (const auto& name : names) (check_relay_name(name) ? relays.names : relays.refused).push_back(name);
    return relays;
}

}  // namespace lethe
