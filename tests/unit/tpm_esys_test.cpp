// What only a real TPM can show: what goes over the wire, what stays behind, and what happens when it is busy or fails.
#include <gtest/gtest.h>
#include <tss2/tss2_tpm2_types.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "counting_tcti.hpp"
#include "software_tpm.hpp"
#include "tpm/esys_context.hpp"
#include "tpm/esys_convert.hpp"
#include "tpm/esys_session.hpp"
#include "tpm/esys_tpm.hpp"
#include "tpm/policy.hpp"

using namespace lethe;

namespace {

constexpr std::uint32_t index_handle = policy_index_handle;

Digest digest_of(std::string_view text) { return sha256(as_octets(text)); }

class EsysTpmTest : public testing::Test {
protected:
    EsysTpmTest() {
        tpm.extend(4, digest_of("loader"));
        root = tpm.storage_root().value();
        enroll(policy_with_variants(0));
    }
    ~EsysTpmTest() override {
        traffic.before = nullptr;
        traffic.tamper = nullptr;
        EXPECT_EQ(tpm.leftovers(), 0U) << "something stays behind in the TPM";
    }

    /// PCRs 4, 7, 11, 12 and 13 with their present values, the first `variants` of them with one more.
    PcrPolicy policy_with_variants(std::size_t variants) {
        PcrPolicy made;
        const PcrValues present = tpm.read_pcrs(std::vector<unsigned>{4, 7, 11, 12, 13}).value();
        for (const auto& [pcr, value] : present) {
            made.push_back({pcr, {value}});
            if (made.size() <= variants) made.back().values.push_back(digest_of("staged"));
        }
        return made;
    }
    void enroll(const PcrPolicy& chosen) {
        policy = chosen;
        tpm.authorize(index_handle, policy);
        index = tpm.nv_index(index_handle).value();
        object = tpm.seal(root, secret, policy_authorize_nv(index.name)).value();
        traffic.forget();
    }
    Result<Secret> unseal() { return tpm.unseal(root, index, object, policy); }
    /// Answers every command of this kind, the first `times` of them, with a response code.
    void answer(std::uint32_t command_code, std::uint32_t response_code, int times = 1000) {
        traffic.before = [=](std::uint32_t code) mutable -> std::optional<std::uint32_t> {
            if (code != command_code || times-- <= 0) return std::nullopt;
            return response_code;
        };
    }
    std::size_t sent(std::uint32_t command_code) { return std::ranges::count(traffic.command_codes(), command_code); }

    SoftwareTpm tpm;
    CountingTcti& traffic = tpm.traffic();
    Secret secret = Secret::random(32);
    TpmReference root, index;
    SealedObject object;
    PcrPolicy policy;
};

TEST_F(EsysTpmTest, OpeningCostsAtMost8CommandsAnd2ForEachMultiValuedPcr) {
    for (std::size_t variants = 0; variants <= policy.size(); ++variants) {
        enroll(policy_with_variants(variants));
        ASSERT_TRUE(unseal());
        std::printf("opening with %zu multi-valued PCRs: %zu commands, %zu octets\n", variants, traffic.exchanges().size(),
                    traffic.octets());
        EXPECT_LE(traffic.exchanges().size(), 8 + 2 * variants);
        EXPECT_EQ(tpm.leftovers(), 0U);
    }
}

TEST_F(EsysTpmTest, OpeningReadsNoPublicAreaAndFlushesNoSession) {
    ASSERT_TRUE(unseal());
    const std::vector<std::uint32_t> expected{TPM2_CC_StartAuthSession,  TPM2_CC_Load,   TPM2_CC_StartAuthSession, TPM2_CC_PolicyPCR,
                                              TPM2_CC_PolicyAuthorizeNV, TPM2_CC_Unseal, TPM2_CC_FlushContext};
    EXPECT_EQ(traffic.command_codes(), expected);
}

TEST_F(EsysTpmTest, NeitherSealingNorOpeningShowsTheSecretOnTheBus) {
    object = tpm.seal(root, secret, policy_authorize_nv(index.name)).value();
    ASSERT_TRUE(unseal());
    EXPECT_EQ(sent(TPM2_CC_Create), 1U);
    EXPECT_EQ(sent(TPM2_CC_Unseal), 1U);
    for (std::size_t part = 0; part + 8 <= secret.size(); part += 8) EXPECT_FALSE(traffic.saw(secret.expose().subspan(part, 8)));
    EXPECT_TRUE(traffic.saw(index.name) || traffic.saw(policy_authorize_nv(index.name))) << "the recorder records nothing";
}

/// How often the octets are in the heap of this process.
std::size_t copies_on_heap(OctetView wanted) {
    std::ifstream maps("/proc/self/maps");
    std::size_t copies = 0;
    for (std::string line; std::getline(maps, line);) {
        if (!line.ends_with("[heap]")) continue;
        std::size_t start = 0;
        std::size_t end = 0;
        char dash = 0;
        std::istringstream(line) >> std::hex >> start >> dash >> end;
        const auto heap = std::span(reinterpret_cast<const std::uint8_t*>(start), end - start);
        for (auto found = std::ranges::search(heap, wanted); !found.empty(); ++copies)
            found = std::ranges::search(std::span(found.end(), heap.end()), wanted);
    }
    return copies;
}

TEST_F(EsysTpmTest, NeitherSealingNorOpeningLeavesTheSecretOnTheHeap) {
#ifdef __SANITIZE_ADDRESS__
    GTEST_SKIP() << "AddressSanitizer has a heap of its own";
#endif
    object = tpm.seal(root, secret, policy_authorize_nv(index.name)).value();
    EXPECT_EQ(copies_on_heap(secret.expose()), 0U);
    ASSERT_TRUE(unseal());
    EXPECT_EQ(copies_on_heap(secret.expose()), 0U);
    const Octets copy(secret.expose().begin(), secret.expose().end());
    EXPECT_EQ(copies_on_heap(copy), 1U) << "the search finds nothing";
}

TEST_F(EsysTpmTest, TheObjectIsFixedHereWithoutPasswordAndOutsideTheLockout) {
    const TPM2B_PUBLIC area = unmarshal_public(object.public_area).value();
    EXPECT_EQ(area.publicArea.objectAttributes, TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_NODA);
    EXPECT_EQ(area.publicArea.authPolicy.size, 32U);
}

TEST_F(EsysTpmTest, AnObjectWithAPasswordIsCorrupt) {
    TPM2B_PUBLIC area = unmarshal_public(object.public_area).value();
    area.publicArea.objectAttributes |= TPMA_OBJECT_USERWITHAUTH;
    object.public_area = marshal(area);
    EXPECT_EQ(unseal().error().kind, ErrorKind::corrupt);
    EXPECT_TRUE(traffic.exchanges().empty()) << "refused before the TPM is asked";
}

TEST_F(EsysTpmTest, APcrThatChangesWhileOpeningStartsThePolicyAgain) {
    int changes = 3;
    traffic.before = [&](std::uint32_t code) -> std::optional<std::uint32_t> {
        if (code == TPM2_CC_Unseal && changes-- > 0) tpm.extend(10, digest_of("ima"));
        return std::nullopt;
    };
    const Result<Secret> opened = unseal();
    ASSERT_TRUE(opened) << opened.error().message;
    EXPECT_TRUE(*opened == secret);
    EXPECT_EQ(sent(TPM2_CC_Unseal), 4U);
    EXPECT_EQ(sent(TPM2_CC_Load), 1U);
}

TEST_F(EsysTpmTest, APcrThatChangesBetweenTwoPolicyCommandsStartsThePolicyAgain) {
    enroll(policy_with_variants(2));
    int seen = 0;
    traffic.before = [&](std::uint32_t code) -> std::optional<std::uint32_t> {
        if (code == TPM2_CC_PolicyPCR && ++seen == 2) tpm.extend(10, digest_of("ima"));
        return std::nullopt;
    };
    EXPECT_TRUE(unseal());
    EXPECT_GE(sent(TPM2_CC_PolicyPCR), 4U);
}

TEST_F(EsysTpmTest, APcrOfThePolicyThatChangesWhileOpeningIsPolicyMismatch) {
    int changes = 1;
    traffic.before = [&](std::uint32_t code) -> std::optional<std::uint32_t> {
        if (code == TPM2_CC_Unseal && changes-- > 0) tpm.extend(11, digest_of("phase"));
        return std::nullopt;
    };
    const Result<Secret> opened = unseal();
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().kind, ErrorKind::policy_mismatch);
    EXPECT_TRUE(opened.error().message.contains("PCR 11 ")) << opened.error().message;
}

TEST_F(EsysTpmTest, PcrsThatNeverStopChangingEndInTpmUnavailable) {
    traffic.before = [&](std::uint32_t code) -> std::optional<std::uint32_t> {
        if (code == TPM2_CC_Unseal) tpm.extend(10, digest_of("ima"));
        return std::nullopt;
    };
    EXPECT_EQ(unseal().error().kind, ErrorKind::tpm_unavailable);
    EXPECT_EQ(sent(TPM2_CC_Unseal), 16U);
}

TEST_F(EsysTpmTest, PcrsThatChangeBetweenTwoReadsAreReadAgain) {
    std::vector<unsigned> pcrs;
    for (unsigned pcr = 0; pcr < 24; ++pcr) pcrs.push_back(pcr);
    int seen = 0;
    traffic.before = [&](std::uint32_t code) -> std::optional<std::uint32_t> {
        if (code == TPM2_CC_PCR_Read && ++seen == 2) {
            tpm.extend(0, digest_of("early"));  // among the first eight, already read
            tpm.extend(15, digest_of("late"));
        }
        return std::nullopt;
    };
    const PcrValues values = tpm.read_pcrs(pcrs).value();
    EXPECT_EQ(values.at(0), extended(Digest{}, digest_of("early")));
    EXPECT_EQ(values.at(15), extended(Digest{}, digest_of("late")));
    EXPECT_EQ(seen, 5);
}

TEST_F(EsysTpmTest, ABusyTpmIsAskedAgain) {
    answer(TPM2_CC_PolicyPCR, TPM2_RC_RETRY, 7);
    EXPECT_TRUE(unseal());
    answer(TPM2_CC_Unseal, TPM2_RC_YIELDED, 1);
    EXPECT_TRUE(unseal());
}

TEST_F(EsysTpmTest, ATpmThatStaysBusyIsUnavailable) {
    answer(TPM2_CC_Load, TPM2_RC_TESTING);
    EXPECT_EQ(unseal().error().kind, ErrorKind::tpm_unavailable);
}

TEST_F(EsysTpmTest, ALockedOutTpmSaysSo) {
    answer(TPM2_CC_Unseal, TPM2_RC_LOCKOUT);
    EXPECT_EQ(unseal().error().kind, ErrorKind::tpm_locked_out);
    answer(TPM2_CC_Create, TPM2_RC_LOCKOUT);
    EXPECT_EQ(tpm.seal(root, secret, Digest{}).error().kind, ErrorKind::tpm_locked_out);
}

TEST_F(EsysTpmTest, NothingStaysBehindWhicheverCommandFails) {
    enroll(policy_with_variants(2));
    ASSERT_TRUE(unseal());
    std::vector<std::uint32_t> codes = traffic.command_codes();
    std::erase(codes, TPM2_CC_FlushContext);
    for (std::size_t failing = 0; failing < codes.size(); ++failing) {
        for (const std::uint32_t rc : {TPM2_RC_FAILURE, TPM2_RC_OBJECT_MEMORY, TPM2_RC_VALUE, TPM2_RC_BAD_AUTH}) {
            std::size_t position = 0;
            traffic.before = [&](std::uint32_t) -> std::optional<std::uint32_t> {
                return position++ == failing ? std::optional(rc) : std::nullopt;
            };
            EXPECT_FALSE(unseal()) << "command " << failing << " answered with " << std::hex << rc;
            traffic.before = nullptr;
            EXPECT_EQ(tpm.leftovers(), 0U) << "command " << failing << " answered with " << std::hex << rc;
        }
    }
    EXPECT_TRUE(unseal());
}

TEST_F(EsysTpmTest, AForgedResponseIsRefusedAndLeavesNothingBehind) {
    traffic.tamper = [](std::uint32_t code, std::span<std::uint8_t> response) {
        if (code == TPM2_CC_Unseal) response[20] ^= 1;  // within the encrypted parameter
    };
    EXPECT_EQ(unseal().error().kind, ErrorKind::tpm_unavailable);
    traffic.tamper = nullptr;
    EXPECT_EQ(tpm.leftovers(), 0U);
    EXPECT_TRUE(unseal()) << "the next verb is not affected";
}

TEST_F(EsysTpmTest, ATransportThatFailsOnceIsUnavailableAndThenWorksAgain) {
    answer(TPM2_CC_StartAuthSession, TSS2_TCTI_RC_IO_ERROR, 1);
    EXPECT_EQ(unseal().error().kind, ErrorKind::tpm_unavailable);
    EXPECT_TRUE(unseal());
}

TEST_F(EsysTpmTest, AStorageRootThatAnotherProcessHasJustMadeIsTaken) {
    answer(TPM2_CC_ReadPublic, TPM2_RC_HANDLE, 1);  // as if the handle had been empty a moment ago
    const Result<TpmReference> found = tpm.storage_root();
    ASSERT_TRUE(found) << found.error().message;
    EXPECT_EQ(*found, root);
    EXPECT_EQ(sent(TPM2_CC_EvictControl), 1U);
}

TEST_F(EsysTpmTest, TheCalculatorsAndTheTpmAgree) {
    const auto session_digest = [&](const EsysContext& esys, const EsysHandle& session) {
        TPM2B_DIGEST* digest = nullptr;
        EXPECT_EQ(Esys_PolicyGetDigest(esys.get(), session.get(), ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &digest), TSS2_RC_SUCCESS);
        const EsysBuffer<TPM2B_DIGEST> owner(digest);
        Digest copy{};
        std::ranges::copy_n(digest->buffer, std::min<std::size_t>(digest->size, copy.size()), copy.begin());
        return copy;
    };
    for (std::size_t variants = 0; variants <= policy.size(); ++variants) {
        enroll(policy_with_variants(variants));
        const EsysContext esys = EsysContext::open(traffic.context()).value();
        const EsysHandle session = start_session(esys, ESYS_TR_NONE, TPM2_SE_POLICY).value();
        ASSERT_EQ(replay_policy(esys, session, policy), TSS2_RC_SUCCESS);
        EXPECT_EQ(session_digest(esys, session), pcrlock_policy(policy).value()) << variants << " multi-valued PCRs";

        ESYS_TR nv = ESYS_TR_NONE;
        ASSERT_EQ(Esys_TR_Deserialize(esys.get(), index.serialized.data(), index.serialized.size(), &nv), TSS2_RC_SUCCESS);
        ASSERT_EQ(Esys_PolicyAuthorizeNV(esys.get(), ESYS_TR_RH_OWNER, nv, session.get(), ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE),
                  TSS2_RC_SUCCESS);
        EXPECT_EQ(session_digest(esys, session), policy_authorize_nv(index.name));
    }
}

TEST(EsysTpm, AMissingTpmIsUnavailableAndNamed) {
    const auto opened = open_esys_tpm("device:/nonexistent/tpm");
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().kind, ErrorKind::tpm_unavailable);
    EXPECT_TRUE(opened.error().message.contains("/nonexistent/tpm"));
}

TEST(EsysTpm, TheStorageRootIsCreatedOnceWithTheTemplateThatSystemdUses) {
    SoftwareTpm tpm;
    CountingTcti& traffic = tpm.traffic();
    const TpmReference root = tpm.storage_root().value();
    const std::vector<std::uint32_t> creating{TPM2_CC_ReadPublic, TPM2_CC_CreatePrimary, TPM2_CC_EvictControl, TPM2_CC_FlushContext,
                                              TPM2_CC_ReadPublic};
    EXPECT_EQ(traffic.command_codes(), creating);
    EXPECT_TRUE(
        traffic.saw(*from_hex("0023000b00030472"  // ECC, SHA-256, the attributes of the Provisioning Guidance
                              "0000"              // no authPolicy
                              "000600800043"      // AES-128-CFB
                              "001000030010"      // no scheme, P-256, no KDF
                              "00000000")));      // an empty unique field
    traffic.forget();
    EXPECT_EQ(tpm.storage_root().value(), root);
    EXPECT_EQ(traffic.command_codes(), std::vector<std::uint32_t>{TPM2_CC_ReadPublic});
    EXPECT_EQ(tpm.leftovers(), 0U);
}

TEST(EsysTpm, APartOfAnIndexCostsOneCommandForWhatTheTpmTakesAtOnce) {
    SoftwareTpm tpm;
    CountingTcti& traffic = tpm.traffic();
    const auto commands = [&](auto&& action) {
        traffic.forget();
        EXPECT_TRUE(action());
        return traffic.command_codes();
    };
    constexpr std::uint32_t handle = store_index_handles[0];
    using Codes = std::vector<std::uint32_t>;
    EXPECT_EQ(commands([&] { return tpm.nv_define(handle, 2000); }), (Codes{TPM2_CC_NV_DefineSpace}));
    EXPECT_EQ(commands([&] { return tpm.nv_write(handle, 0, Octets(512)); }), (Codes{TPM2_CC_NV_Write}));
    EXPECT_EQ(commands([&] { return tpm.nv_read(handle, 8, 504); }), (Codes{TPM2_CC_NV_Read}));
    EXPECT_EQ(commands([&] { return tpm.nv_write(handle, 0, Octets(2000)); }),
              (Codes{TPM2_CC_GetCapability, TPM2_CC_NV_Write, TPM2_CC_NV_Write}));
    EXPECT_EQ(commands([&] { return tpm.nv_read(handle, 0, 2000); }), (Codes{TPM2_CC_NV_Read, TPM2_CC_NV_Read})) << "asked only once";
    EXPECT_EQ(commands([&] { return tpm.nv_area(handle); }), (Codes{TPM2_CC_NV_ReadPublic}));
    EXPECT_EQ(commands([&] { return tpm.nv_undefine(handle); }), (Codes{TPM2_CC_NV_UndefineSpace}));
    EXPECT_EQ(tpm.leftovers(), 0U);
}

TEST(EsysTpm, TheBeginningOfWhatIsWrittenToAnIndexIsWrittenLast) {
    SoftwareTpm tpm;
    constexpr std::uint32_t handle = store_index_handles[0];
    ASSERT_TRUE(tpm.nv_define(handle, 2000));
    ASSERT_TRUE(tpm.nv_write(handle, 0, Octets(2000, 1)));
    int writes = 0;
    tpm.traffic().before = [&](std::uint32_t code) -> std::optional<std::uint32_t> {
        return code == TPM2_CC_NV_Write && ++writes == 2 ? std::optional<std::uint32_t>(TSS2_TCTI_RC_IO_ERROR) : std::nullopt;
    };
    EXPECT_EQ(tpm.nv_write(handle, 0, Octets(2000, 2)).error().kind, ErrorKind::tpm_unavailable);
    tpm.traffic().before = nullptr;
    const Octets content = tpm.nv_read(handle).value();
    EXPECT_EQ(content.front(), 1);
    EXPECT_EQ(content.back(), 2);
}

TEST(EsysTpm, ATpmThatSparesItsMemoryIsAskedAgain) {
    SoftwareTpm tpm;
    ASSERT_TRUE(tpm.nv_define(store_index_handles[0], 10));
    int refusals = 2;
    tpm.traffic().before = [&](std::uint32_t) { return refusals-- > 0 ? std::optional<std::uint32_t>(TPM2_RC_NV_RATE) : std::nullopt; };
    EXPECT_TRUE(tpm.nv_write(store_index_handles[0], 0, Octets(10)));
    refusals = 1000;
    const Result<void> refused = tpm.nv_write(store_index_handles[0], 0, Octets(10));
    EXPECT_EQ(refused.error().kind, ErrorKind::tpm_unavailable);
    EXPECT_TRUE(refused.error().message.contains("later")) << refused.error().message;
}

TEST(EsysTpm, AKeyOfAnotherKindAtTheHandleOfTheStorageRootIsWrongState) {
    SoftwareTpm tpm;
    const EsysContext esys = EsysContext::open(tpm.traffic().context()).value();
    TPM2B_PUBLIC wanted{};
    wanted.publicArea.type = TPM2_ALG_ECC;
    wanted.publicArea.nameAlg = TPM2_ALG_SHA256;
    wanted.publicArea.objectAttributes = TPMA_OBJECT_SIGN_ENCRYPT | TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_SENSITIVEDATAORIGIN |
                                         TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT;
    wanted.publicArea.parameters.eccDetail = {.symmetric = {.algorithm = TPM2_ALG_NULL, .keyBits = {}, .mode = {}},
                                              .scheme = {.scheme = TPM2_ALG_NULL, .details = {}},
                                              .curveID = TPM2_ECC_NIST_P256,
                                              .kdf = {.scheme = TPM2_ALG_NULL, .details = {}}};
    const TPM2B_SENSITIVE_CREATE no_secret{};
    const TPM2B_DATA no_data{};
    const TPML_PCR_SELECTION no_pcrs{};
    ESYS_TR primary = ESYS_TR_NONE;
    ESYS_TR persistent = ESYS_TR_NONE;
    ASSERT_EQ(Esys_CreatePrimary(esys.get(), ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &no_secret, &wanted, &no_data,
                                 &no_pcrs, &primary, nullptr, nullptr, nullptr, nullptr),
              TSS2_RC_SUCCESS);
    const EsysHandle owner(esys, primary);
    ASSERT_EQ(Esys_EvictControl(esys.get(), ESYS_TR_RH_OWNER, primary, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, storage_root_handle,
                                &persistent),
              TSS2_RC_SUCCESS);
    EXPECT_EQ(tpm.storage_root().error().kind, ErrorKind::wrong_state);
}

}  // namespace
