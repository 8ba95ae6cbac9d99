// machine STATE STORE enroll NAME...   makes an enrolled machine: a software TPM with its state in STATE, and a store with these relays
// machine STATE STORE enroll-earlier NAME...     the same, as a release that kept no ledger has left it
// machine STATE STORE enroll-without-7 NAME...   and without Secure Boot
// machine STATE STORE recovery-key KEY  gives it a new vault key, sealed to this recovery key: the daemon does that with an index that
// another
//                                      process makes, and this TPM serves one
// machine STATE STORE extend PCR       extends a PCR of that TPM

#include <cstdlib>
#include <iostream>

#include "../unit/borrowed_tpm.hpp"
#include "../unit/earlier_vault.hpp"
#include "../unit/rekeyed.hpp"
#include "../unit/software_tpm.hpp"
#include "vault/anchor.hpp"
#include "vault/roster.hpp"
#include "vault/vault.hpp"

using namespace lethe;

static Result<void> enroll_machine(SoftwareTpm& tpm, const char* path, const std::vector<unsigned>& pcrs,
                                   const std::vector<std::string>& relays, bool anchored) {
    PcrPolicy policy;
    const auto values = TRY(tpm.read_pcrs(pcrs));
    for (const auto& [pcr, value] : values) policy.push_back({pcr, {value}});
    tpm.authorize(policy_index_handle, policy);
    auto store = TRY(Store::open(path));
    const auto vault =
        TRY(anchored ? seal_vault_key(tpm, policy_index_handle, VaultKey::random()) : seal_earlier_vault(tpm, policy_index_handle));
    TRY(store.write_framed({ObjectKind::policy, ""}, as_octets(policy_json(policy))));
    Roster roster;
    for (const auto& relay : relays) roster[relay] = {};
    TRY(write_roster(store, vault.key.kind_key(ObjectKind::relays), roster));
    TRY(store_vault(store, vault.record));
    if (!anchored) return {};
    return Anchor(store, false, tpm, vault.key).make(std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()));
}

namespace {

// The daemon has installed the keys, and does it again.
class NoPlace final : public KeyPlace {
public:
    Result<KeySet> make() override { return fail(ErrorKind::io, "no keys are made here"); }
    Result<std::filesystem::path> install(const std::string&, const KeySet&) override { return "/"; }
    Result<Manifest> installed(const std::string&) override { return fail(ErrorKind::not_found, "nothing is installed here"); }
    Result<void> remove(const std::string&) override { return {}; }
    Result<void> withdraw_others(const std::set<std::string>&) override { return {}; }
};

Result<void> give_recovery_key(SoftwareTpm& tpm, const char* path, const std::string& key) {
    NoPlace place;
    IdentityService service([=] { return Store::open(path).transform([](Store&& store) { return OpenedStore{std::move(store), false}; }); },
                            [&]() -> Result<std::unique_ptr<Tpm>> { return std::make_unique<BorrowedTpm>(tpm); }, place);
    service.restore();
    return set_recovery_key(service, tpm, TRY(Store::open(path)), TRY(parse_recovery_public(key)));
}

}  // namespace

int main(int count, char** values) {
    const std::vector<std::string> arguments(values + 1, values + count);
    if (arguments.size() < 3) return 2;
    SoftwareTpm tpm{std::filesystem::path(arguments[0])};
    if (arguments[2] == "extend") {
        tpm.extend(static_cast<unsigned>(std::atoi(values[4])), digest_of(7));
        return 0;
    }
    if (arguments[2] == "recovery-key") {
        const auto given = give_recovery_key(tpm, values[2], arguments.at(3));
        if (!given) std::cerr << given.error().message << "\n";
        return given ? 0 : 1;
    }
    const std::vector<unsigned> pcrs = arguments[2] == "enroll-without-7" ? std::vector{4u, 11u} : std::vector{4u, 7u, 11u};
    const auto done = enroll_machine(tpm, values[2], pcrs, {arguments.begin() + 3, arguments.end()}, arguments[2] == "enroll");
    if (!done) std::cerr << done.error().message << "\n";
    return done ? 0 : 1;
}
