#include <algorithm>

#include "lethectl/client_call.hpp"
#include "lethectl/state.hpp"

namespace lethe::ctl {
namespace {

StateKeeper to_keeper(const Properties& properties) {
    return {.state = value<std::string>(properties, "State"),
            .reason = value<std::string>(properties, "Reason"),
            .error_name = value<std::string>(properties, "ErrorName"),
            .generation = value<std::uint64_t>(properties, "Generation"),
            .snapshots_per_day = value<std::uint32_t>(properties, "SnapshotsPerDay"),
            .budget_left = value<std::uint32_t>(properties, "BudgetLeft"),
            .minimal_reason = value<std::string>(properties, "MinimalReason")};
}

RelayState to_relay_state(const Properties& properties) {
    return {.name = value<std::string>(properties, "Name"),
            .source = value<std::string>(properties, "Source"),
            .reason = value<std::string>(properties, "Reason"),
            .trouble = value<std::string>(properties, "Trouble"),
            .generation = value<std::uint64_t>(properties, "Generation"),
            .taken = value<std::uint64_t>(properties, "Taken"),
            .size_octets = value<std::uint64_t>(properties, "Size"),
            .restored_bandwidth = value<std::uint64_t>(properties, "RestoredBandwidth")};
}

}  // namespace

Outcome<States> read_states() {
    return call(state_service, [](sdbus::IConnection& connection) {
        const Properties properties = proxy(connection, state_service)->getAllProperties().onInterface(state_service.manager_interface());
        States all{.keeper = to_keeper(properties), .relays = {}};
        for (const auto& relay : relay_objects(connection, state_service)) all.relays.push_back(to_relay_state(relay));
        std::ranges::sort(all.relays, {}, &RelayState::name);
        return all;
    });
}

Outcome<std::uint64_t> take_snapshot() {
    return call(state_service, [](sdbus::IConnection& connection) {
        std::uint64_t generation = 0;
        proxy(connection, state_service)->callMethod("Snapshot").onInterface(state_service.manager_interface()).storeResultsTo(generation);
        return generation;
    });
}

Outcome<void> reset_snapshots() {
    return call(state_service, [](sdbus::IConnection& connection) {
        proxy(connection, state_service)->callMethod("Reset").onInterface(state_service.manager_interface());
    });
}

Outcome<void> reload_states() {
    return call(state_service, [](sdbus::IConnection& connection) {
        proxy(connection, state_service)->callMethod("Reload").onInterface(state_service.manager_interface());
    });
}

}  // namespace lethe::ctl
