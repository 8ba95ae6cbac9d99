#pragma once

#include <cstdint>
#include <utility>

#include "lethectl/command.hpp"

namespace lethe::ctl {

/// How old the store is, and what is in it: properties of org.lethe.Identity1.Manager.
struct StoreState {
    std::uint64_t generation = 0;
    std::uint64_t counted = 0;   ///< by the TPM
    std::uint64_t enrolled = 0;  ///< seconds since the epoch; 0: not known
    bool taken_over = false;     ///< from a release that did not count
    bool earlier_key = false;    ///< the vault key is that of such a release; with generation 0 it is not taken over yet
    std::string reason{};
    std::vector<std::pair<std::string, std::string>> objects{};  ///< and how each is
};

// Calls of org.lethe.Identity1 on the system bus.

Outcome<StoreState> read_store();
Outcome<void> accept_store(std::uint64_t generation);

/// Gives a vault that has the key of an earlier release a new one, and keeps the recovery key. @return whether there was such a key.
Outcome<bool> renew_earlier_key();

Outcome<int> store_show(const Invocation&);
Outcome<int> store_accept(const Invocation&);

}  // namespace lethe::ctl
