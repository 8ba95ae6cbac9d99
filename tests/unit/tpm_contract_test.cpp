// What every Tpm does, held against the fake and against a real TPM: a fake that lies fails here.
#include <gtest/gtest.h>

#include <memory>

#include "fake_tpm.hpp"
#include "software_tpm.hpp"
#include "tpm/policy.hpp"

using namespace lethe;

namespace {

constexpr std::uint32_t index_handle = policy_index_handle;

constexpr std::uint32_t store_index = store_index_handles[0];

Digest digest_of(std::string_view text) { return sha256(as_octets(text)); }

/// Octets that are the same nowhere else.
Octets octets_of(std::size_t count) {
    const Secret random = Secret::random(count);
    return {random.expose().begin(), random.expose().end()};
}

template <class T>
class TpmContract : public testing::Test {
protected:
    /// What a boot leaves: something in PCRs 4 and 11, nothing in 12.
    static void boot(T& tpm) {
        tpm.extend(4, digest_of("loader"));
        tpm.extend(11, digest_of("kernel"));
    }
    void SetUp() override {
        tpm = std::make_unique<T>();
        boot(*tpm);
    }

    PcrPolicy present_policy() {
        PcrPolicy policy;
        const PcrValues present = tpm->read_pcrs(std::vector<unsigned>{4, 11, 12}).value();
        for (const auto& [pcr, value] : present) policy.push_back({pcr, {value}});
        return policy;
    }
    /// Seals `secret` to the index and keeps what opens it.
    void enroll(const PcrPolicy& policy) {
        tpm->authorize(index_handle, policy);
        root = tpm->storage_root().value();
        index = tpm->nv_index(index_handle).value();
        object = tpm->seal(root, secret, policy_authorize_nv(index.name)).value();
    }
    Result<Secret> unseal(const PcrPolicy& policy) { return tpm->unseal(root, index, object, policy); }
    ErrorKind refusal(const PcrPolicy& policy) {
        const Result<Secret> opened = unseal(policy);
        EXPECT_FALSE(opened);
        message = opened ? "" : opened.error().message;
        EXPECT_FALSE(message.contains('\n'));
        return opened ? ErrorKind::io : opened.error().kind;
    }

    std::unique_ptr<T> tpm;
    Secret secret = Secret::random(32);
    TpmReference root, index;
    SealedObject object;
    std::string message;
};

using Implementations = testing::Types<FakeTpm, SoftwareTpm>;
TYPED_TEST_SUITE(TpmContract, Implementations);

TYPED_TEST(TpmContract, OpensWhatItSealed) {
    this->enroll(this->present_policy());
    const Result<Secret> opened = this->unseal(this->present_policy());
    ASSERT_TRUE(opened) << opened.error().message;
    EXPECT_TRUE(*opened == this->secret);
}

TYPED_TEST(TpmContract, AnExtendedPcrIsPolicyMismatchAndNamed) {
    const PcrPolicy policy = this->present_policy();
    this->enroll(policy);
    this->tpm->extend(12, digest_of("command line"));
    EXPECT_EQ(this->refusal(policy), ErrorKind::policy_mismatch);
    EXPECT_TRUE(this->message.contains("PCR 12 ")) << this->message;
    EXPECT_FALSE(this->message.contains("PCR 4 ")) << this->message;
}

TYPED_TEST(TpmContract, AdmittingTheNewValueOpensTheSameObject) {
    this->enroll(this->present_policy());
    this->tpm->extend(12, digest_of("command line"));
    this->tpm->authorize(index_handle, this->present_policy());
    EXPECT_TRUE(this->unseal(this->present_policy()));
}

TYPED_TEST(TpmContract, TheOldPolicyAfterTheIndexIsRewrittenIsPolicyMismatch) {
    const PcrPolicy old_policy = this->present_policy();
    this->enroll(old_policy);
    PcrPolicy both = old_policy;
    both[1].values.push_back(digest_of("staged"));
    this->tpm->authorize(index_handle, both);
    EXPECT_EQ(this->refusal(old_policy), ErrorKind::policy_mismatch);
    EXPECT_TRUE(this->unseal(both));
}

TYPED_TEST(TpmContract, OneOfEightValuesOpens) {
    PcrPolicy policy = this->present_policy();
    for (AdmittedPcr& pcr : policy)
        for (int other = 0; pcr.values.size() < 8; ++other)
            pcr.values.insert(pcr.values.begin(), digest_of(std::format("other {}", other)));
    this->enroll(policy);
    EXPECT_TRUE(this->unseal(policy));
    this->tpm->extend(4, digest_of("more"));
    EXPECT_EQ(this->refusal(policy), ErrorKind::policy_mismatch);
    EXPECT_TRUE(this->message.contains("PCR 4 ")) << this->message;
}

TYPED_TEST(TpmContract, OneMultiValuedPcrAmongSingleOnesOpens) {
    PcrPolicy policy = this->present_policy();
    policy[0].values.push_back(digest_of("another loader"));
    this->enroll(policy);
    EXPECT_TRUE(this->unseal(policy));
}

TYPED_TEST(TpmContract, NineValuesAreInvalid) {
    PcrPolicy policy = this->present_policy();
    this->enroll(policy);
    for (int other = 0; policy[0].values.size() < 9; ++other) policy[0].values.push_back(digest_of(std::format("other {}", other)));
    EXPECT_EQ(this->refusal(policy), ErrorKind::invalid_argument);
    EXPECT_EQ(this->refusal({}), ErrorKind::invalid_argument);
}

TYPED_TEST(TpmContract, TheOrderOfThePolicysPcrsIsNoMatter) {
    PcrPolicy policy = this->present_policy();
    policy[2].values.push_back(digest_of("other"));
    policy[0].values.push_back(digest_of("other"));
    this->enroll(policy);
    std::swap(policy[0], policy[2]);
    EXPECT_TRUE(this->unseal(policy));
}

TYPED_TEST(TpmContract, APowerCycleTakesThePcrsAndNothingElse) {
    const PcrPolicy policy = this->present_policy();
    this->enroll(policy);
    this->tpm->power_cycle();
    EXPECT_EQ(this->refusal(policy), ErrorKind::policy_mismatch);
    EXPECT_TRUE(this->message.contains("PCRs 4 and 11 ")) << this->message;
    this->boot(*this->tpm);
    EXPECT_TRUE(this->unseal(policy));
}

TYPED_TEST(TpmContract, AnotherTpmIsWrongState) {
    const PcrPolicy policy = this->present_policy();
    this->enroll(policy);
    this->tpm.reset();
    this->tpm = std::make_unique<TypeParam>();
    this->boot(*this->tpm);
    EXPECT_EQ(this->refusal(policy), ErrorKind::wrong_state) << "with no storage root key";
    ASSERT_TRUE(this->tpm->storage_root());
    this->tpm->authorize(index_handle, policy);
    EXPECT_EQ(this->refusal(policy), ErrorKind::wrong_state) << "with another one: " << this->message;
    EXPECT_EQ(this->tpm->seal(this->root, this->secret, Digest{}).error().kind, ErrorKind::wrong_state);
}

TYPED_TEST(TpmContract, ARedefinedIndexIsWrongState) {
    const PcrPolicy policy = this->present_policy();
    this->enroll(policy);
    this->tpm->define_index(index_handle);
    EXPECT_EQ(this->refusal(policy), ErrorKind::wrong_state) << "not written";
    this->tpm->authorize(index_handle, policy);
    EXPECT_EQ(this->refusal(policy), ErrorKind::wrong_state) << "with the same content";
}

TYPED_TEST(TpmContract, AnUndefinedIndexIsWrongState) {
    const PcrPolicy policy = this->present_policy();
    this->enroll(policy);
    ASSERT_TRUE(this->tpm->nv_undefine(index_handle));
    EXPECT_EQ(this->refusal(policy), ErrorKind::wrong_state);
}

TYPED_TEST(TpmContract, AnObjectOfAnotherIndexIsPolicyMismatch) {
    const PcrPolicy policy = this->present_policy();
    this->enroll(policy);
    this->tpm->authorize(index_handle + 1, policy);
    this->index = this->tpm->nv_index(index_handle + 1).value();
    EXPECT_EQ(this->refusal(policy), ErrorKind::policy_mismatch);
}

TYPED_TEST(TpmContract, ATamperedObjectIsCorrupt) {
    const PcrPolicy policy = this->present_policy();
    this->enroll(policy);
    const SealedObject whole = this->object;
    this->object.private_area.back() ^= 1;
    EXPECT_EQ(this->refusal(policy), ErrorKind::corrupt) << "private area";
    this->object = whole;
    this->object.public_area.back() ^= 1;
    EXPECT_EQ(this->refusal(policy), ErrorKind::corrupt) << "public area";
    this->object = whole;
    this->object.private_area.pop_back();
    EXPECT_EQ(this->refusal(policy), ErrorKind::corrupt) << "cut";
    this->object = whole;
    this->object.public_area.push_back(0);
    EXPECT_EQ(this->refusal(policy), ErrorKind::corrupt) << "too long";
    this->object = {};
    EXPECT_EQ(this->refusal(policy), ErrorKind::corrupt) << "empty";
    this->object = whole;
    EXPECT_TRUE(this->unseal(policy));
}

TYPED_TEST(TpmContract, ADamagedReferenceIsCorrupt) {
    const PcrPolicy policy = this->present_policy();
    this->enroll(policy);
    const TpmReference root = this->root;
    const TpmReference index = this->index;
    this->root.serialized.pop_back();
    EXPECT_EQ(this->refusal(policy), ErrorKind::corrupt) << "cut";
    EXPECT_EQ(this->tpm->seal(this->root, this->secret, Digest{}).error().kind, ErrorKind::corrupt) << "cut, to seal";
    this->root = root;
    this->root.name.back() ^= 1;
    EXPECT_EQ(this->refusal(policy), ErrorKind::corrupt) << "another name";
    this->root = index;
    EXPECT_EQ(this->refusal(policy), ErrorKind::corrupt) << "an index as a key";
    this->root = root;
    this->index = root;
    EXPECT_EQ(this->refusal(policy), ErrorKind::corrupt) << "a key as an index";
    this->index = {};
    EXPECT_EQ(this->refusal(policy), ErrorKind::corrupt) << "empty";
    this->index = index;
    EXPECT_TRUE(this->unseal(policy));
}

TYPED_TEST(TpmContract, TheStorageRootStaysTheSame) {
    const Result<TpmReference> created = this->tpm->storage_root();
    ASSERT_TRUE(created) << created.error().message;
    EXPECT_EQ(created->name.size(), 34U);
    EXPECT_EQ(*created, this->tpm->storage_root().value());
    this->tpm->power_cycle();
    EXPECT_EQ(*created, this->tpm->storage_root().value());
}

TYPED_TEST(TpmContract, SealsFrom1To128Octets) {
    this->enroll(this->present_policy());
    const Digest policy = policy_authorize_nv(this->index.name);
    EXPECT_EQ(this->tpm->seal(this->root, Secret(), policy).error().kind, ErrorKind::invalid_argument);
    EXPECT_EQ(this->tpm->seal(this->root, Secret(129), policy).error().kind, ErrorKind::invalid_argument);
    for (const std::size_t size : {1, 128}) {
        const Secret secret = Secret::random(size);
        this->object = this->tpm->seal(this->root, secret, policy).value();
        EXPECT_TRUE(this->unseal(this->present_policy()).value() == secret);
    }
}

TYPED_TEST(TpmContract, ReadsAll24PcrsAndNoOther) {
    std::vector<unsigned> pcrs;
    for (unsigned pcr = 0; pcr < 24; ++pcr) pcrs.push_back(pcr);
    const PcrValues values = this->tpm->read_pcrs(pcrs).value();
    EXPECT_EQ(values.size(), 24U);
    EXPECT_EQ(values.at(4), extended(Digest{}, digest_of("loader")));
    EXPECT_EQ(values.at(11), extended(Digest{}, digest_of("kernel")));
    EXPECT_EQ(values.at(12), Digest{});
    EXPECT_TRUE(this->tpm->read_pcrs({}).value().empty());
    EXPECT_EQ(this->tpm->read_pcrs(std::vector<unsigned>{4, 4}).value().size(), 1U);
    EXPECT_EQ(this->tpm->read_pcrs(std::vector<unsigned>{24}).error().kind, ErrorKind::invalid_argument);
}

TYPED_TEST(TpmContract, ReadsAnIndexOnlyOnceItIsWritten) {
    EXPECT_EQ(this->tpm->nv_read(index_handle).error().kind, ErrorKind::not_found);
    this->tpm->define_index(index_handle);
    EXPECT_EQ(this->tpm->nv_read(index_handle).error().kind, ErrorKind::wrong_state);
    const Octets content = authorized_policy_content(digest_of("content"));
    this->tpm->write_index(index_handle, content);
    EXPECT_EQ(this->tpm->nv_read(index_handle).value(), content);
    EXPECT_EQ(this->tpm->nv_read(storage_root_handle).error().kind, ErrorKind::invalid_argument);
}

TYPED_TEST(TpmContract, TheNameOfAnIndexChangesWhenItIsFirstWrittenAndThenNoMore) {
    EXPECT_EQ(this->tpm->nv_index(index_handle).error().kind, ErrorKind::not_found);
    this->tpm->define_index(index_handle);
    const TpmReference defined = this->tpm->nv_index(index_handle).value();
    this->tpm->write_index(index_handle, authorized_policy_content(digest_of("first")));
    const TpmReference written = this->tpm->nv_index(index_handle).value();
    EXPECT_NE(defined.name, written.name);
    this->tpm->write_index(index_handle, authorized_policy_content(digest_of("second")));
    EXPECT_EQ(written, this->tpm->nv_index(index_handle).value());
    EXPECT_EQ(this->tpm->nv_index(storage_root_handle).error().kind, ErrorKind::invalid_argument);
}

TYPED_TEST(TpmContract, UndefinesAnIndexOnce) {
    this->tpm->define_index(index_handle);
    EXPECT_TRUE(this->tpm->nv_undefine(index_handle));
    EXPECT_EQ(this->tpm->nv_undefine(index_handle).error().kind, ErrorKind::not_found);
    EXPECT_EQ(this->tpm->nv_index(index_handle).error().kind, ErrorKind::not_found);
    EXPECT_EQ(this->tpm->nv_undefine(storage_root_handle).error().kind, ErrorKind::invalid_argument);
}

TYPED_TEST(TpmContract, SaysHowMuchNvMemoryItTakesAtOnce) {
    const NvLimits limits = this->tpm->nv_limits().value();
    EXPECT_GE(limits.index_octets, limits.write_octets);
    EXPECT_GE(limits.write_octets, 512);
    EXPECT_EQ(this->tpm->nv_define(store_index, limits.index_octets + 1).error().kind, ErrorKind::invalid_argument);
    EXPECT_EQ(this->tpm->nv_define(store_index, 0).error().kind, ErrorKind::invalid_argument);
    EXPECT_TRUE(this->tpm->nv_define(store_index, limits.index_octets));
}

TYPED_TEST(TpmContract, DefinesAPlainIndexOnce) {
    EXPECT_EQ(this->tpm->nv_area(store_index).error().kind, ErrorKind::not_found);
    ASSERT_TRUE(this->tpm->nv_define(store_index, 100));
    const NvArea area = this->tpm->nv_area(store_index).value();
    EXPECT_EQ(area.octets, 100);
    EXPECT_TRUE(area.plain);
    EXPECT_FALSE(area.written);
    EXPECT_EQ(this->tpm->nv_define(store_index, 100).error().kind, ErrorKind::already_exists);
    EXPECT_EQ(this->tpm->nv_define(storage_root_handle, 100).error().kind, ErrorKind::invalid_argument);
    EXPECT_EQ(this->tpm->nv_area(storage_root_handle).error().kind, ErrorKind::invalid_argument);
    EXPECT_TRUE(this->tpm->nv_undefine(store_index));
    EXPECT_EQ(this->tpm->nv_area(store_index).error().kind, ErrorKind::not_found);
}

TYPED_TEST(TpmContract, WritesAndReadsPartsOfAnIndex) {
    ASSERT_TRUE(this->tpm->nv_define(store_index, 2000));
    EXPECT_EQ(this->tpm->nv_read(store_index, 0, 1).error().kind, ErrorKind::wrong_state) << "never written";
    const Octets content = octets_of(2000);
    ASSERT_TRUE(this->tpm->nv_write(store_index, 0, content));
    EXPECT_EQ(this->tpm->nv_read(store_index).value(), content);
    EXPECT_TRUE(this->tpm->nv_area(store_index)->written);
    const Octets part = octets_of(1500);
    ASSERT_TRUE(this->tpm->nv_write(store_index, 300, part));
    EXPECT_EQ(this->tpm->nv_read(store_index, 300, 1500).value(), part);
    EXPECT_EQ(this->tpm->nv_read(store_index, 0, 300).value(), Octets(content.begin(), content.begin() + 300));
    EXPECT_EQ(this->tpm->nv_read(store_index, 1800, 200).value(), Octets(content.begin() + 1800, content.end()));
    this->tpm->power_cycle();
    EXPECT_EQ(this->tpm->nv_read(store_index, 300, 1500).value(), part);
}

TYPED_TEST(TpmContract, OutsideAnIndexIsInvalidAndWritesNothing) {
    ASSERT_TRUE(this->tpm->nv_define(store_index, 2000));
    const Octets content = octets_of(2000);
    ASSERT_TRUE(this->tpm->nv_write(store_index, 0, content));
    EXPECT_EQ(this->tpm->nv_write(store_index, 1, octets_of(2000)).error().kind, ErrorKind::invalid_argument);
    EXPECT_EQ(this->tpm->nv_write(store_index, 65000, octets_of(2000)).error().kind, ErrorKind::invalid_argument);
    EXPECT_EQ(this->tpm->nv_write(store_index, 0, {}).error().kind, ErrorKind::invalid_argument);
    EXPECT_EQ(this->tpm->nv_read(store_index, 1, 2000).error().kind, ErrorKind::invalid_argument);
    EXPECT_EQ(this->tpm->nv_read(store_index, 0, 0).error().kind, ErrorKind::invalid_argument);
    EXPECT_EQ(this->tpm->nv_read(store_index).value(), content);
    EXPECT_EQ(this->tpm->nv_write(store_index + 1, 0, content).error().kind, ErrorKind::not_found);
    EXPECT_EQ(this->tpm->nv_read(store_index + 1, 0, 1).error().kind, ErrorKind::not_found);
    EXPECT_EQ(this->tpm->nv_write(storage_root_handle, 0, content).error().kind, ErrorKind::invalid_argument);
    EXPECT_EQ(this->tpm->nv_read(storage_root_handle, 0, 1).error().kind, ErrorKind::invalid_argument);
}

TYPED_TEST(TpmContract, AnIndexOfSystemdPcrlockIsNotPlainAndNotTheOwnersToWrite) {
    const PcrPolicy policy = this->present_policy();
    this->tpm->authorize(index_handle, policy);
    const Octets content = this->tpm->nv_read(index_handle).value();
    EXPECT_EQ(this->tpm->nv_area(index_handle)->octets, 34);
    EXPECT_FALSE(this->tpm->nv_area(index_handle)->plain);
    EXPECT_EQ(this->tpm->nv_write(index_handle, 0, content).error().kind, ErrorKind::wrong_state);
    EXPECT_EQ(this->tpm->nv_read(index_handle, 2, 32).value(), Octets(content.begin() + 2, content.end()));
}

TYPED_TEST(TpmContract, ATpmThatIsFullOfIndicesSaysWhatWasWantedAndWhatToDo) {
    std::uint32_t handle = store_index;
    Result<void> defined = this->tpm->nv_define(handle, 2000);
    while (defined && handle < store_index + 1000) defined = this->tpm->nv_define(++handle, 2000);
    ASSERT_FALSE(defined);
    EXPECT_EQ(defined.error().kind, ErrorKind::wrong_state) << defined.error().message;
    EXPECT_TRUE(defined.error().message.contains("2000 octets")) << defined.error().message;
    EXPECT_TRUE(defined.error().message.contains("tpm2_nvundefine")) << defined.error().message;
    EXPECT_EQ(this->tpm->nv_area(handle).error().kind, ErrorKind::not_found);
    ASSERT_TRUE(this->tpm->nv_undefine(store_index));
    EXPECT_TRUE(this->tpm->nv_define(handle, 2000));
}

TYPED_TEST(TpmContract, APasswordOfTheOwnerIsWrongStateAndNamed) {
    ASSERT_TRUE(this->tpm->nv_define(store_index, 10));
    ASSERT_TRUE(this->tpm->nv_write(store_index, 0, octets_of(10)));
    this->tpm->set_owner_password("unknown");
    const auto expect_named = [](const auto& result) {
        ASSERT_FALSE(result);
        EXPECT_EQ(result.error().kind, ErrorKind::wrong_state);
        EXPECT_TRUE(result.error().message.contains("owner hierarchy has a password")) << result.error().message;
    };
    expect_named(this->tpm->nv_define(store_index + 1, 10));
    expect_named(this->tpm->nv_write(store_index, 0, octets_of(10)));
    expect_named(this->tpm->nv_read(store_index, 0, 10));
    expect_named(this->tpm->nv_undefine(store_index));
    EXPECT_EQ(this->tpm->nv_area(store_index)->octets, 10);
}

}  // namespace
