#include "enroll/relays.hpp"

#include <algorithm>

#include "vault/object.hpp"

namespace lethe {

ConfiguredRelays configured_relays(const std::filesystem::path& credentials) {
    constexpr std::string_view prefix = "lethe.torrc.";
    ConfiguredRelays relays;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(credentials, error)) {
        const std::string file = entry.path().filename();
        if (!file.starts_with(prefix)) continue;
        std::string name = file.substr(prefix.size());
        (check_relay_name(name) ? relays.names : relays.refused).push_back(std::move(name));
    }
    std::ranges::sort(relays.names);
    std::ranges::sort(relays.refused);
    return relays;
}

}  // namespace lethe
