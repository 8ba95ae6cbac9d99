#include "identityd/journal.hpp"

#include <chrono>
#include <print>

namespace lethe {

void log_state(const IdentityService& service) {
    const auto& vault = service.vault();
    if (vault.reason) std::println(stderr, "<3>the vault is {}: {}", name_of(vault.state), vault.reason->message);
    else std::println(stderr, "<6>the vault is {}", name_of(vault.state));
    const auto& [what, advice] = service.insecurity();
    if (!what.empty()) std::println(stderr, "<4>{} {}", what, advice);
    for (const auto& warning : service.firmware().warnings) std::println(stderr, "<4>{}", warning);
    if (const auto& trouble = service.rekeying_trouble())
        std::println(stderr, "<4>what a change of the vault key has left is not removed yet: {}", trouble->message);
    if (const auto& [generation, counted, enrolled, taken_over, rekeyed] = service.store_standing(); enrolled)
        std::println(stderr, "<{}>this store {} on {:%F}{}: generation {}, the TPM has counted {}", taken_over ? 5 : 6,
                     taken_over ? "has been taken over" : "was made", *enrolled, rekeyed ? ", and has a new vault key since" : "",
                     generation, counted);
    for (const auto& [name, relay] : service.relays()) {
        const bool installed = relay.state == RelayState::installed;
        if (installed) std::println(stderr, "<6>relay {}: {} installed", name, relay.fingerprints->rsa_hex());
        if (!installed || !relay.reason.empty())
            std::println(stderr, "<{}>relay {}: {}: {}", installed ? 4 : 3, name, name_of(relay.state), relay.reason);
    }
}

}  // namespace lethe
