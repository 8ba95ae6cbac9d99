#include <gmock/gmock.h>

#include <ranges>

#include "../unit/rekeyed.hpp"
#include "../unit/tor_keys.hpp"
#include "thawed_machine.hpp"
#include "vault/sealed_export.hpp"

// Machines of earlier releases, switched on again: README.md.
namespace lethe {
namespace {

namespace fs = std::filesystem;

std::string text_of(const std::optional<Error>& error) { return error ? error->message : ""; }

struct Frozen : testing::TestWithParam<std::string> {
    MemoryPlace place;
};
INSTANTIATE_TEST_SUITE_P(Machines, Frozen, testing::ValuesIn(frozen_machines()), test_name);

TEST_P(Frozen, OpensAndBringsTheFingerprintsBack) {
    ThawedMachine thawed(GetParam());
    const auto& machine = thawed.manifest();
    thawed.measure(machine.extended);
    const auto pcrs = machine.pcrs | std::views::keys | std::ranges::to<std::vector>();
    ASSERT_EQ(thawed.tpm().read_pcrs(pcrs).value(), machine.pcrs);
    StoreStanding first;
    // The second time it reads what this release may have written anew.
    for (int start = 0; start < 2; ++start) {
        const auto service = thawed.start(place);
        ASSERT_EQ(service->vault().state, VaultState::open) << text_of(service->vault().reason);
        EXPECT_EQ(frozen_relays(service->relays()), machine.relays);
        EXPECT_EQ(service->relays().size(), machine.relays.size());
        for (const auto& [name, relay] : machine.relays) EXPECT_TRUE(is_success(service->verify(name))) << name;
        EXPECT_EQ(service->recovery_key() ? encode_recovery_public(*service->recovery_key()) : "", machine.recovery_public);
        EXPECT_FALSE(service->recovery_trouble()) << text_of(service->recovery_trouble());
        const auto& standing = service->store_standing();
        EXPECT_GT(standing.generation, 0u);
        EXPECT_EQ(standing.generation, standing.counted);
        EXPECT_TRUE(standing.enrolled);
        // What is from before there were anchors is taken over, the first time.
        EXPECT_EQ(standing.taken_over, GetParam() < "3/");
        if (start > 0) {
            EXPECT_EQ(standing, first) << "a second start changes nothing";
        }
        first = standing;
    }
    EXPECT_FALSE(machine.relays.empty());
}

TEST_P(Frozen, GetsANewVaultKeyAndKeepsAllElse) {
    ThawedMachine thawed(GetParam());
    const auto& machine = thawed.manifest();
    thawed.measure(machine.extended);
    const std::uint32_t former = policy_index_of(thawed.store()).value();
    {
        const auto service = thawed.start(place);
        EXPECT_EQ(service->has_earlier_vault_key(), GetParam() < "3/" && !machine.in_tpm);
        const auto key = service->recovery_key();
        ASSERT_TRUE(is_success(set_recovery_key(*service, thawed.tpm(), thawed.store(), key)));
        EXPECT_FALSE(service->has_earlier_vault_key());
    }
    EXPECT_TRUE(is_error(thawed.tpm().nv_index(former), ErrorKind::not_found, "")) << "what the former key is sealed to";
    const auto service = thawed.start(place);
    ASSERT_EQ(service->vault().state, VaultState::open) << text_of(service->vault().reason);
    EXPECT_EQ(frozen_relays(service->relays()), machine.relays);
    EXPECT_EQ(service->recovery_key() ? encode_recovery_public(*service->recovery_key()) : "", machine.recovery_public);
    EXPECT_FALSE(service->recovery_trouble()) << text_of(service->recovery_trouble());
    if (machine.recovery_secret.empty()) return;
    EXPECT_TRUE(is_success(vault_key_from_box(thawed.store(), machine.recovery_secret)));
}

TEST_P(Frozen, StaysShutAfterAnyOtherMeasurement) {
    ThawedMachine thawed(GetParam());
    for (std::size_t i = 0; i < thawed.manifest().extended.size(); ++i) {
        auto events = thawed.manifest().extended;
        events[i].digest[0] ^= 1;
        thawed.tpm().power_cycle();
        thawed.measure(events);
        const auto service = thawed.start(place);
        ASSERT_EQ(service->vault().state, VaultState::shut);
        EXPECT_EQ(service->vault().reason->kind, ErrorKind::policy_mismatch) << text_of(service->vault().reason);
        EXPECT_THAT(service->vault().reason->message, testing::HasSubstr(std::to_string(events[i].pcr)));
        EXPECT_TRUE(place.manifests.empty());
    }
}

TEST_P(Frozen, OneOctetChangedIsRefused) {
    const auto objects = ThawedMachine(GetParam()).objects();
    ASSERT_GE(objects.size(), 3u);
    for (const auto& object : objects) {
        ThawedMachine thawed(GetParam());
        thawed.change(object);
        thawed.measure(thawed.manifest().extended);
        place.manifests.clear();
        const auto service = thawed.start(place);
        auto expected = thawed.manifest().relays;
        if (object == "recovery") EXPECT_TRUE(service->recovery_trouble());
        else if (object.starts_with("identity-")) EXPECT_EQ(expected.erase(object.substr(9)), 1u) << object;
        else if (object != "state" && object != "policy-copy") expected.clear();
        EXPECT_EQ(frozen_relays(service->relays()), expected) << object;
        EXPECT_EQ(place.manifests.size(), expected.size()) << object;
        // What says how old the store is, is damaged as well.
        const bool shut = std::ranges::contains(std::array<std::string_view, 4>{"vault", "policy", "keyring", "ledger"}, object);
        EXPECT_EQ(service->vault().state == VaultState::open, !shut) << object;
    }
}

Result<Export> open_frozen(const FrozenMachine& machine, const FrozenExport& what, OctetView file) {
    if (!what.passphrase.empty()) return open_export(file, Secret::copy_of(as_octets(what.passphrase)));
    return open_export(file, TRY(parse_recovery_secret(Secret::copy_of(as_octets(machine.recovery_secret)))));
}

TEST_P(Frozen, ItsExportsOpenAndChangedOnesDoNot) {
    const auto folder = fs::path(LETHE_FROZEN) / GetParam();
    const auto machine = FrozenMachine::read(folder);
    for (const auto& what : machine.exports) {
        auto file = read_file(folder / what.file, export_limit_octets).value();
        const auto opened = open_frozen(machine, what, file);
        ASSERT_TRUE(is_success(opened)) << what.file;
        EXPECT_EQ(opened->relay, what.relay);
        const auto keys = decode_identity(opened->payload);
        ASSERT_TRUE(is_success(keys)) << what.file;
        EXPECT_EQ(keys->fingerprints.rsa_hex(), machine.relays.at(what.relay).fingerprint);
        EXPECT_EQ(keys->fingerprints.ed25519_base64(), machine.relays.at(what.relay).ed25519);
        file.back() ^= 1;
        EXPECT_FALSE(open_frozen(machine, what, file)) << what.file;
    }
}

TEST_P(Frozen, TheRecoveryKeyOpensItWhateverTheTpmHasMeasuredAndAnotherDoesNot) {
    ThawedMachine thawed(GetParam());
    const auto& manifest = thawed.manifest();
    auto store = thawed.store();
    const auto key = vault_key_from_box(store, manifest.recovery_secret);
    if (manifest.recovery_secret.empty()) {
        EXPECT_TRUE(is_error(key, ErrorKind::not_found, "no recovery box"));
        return;
    }
    ASSERT_TRUE(is_success(key));
    const auto keyring = open_keyring(store, manifest.in_tpm, *key);
    for (const auto& [name, relay] : manifest.relays) {
        const auto identity = keyring->read(name);
        ASSERT_TRUE(is_success(identity)) << name;
        EXPECT_EQ(identity->keys.fingerprints.rsa_hex(), relay.fingerprint);
    }
    const auto another = encode_recovery_secret(make_recovery_key().secret_key);
    EXPECT_TRUE(is_error(vault_key_from_box(store, std::string(as_text(another.expose()))), ErrorKind::invalid_argument, "belongs to"));
}

}  // namespace
}  // namespace lethe
