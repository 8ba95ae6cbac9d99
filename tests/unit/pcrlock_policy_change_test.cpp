// How the policy in the NV index is changed, and how the store is ahead of it.
#include "pcrlock/policy_change.hpp"

#include <gmock/gmock.h>

#include <limits>

#include "fake_pcrlock.hpp"
#include "recorded_disk.hpp"
#include "refusing_ports.hpp"
#include "temporary_folder.hpp"

namespace lethe {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const ObjectId policy_id{ObjectKind::policy, ""};

/// It rewrites the index that there is, and predicts what a test says.
class RewritingPcrlock final : public FakePcrlock {
public:
    RewritingPcrlock(FakeTpm& tpm, std::vector<std::string>& steps) : FakePcrlock(tpm), tpm_(tpm), steps_(steps) {}

    PcrPolicy wanted;
    std::optional<PcrPolicy> makes_instead;

    Result<PcrPolicy> predict(std::span<const unsigned>) override { return wanted; }
    Result<void> make_policy(std::span<const unsigned>, const PolicyKeys&) override {
        TRY(refuse("make-policy"));
        const PcrPolicy made = makes_instead.value_or(wanted);
        steps_.emplace_back("index");
        tpm_.authorize(policy_index_handle, lies_about_nv ? PcrPolicy{{4, {digest_of(0xee)}}} : made);
        file_ = policy_json(made);
        return {};
    }

private:
    FakeTpm& tpm_;
    std::vector<std::string>& steps_;
};

class PolicyChanges : public testing::Test {
protected:
    PolicyChanges() {
        tpm.set_pcr(4, digest_of(4));
        tpm.set_pcr(11, digest_of(11));
        auto disk = std::make_unique<RecordedDisk>(medium, [this](const std::string& what) {
            if (what.starts_with("write ")) steps.push_back(what);
        });
        store = std::make_unique<Store>(
            std::make_unique<RefusingDisk>(std::move(disk), [this](const std::string& what) { return writes(what); }));
        tpm.authorize(policy_index_handle, present);
        EXPECT_TRUE(store->write_framed(policy_id, as_octets(policy_json(present))));
        steps.clear();
        pcrlock.wanted = both;
    }

    Result<PolicyFile> change() {
        const PolicyFile file = TRY(repair_policy_file(tpm, *store, keys)).file;
        steps.clear();
        return change_policy(tpm, *store, pcrlock, file, keys, {{4, 11}, boots});
    }
    std::vector<std::uint64_t> generations() {
        std::vector<std::uint64_t> found;
        const auto versions = store->read_framed(policy_id).value();
        for (const auto& version : versions) found.push_back(version.generation);
        return found;
    }
    PcrPolicy in_force() { return confirmed_policy_file(tpm, read_policy_files(*store).value(), policy_index_handle).value().policy; }
    void expect_refused(ErrorKind kind, const std::string& words) {
        const auto refused = change();
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().kind, kind) << refused.error().message;
        EXPECT_THAT(refused.error().message, HasSubstr(words));
    }

    PcrPolicy present{{4, {digest_of(4)}}, {11, {digest_of(11)}}};
    PcrPolicy both{{4, {digest_of(4), digest_of(0x14)}}, {11, {digest_of(11), digest_of(0x21)}}};
    std::vector<PcrValues> boots{{{4, digest_of(0x14)}, {11, digest_of(0x21)}}};
    PolicyKeys keys = VaultKey(Secret(32)).policy_keys();
    std::vector<std::string> steps;
    const Refuse accept = [](const std::string&) -> Result<void> { return {}; };
    Refuse writes = accept;
    Medium medium;
    FakeTpm tpm;
    std::unique_ptr<Store> store;
    RewritingPcrlock pcrlock{tpm, steps};
};

TEST_F(PolicyChanges, AreInTheStoreBeforeTheyAreInTheIndex) {
    const auto changed = change();
    ASSERT_TRUE(changed) << changed.error().message;
    EXPECT_EQ(changed->policy, both);
    EXPECT_EQ(changed->generation, 2U);
    EXPECT_THAT(steps, ElementsAre("write policy.b", "write policy-copy.b", "index"));
    EXPECT_EQ(in_force(), both);
}

TEST_F(PolicyChanges, LeaveTheSlotInForceAlone) {
    // Cut before the index was written: the newer slot is not the one in force.
    ASSERT_TRUE(store->write_framed(policy_id, as_octets(policy_json({{4, {digest_of(0x77)}}}))));
    steps.clear();
    EXPECT_EQ(in_force(), present);
    ASSERT_TRUE(change());
    EXPECT_THAT(steps, ElementsAre("write policy.b", "write policy-copy.b", "index"));
    EXPECT_THAT(generations(), ElementsAre(3, 1));

    steps.clear();
    pcrlock.wanted = present;
    boots = {{{4, digest_of(4)}, {11, digest_of(11)}}};
    ASSERT_TRUE(change());
    EXPECT_THAT(steps, ElementsAre("write policy-copy.a", "index")) << "the slot has it still";
    EXPECT_THAT(generations(), ElementsAre(3, 1));
    EXPECT_EQ(in_force(), present);
}

TEST_F(PolicyChanges, ThatWereMadeReadyNeedNoDisk) {
    const PolicyFile changed = change().value();
    const PcrPolicy other{{4, {digest_of(0x14)}}, {11, {digest_of(0x21)}}};
    steps.clear();
    ASSERT_TRUE(make_ready(*store, changed, other));
    EXPECT_THAT(steps, ElementsAre("write policy.a"));
    ASSERT_TRUE(make_ready(*store, changed, other));
    EXPECT_THAT(steps, ElementsAre("write policy.a")) << "once is enough";
    EXPECT_EQ(in_force(), both);

    tpm.set_pcr(4, digest_of(0x14));
    tpm.set_pcr(11, digest_of(0x21));
    pcrlock.wanted = other;
    writes = [](const std::string& what) -> Result<void> {
        if (what.starts_with("write ")) return fail(ErrorKind::io, "the disk refuses to write");
        return {};
    };
    const auto alone = change();
    ASSERT_TRUE(alone) << alone.error().message;
    EXPECT_THAT(steps, ElementsAre("index"));
    EXPECT_EQ(in_force(), other);
    const auto found = repair_policy_file(tpm, *store, keys);
    ASSERT_TRUE(found) << found.error().message;
    EXPECT_EQ(found->file.policy, other);
    EXPECT_THAT(found->repaired, HasSubstr("the disk refuses to write"));

    writes = accept;
    EXPECT_THAT(repair_policy_file(tpm, *store, keys)->repaired, IsEmpty());
    ASSERT_TRUE(store->erase(policy_id));
    EXPECT_THAT(repair_policy_file(tpm, *store, keys)->repaired, HasSubstr("put back from its encrypted copy"));
    EXPECT_EQ(in_force(), other);
}

// Whoever writes the disk changes the file in force, so that it is put back over the one that is ready.
TEST_F(PolicyChanges, ThatWereMadeReadySurviveDamageToTheFileInForce) {
    pcrlock.wanted = {{4, {digest_of(4), digest_of(0x14)}}, {11, {digest_of(11), digest_of(0x21), digest_of(0x22)}}};
    const PolicyFile changed = change().value();
    const PcrPolicy other{{4, {digest_of(0x14)}}, {11, {digest_of(0x21)}}};
    ASSERT_TRUE(make_ready(*store, changed, other));
    std::string json = changed.json;
    json.replace(json.find(policy_pin_blob), policy_pin_blob.size(), R"("pinPrivate":"AA4=")");
    medium.write("policy.b", frame_object(policy_id, changed.generation, as_octets(json)));
    medium.sync("policy.b");
    steps.clear();

    const auto found = repair_policy_file(tpm, *store, keys);
    ASSERT_TRUE(found) << found.error().message;
    EXPECT_EQ(found->file.json, changed.json);
    EXPECT_EQ(found->file.generation, changed.generation);
    EXPECT_THAT(found->repaired, HasSubstr("its encrypted copy stands for it"));
    EXPECT_THAT(steps, IsEmpty());
    EXPECT_TRUE(find_policy_slot(*store, {other, policy_index_handle, ""}).value());
}

// What the system remembers of a file is not what the disk has, once the disk has failed to write it.
TEST_F(PolicyChanges, ThatTheDiskHasNotConfirmedAreNotReady) {
    writes = [](const std::string& what) -> Result<void> {
        if (what == "sync policy.b") return fail(ErrorKind::io, "the disk fails");
        return {};
    };
    for (int attempt = 0; attempt < 2; ++attempt) {
        expect_refused(ErrorKind::io, "the disk fails");
        EXPECT_THAT(steps, ElementsAre("write policy.b"));
        EXPECT_EQ(in_force(), present);
    }
    writes = accept;
    ASSERT_TRUE(change());
    EXPECT_EQ(in_force(), both);
}

// Whoever writes the disk can have put anything where the next file is to go.
TEST_F(PolicyChanges, AreMadeWhateverLiesInTheOtherSlot) {
    for (const std::uint64_t number : {std::uint64_t{7}, std::numeric_limits<std::uint64_t>::max()}) {
        medium.write("policy.b", frame_object(policy_id, number, as_octets("anything")));
        medium.sync("policy.b");
        tpm.authorize(policy_index_handle, present);
        ASSERT_TRUE(change()) << number;
        EXPECT_EQ(in_force(), both);
    }
    medium.write("policy.a", frame_object(policy_id, std::numeric_limits<std::uint64_t>::max(), as_octets(policy_json(present))));
    medium.sync("policy.a");
    tpm.authorize(policy_index_handle, present);
    medium.write("policy.b", Octets(10));
    ASSERT_TRUE(change());
    EXPECT_EQ(in_force(), both);
}

TEST_F(PolicyChanges, AreNoneWhenThePolicyIsInForce) {
    pcrlock.wanted = present;
    boots = {{{4, digest_of(4)}, {11, digest_of(11)}}};
    const auto changed = change();
    ASSERT_TRUE(changed) << changed.error().message;
    EXPECT_EQ(changed->generation, 1U);
    EXPECT_THAT(steps, IsEmpty());
    EXPECT_EQ(pcrlock.file_, changed->json) << "the next make-policy has nothing to build on";
}

TEST_F(PolicyChanges, ThatLoseAPcrAreRefusedBeforeAnythingIsWritten) {
    pcrlock.wanted.pop_back();
    expect_refused(ErrorKind::policy_mismatch, "PCR 11 cannot be locked");
    EXPECT_THAT(steps, IsEmpty());
}

TEST_F(PolicyChanges, ThatAreNotProvedAreRefusedBeforeAnythingIsWritten) {
    boots[0][11] = digest_of(0x99);
    expect_refused(ErrorKind::policy_mismatch, "would not open the vault");
    EXPECT_THAT(steps, IsEmpty());
}

TEST_F(PolicyChanges, OnAStoreWithoutThePolicyInForceBeginWithAFileFromTheTpm) {
    tpm.authorize(policy_index_handle, {{4, {digest_of(0x44)}}});
    const auto changed = change();
    ASSERT_TRUE(changed) << changed.error().message;
    EXPECT_THAT(steps, ElementsAre("write policy.b", "write policy-copy.a", "index"));
    EXPECT_EQ(in_force(), both);
}

TEST_F(PolicyChanges, ThatAreNotMadeLeaveTheOneInForce) {
    pcrlock.refuse = [](std::string_view verb) -> Result<void> {
        if (verb == "make-policy") return fail(ErrorKind::io, "systemd-pcrlock make-policy failed");
        return {};
    };
    expect_refused(ErrorKind::io, "make-policy failed");
    EXPECT_THAT(steps, ElementsAre("write policy.b", "write policy-copy.b"));
    EXPECT_EQ(in_force(), present);
}

TEST_F(PolicyChanges, ThatAreMadeOtherwiseAreSaidAndKept) {
    PcrPolicy other = both;
    other[1].values[1] = digest_of(0x77);
    pcrlock.makes_instead = other;
    expect_refused(ErrorKind::policy_mismatch, "another policy than it predicted");
    EXPECT_EQ(in_force(), other) << "no boot would open the vault";
    EXPECT_THAT(steps, ElementsAre("write policy.b", "write policy-copy.b", "index", "write policy.b"));
}

TEST_F(PolicyChanges, OfWhichTheIndexHoldsAnotherDigestAreRefused) {
    pcrlock.lies_about_nv = true;
    expect_refused(ErrorKind::policy_mismatch, "does not hold the digest");
}

class WritesBeside : public testing::Test {
protected:
    std::uint64_t write(std::string_view text) { return store.write_framed(policy_id, as_octets(text)).value(); }
    Result<std::uint64_t> write_beside(std::string_view text, std::uint64_t kept) {
        return store.write_framed_beside(policy_id, as_octets(text), kept);
    }
    std::vector<std::string> texts() {
        std::vector<std::string> found;
        const auto versions = store.read_framed(policy_id).value();
        for (const auto& version : versions) found.emplace_back(as_text(version.payload.expose()));
        return found;
    }

    Medium medium;
    Store store{std::make_unique<RecordedDisk>(medium, [](const std::string&) {})};
};

TEST_F(WritesBeside, ReplaceTheOtherSlotWhicheverIsNewer) {
    write("one");
    EXPECT_EQ(write_beside("two", 1), 2U);
    EXPECT_THAT(texts(), ElementsAre("two", "one"));
    EXPECT_EQ(write_beside("three", 1), 3U);
    EXPECT_THAT(texts(), ElementsAre("three", "one"));
    EXPECT_EQ(write_beside("four", 3), 4U);
    EXPECT_THAT(texts(), ElementsAre("four", "three"));
}

TEST_F(WritesBeside, ReplaceADamagedSlot) {
    write("one");
    write("two");
    medium.write("policy.a", as_octets("damaged"));
    EXPECT_EQ(write_beside("three", 2), 3U);
    EXPECT_THAT(texts(), ElementsAre("three", "two"));
}

TEST_F(WritesBeside, TakeANumberThatIsFreeWhenTheLastOneIsUsed) {
    for (const std::uint64_t kept : {std::uint64_t{1}, std::uint64_t{5}, std::numeric_limits<std::uint64_t>::max()}) {
        medium.write("policy.a", frame_object(policy_id, kept, as_octets("kept")));
        medium.write("policy.b", frame_object(policy_id, std::numeric_limits<std::uint64_t>::max(), as_octets("other")));
        const auto written = write_beside("new", kept);
        ASSERT_TRUE(written) << written.error().message;
        EXPECT_NE(*written, kept);
        EXPECT_THAT(texts(), testing::UnorderedElementsAre("kept", "new"));
    }
}

TEST(FoldersInTheStore, KeepNoSlotFromBeingWritten) {
    const TemporaryFolder folder;
    for (const char* slot : {"policy.b", "policy.b.aside1"}) std::filesystem::create_directories(folder / slot / "full");
    Store store = Store::open(folder.path()).value();
    ASSERT_EQ(store.write_framed(policy_id, as_octets("one")), 1U);
    const auto written = store.write_framed_beside(policy_id, as_octets("two"), 1);
    ASSERT_TRUE(written) << written.error().message;
    EXPECT_EQ(store.read_framed(policy_id)->size(), 2U);
    EXPECT_TRUE(std::filesystem::is_directory(folder / "policy.b.aside2" / "full")) << "nothing is lost";
    std::filesystem::resize_file(folder / "policy.a", disk_file_limit_octets + 1);
    EXPECT_EQ(store.read_framed(policy_id)->size(), 1U);
    ASSERT_TRUE(store.write_framed_beside(policy_id, as_octets("three"), 2));
    EXPECT_EQ(store.read_framed(policy_id)->size(), 2U);
    EXPECT_EQ(std::filesystem::file_size(folder / "policy.a"), disk_file_limit_octets);
    std::filesystem::create_directories(folder / "policy-copy.a");
    ASSERT_TRUE(store.erase({ObjectKind::policy_copy, ""}));
    EXPECT_FALSE(std::filesystem::exists(folder / "policy-copy.a"));
}

TEST_F(WritesBeside, ANumberThatNoSlotHasAreRefused) {
    EXPECT_EQ(write_beside("none", 1).error().kind, ErrorKind::not_found);
    write("one");
    for (const std::uint64_t kept : {0, 2}) EXPECT_EQ(write_beside("two", kept).error().kind, ErrorKind::not_found) << kept;
    EXPECT_THAT(texts(), ElementsAre("one"));
}

}  // namespace
}  // namespace lethe
