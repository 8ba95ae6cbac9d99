// The salts of sessions: what the holder of the key makes of them, and a TPM that holds one.
#include <gtest/gtest.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <tss2/tss2_mu.h>

#include <algorithm>
#include <memory>

#include "counting_tcti.hpp"
#include "software_tpm.hpp"
#include "tpm/esys_context.hpp"
#include "tpm/esys_crypto.hpp"
#include "tpm/policy.hpp"

using namespace lethe;

namespace {

using Key = std::unique_ptr<EVP_PKEY, decltype([](EVP_PKEY* key) { EVP_PKEY_free(key); })>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, decltype([](EVP_PKEY_CTX* context) { EVP_PKEY_CTX_free(context); })>;

const ESYS_CRYPTO_CALLBACKS crypto = esys_cryptography();

Octets public_point(EVP_PKEY* key) {
    Octets point(200);
    std::size_t size = 0;
    EXPECT_EQ(EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size(), &size), 1);
    point.resize(size);
    return point;
}

TPM2B_PUBLIC ecc_area(TPM2_ECC_CURVE curve, OctetView point) {
    TPM2B_PUBLIC made{};
    made.publicArea.type = TPM2_ALG_ECC;
    made.publicArea.nameAlg = TPM2_ALG_SHA256;
    made.publicArea.parameters.eccDetail.curveID = curve;
    TPMS_ECC_POINT& unique = made.publicArea.unique.ecc;
    const std::size_t half = (point.size() - 1) / 2;
    unique.x.size = unique.y.size = static_cast<UINT16>(half);
    std::ranges::copy(point.subspan(1, half), unique.x.buffer);
    std::ranges::copy(point.subspan(1 + half), unique.y.buffer);
    return made;
}

struct EccSalt {
    TSS2_RC rc;
    TPM2B_ECC_PARAMETER secret{};
    TPMS_ECC_POINT own{};
    Octets marshalled;
};
EccSalt ecc_salt(TPM2B_PUBLIC area, std::size_t room = sizeof(TPMU_ENCRYPTED_SECRET)) {
    EccSalt salt{};
    salt.marshalled.resize(room);
    std::size_t size = 0;
    salt.rc = crypto.get_ecdh_point(&area, room, &salt.secret, &salt.own, salt.marshalled.data(), &size, nullptr);
    salt.marshalled.resize(size);
    return salt;
}

/// What the holder of `key` computes from the point that it was sent.
Octets secret_of_holder(EVP_PKEY* key, const char* curve, const TPMS_ECC_POINT& point) {
    Octets octets{4};
    octets.insert(octets.end(), point.x.buffer, point.x.buffer + point.x.size);
    octets.insert(octets.end(), point.y.buffer, point.y.buffer + point.y.size);
    const Key sent(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", curve));  // overwritten: for its curve
    EXPECT_EQ(EVP_PKEY_set1_encoded_public_key(sent.get(), octets.data(), octets.size()), 1);
    const KeyContext context(EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr));
    Octets secret(100);
    std::size_t size = secret.size();
    EXPECT_EQ(EVP_PKEY_derive_init(context.get()), 1);
    EXPECT_EQ(EVP_PKEY_derive_set_peer(context.get(), sent.get()), 1);
    EXPECT_EQ(EVP_PKEY_derive(context.get(), secret.data(), &size), 1);
    secret.resize(size);
    return secret;
}

TEST(EsysSalt, TheHolderOfAnEccKeyComesToTheSameSalt) {
    for (const auto& [curve, name] :
         {std::pair{TPM2_ECC_NIST_P256, "P-256"}, std::pair{TPM2_ECC_NIST_P384, "P-384"}, std::pair{TPM2_ECC_NIST_P521, "P-521"}}) {
        const Key holder(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", name));
        const Octets point = public_point(holder.get());
        const EccSalt salt = ecc_salt(ecc_area(curve, point)), other = ecc_salt(ecc_area(curve, point));
        ASSERT_EQ(salt.rc, TSS2_RC_SUCCESS) << name;
        EXPECT_EQ(Octets(salt.secret.buffer, salt.secret.buffer + salt.secret.size), secret_of_holder(holder.get(), name, salt.own))
            << name;
        TPMS_ECC_POINT sent{};
        std::size_t offset = 0;
        ASSERT_EQ(Tss2_MU_TPMS_ECC_POINT_Unmarshal(salt.marshalled.data(), salt.marshalled.size(), &offset, &sent), TSS2_RC_SUCCESS);
        EXPECT_EQ(sent.x.size, salt.own.x.size);
        EXPECT_TRUE(std::ranges::equal(sent.x.buffer, salt.own.x.buffer));
        EXPECT_FALSE(std::ranges::equal(salt.secret.buffer, other.secret.buffer)) << "not made anew";
    }
}

TEST(EsysSalt, ACoordinateWithoutItsLeadingZerosIsTheSame) {
    const Key holder(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"));
    TPM2B_PUBLIC area = ecc_area(TPM2_ECC_NIST_P256, public_point(holder.get()));
    TPM2B_ECC_PARAMETER& x = area.publicArea.unique.ecc.x;
    std::ranges::copy_backward(OctetView(x.buffer, 32), x.buffer + 33);
    x.buffer[0] = 0;
    x.size = 33;
    EXPECT_EQ(ecc_salt(area).rc, TSS2_ESYS_RC_GENERAL_FAILURE) << "longer than the curve's";
    area = ecc_area(TPM2_ECC_NIST_P256, Octets(65, 0));
    // The point of P-256 with x = 0: its y is a square root of the curve's b.
    const Octets y = *from_hex("66485c780e2f83d72433bd5d84a06bb6541c2af31dae871728bf856a174f93f4");
    std::ranges::copy(y, area.publicArea.unique.ecc.y.buffer);
    area.publicArea.unique.ecc.x.size = 1;
    EXPECT_EQ(ecc_salt(area).rc, TSS2_RC_SUCCESS);
}

TEST(EsysSalt, NoSaltIsMadeForAPointThatIsNotOnItsCurve) {
    const Key holder(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"));
    const Octets point = public_point(holder.get());
    EXPECT_EQ(ecc_salt(ecc_area(TPM2_ECC_NIST_P384, point)).rc, TSS2_ESYS_RC_GENERAL_FAILURE);
    EXPECT_EQ(ecc_salt(ecc_area(TPM2_ECC_SM2_P256, point)).rc, TSS2_ESYS_RC_NOT_IMPLEMENTED);
    Octets beside = point;
    beside.back() ^= 1;
    EXPECT_EQ(ecc_salt(ecc_area(TPM2_ECC_NIST_P256, beside)).rc, TSS2_ESYS_RC_GENERAL_FAILURE);
    EXPECT_EQ(ERR_peek_error(), 0U);
    EXPECT_NE(ecc_salt(ecc_area(TPM2_ECC_NIST_P256, point), 10).rc, TSS2_RC_SUCCESS) << "no room for the point";
}

TPM2B_PUBLIC rsa_area(EVP_PKEY* key) {
    TPM2B_PUBLIC made{};
    made.publicArea.type = TPM2_ALG_RSA;
    made.publicArea.nameAlg = TPM2_ALG_SHA256;
    BIGNUM* modulus = nullptr;
    EXPECT_EQ(EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &modulus), 1);
    made.publicArea.unique.rsa.size = static_cast<UINT16>(BN_bn2bin(modulus, made.publicArea.unique.rsa.buffer));
    BN_free(modulus);
    return made;
}

std::expected<Octets, TSS2_RC> rsa_salt(TPM2B_PUBLIC area, Octets salt, std::size_t room = sizeof(TPMU_ENCRYPTED_SECRET)) {
    Octets out(room);
    std::size_t size = 0;
    const TSS2_RC rc = crypto.rsa_pk_encrypt(&area, salt.size(), salt.data(), room, out.data(), &size, "SECRET", nullptr);
    if (rc != TSS2_RC_SUCCESS) return std::unexpected(rc);
    out.resize(size);
    return out;
}

TEST(EsysSalt, TheHolderOfAnRsaKeyFindsTheSalt) {
    const Key holder(EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", std::size_t{2048}));
    const TPM2B_PUBLIC area = rsa_area(holder.get());
    const Octets salt(32, 7);
    const auto sent = rsa_salt(area, salt);
    ASSERT_TRUE(sent);
    const KeyContext context(EVP_PKEY_CTX_new_from_pkey(nullptr, holder.get(), nullptr));
    ASSERT_EQ(EVP_PKEY_decrypt_init(context.get()), 1);
    ASSERT_EQ(EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_OAEP_PADDING), 1);
    ASSERT_EQ(EVP_PKEY_CTX_set_rsa_oaep_md(context.get(), EVP_sha256()), 1);
    ASSERT_EQ(EVP_PKEY_CTX_set0_rsa_oaep_label(context.get(), OPENSSL_strdup("SECRET"), 7), 1);
    Octets found(256);
    std::size_t size = found.size();
    ASSERT_EQ(EVP_PKEY_decrypt(context.get(), found.data(), &size, sent->data(), sent->size()), 1);
    found.resize(size);
    EXPECT_EQ(found, salt);
    EXPECT_NE(rsa_salt(area, salt), sent) << "not made anew";
}

TEST(EsysSalt, NoSaltIsMadeForWhatIsNoRsaKeyOrHasNoRoom) {
    const Key holder(EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", std::size_t{2048}));
    TPM2B_PUBLIC area = rsa_area(holder.get());
    EXPECT_EQ(rsa_salt(area, Octets(32), 255).error(), TSS2_ESYS_RC_GENERAL_FAILURE);
    EXPECT_EQ(rsa_salt(area, Octets(256)).error(), TSS2_ESYS_RC_GENERAL_FAILURE) << "longer than OAEP takes";
    EXPECT_EQ(ERR_peek_error(), 0U);
    area.publicArea.nameAlg = TPM2_ALG_SHA384;
    EXPECT_EQ(rsa_salt(area, Octets(32)).error(), TSS2_ESYS_RC_NOT_IMPLEMENTED);
    area.publicArea.nameAlg = TPM2_ALG_SHA256;
    area.publicArea.unique.rsa.size = 0;
    EXPECT_EQ(rsa_salt(area, Octets(32)).error(), TSS2_ESYS_RC_GENERAL_FAILURE);
}

// TCG EK Credential Profile, template L-1: what another program may have left at the handle of the storage root key.
TPM2B_PUBLIC rsa_storage_root() {
    TPM2B_PUBLIC wanted{};
    wanted.publicArea.type = TPM2_ALG_RSA;
    wanted.publicArea.nameAlg = TPM2_ALG_SHA256;
    wanted.publicArea.objectAttributes = TPMA_OBJECT_DECRYPT | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_NODA |
                                         TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_USERWITHAUTH;
    TPMS_RSA_PARMS& rsa = wanted.publicArea.parameters.rsaDetail;
    rsa.symmetric.algorithm = TPM2_ALG_AES;
    rsa.symmetric.keyBits.aes = 128;
    rsa.symmetric.mode.aes = TPM2_ALG_CFB;
    rsa.scheme.scheme = TPM2_ALG_NULL;
    rsa.keyBits = 2048;
    return wanted;
}

TEST(EsysSalt, ATpmWithAnRsaStorageRootSealsAndOpens) {
    SoftwareTpm tpm;
    {
        const EsysContext esys = EsysContext::open(tpm.traffic().context()).value();
        const TPM2B_PUBLIC wanted = rsa_storage_root();
        const TPM2B_SENSITIVE_CREATE no_secret{};
        const TPM2B_DATA no_data{};
        const TPML_PCR_SELECTION no_pcrs{};
        ESYS_TR primary = ESYS_TR_NONE, persistent = ESYS_TR_NONE;
        ASSERT_EQ(Esys_CreatePrimary(esys.get(), ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &no_secret, &wanted,
                                     &no_data, &no_pcrs, &primary, nullptr, nullptr, nullptr, nullptr),
                  TSS2_RC_SUCCESS);
        const EsysHandle owner(esys, primary);
        ASSERT_EQ(Esys_EvictControl(esys.get(), ESYS_TR_RH_OWNER, primary, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
                                    storage_root_handle, &persistent),
                  TSS2_RC_SUCCESS);
    }
    const PcrPolicy policy{{11, {tpm.read_pcrs(std::array{11u}).value().at(11)}}};
    tpm.authorize(policy_index_handle, policy);
    const TpmReference root = tpm.storage_root().value(), index = tpm.nv_index(policy_index_handle).value();
    const Secret secret = Secret::random(32);
    const SealedObject object = tpm.seal(root, secret, policy_authorize_nv(index.name)).value();
    const auto opened = tpm.unseal(root, index, object, policy);
    ASSERT_TRUE(opened) << opened.error().message;
    EXPECT_EQ(*opened, secret);
    EXPECT_EQ(tpm.leftovers(), 0U);
    tpm.extend(11, sha256(as_octets("another")));
    EXPECT_EQ(tpm.unseal(root, index, object, policy).error().kind, ErrorKind::policy_mismatch);
}

}  // namespace
