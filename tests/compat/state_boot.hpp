#pragma once

#include "../unit/state_machine.hpp"
#include "frozen_machine.hpp"

namespace lethe {
namespace {

// One boot of a frozen machine, as far as lethe-stated goes: its relays are those that identityd has brought back. It has been up for
// longer than lies between two of its states, so that no clock has jumped.
struct StateBoot {
    FakeStatePlace place;
    TemporaryFolder runtime;
    std::chrono::sys_seconds now;
    StateService service;

    StateBoot(SoftwareTpm& tpm, const StateService::StoreOpener& open_store, const FrozenMachine& machine, std::chrono::sys_seconds now)
        : now(now),
          service(
              open_store, opener_of(tpm), [=, &tpm] { return keys_of_state(open_store().value().store, tpm); }, place, {},
              Budget(runtime / "spent", 48), [this] { return this->now; }, [] { return std::chrono::days(2); }, [] { return true; }) {
        place.admitted.clear();
        for (const auto& [name, relay] : machine.relays)
            std::ranges::copy(from_hex(relay.fingerprint).value(), place.admitted[name].begin());
        service.restore();
    }
    FrozenStates given() const {
        FrozenStates given;
        for (const auto& [name, relay] : service.relays()) {
            const auto files = place.laid_out.find(name);
            given[name] = {.source = std::string(name_of(relay.source)),
                           .files = files == place.laid_out.end() ? std::map<std::string, std::string>() : frozen_files(files->second),
                           .bandwidth = relay.restored_bandwidth};
        }
        return given;
    }
};

}  // namespace
}  // namespace lethe
