// machine STATE STORE enroll NAME...   makes an enrolled machine: a software TPM with its state in STATE, and a store with these relays
// machine STATE STORE enroll-without-7 NAME...   the same, as an earlier release did it without Secure Boot
// machine STATE STORE extend PCR       extends a PCR of that TPM

#include <cstdlib>
#include <iostream>

#include "../unit/fake_pcrlock.hpp"
#include "../unit/software_tpm.hpp"
#include "vault/roster.hpp"
#include "vault/vault.hpp"

using namespace lethe;

static Result<void> enroll_machine(SoftwareTpm& tpm, const char* path, const std::vector<unsigned>& pcrs,
                                   const std::vector<std::string>& relays) {
    PcrPolicy policy;
    const auto values = TRY(tpm.read_pcrs(pcrs));
    for (const auto& [pcr, value] : values) policy.push_back({pcr, {value}});
    tpm.authorize(policy_index_handle, policy);
    auto store = TRY(Store::open(path));
    const auto vault = TRY(seal_new_vault(tpm, policy_index_handle));
    TRY(store.write_framed({ObjectKind::policy, ""}, as_octets(policy_json(policy))));
    Roster roster;
    for (const auto& relay : relays) roster[relay] = {};
    TRY(write_roster(store, vault.key.kind_key(ObjectKind::relays), roster));
    return store_vault(store, vault.record);
}

int main(int count, char** values) {
    const std::vector<std::string> arguments(values + 1, values + count);
    if (arguments.size() < 3) return 2;
    SoftwareTpm tpm{std::filesystem::path(arguments[0])};
    if (arguments[2] == "extend") {
        tpm.extend(static_cast<unsigned>(std::atoi(values[4])), digest_of(7));
        return 0;
    }
    const std::vector<unsigned> pcrs = arguments[2] == "enroll-without-7" ? std::vector{4u, 11u} : std::vector{4u, 7u, 11u};
    const auto done = enroll_machine(tpm, values[2], pcrs, {arguments.begin() + 3, arguments.end()});
    if (!done) std::cerr << done.error().message << "\n";
    return done ? 0 : 1;
}
