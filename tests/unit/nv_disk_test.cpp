#include "vault/nv_disk.hpp"

#include <gtest/gtest.h>
#include <tss2/tss2_tpm2_types.h>

#include <algorithm>

#include "base/file.hpp"
#include "counting_tcti.hpp"
#include "fake_tpm.hpp"
#include "software_tpm.hpp"
#include "tpm/esys_tpm.hpp"
#include "vault/vault.hpp"

namespace lethe {
namespace {

const ObjectId keyring_id{ObjectKind::keyring, ""};
const ObjectId policy_id{ObjectKind::policy, ""};
const ObjectId vault_id{ObjectKind::vault, ""};
const ObjectId enrolling_id{ObjectKind::enrolling, ""};

// Where the format has two of the regions.
constexpr std::uint16_t keyring_offset = 1376;  // in the first index: slot a; in the second: slot b
constexpr std::uint16_t keyring_octets = 672;
constexpr std::uint16_t mark_offset = 1904;  // in the third

Secret text_secret(std::string_view text) { return Secret::copy_of(as_octets(text)); }
Secret payload_of(std::size_t octets, std::uint8_t first) {
    Secret payload = Secret::random(octets);
    payload.expose_mutable()[0] = first;
    return payload;
}

struct NvDiskTest : testing::Test {
    std::unique_ptr<FakeTpm> owned_tpm = std::make_unique<FakeTpm>();
    FakeTpm& tpm = *owned_tpm;
    std::unique_ptr<NvDisk> owned_disk = std::make_unique<NvDisk>(std::move(owned_tpm));
    NvDisk& disk = *owned_disk;
    Store store{std::move(owned_disk)};
    Secret key = Secret::random(32);

    Result<std::string> read_text(const ObjectId& id) {
        return store.read(key, id).transform([](const ObjectVersion& version) { return std::string(as_text(version.payload.expose())); });
    }
    std::size_t indices() {
        return std::ranges::count_if(store_index_handles, [&](std::uint32_t handle) { return tpm.nv_area(handle).has_value(); });
    }
    Octets keyring_region(std::size_t slot) { return *tpm.nv_read(store_index_handles[slot], keyring_offset, keyring_octets); }
    void put_keyring_region(std::size_t slot, OctetView octets) {
        ASSERT_TRUE(tpm.nv_write(store_index_handles[slot], keyring_offset, octets));
    }
};

TEST_F(NvDiskTest, KeepsTheTwoNewestVersionsOfEachObject) {
    for (std::uint64_t generation = 1; generation <= 5; ++generation) {
        const std::string text = std::to_string(generation);
        EXPECT_EQ(*store.write(key, keyring_id, text_secret(text)), generation);
        EXPECT_EQ(*read_text(keyring_id), text);
        for (const ObjectId& id : {policy_id, vault_id, enrolling_id}) {
            EXPECT_EQ(*store.write_framed(id, as_octets(text)), generation);
            const auto versions = *store.read_framed(id);
            ASSERT_EQ(versions.size(), generation == 1 ? 1u : 2u) << file_stem(id);
            EXPECT_EQ(as_text(versions.front().payload.expose()), text) << file_stem(id);
        }
    }
    EXPECT_EQ(indices(), 3u);
    EXPECT_EQ(store.list(ObjectKind::keyring)->size(), 1u);
    EXPECT_EQ(store.place(), "TPM NV 0x1800101 to 0x1800103");
}

TEST_F(NvDiskTest, TakesNoRoomUntilSomethingIsWritten) {
    EXPECT_FALSE(*store.exists(keyring_id));
    EXPECT_TRUE(store.list(ObjectKind::keyring)->empty());
    EXPECT_EQ(store.read(key, keyring_id).error().kind, ErrorKind::not_found);
    EXPECT_TRUE(store.erase(keyring_id));
    EXPECT_EQ(indices(), 0u);
}

TEST_F(NvDiskTest, HasNoPlaceForTheObjectsOfAFolder) {
    ASSERT_TRUE(store.write_framed(policy_id, as_octets("{}")));
    for (const ObjectId& id : {ObjectId{ObjectKind::identity, "a"}, ObjectId{ObjectKind::relays, ""}, ObjectId{ObjectKind::recovery, ""}}) {
        EXPECT_EQ(store.write(key, id, text_secret("x")).error().kind, ErrorKind::invalid_argument) << file_stem(id);
        EXPECT_FALSE(*store.exists(id)) << file_stem(id);
        EXPECT_EQ(store.read(key, id).error().kind, ErrorKind::not_found) << file_stem(id);
        EXPECT_TRUE(store.list(id.kind)->empty()) << file_stem(id);
    }
}

TEST_F(NvDiskTest, MoreThanItsRegionTakesIsRefusedWithTheFiguresAndWritesNothing) {
    const auto refused = store.write(key, keyring_id, Secret::random(700));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, ErrorKind::invalid_argument);
    EXPECT_TRUE(refused.error().message.contains("810 octets")) << refused.error().message;
    EXPECT_TRUE(refused.error().message.contains("670")) << refused.error().message;
    EXPECT_EQ(indices(), 0u);
    ASSERT_TRUE(store.write(key, keyring_id, text_secret("fits")));
    EXPECT_FALSE(store.write(key, keyring_id, Secret::random(700)));
    EXPECT_EQ(*read_text(keyring_id), "fits");
    EXPECT_FALSE(store.read(key, keyring_id)->other_slot_damaged);
}

TEST_F(NvDiskTest, EraseWipesTheRegionsAndTheLastOneGivesTheRoomBack) {
    ASSERT_TRUE(store.write_framed(policy_id, as_octets("{}")));
    ASSERT_TRUE(store.write(key, keyring_id, Secret::random(500)));
    ASSERT_TRUE(store.write(key, keyring_id, text_secret("shorter")));
    ASSERT_TRUE(store.write(key, keyring_id, text_secret("shorter")));
    ASSERT_TRUE(store.erase(keyring_id));
    for (const std::size_t slot : {0, 1}) EXPECT_EQ(keyring_region(slot), Octets(keyring_octets, 0));
    EXPECT_FALSE(*store.exists(keyring_id));
    EXPECT_TRUE(*store.exists(policy_id));
    EXPECT_EQ(indices(), 3u);
    ASSERT_TRUE(store.erase(policy_id));
    EXPECT_EQ(indices(), 0u);
    EXPECT_TRUE(store.write(key, keyring_id, text_secret("again")));
    EXPECT_EQ(*read_text(keyring_id), "again");
}

TEST_F(NvDiskTest, AWriteTornAtAnyOctetFromEitherEndLeavesTheOneBefore) {
    ASSERT_TRUE(store.write(key, keyring_id, payload_of(500, '1')));
    ASSERT_TRUE(store.write(key, keyring_id, payload_of(300, '2')));
    const Octets before = keyring_region(0);
    ASSERT_TRUE(store.write(key, keyring_id, payload_of(100, '3')));
    const Octets after = keyring_region(0);
    for (std::size_t cut = 0; cut <= before.size(); ++cut) {
        for (const auto& [head, tail] : {std::pair(&after, &before), std::pair(&before, &after)}) {
            Octets torn(head->begin(), head->begin() + cut);
            torn.insert(torn.end(), tail->begin() + cut, tail->end());
            put_keyring_region(0, torn);
            const auto read = store.read(key, keyring_id);
            ASSERT_TRUE(read) << cut << ": " << read.error().message;
            const auto version = read->payload.expose()[0];
            EXPECT_TRUE(version == '2' || (version == '3' && read->generation == 3)) << cut;
        }
    }
}

TEST_F(NvDiskTest, ATornRegionIsADamagedSlotThatTheNextWriteRepairs) {
    ASSERT_TRUE(store.write(key, keyring_id, text_secret("first")));
    ASSERT_TRUE(store.write(key, keyring_id, text_secret("second")));
    for (const std::uint8_t octet : {0xff, 0x01}) {
        put_keyring_region(1, Octets(keyring_octets, octet));
        EXPECT_EQ(*read_text(keyring_id), "first");
        EXPECT_TRUE(store.read(key, keyring_id)->other_slot_damaged);
        EXPECT_EQ(*store.write(key, keyring_id, text_secret("second")), 2u);
        EXPECT_EQ(*read_text(keyring_id), "second");
    }
    for (const std::size_t slot : {0, 1}) put_keyring_region(slot, Octets(keyring_octets, 0xff));
    EXPECT_EQ(read_text(keyring_id).error().kind, ErrorKind::corrupt);
    EXPECT_EQ(store.write(key, keyring_id, text_secret("third")).error().kind, ErrorKind::corrupt);
    EXPECT_TRUE(store.erase(keyring_id));
    EXPECT_EQ(indices(), 0u);
}

TEST_F(NvDiskTest, AnIndexOfAnotherSizeOrKindIsInTheWayAndIsLeftAsItIs) {
    for (std::size_t other = 0; other < 3; ++other) {
        for (const bool plain : {true, false}) {
            const std::uint32_t handle = store_index_handles[other];
            if (plain) ASSERT_TRUE(tpm.nv_define(handle, 2000));
            else tpm.define_index(handle);
            const auto refused = disk.write("keyring.a", as_octets("x"));
            ASSERT_FALSE(refused);
            EXPECT_EQ(refused.error().kind, ErrorKind::wrong_state);
            EXPECT_TRUE(refused.error().message.contains(std::format("{:#x} is not Lethe's", handle))) << refused.error().message;
            EXPECT_EQ(indices(), 1u);
            EXPECT_FALSE(tpm.nv_area(handle)->written);
            ASSERT_TRUE(tpm.nv_undefine(handle));
        }
    }
    EXPECT_TRUE(store.write(key, keyring_id, text_secret("x")));
}

TEST_F(NvDiskTest, AnIndexOfTheSameSizeWithOtherContentIsLeftAsItIs) {
    const Octets content(mark_offset + 8, 0x42);
    ASSERT_TRUE(tpm.nv_define(store_index_handles[2], content.size()));
    ASSERT_TRUE(tpm.nv_write(store_index_handles[2], 0, content));
    EXPECT_EQ(store.exists(keyring_id).error().kind, ErrorKind::wrong_state);
    EXPECT_EQ(disk.read("keyring.a").error().kind, ErrorKind::wrong_state);
    EXPECT_EQ(disk.write("keyring.a", as_octets("x")).error().kind, ErrorKind::wrong_state);
    EXPECT_EQ(*tpm.nv_read(store_index_handles[2]), content);
}

TEST_F(NvDiskTest, ATpmWithSmallIndicesIsRefusedBeforeAnythingIsDefined) {
    tpm.limit_nv({1664, 768}, 6962);
    const auto refused = store.write(key, keyring_id, text_secret("x"));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, ErrorKind::wrong_state);
    EXPECT_TRUE(refused.error().message.contains("1664")) << refused.error().message;
    EXPECT_TRUE(refused.error().message.contains("2048")) << refused.error().message;
    EXPECT_EQ(indices(), 0u);
}

TEST_F(NvDiskTest, WithoutRoomForAllThreeIndicesThereIsNone) {
    for (const std::size_t room : {1000, 2048, 4096, 6007}) {
        tpm.limit_nv({2048, 1024}, room);
        EXPECT_EQ(store.write(key, keyring_id, text_secret("x")).error().kind, ErrorKind::wrong_state) << room;
        EXPECT_EQ(indices(), 0u) << room;
    }
    tpm.limit_nv({2048, 1024}, 6008);
    EXPECT_TRUE(store.write(key, keyring_id, text_secret("x")));
}

TEST_F(NvDiskTest, OneIndexRemovedFromUnderItIsDamageAndAllThreeAreAnEmptyStore) {
    ASSERT_TRUE(store.write(key, keyring_id, text_secret("first")));
    ASSERT_TRUE(store.write(key, keyring_id, text_secret("second")));
    ASSERT_TRUE(tpm.nv_undefine(store_index_handles[1]));
    EXPECT_EQ(*read_text(keyring_id), "first");
    ASSERT_TRUE(tpm.nv_undefine(store_index_handles[0]));
    EXPECT_EQ(read_text(keyring_id).error().kind, ErrorKind::corrupt);
    EXPECT_EQ(store.exists(keyring_id).error().kind, ErrorKind::corrupt);
    EXPECT_FALSE(store.write(key, keyring_id, text_secret("third")));
    ASSERT_TRUE(tpm.nv_undefine(store_index_handles[2]));
    EXPECT_EQ(read_text(keyring_id).error().kind, ErrorKind::not_found);
    EXPECT_TRUE(store.write(key, keyring_id, text_secret("anew")));
    EXPECT_EQ(*read_text(keyring_id), "anew");
}

TEST_F(NvDiskTest, HoldsARealPolicyWithAStagedReleaseInEverySizeOfCommand) {
    std::string json(as_text(*read_file(LETHE_TEST_DATA "/pcrlock-policy.json", 1 << 20)));
    for (int staged = 0; staged < 6; ++staged) json.insert(json.find("]},"), ",\"" + to_hex(Secret::random(32).expose()) + '"');
    for (const std::uint16_t write_octets : {512, 768, 1024, 2048}) {
        tpm.limit_nv({2048, write_octets}, 65536);
        const auto written = store.write_framed(policy_id, as_octets(json));
        ASSERT_TRUE(written) << written.error().message;
        EXPECT_EQ(as_text(store.read_framed(policy_id)->front().payload.expose()), json);
    }
    std::printf("policy with a staged release: %zu octets, as an object %zu\n", json.size(),
                frame_object(policy_id, 1, as_octets(json)).size());
}

TEST_F(NvDiskTest, HoldsTwoRelaysAndAFamilyKeyInAtMost700Octets) {
    const Secret payload = Secret::random(540);
    const std::size_t octets = encrypt_object(key, keyring_id, 1, payload).size();
    std::printf("keyring of %zu octets: as an object %zu\n", payload.size(), octets);
    EXPECT_LE(octets, 700u);
    EXPECT_TRUE(store.write(key, keyring_id, payload));
}

/// The same on a real TPM, which can be switched off between any two commands.
struct NvDiskOnTpmTest : testing::Test {
    SoftwareTpm tpm;
    CountingTcti& traffic = tpm.traffic();
    Secret key = Secret::random(32);

    Store open() { return Store(std::make_unique<NvDisk>(esys_tpm_on(traffic.context()))); }
    std::size_t indices() {
        return std::ranges::count_if(store_index_handles, [&](std::uint32_t handle) { return tpm.nv_area(handle).has_value(); });
    }
    void clear() {
        for (const std::uint32_t handle : store_index_handles) (void)tpm.nv_undefine(handle);
    }
    std::size_t commands(auto&& action) {
        traffic.forget();
        action();
        return traffic.exchanges().size();
    }
    /// Does `action` on a new store, with the power going before the command of that number. False when it was over before.
    bool cut_before(std::size_t command, auto&& action) {
        Store store = open();
        std::size_t sent = 0;
        traffic.before = [&](std::uint32_t) -> std::optional<std::uint32_t> {
            return sent++ >= command ? std::optional<std::uint32_t>(TSS2_TCTI_RC_IO_ERROR) : std::nullopt;
        };
        action(store);
        traffic.before = nullptr;
        tpm.power_cycle();
        return sent > command;
    }
};

TEST_F(NvDiskOnTpmTest, PowerCutWhileTheStoreIsMadeLeavesNoneOrAWholeOne) {
    std::size_t command = 0;
    while (cut_before(command, [&](Store& store) { (void)store.write(key, keyring_id, payload_of(540, '1')); })) {
        Store store = open();
        const auto read = store.read(key, keyring_id);
        if (read) EXPECT_EQ(read->payload.expose()[0], '1');
        else EXPECT_EQ(read.error().kind, ErrorKind::not_found) << command << ": " << read.error().message;
        const auto written = store.write(key, keyring_id, payload_of(540, '2'));
        ASSERT_TRUE(written) << command << ": " << written.error().message;
        EXPECT_EQ(store.read(key, keyring_id)->payload.expose()[0], '2') << command;
        EXPECT_TRUE(store.erase(keyring_id));
        EXPECT_EQ(indices(), 0u) << command;
        ++command;
    }
    EXPECT_GT(command, 10u);
}

TEST_F(NvDiskOnTpmTest, PowerCutWhileASlotIsWrittenLeavesTheOneBeforeOrTheNewOne) {
    const auto version = [](Store& store) -> std::uint8_t {
        const auto versions = store.read_framed(policy_id);
        return versions && !versions->empty() ? versions->front().payload.expose()[0] : 0;
    };
    // 1100 octets: two commands a slot.
    Store before = open();
    ASSERT_TRUE(before.write_framed(policy_id, payload_of(1100, '0').expose()));
    ASSERT_TRUE(before.write_framed(policy_id, payload_of(1100, '1').expose()));
    std::size_t command = 0;
    while (cut_before(command, [&](Store& store) { (void)store.write_framed(policy_id, payload_of(1100, '2').expose()); })) {
        Store store = open();
        EXPECT_TRUE(version(store) == '1' || version(store) == '2') << command;
        ASSERT_TRUE(store.write_framed(policy_id, payload_of(1100, '1').expose())) << command;
        EXPECT_EQ(version(store), '1');
        ++command;
    }
    EXPECT_GT(command, 6u);
}

TEST_F(NvDiskOnTpmTest, PowerCutWhileTheLastObjectIsErasedLeavesAStoreThatCanBeUsedOrErased) {
    std::size_t command = 0;
    bool cut = true;
    while (cut) {
        ASSERT_TRUE(open().write(key, keyring_id, text_secret("old")));
        cut = cut_before(command, [&](Store& store) { (void)store.erase(keyring_id); });
        Store store = open();
        const auto exists = store.exists(keyring_id);
        ASSERT_TRUE(exists) << command << ": " << exists.error().message;
        EXPECT_TRUE(cut || indices() == 0);
        EXPECT_TRUE(store.erase(keyring_id)) << command;
        EXPECT_FALSE(*store.exists(keyring_id)) << command;
        const auto written = store.write(key, keyring_id, text_secret("new"));
        ASSERT_TRUE(written) << command << ": " << written.error().message;
        EXPECT_EQ(as_text(store.read(key, keyring_id)->payload.expose()), "new");
        EXPECT_TRUE(store.erase(keyring_id));
        EXPECT_EQ(indices(), 0u) << command;
        ++command;
    }
    EXPECT_GT(command, 10u);
}

TEST_F(NvDiskOnTpmTest, AFailureWhileTheStoreIsMadeTakesBackWhatWasDefined) {
    std::size_t command = 0;
    for (bool failed = true; failed; ++command) {
        NvDisk disk(esys_tpm_on(traffic.context()));
        std::size_t sent = 0;
        traffic.before = [&](std::uint32_t) { return sent++ == command ? std::optional<std::uint32_t>(TPM2_RC_NV_SPACE) : std::nullopt; };
        const auto written = disk.write("keyring.a", as_octets("x"));
        traffic.before = nullptr;
        failed = !written;
        if (*NvDisk(esys_tpm_on(traffic.context())).is_made()) break;  // it is the write itself that failed
        EXPECT_TRUE(failed) << command;
        EXPECT_EQ(indices(), 0u) << command;
    }
    EXPECT_GT(command, 12u);
    clear();
    int defined = 0;
    traffic.before = [&](std::uint32_t code) -> std::optional<std::uint32_t> {
        if (code == TPM2_CC_NV_UndefineSpace) return TSS2_TCTI_RC_IO_ERROR;
        return code == TPM2_CC_NV_DefineSpace && ++defined == 3 ? std::optional<std::uint32_t>(TPM2_RC_NV_SPACE) : std::nullopt;
    };
    const auto stuck = open().write(key, keyring_id, text_secret("x"));
    traffic.before = nullptr;
    EXPECT_TRUE(stuck.error().message.contains("0x1800101 stays behind")) << stuck.error().message;
    EXPECT_TRUE(open().write(key, keyring_id, text_secret("x"))) << "what stayed behind is taken up";
}

TEST_F(NvDiskOnTpmTest, ATpmThatIsFullSaysSoAndKeepsNoneOfTheIndices) {
    std::uint32_t handle = 0x01900000;
    while (tpm.nv_define(handle, 2048)) ++handle;
    const auto refused = open().write(key, keyring_id, text_secret("x"));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, ErrorKind::wrong_state);
    EXPECT_TRUE(refused.error().message.contains("tpm2_nvundefine")) << refused.error().message;
    EXPECT_EQ(indices(), 0u);
    for (int freed = 0; freed < 2; ++freed) ASSERT_TRUE(tpm.nv_undefine(--handle));
    EXPECT_FALSE(open().write(key, keyring_id, text_secret("x"))) << "two of three";
    EXPECT_EQ(indices(), 0u);
    ASSERT_TRUE(tpm.nv_undefine(--handle));
    EXPECT_TRUE(open().write(key, keyring_id, text_secret("x")));
}

TEST_F(NvDiskOnTpmTest, ReadingAndWritingASlotCostsFewCommands) {
    const Octets policy = [] {
        const Secret random = Secret::random(1100);
        return Octets(random.expose().begin(), random.expose().end());
    }();
    Store made = open();
    std::printf("making the store and writing the keyring: %zu commands\n",
                commands([&] { ASSERT_TRUE(made.write(key, keyring_id, Secret::random(540))); }));
    ASSERT_TRUE(made.write(key, keyring_id, Secret::random(540)));
    for (int twice = 0; twice < 2; ++twice) {
        ASSERT_TRUE(made.write_framed(policy_id, policy));
        ASSERT_TRUE(made.write_framed(vault_id, Secret::random(680).expose()));
    }
    const Store store = open();
    EXPECT_EQ(commands([&] { EXPECT_FALSE(*store.exists(enrolling_id)); }), 1u + 2u) << "the mark, and two lengths";
    EXPECT_EQ(commands([&] { EXPECT_TRUE(store.read(key, keyring_id)); }), 1u + 2u) << "what the TPM takes at once, and two slots";
    EXPECT_EQ(commands([&] { EXPECT_TRUE(store.read(key, keyring_id)); }), 2u);
    EXPECT_EQ(commands([&] { EXPECT_EQ(store.read_framed(vault_id)->size(), 2u); }), 2u);
    EXPECT_EQ(commands([&] { EXPECT_EQ(store.read_framed(policy_id)->size(), 2u); }), 4u) << "more than a command gives";
    EXPECT_EQ(commands([&] { EXPECT_TRUE(made.write(key, keyring_id, Secret::random(540))); }), 2u + 1u + 1u + 1u)
        << "two slots read, a length, the write, and read back";
    EXPECT_EQ(commands([&] { EXPECT_TRUE(made.write_framed(policy_id, policy)); }), 4u + 1u + 2u + 2u);
}

TEST_F(NvDiskOnTpmTest, HoldsARealVaultRecordWithARecoveryBox) {
    tpm.authorize(policy_index_handle, {{11, {Digest{}}}});
    NewVault vault = *seal_vault_key(tpm, policy_index_handle, VaultKey::random());
    const RecoverySecretKey operators(Secret::random(32));
    vault.record.recovery = box_vault_key(vault.key, public_key_of(operators));
    Store store = open();
    for (int generation = 0; generation < 2; ++generation) ASSERT_TRUE(replace_vault(store, vault.record));
    EXPECT_EQ(*read_vault_record(store), vault.record);
    const std::size_t octets = frame_object(vault_id, 1, encode_vault_record(vault.record)).size();
    std::printf("vault record with a recovery box: %zu octets, as an object %zu\n", encode_vault_record(vault.record).size(), octets);
    EXPECT_LE(octets + 64, 830u) << "what other TPMs need more for a private area";
    ASSERT_TRUE(store.write_framed(enrolling_id, {}));
    std::printf("enrolling as an object: %zu octets\n", frame_object(enrolling_id, 1, {}).size());
}

TEST_F(NvDiskOnTpmTest, AnOwnerPasswordIsNamedAndNotTakenForAnEmptyStore) {
    ASSERT_TRUE(open().write(key, keyring_id, text_secret("x")));
    tpm.set_owner_password("unknown");
    const auto refused = open().exists(keyring_id);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, ErrorKind::wrong_state);
    EXPECT_TRUE(refused.error().message.contains("owner hierarchy has a password")) << refused.error().message;
}

}  // namespace
}  // namespace lethe
