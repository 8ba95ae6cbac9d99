#include <gmock/gmock.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iostream>

#include "counting_tcti.hpp"
#include "earlier_vault.hpp"
#include "fake_pcrlock.hpp"
#include "identityd/service.hpp"
#include "software_tpm.hpp"
#include "tor_keys.hpp"
#include "tpm/esys_tpm.hpp"

namespace lethe {
namespace {

namespace fs = std::filesystem;

constexpr int relay_count = 64;
constexpr int pool_count = 8;
static_assert(pool_count * pool_count == relay_count);

std::string name_of_relay(int number) { return "relay" + std::to_string(number); }

// Nothing in the files binds an RSA identity to an ed25519 one: of eight sets that tor makes, 64 can be put together.
KeySet keys_of(int number) {
    static const auto pool = [] {
        std::vector<KeySet> made;
        const TemporaryFolder scratch;
        while (made.size() < pool_count) made.push_back(create_keys(tor_program, scratch.path()).value());
        return made;
    }();
    KeyFiles files = copy_of(pool[number / pool_count].files);
    for (const auto& name : {key_file::rsa_identity, key_file::onion})
        replace(files, name, pool[number % pool_count].files.at(name).expose());
    return parse_key_files(std::move(files), Scrutiny::sealed).value();
}

// An enrolled machine with `relays` relays in its store.
struct Enrolled {
    TemporaryFolder folder;
    Secret identity_key;

    Enrolled(SoftwareTpm& tpm, const PcrPolicy& policy, int relays) {
        auto store = Store::open(folder.path()).value();
        const auto vault = seal_earlier_vault(tpm, policy_index_handle).value();
        identity_key = vault.key.kind_key(ObjectKind::identity);
        store.write_framed({ObjectKind::policy, ""}, as_octets(policy_json(policy))).value();
        const auto keyring = open_keyring(store, false, vault.key);
        Roster roster;
        for (int i = 0; i < relays; ++i) {
            const auto keys = keys_of(i);
            keyring->write(name_of_relay(i), keys).value();
            roster[name_of_relay(i)] = {RelayStage::created, keys.fingerprints.rsa};
        }
        keyring->write_roster(roster).value();
        store_vault(store, vault.record).value();
        (void)tpm.nv_undefine(anchor_index_handle);  // of another store on this TPM
        Anchor(store, false, tpm, vault.key).make({}).value();
        (void)tpm.nv_undefine(counter_index_handle);
    }
};

// What a boot does: a daemon that begins, with nothing installed yet.
struct Boot {
    TemporaryFolder runtime;
    MachineKeyPlace place{
        {.paths = {runtime.path()}, .tor = tor_program, .user_prefix = "", .fixed_user = ::getpwuid(::getuid())->pw_name}};
    IdentityService service;

    Boot(SoftwareTpm& tpm, const fs::path& store)
        : service([=] { return Store::open(store).transform([](Store&& opened) { return OpenedStore{std::move(opened), false}; }); },
                  [&tpm]() -> Result<std::unique_ptr<Tpm>> { return esys_tpm_on(tpm.traffic().context()); }, place) {}
    long installed() const {
        return std::ranges::count(service.relays(), RelayState::installed, [](const auto& relay) { return relay.second.state; });
    }
};

struct ManyRelays : testing::Test {
    SoftwareTpm tpm;
    PcrPolicy policy{{11, {tpm.read_pcrs(std::array{11u}).value().at(11)}}};
    void SetUp() override { tpm.authorize(policy_index_handle, policy); }
};

TEST_F(ManyRelays, CostTheTpmWhatOneCosts) {
    const Enrolled one(tpm, policy, 1);
    tpm.traffic().forget();
    Boot first(tpm, one.folder.path());
    first.service.restore();
    EXPECT_EQ(first.installed(), 1);
    const auto commands = tpm.traffic().command_codes();
    const auto octets = tpm.traffic().octets();
    EXPECT_EQ(std::ranges::count(commands, TPM2_CC_Unseal), 1);
    std::cout << "a start with its store anchored: " << commands.size() << " commands\n";
    const Enrolled many(tpm, policy, relay_count);
    tpm.traffic().forget();
    Boot second(tpm, many.folder.path());
    second.service.restore();
    EXPECT_EQ(second.installed(), relay_count);
    EXPECT_EQ(tpm.traffic().command_codes(), commands);
    EXPECT_EQ(tpm.traffic().octets(), octets);
}

TEST_F(ManyRelays, LeaveADamagedOneBehind) {
    const Enrolled many(tpm, policy, relay_count);
    const auto damaged = name_of_relay(17);
    std::fstream(many.folder / ("identity-" + damaged + ".a"), std::ios::in | std::ios::out | std::ios::binary)
        .seekp(200)
        .put('x')
        .put('y');
    Boot boot(tpm, many.folder.path());
    boot.service.restore();
    EXPECT_EQ(boot.installed(), relay_count - 1);
    ASSERT_EQ(boot.service.relays().size(), static_cast<std::size_t>(relay_count));
    for (const auto& [name, relay] : boot.service.relays()) {
        EXPECT_EQ(relay.state, name == damaged ? RelayState::damaged : RelayState::installed) << name << ": " << relay.reason;
        EXPECT_EQ(fs::exists(boot.runtime / "manifest" / name), name != damaged);
    }
    const auto& status = boot.service.relays().at(damaged);
    EXPECT_THAT(status.reason, testing::HasSubstr("identity-" + damaged));
    EXPECT_THAT(status.reason, testing::HasSubstr("lethectl identity recover"));
    EXPECT_EQ(status.fingerprint, keys_of(17).fingerprints.rsa_hex());
}

}  // namespace
}  // namespace lethe
