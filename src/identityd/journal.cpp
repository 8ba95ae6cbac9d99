#include "identityd/journal.hpp"

#include <chrono>
#include <print>

namespace lethe {

namespace {

void log_store(const StoreStanding& store) {
    if (store.awaits_takeover)
        std::println(stderr, "<5>this store is of an earlier release: it stays as it is while the machine can go back to that one");
    if (!store.enrolled) return;
    std::println(stderr, "<{}>this store {} on {:%F}{}: generation {}, the TPM has counted {}", store.taken_over ? 5 : 6,
                 store.taken_over ? "has been taken over" : "was made", *store.enrolled,
                 store.rekeyed ? ", and has a new vault key since" : "", store.generation, store.counted);
}

}  // namespace

void log_state(const IdentityService& service) {
    const auto& vault = service.vault();
    if (vault.reason) std::println(stderr, "<3>the vault is {}: {}", name_of(vault.state), vault.reason->message);
    else std::println(stderr, "<6>the vault is {}", name_of(vault.state));
    const auto& [what, advice] = service.insecurity();
    if (!what.empty()) std::println(stderr, "<4>{} {}", what, advice);
    for (const auto& warning : service.firmware().warnings) std::println(stderr, "<4>{}", warning);
    if (const auto& trouble = service.rekeying_trouble())
        std::println(stderr, "<4>what a change of the vault key has left is not removed yet: {}", trouble->message);
    log_store(service.store_standing());
    for (const auto& [name, relay] : service.relays()) {
        const bool installed = relay.state == RelayState::installed;
        if (installed) std::println(stderr, "<6>relay {}: {} installed", name, relay.fingerprints->rsa_hex());
        if (!installed || !relay.reason.empty())
            std::println(stderr, "<{}>relay {}: {}: {}", installed ? 4 : 3, name, name_of(relay.state), relay.reason);
    }
}

}  // namespace lethe
