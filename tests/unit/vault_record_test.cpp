// The vault record and what it is for when the TPM is gone: the recovery box, and sealing a key anew.
#include <gtest/gtest.h>

#include <fstream>
#include <memory>

#include "fake_tpm.hpp"
#include "software_tpm.hpp"
#include "temporary_folder.hpp"
#include "tpm/policy.hpp"
#include "vault/vault.hpp"

namespace lethe {
namespace {

constexpr std::string_view frozen_secret = "lethe-recovery-secret-1:AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyCg7vCz";
constexpr std::string_view frozen_version_1 = "0001000201020003030405000106000207080002090a00010b";
constexpr std::string_view frozen_version_2 =
    "0002000201020003030405000106000207080002090a00010b0107a37cbc142093c8b755dc1b10e86cb426374ad16aa853ed0bdfc0b2b86d1c7c0060f847d688"
    "95969061045cec356cb38f31c65c3ebe9001af4b068a5e47993901118c0a5c00fca3aef04a19917fc68f7d74d5edd327d74d62c750b3aaff03d9a124a4c974f2"
    "420084c77f306ef16fb4bb047c134866ed071005c13169018dc2663e";

VaultKey some_key() { return VaultKey(Secret::random(32)); }
bool same(const VaultKey& left, const VaultKey& right) {
    return left.kind_key(ObjectKind::identity) == right.kind_key(ObjectKind::identity);
}
VaultRecord small_record() { return {.sealed = {{1, 2}, {3, 4, 5}}, .root = {{6}, {7, 8}}, .index = {{9, 10}, {11}}}; }

TEST(VaultRecord, OfVersion1IsReadAsOneWithoutARecoveryBox) {
    EXPECT_EQ(*decode_vault_record(from_hex(frozen_version_1).value()), small_record());
    EXPECT_NE(to_hex(encode_vault_record(small_record())), frozen_version_1);
}

TEST(VaultRecord, OfVersion2IsReadAndWrittenAsItWasFrozen) {
    const auto record = decode_vault_record(from_hex(frozen_version_2).value());
    ASSERT_TRUE(record) << record.error().message;
    EXPECT_EQ(to_hex(encode_vault_record(*record)), frozen_version_2);
    ASSERT_TRUE(record->recovery);
    const RecoverySecretKey key = parse_recovery_secret(Secret::copy_of(as_octets(frozen_secret))).value();
    EXPECT_EQ(record->recovery->recipient, public_key_of(key));
    const auto opened = unbox_vault_key(*record->recovery, key);
    ASSERT_TRUE(opened) << opened.error().message;
    EXPECT_TRUE(same(*opened, VaultKey(Secret::copy_of(Octets(32, 0x42)))));
}

TEST(VaultRecord, RoundTripsWithAndWithoutARecoveryBox) {
    VaultRecord record = small_record();
    EXPECT_EQ(*decode_vault_record(encode_vault_record(record)), record);
    record.recovery = box_vault_key(some_key(), make_recovery_key().public_key);
    EXPECT_EQ(*decode_vault_record(encode_vault_record(record)), record);
}

TEST(VaultRecord, CutAnywhereOrWithMoreBehindItIsCorrupt) {
    for (const std::string_view frozen : {frozen_version_1, frozen_version_2}) {
        Octets octets = from_hex(frozen).value();
        for (std::size_t length = 0; length < octets.size(); ++length)
            EXPECT_EQ(decode_vault_record(OctetView(octets).first(length)).error().kind, ErrorKind::corrupt) << length;
        octets.push_back(0);
        EXPECT_EQ(decode_vault_record(octets).error().kind, ErrorKind::corrupt);
    }
}

TEST(VaultRecord, OfAnotherVersionOrWithABoxThatCannotBeIsCorrupt) {
    const Octets whole = from_hex(frozen_version_2).value();
    const auto with = [&](std::size_t offset, std::uint8_t value) {
        Octets octets = whole;
        octets.at(offset) = value;
        return decode_vault_record(octets);
    };
    const std::size_t at_mark = frozen_version_1.size() / 2;
    EXPECT_TRUE(with(at_mark, 1));
    EXPECT_FALSE(with(at_mark, 0));
    EXPECT_EQ(with(at_mark, 2).error().kind, ErrorKind::corrupt);
    EXPECT_EQ(with(1, 0).error().kind, ErrorKind::corrupt);
    EXPECT_EQ(with(1, 3).error().kind, ErrorKind::corrupt);
    EXPECT_EQ(with(at_mark + 32, 0xff).error().kind, ErrorKind::corrupt);  // a public key that is not reduced
    VaultRecord record = small_record();
    record.recovery = box_vault_key(some_key(), make_recovery_key().public_key);
    record.recovery->box.pop_back();
    EXPECT_EQ(decode_vault_record(encode_vault_record(record)).error().kind, ErrorKind::corrupt);
}

TEST(RecoveryBox, OpensWithTheSecretHalfOfItsRecipient) {
    const RecoveryKeyPair pair = make_recovery_key();
    const VaultKey key = some_key();
    const RecoveryBox box = box_vault_key(key, pair.public_key);
    EXPECT_EQ(box.recipient, pair.public_key);
    const auto opened = unbox_vault_key(box, pair.secret_key);
    ASSERT_TRUE(opened) << opened.error().message;
    EXPECT_TRUE(same(*opened, key));
    EXPECT_FALSE(same(*opened, some_key()));
}

TEST(RecoveryBox, WithAnotherKeyNamesBoth) {
    const RecoveryKeyPair pair = make_recovery_key();
    const RecoveryKeyPair other = make_recovery_key();
    const auto refused = unbox_vault_key(box_vault_key(some_key(), pair.public_key), other.secret_key);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, ErrorKind::invalid_argument);
    EXPECT_TRUE(refused.error().message.contains(encode_recovery_public(pair.public_key))) << refused.error().message;
    EXPECT_TRUE(refused.error().message.contains(encode_recovery_public(other.public_key))) << refused.error().message;
}

TEST(RecoveryBox, ThatIsDamagedIsCorrupt) {
    const RecoveryKeyPair pair = make_recovery_key();
    RecoveryBox box = box_vault_key(some_key(), pair.public_key);
    box.box[40] ^= 1;
    EXPECT_EQ(unbox_vault_key(box, pair.secret_key).error().kind, ErrorKind::corrupt);
}

TEST(RecoveryBox, OfAnExportIsCorrupt) {
    const RecoveryKeyPair pair = make_recovery_key();
    const RecoveryBox box{pair.public_key, box_key(BoxedKey::exported, Secret::random(32), pair.public_key)};
    EXPECT_EQ(unbox_vault_key(box, pair.secret_key).error().kind, ErrorKind::corrupt);
}

TEST(RecoveryBox, OpensWhateverRecipientSomebodyWroteBesideIt) {
    const RecoveryKeyPair pair = make_recovery_key();
    const VaultKey key = some_key();
    RecoveryBox box = box_vault_key(key, pair.public_key);
    box.recipient = make_recovery_key().public_key;
    const auto opened = unbox_vault_key(box, pair.secret_key);
    ASSERT_TRUE(opened) << opened.error().message;
    EXPECT_TRUE(same(*opened, key));
}

template <class T>
class Recovery : public testing::Test {
protected:
    void SetUp() override { replace_tpm(); }
    void replace_tpm() {
        tpm.reset();  // only one at a time in a process
        tpm = std::make_unique<T>();
        tpm->extend(4, sha256(as_octets("loader")));
        policy = {{4, {tpm->read_pcrs(std::vector<unsigned>{4}).value().at(4)}}};
        tpm->authorize(policy_index_handle, policy);
    }
    void enrol(bool with_recovery) {
        NewVault vault = seal_vault_key(*tpm, policy_index_handle, VaultKey::random()).value();
        if (with_recovery) vault.record.recovery = box_vault_key(vault.key, pair.public_key);
        ASSERT_TRUE(store_vault(store, vault.record));
        key = std::make_unique<VaultKey>(std::move(vault.key));
    }
    Result<VaultKey> open() { return open_vault(*tpm, store, {policy}); }
    /// What `lethectl` does with the recovery key on a machine whose TPM does not open the vault.
    void recover() {
        const VaultRecord old = read_vault_record(store).value();
        NewVault vault = seal_vault_key(*tpm, policy_index_handle, unbox_vault_key(old.recovery.value(), pair.secret_key).value()).value();
        EXPECT_FALSE(vault.record.recovery);
        EXPECT_TRUE(same(vault.key, *key));
        vault.record.recovery = box_vault_key(vault.key, pair.public_key);
        ASSERT_TRUE(replace_vault(store, vault.record));
        EXPECT_EQ(*read_vault_record(store), vault.record);
    }

    TemporaryFolder folder;
    Store store = *Store::open(folder.path());
    RecoveryKeyPair pair = make_recovery_key();
    std::unique_ptr<T> tpm;
    PcrPolicy policy;
    std::unique_ptr<VaultKey> key;
};

using Implementations = testing::Types<FakeTpm, SoftwareTpm>;
TYPED_TEST_SUITE(Recovery, Implementations);

TYPED_TEST(Recovery, OnAnotherTpmSealsTheSameKeyAnew) {
    this->enrol(true);
    this->replace_tpm();
    EXPECT_EQ(this->open().error().kind, ErrorKind::wrong_state);
    this->recover();
    const auto opened = this->open();
    ASSERT_TRUE(opened) << opened.error().message;
    EXPECT_TRUE(same(*opened, *this->key));
}

TYPED_TEST(Recovery, AfterTheIndexWasRedefinedSealsTheSameKeyAnew) {
    this->enrol(true);
    this->tpm->define_index(policy_index_handle);
    this->tpm->authorize(policy_index_handle, this->policy);
    EXPECT_EQ(this->open().error().kind, ErrorKind::wrong_state);
    this->recover();
    const auto opened = this->open();
    ASSERT_TRUE(opened) << opened.error().message;
    EXPECT_TRUE(same(*opened, *this->key));
}

TYPED_TEST(Recovery, TheBoxChangesNothingForTheTpmThatHoldsTheKey) {
    this->enrol(true);
    ASSERT_TRUE(this->open());
    EXPECT_TRUE(same(*this->open(), *this->key));
    this->tpm->extend(4, sha256(as_octets("another loader")));
    EXPECT_EQ(this->open().error().kind, ErrorKind::policy_mismatch);
}

TYPED_TEST(Recovery, AnotherTpmSaysWhichKeyBringsTheIdentitiesBack) {
    this->enrol(true);
    this->replace_tpm();
    const std::string message = this->open().error().message;
    EXPECT_TRUE(message.contains("`lethectl identity recover --store`")) << message;
    EXPECT_TRUE(message.contains(encode_recovery_public(this->pair.public_key))) << message;
    EXPECT_FALSE(message.contains('\n'));
}

TYPED_TEST(Recovery, AnotherTpmSaysThatThereIsNoKeyWhenNoneIsSet) {
    this->enrol(false);
    this->replace_tpm();
    const std::string message = this->open().error().message;
    EXPECT_TRUE(message.contains("no recovery key")) << message;
    EXPECT_FALSE(message.contains("--store")) << message;
}

TYPED_TEST(Recovery, APolicyThatWasPutBackSaysWhichKeyBringsTheIdentitiesBack) {
    this->enrol(true);
    const PcrPolicy newer{{4, {this->policy[0].values[0], sha256(as_octets("a newer loader"))}}};
    this->tpm->authorize(policy_index_handle, newer);
    const auto refused = this->open();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, ErrorKind::rollback);
    EXPECT_TRUE(refused.error().message.contains(encode_recovery_public(this->pair.public_key))) << refused.error().message;
}

using RecoveryOnFake = Recovery<FakeTpm>;

TEST_F(RecoveryOnFake, SettingTheKeyLaterKeepsTheVaultAndTheSlotBefore) {
    enrol(false);
    VaultRecord record = read_vault_record(store).value();
    record.recovery = box_vault_key(*open(), pair.public_key);
    ASSERT_TRUE(replace_vault(store, record));
    EXPECT_EQ(*read_vault_record(store), record);
    EXPECT_EQ(store.read_framed({ObjectKind::vault, ""})->size(), 2u);
    EXPECT_TRUE(same(*open(), *key));
    EXPECT_EQ(store_vault(store, record).error().kind, ErrorKind::already_exists);
}

TEST_F(RecoveryOnFake, ReplacingTwiceLeavesNoBoxOfTheFormerRecipient) {
    enrol(true);
    VaultRecord record = read_vault_record(store).value();
    record.recovery = box_vault_key(*key, make_recovery_key().public_key);
    ASSERT_TRUE(replace_vault(store, record));
    ASSERT_TRUE(replace_vault(store, record));
    const auto versions = store.read_framed({ObjectKind::vault, ""}).value();
    ASSERT_EQ(versions.size(), 2u);
    for (const ObjectVersion& version : versions) EXPECT_EQ(*decode_vault_record(version.payload.expose()), record);
}

TEST_F(RecoveryOnFake, ReplaceWritesTheFirstRecordToo) {
    EXPECT_EQ(read_vault_record(store).error().kind, ErrorKind::wrong_state);
    ASSERT_TRUE(replace_vault(store, small_record()));
    EXPECT_EQ(*read_vault_record(store), small_record());
}

TEST_F(RecoveryOnFake, ReplaceLeavesTwoDamagedSlotsAsTheyAre) {
    for (const char* slot : {"vault.a", "vault.b"}) std::ofstream(folder / slot) << "damaged";
    EXPECT_EQ(read_vault_record(store).error().kind, ErrorKind::corrupt);
    EXPECT_EQ(replace_vault(store, small_record()).error().kind, ErrorKind::corrupt);
    EXPECT_EQ(std::filesystem::file_size(folder / "vault.a"), 7u);
}

TEST_F(RecoveryOnFake, SealingNeedsTheIndexToExist) {
    EXPECT_EQ(seal_vault_key(*tpm, 0x01800101, some_key()).error().kind, ErrorKind::not_found);
}

}  // namespace
}  // namespace lethe
