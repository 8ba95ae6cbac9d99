#include "base/file.hpp"
#include "snapshots_machine.hpp"
#include "temporary_folder.hpp"

namespace lethe {
namespace {

class SnapshotContainer : public testing::Test {
protected:
    Octets encoded(const Texts& texts, std::uint64_t generation = 7) { return encode_snapshot(key, generation, states_of(texts)).value(); }
    std::string text_of(const SnapshotDirectory& directory, const std::string& relay, OctetView slot) {
        const auto state = open_snapshot_part(key, directory, relay, slot);
        EXPECT_TRUE(state) << state.error().message;
        return state ? std::string(as_text(state->expose())) : "";
    }

    Secret key = Secret::random(32);
};

TEST_F(SnapshotContainer, BringsEachStateBackWhateverFollows) {
    Octets slot = encoded({{"a", "state of a"}, {"b", ""}});
    slot.resize(slot.size() + 4096, 0xff);
    const auto directory = open_snapshot_directory(key, slot).value();
    EXPECT_EQ(directory.generation, 7U);
    EXPECT_EQ(directory.parts.size(), 2U);
    EXPECT_EQ(text_of(directory, "a", slot), "state of a");
    EXPECT_EQ(text_of(directory, "b", slot), "");
}

TEST_F(SnapshotContainer, MayHoldNoRelay) {
    const auto directory = open_snapshot_directory(key, encoded({})).value();
    EXPECT_TRUE(directory.parts.empty());
}

TEST_F(SnapshotContainer, OpensWithItsKeyAlone) {
    const Octets slot = encoded({{"a", "state"}});
    EXPECT_TRUE(open_snapshot_directory(key, slot));
    EXPECT_EQ(open_snapshot_directory(Secret::random(32), slot).error().kind, ErrorKind::corrupt);
}

TEST_F(SnapshotContainer, CutOffLosesTheLastRelaysAlone) {
    Octets slot = encoded({{"a", "state of a"}, {"b", "state of b"}});
    const auto directory = open_snapshot_directory(key, slot).value();
    slot.pop_back();
    EXPECT_EQ(text_of(directory, "a", slot), "state of a");
    EXPECT_EQ(open_snapshot_part(key, directory, "b", slot).error().kind, ErrorKind::corrupt);
    slot.resize(directory.parts.at("b").offset - 1);
    for (const char* relay : {"a", "b"}) EXPECT_EQ(open_snapshot_part(key, directory, relay, slot).error().kind, ErrorKind::corrupt);
    slot.resize(directory.parts.at("a").offset - 1);
    EXPECT_EQ(open_snapshot_directory(key, slot).error().kind, ErrorKind::corrupt);
}

TEST_F(SnapshotContainer, ThePartOfAnotherRelayIsCorrupt) {
    Octets slot = encoded({{"a", "state of a"}, {"b", "state of b"}});
    auto directory = open_snapshot_directory(key, slot).value();
    std::swap(directory.parts.at("a"), directory.parts.at("b"));
    EXPECT_EQ(open_snapshot_part(key, directory, "a", slot).error().kind, ErrorKind::corrupt);
}

TEST_F(SnapshotContainer, ThePartOfAnotherSnapshotIsCorrupt) {
    const Octets slot = encoded({{"a", "state"}});
    auto directory = open_snapshot_directory(key, slot).value();
    directory.generation = 8;
    const auto refused = open_snapshot_part(key, directory, "a", slot);
    EXPECT_EQ(refused.error().kind, ErrorKind::corrupt);
    EXPECT_TRUE(refused.error().message.contains("belongs to snapshot 7")) << refused.error().message;
}

TEST_F(SnapshotContainer, ADirectoryThatCannotBeIsCorrupt) {
    const auto decoded = [](const OctetWriter& writer) { return decode_snapshot_parts(Secret::copy_of(writer.octets()), 100); };
    const auto entry = [](OctetWriter writer, std::string_view name, std::uint32_t octets) {
        return writer.sized16(as_octets(name)).u32(octets);
    };
    const OctetWriter none = OctetWriter().u16(1).u16(0), one = OctetWriter().u16(1).u16(1), two = OctetWriter().u16(1).u16(2);
    EXPECT_TRUE(decoded(none)->empty());
    EXPECT_EQ(decoded(entry(one, "a", 5)).value(), (std::map<std::string, SnapshotPart>{{"a", {100, 5}}}));
    EXPECT_EQ(decoded(entry(entry(two, "a", 5), "b", 6))->at("b"), (SnapshotPart{105, 6}));
    for (const auto& writer : {OctetWriter(), OctetWriter().u16(2).u16(0), entry(one, "", 5), entry(one, "../a", 5), entry(one, "A", 5),
                               entry(one, "a", UINT32_MAX), entry(none, "a", 5), entry(two, "a", 5), entry(entry(two, "a", 5), "a", 6)})
        EXPECT_EQ(decoded(writer).error().kind, ErrorKind::corrupt) << to_hex(writer.octets());
}

// What the first release wrote: never to be made again.
TEST_F(SnapshotContainer, AFrozenOneIsRead) {
    const Octets slot =
        from_hex(
            "4c455448454f424a00010801010203040506070800000000000000000000000000000000000000000000000000000000000000000000001700000030"
            "fb290e4b10c5cd9051eb60be4742af42ed53f382256b2a1ae4b4ff1f64b87efa975c2b0c780dfaec622c9764c3ab54aee2783846fbe930a63bbb164e"
            "ff1ab584edd1a64b59d645ca4c455448454f424a00010801010203040506070861000000000000000000000000000000000000000000000000000000"
            "00000000000000110000002a6f0dbd48f4a42a53f1f53918d1fa86e01c843b2731df11e997970028169e60791f584000af6169058e8606e08a887759"
            "9ff529a2317f7c659996f00369faa4ea0ce24c455448454f424a00010801010203040506070872656c61793200000000000000000000000000000000"
            "00000000000000000000000000160000002f2c8981bce00d04530c0be65ab81d29bda393f9ec96e595caca2c8b9ead57f12c03b02c5480eefefeb2de"
            "826832be03fc7c58972ad8f5107a535b1d1107d834cd9afecba520a39d")
            .value();
    key = Secret::copy_of(Octets(32, 0x5a));
    const auto directory = open_snapshot_directory(key, slot).value();
    EXPECT_EQ(directory.generation, 0x0102030405060708U);
    EXPECT_EQ(directory.parts.size(), 2U);
    EXPECT_EQ(text_of(directory, "a", slot), "frozen state of a");
    EXPECT_EQ(text_of(directory, "relay2", slot), "frozen state of relay2");
}

TEST(SnapshotsOnAFolder, AreReadByTheNextDaemon) {
    const TemporaryFolder folder;
    FakeTpm tpm;
    const auto disk = open_folder_disk(folder.path()).value();
    EXPECT_GT(disk->free_octets().value(), 64U << 20);
    const VaultKey key = SnapshotRun::vault_key();
    RelayStates large;
    for (const char* name : {"a", "b"}) large.emplace(name, Secret::random(12 << 20));
    ASSERT_TRUE(Snapshots::open(*disk, tpm, key)->write(large));
    EXPECT_EQ(Snapshots::open(*disk, tpm, key)->read()->relays.at("b").state, large.at("b"));
    ASSERT_TRUE(Snapshots::open(*disk, tpm, key)->write(states_of({{"a", "small"}})));
    EXPECT_EQ(texts_of(Snapshots::open(*disk, tpm, key)->read().value()), (Texts{{"a", "small"}}));
    EXPECT_EQ(file_size(folder / "state.b"), 4096U);
    ASSERT_TRUE(Snapshots::open(*disk, tpm, key)->erase());
    EXPECT_TRUE(is_empty(folder.path()));
}

}  // namespace
}  // namespace lethe
