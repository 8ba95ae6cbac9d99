#pragma once

#include "thawed_machine.hpp"

namespace lethe {

inline std::uint16_t first_u16(OctetView octets) { return OctetReader(octets).u16().value(); }

/// Magic, format version, kind and protection: what a slot begins with.
inline Octets head_of(OctetView octets) { return {octets.begin(), octets.begin() + 12}; }

/// A frozen machine that was switched on, and its vault opened.
struct Opened {
    explicit Opened(const std::string& name) : machine(name), store(machine.store()), key(machine.open(store)) {}

    Secret payload(ObjectKind kind, const std::string& relay = "") const {
        return store.read(key.kind_key(kind), {kind, relay}).value().payload;
    }
    Secret framed_payload(ObjectKind kind) const { return std::move(store.read_framed({kind, ""}).value().front().payload); }
    Octets head(const std::string& slot) { return head_of(machine.disk()->read(slot).value()); }

    ThawedMachine machine;
    Store store;
    VaultKey key;
};

}  // namespace lethe
