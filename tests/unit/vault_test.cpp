#include <gtest/gtest.h>

#include <fstream>

#include "base/file.hpp"
#include "fake_tpm.hpp"
#include "temporary_folder.hpp"
#include "tpm/policy.hpp"
#include "vault/compression.hpp"
#include "vault/roster.hpp"
#include "vault/vault.hpp"

namespace lethe {
namespace {

const ObjectId identity_a{ObjectKind::identity, "a"};
const ObjectId identity_b{ObjectKind::identity, "b"};
const ObjectId policy_id{ObjectKind::policy, ""};

Secret text_secret(std::string_view text) { return Secret::copy_of(as_octets(text)); }

void put(const std::filesystem::path& path, OctetView octets) {
    std::ofstream(path, std::ios::binary | std::ios::trunc).write(as_text(octets).data(), static_cast<std::streamsize>(octets.size()));
}

struct StoreTest : testing::Test {
    TemporaryFolder folder;
    Store store = *Store::open(folder.path());
    Secret key = Secret::random(32);

    Octets slot(const std::string& file) { return *read_file(folder / file, 1 << 20); }
    void damage(const std::string& file) {
        Octets octets = slot(file);
        octets[90] ^= 1;
        put(folder / file, octets);
    }
    std::string read_text(const ObjectId& id) { return std::string(as_text(store.read(key, id)->payload.expose())); }
};

TEST(Object, OpensWithItsKeyAndNoOther) {
    const Secret key = Secret::random(32);
    const Octets octets = encrypt_object(key, identity_a, 7, text_secret("payload"));
    const auto opened = decrypt_object(key, identity_a, octets);
    ASSERT_TRUE(opened);
    EXPECT_EQ(opened->generation, 7u);
    EXPECT_EQ(opened->payload, text_secret("payload"));
    EXPECT_EQ(decrypt_object(Secret::random(32), identity_a, octets).error().kind, ErrorKind::corrupt);
}

TEST(Object, UnderAnotherNameOrKindIsCorrupt) {
    const Secret key = Secret::random(32);
    const Octets octets = encrypt_object(key, identity_a, 1, text_secret("payload"));
    EXPECT_EQ(decrypt_object(key, identity_b, octets).error().kind, ErrorKind::corrupt);
    EXPECT_EQ(decrypt_object(key, {ObjectKind::relays, "a"}, octets).error().kind, ErrorKind::corrupt);
}

TEST(Object, AnyChangedOctetIsCorrupt) {
    const Secret key = Secret::random(32);
    const Octets encrypted = encrypt_object(key, identity_a, 1, text_secret("payload"));
    const Octets framed = frame_object(policy_id, 1, as_octets("payload"));
    for (std::size_t i = 0; i < encrypted.size(); ++i) {
        Octets changed = encrypted;
        changed[i] ^= 0x10;
        EXPECT_FALSE(decrypt_object(key, identity_a, changed)) << i;
    }
    for (std::size_t i = 0; i < framed.size(); ++i) {
        Octets changed = framed;
        changed[i] ^= 0x10;
        EXPECT_FALSE(unframe_object(policy_id, changed)) << i;
    }
}

TEST(Object, CutAnywhereIsCorrupt) {
    const Secret key = Secret::random(32);
    const Octets encrypted = encrypt_object(key, identity_a, 1, text_secret("payload"));
    for (std::size_t length = 0; length < encrypted.size(); ++length)
        EXPECT_EQ(decrypt_object(key, identity_a, OctetView(encrypted).first(length)).error().kind, ErrorKind::corrupt);
}

TEST(Object, OctetsAfterItsEndDoNotMatter) {
    const Secret key = Secret::random(32);
    Octets octets = encrypt_object(key, identity_a, 1, text_secret("payload"));
    octets.resize(octets.size() + 4096, 0xee);
    EXPECT_TRUE(decrypt_object(key, identity_a, octets));
}

TEST(Object, DoesNotShowItsPayload) {
    const Octets octets = encrypt_object(Secret::random(32), identity_a, 1, text_secret("a payload that nobody may read"));
    EXPECT_EQ(as_text(octets).find("payload"), std::string_view::npos);
}

TEST(Compression, RoundTripsFromNothingToMegabytes) {
    for (const std::size_t size : {0, 1, 1000, 3'000'000}) {
        const Secret plain = Secret::random(static_cast<std::size_t>(size));
        EXPECT_EQ(*decompress(compress(plain), plain.size()), plain);
    }
}

TEST(Compression, AnotherLengthThanPromisedIsCorrupt) {
    const Secret compressed = compress(text_secret("payload"));
    EXPECT_EQ(decompress(compressed, 6).error().kind, ErrorKind::corrupt);
    EXPECT_EQ(decompress(compressed, 8).error().kind, ErrorKind::corrupt);
    EXPECT_EQ(decompress(text_secret("not zstd"), 8).error().kind, ErrorKind::corrupt);
    EXPECT_EQ(*decompress(compressed, 7), text_secret("payload")) << "a failure spoils the next";
}

TEST(RelayName, FitsFilesPathsUsersAndNicknames) {
    for (const char* name : {"a", "relay1", "abcdefghijklmnopqrs"}) EXPECT_TRUE(check_relay_name(name)) << name;
    for (const char* name : {"", "A", "1a", "a-b", "a.b", "../a", "a/b", "a b", "abcdefghijklmnopqrst", "\xc3\xa4"})
        EXPECT_EQ(check_relay_name(name).error().kind, ErrorKind::invalid_argument) << name;
}

TEST_F(StoreTest, ReadsTheNewestOfWhatWasWritten) {
    EXPECT_EQ(store.read(key, identity_a).error().kind, ErrorKind::not_found);
    EXPECT_FALSE(*store.exists(identity_a));
    for (std::uint64_t generation = 1; generation <= 5; ++generation) {
        EXPECT_EQ(*store.write(key, identity_a, text_secret(std::to_string(generation))), generation);
        EXPECT_EQ(read_text(identity_a), std::to_string(generation));
    }
    EXPECT_TRUE(*store.exists(identity_a));
    EXPECT_EQ(store.read(key, identity_b).error().kind, ErrorKind::not_found);
}

TEST_F(StoreTest, ADamagedNewestSlotGivesTheOneBeforeAndSaysSo) {
    ASSERT_TRUE(store.write(key, identity_a, text_secret("first")));
    ASSERT_TRUE(store.write(key, identity_a, text_secret("second")));
    EXPECT_FALSE(store.read(key, identity_a)->other_slot_damaged);
    damage("identity-a.b");
    EXPECT_EQ(read_text(identity_a), "first");
    EXPECT_TRUE(store.read(key, identity_a)->other_slot_damaged);
    EXPECT_EQ(*store.write(key, identity_a, text_secret("third")), 2u);
    EXPECT_EQ(read_text(identity_a), "third");
    EXPECT_FALSE(store.read(key, identity_a)->other_slot_damaged);
}

TEST_F(StoreTest, TwoDamagedSlotsAreCorruptAndNeverOverwritten) {
    ASSERT_TRUE(store.write(key, identity_a, text_secret("first")));
    ASSERT_TRUE(store.write(key, identity_a, text_secret("second")));
    damage("identity-a.a");
    damage("identity-a.b");
    EXPECT_EQ(store.read(key, identity_a).error().kind, ErrorKind::corrupt);
    const Octets before = slot("identity-a.a");
    EXPECT_EQ(store.write(key, identity_a, text_secret("third")).error().kind, ErrorKind::corrupt);
    EXPECT_EQ(slot("identity-a.a"), before);
}

TEST_F(StoreTest, AWriteCutAtAnyOctetLeavesTheOneBefore) {
    ASSERT_TRUE(store.write(key, identity_a, text_secret("first")));
    ASSERT_TRUE(store.write(key, identity_a, text_secret("second")));
    const Octets old_a = slot("identity-a.a");
    ASSERT_TRUE(store.write(key, identity_a, text_secret("third")));
    const Octets new_a = slot("identity-a.a");
    const std::size_t used = encrypt_object(key, identity_a, 3, text_secret("third")).size();
    for (std::size_t length = 0; length < used; ++length) {
        Octets torn = old_a;
        std::copy_n(new_a.begin(), length, torn.begin());
        put(folder / "identity-a.a", torn);
        const std::string read = read_text(identity_a);
        EXPECT_TRUE(read == "second" || read == "third") << length;
    }
}

TEST_F(StoreTest, SlotsNeverShrinkSoThatTheirClustersStay) {
    ASSERT_TRUE(store.write(key, identity_a, Secret::random(20000)));
    const auto size = std::filesystem::file_size(folder / "identity-a.a");
    ASSERT_TRUE(store.write(key, identity_a, text_secret("x")));
    ASSERT_TRUE(store.write(key, identity_a, text_secret("y")));
    EXPECT_EQ(std::filesystem::file_size(folder / "identity-a.a"), size);
    EXPECT_EQ(read_text(identity_a), "y");
}

TEST_F(StoreTest, ListsTheNamesOfAKindAndNothingElse) {
    ASSERT_TRUE(store.write(key, identity_b, text_secret("b")));
    ASSERT_TRUE(store.write(key, identity_a, text_secret("a")));
    ASSERT_TRUE(store.write_framed(policy_id, as_octets("{}")));
    put(folder / "identity-../x.a", as_octets(""));
    put(folder / "identity-UPPER.a", as_octets(""));
    put(folder / "identity-.a", as_octets(""));
    EXPECT_EQ(*store.list(ObjectKind::identity), (std::vector{identity_a, identity_b}));
    EXPECT_EQ(*store.list(ObjectKind::policy), (std::vector{policy_id}));
}

TEST_F(StoreTest, EraseLeavesNeitherSlotNorItsOctets) {
    ASSERT_TRUE(store.write(key, identity_a, text_secret("first")));
    ASSERT_TRUE(store.write(key, identity_a, text_secret("second")));
    std::filesystem::create_hard_link(folder / "identity-a.a", folder / "seen-by-a-forensic-tool");
    ASSERT_TRUE(store.erase(identity_a));
    EXPECT_FALSE(*store.exists(identity_a));
    EXPECT_EQ(slot("seen-by-a-forensic-tool"), Octets(slot("seen-by-a-forensic-tool").size(), 0));
    EXPECT_TRUE(store.erase(identity_a));
}

TEST_F(StoreTest, FramedObjectsComeNewestFirst) {
    ASSERT_TRUE(store.write_framed(policy_id, as_octets("one")));
    ASSERT_TRUE(store.write_framed(policy_id, as_octets("two")));
    const auto versions = *store.read_framed(policy_id);
    ASSERT_EQ(versions.size(), 2u);
    EXPECT_EQ(versions[0].payload, text_secret("two"));
    EXPECT_EQ(versions[1].payload, text_secret("one"));
    damage("policy.b");
    EXPECT_EQ(store.read_framed(policy_id)->size(), 1u);
}

TEST_F(StoreTest, AFolderASymlinkOrAHugeFileInPlaceOfASlotIsDamage) {
    ASSERT_TRUE(store.write(key, identity_a, text_secret("first")));
    std::filesystem::create_symlink("identity-a.a", folder / "identity-a.b");
    EXPECT_EQ(read_text(identity_a), "first");
    const Octets first = slot("identity-a.a");
    ASSERT_TRUE(store.write(key, identity_a, text_secret("second"))) << "what is no slot keeps none from being written";
    EXPECT_TRUE(std::filesystem::is_regular_file(std::filesystem::symlink_status(folder / "identity-a.b")));
    EXPECT_EQ(slot("identity-a.a"), first) << "written through the link";
    std::filesystem::remove(folder / "identity-a.b");
    std::filesystem::create_directory(folder / "identity-a.b");
    EXPECT_EQ(read_text(identity_a), "first");
}

TEST(StoreFolder, ThatIsNotThereIsNotFound) { EXPECT_EQ(Store::open("/nonexistent").error().kind, ErrorKind::not_found); }

TEST_F(StoreTest, RosterRoundTripsAndRefusesOtherOctets) {
    const RosterEntry::Fingerprint old{1}, next{2};
    const Roster roster{{"a", {RelayStage::created, old}},
                        {"b", {RelayStage::pending}},
                        {"c", {RelayStage::created, old, next}},
                        {"d", {RelayStage::forgotten, old}}};
    ASSERT_TRUE(write_roster(store, key, roster));
    EXPECT_EQ(*read_roster(store, key), roster);
    const Secret encoded = encode_roster(roster);
    for (std::size_t length = 0; length < encoded.size(); ++length) EXPECT_FALSE(decode_roster(encoded.prefix(length)));
    EXPECT_EQ(read_roster(store, Secret::random(32)).error().kind, ErrorKind::corrupt);
}

TEST_F(StoreTest, RosterOfVersionOneIsRead) {
    const auto octets = OctetWriter().u16(1).u16(2).sized16(as_octets("a")).u8(1).sized16(as_octets("b")).u8(0).take();
    EXPECT_EQ(*decode_roster(Secret::copy_of(octets)), (Roster{{"a", {RelayStage::created}}, {"b", {RelayStage::pending}}}));
    const auto forgotten = OctetWriter().u16(1).u16(1).sized16(as_octets("a")).u8(2).take();
    EXPECT_EQ(decode_roster(Secret::copy_of(forgotten)).error().kind, ErrorKind::corrupt);
}

TEST(Object, FramedPayloadIsCompressedWhereThatIsSmallerAndUncompressedOnesAreRead) {
    const ObjectId id{ObjectKind::policy, ""};
    const std::string text(3000, 'x');
    const Octets slot = frame_object(id, 7, as_octets(text));
    EXPECT_LT(slot.size(), 300u);
    EXPECT_EQ(as_text(unframe_object(id, slot)->payload.expose()), text);
    for (std::size_t at = 0; at < slot.size(); ++at) {
        Octets changed = slot;
        changed[at] ^= 1;
        EXPECT_FALSE(unframe_object(id, changed)) << at;
    }
    const Secret noise = Secret::random(100);
    EXPECT_EQ(unframe_object(id, frame_object(id, 7, noise.expose()))->payload, noise);
}

struct VaultTest : StoreTest {
    FakeTpm tpm;
    PcrPolicy policy{{4, {Digest{1}}}, {11, {Digest{2}, Digest{3}}}};

    void SetUp() override {
        boot();
        tpm.authorize(policy_index_handle, policy);
    }
    void boot() {
        tpm.set_pcr(4, Digest{1});
        tpm.set_pcr(11, Digest{2});
    }
    VaultKey enrol() {
        auto vault = *seal_vault_key(tpm, policy_index_handle, VaultKey::random());
        EXPECT_TRUE(store_vault(store, vault.record));
        return std::move(vault.key);
    }
};

TEST_F(VaultTest, OpensWithTheKeyThatWasSealed) {
    const VaultKey key = enrol();
    const auto opened = open_vault(tpm, store, {policy});
    ASSERT_TRUE(opened) << opened.error().message;
    EXPECT_EQ(opened->kind_key(ObjectKind::identity), key.kind_key(ObjectKind::identity));
    EXPECT_FALSE(opened->kind_key(ObjectKind::identity) == key.kind_key(ObjectKind::relays));
    tpm.set_pcr(11, Digest{3});
    EXPECT_TRUE(open_vault(tpm, store, {policy}));
}

// A release that was left: the policy of before, which admits it, is still in the other slot.
TEST_F(VaultTest, InABootThatAnOlderPolicyAdmitsSaysWhatTheOneInForceRefuses) {
    enrol();
    PcrPolicy older = policy;
    const PcrValues present = tpm.read_pcrs(std::array{4U}).value();
    older.front() = {4, {present.at(4), Digest{9}}};
    tpm.set_pcr(4, Digest{9});
    for (const auto& policies : {std::vector{policy, older}, std::vector{older, policy}}) {
        const auto refused = open_vault(tpm, store, policies);
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().kind, ErrorKind::policy_mismatch);
        EXPECT_TRUE(refused.error().message.contains("PCR 4")) << refused.error().message;
    }
}

TEST_F(VaultTest, InAnotherBootIsPolicyMismatch) {
    enrol();
    tpm.set_pcr(4, Digest{9});
    const auto refused = open_vault(tpm, store, {policy});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, ErrorKind::policy_mismatch);
    EXPECT_NE(refused.error().message.find("PCR 4"), std::string::npos) << refused.error().message;
}

TEST_F(VaultTest, TakesTheCandidatePolicyThatTheIndexHolds) {
    enrol();
    const PcrPolicy other{{4, {Digest{1}, Digest{7}}}, {11, {Digest{2}, Digest{3}}}};
    EXPECT_TRUE(open_vault(tpm, store, {other, policy}));
    EXPECT_TRUE(open_vault(tpm, store, {policy, other}));
}

TEST_F(VaultTest, WithOnlyAnOlderPolicyIsRollback) {
    enrol();
    tpm.authorize(policy_index_handle, {{4, {Digest{1}}}, {11, {Digest{2}}}});
    EXPECT_EQ(open_vault(tpm, store, {policy}).error().kind, ErrorKind::rollback);
}

TEST_F(VaultTest, OnAnotherTpmOrAnotherIndexIsWrongState) {
    enrol();
    FakeTpm other;
    other.authorize(policy_index_handle, policy);
    other.set_pcr(4, Digest{1});
    other.set_pcr(11, Digest{2});
    EXPECT_EQ(open_vault(other, store, {policy}).error().kind, ErrorKind::wrong_state);
    tpm.define_index(policy_index_handle);
    tpm.authorize(policy_index_handle, policy);
    EXPECT_EQ(open_vault(tpm, store, {policy}).error().kind, ErrorKind::wrong_state);
}

TEST_F(VaultTest, WithoutEnrolmentIsWrongStateAndSaysWhatToDo) {
    const auto refused = open_vault(tpm, store, {policy});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, ErrorKind::wrong_state);
    EXPECT_NE(refused.error().message.find("lethectl enroll"), std::string::npos);
}

TEST_F(VaultTest, IsNeverOverwritten) {
    enrol();
    const auto second = *seal_vault_key(tpm, policy_index_handle, VaultKey::random());
    const Octets before = slot("vault.a");
    EXPECT_EQ(store_vault(store, second.record).error().kind, ErrorKind::already_exists);
    EXPECT_EQ(slot("vault.a"), before);
}

TEST_F(VaultTest, WithADamagedRecordIsCorrupt) {
    enrol();
    damage("vault.a");
    EXPECT_EQ(open_vault(tpm, store, {policy}).error().kind, ErrorKind::corrupt);
    EXPECT_EQ(store_vault(store, seal_vault_key(tpm, policy_index_handle, VaultKey::random())->record).error().kind,
              ErrorKind::already_exists);
}

TEST_F(VaultTest, RecordRefusesEveryShorterInput) {
    const Octets octets = encode_vault_record(seal_vault_key(tpm, policy_index_handle, VaultKey::random())->record);
    EXPECT_TRUE(decode_vault_record(octets));
    for (std::size_t length = 0; length < octets.size(); ++length)
        EXPECT_EQ(decode_vault_record(OctetView(octets).first(length)).error().kind, ErrorKind::corrupt);
}

TEST_F(VaultTest, NeedsTheIndexToExist) {
    EXPECT_EQ(seal_vault_key(tpm, 0x01800101, VaultKey::random()).error().kind, ErrorKind::not_found);
}

}  // namespace
}  // namespace lethe
