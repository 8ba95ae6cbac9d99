#include "identityd/status.hpp"

namespace lethe {

std::string_view name_of(VaultState state) {
    switch (state) {
        case VaultState::open:
            return "open";
        case VaultState::shut:
            return "shut";
        case VaultState::not_enrolled:
            return "not-enrolled";
    }
    std::unreachable();
}

std::string_view name_of(RelayState state) {
    switch (state) {
        case RelayState::installed:
            return "installed";
        case RelayState::damaged:
            return "damaged";
        case RelayState::pending:
            return "pending";
        case RelayState::shut:
            return "shut";
        case RelayState::unlisted:
            return "unlisted";
    }
    std::unreachable();
}

}  // namespace lethe
