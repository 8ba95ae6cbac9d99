#include "base/file.hpp"
#include "keyring/compact_ring.hpp"
#include "opened_machine.hpp"
#include "vault/sealed_export.hpp"

namespace lethe {
namespace {

// How a slot begins that this release writes.
Octets encrypted_head(ObjectKind kind, const std::string& relay = "") {
    return head_of(encrypt_object(Secret(32), {kind, relay}, 1, Secret(1)));
}
Octets framed_head(ObjectKind kind, OctetView payload) { return head_of(frame_object({kind, ""}, 1, payload)); }

void expect_todays_vault(Opened& opened) {
    const auto record = opened.framed_payload(ObjectKind::vault);
    const auto again = encode_vault_record(decode_vault_record(record.expose()).value());
    EXPECT_EQ(to_hex(again), to_hex(record.expose()));
    EXPECT_EQ(opened.head("vault.a"), framed_head(ObjectKind::vault, record.expose()));
    const auto policy = opened.framed_payload(ObjectKind::policy);
    EXPECT_EQ(opened.head("policy.a"), framed_head(ObjectKind::policy, policy.expose()));
}

TEST(FirstGeneration, HasWhatWasWrittenBeforeCompressionFingerprintsAndRecoveryKeys) {
    Opened opened("0/disk");
    EXPECT_EQ(first_u16(opened.framed_payload(ObjectKind::vault).expose()), 1);
    EXPECT_EQ(first_u16(opened.payload(ObjectKind::relays).expose()), 1);
    EXPECT_EQ(first_u16(opened.payload(ObjectKind::identity, "alice").expose()), 1);
    EXPECT_EQ(opened.head("vault.a")[11], 0) << "framed, not compressed";
    EXPECT_EQ(opened.head("policy.a")[11], 0);
}

// When one of these fails, a format has changed, and what this release writes is frozen nowhere: README.md says how to add a generation.
TEST(NewestGeneration, OnADiskIsWhatThisReleaseWrites) {
    const auto names = newest_machines(false);
    ASSERT_FALSE(names.empty());
    for (const auto& name : names) {
        Opened opened(name);
        expect_todays_vault(opened);
        EXPECT_TRUE(opened.key.is_counted()) << name;
        const auto relays = opened.payload(ObjectKind::relays), recovery = opened.payload(ObjectKind::recovery);
        EXPECT_EQ(encode_roster(decode_roster(relays).value()), relays);
        EXPECT_EQ(opened.head("relays.a"), encrypted_head(ObjectKind::relays));
        EXPECT_EQ(encode_recovery_setting(decode_recovery_setting(recovery).value()), recovery);
        EXPECT_EQ(opened.head("recovery.a"), encrypted_head(ObjectKind::recovery));
        const auto ledger = opened.payload(ObjectKind::ledger);
        EXPECT_EQ(encode_ledger(decode_ledger(ledger).value()), ledger);
        EXPECT_EQ(opened.head("ledger.a"), encrypted_head(ObjectKind::ledger));
        EXPECT_EQ(opened.payload(ObjectKind::policy_copy), opened.framed_payload(ObjectKind::policy));
        EXPECT_EQ(opened.head("policy-copy.a"), encrypted_head(ObjectKind::policy_copy));
        for (const auto& [relay, expected] : opened.machine.manifest().relays) {
            const auto identity = opened.payload(ObjectKind::identity, relay);
            EXPECT_EQ(encode_identity(decode_identity(identity).value()), identity) << relay;
            EXPECT_EQ(opened.head("identity-" + relay + ".a"), encrypted_head(ObjectKind::identity, relay));
        }
    }
}

TEST(NewestGeneration, InATpmIsWhatThisReleaseWrites) {
    const auto names = newest_machines(true);
    ASSERT_FALSE(names.empty());
    for (const auto& name : names) {
        Opened opened(name);
        expect_todays_vault(opened);
        EXPECT_TRUE(opened.key.is_counted()) << name;
        const auto ring = opened.payload(ObjectKind::keyring);
        EXPECT_EQ(encode_ring(decode_ring(ring).value()), ring) << name;
        EXPECT_TRUE(stamp_of_keyring(ring)) << name;
        EXPECT_EQ(opened.head("keyring.a"), encrypted_head(ObjectKind::keyring));
    }
}

TEST(NewestGeneration, ItsExportsAreWhatThisReleaseWrites) {
    std::set<ExportProtection> seen;
    for (const auto& name : newest_machines(false)) {
        const auto folder = std::filesystem::path(LETHE_FROZEN) / name;
        const auto manifest = FrozenMachine::read(folder);
        for (const auto& [file, relay, passphrase] : manifest.exports) {
            const auto octets = read_file(folder / file, export_limit_octets).value();
            const auto header = read_export_header(octets).value();
            const Secret sender = export_authentication(Secret(32));
            const auto today = header.recipient
                                   ? seal_export(relay, Secret(1), *header.recipient, &sender)
                                   : seal_export_with_passphrase(relay, Secret(1), Secret::copy_of(as_octets(passphrase)), &sender);
            EXPECT_EQ(head_of(octets), head_of(today.value())) << file;
            seen.insert(header.protection);
        }
    }
    EXPECT_EQ(seen, (std::set{ExportProtection::recipient, ExportProtection::passphrase}));
}

}  // namespace
}  // namespace lethe
