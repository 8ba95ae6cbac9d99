#include "tpm/esys_salt.hpp"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <tss2/tss2_mu.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <span>

// Called by C: nothing here throws. Both need OpenSSL: libsodium has neither the curves nor RSA.
namespace lethe {

namespace {

struct Free {
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
    void operator()(EVP_PKEY_CTX* context) const { EVP_PKEY_CTX_free(context); }
    void operator()(BIGNUM* number) const { BN_free(number); }
};
template <class T>
using Owned = std::unique_ptr<T, Free>;

struct Curve {
    TPMI_ECC_CURVE id;
    const char* name;
    std::size_t octets;  ///< of a coordinate
};
constexpr std::size_t most_coordinate_octets = 66;
constexpr std::array curves{Curve{TPM2_ECC_NIST_P256, "P-256", 32}, Curve{TPM2_ECC_NIST_P384, "P-384", 48},
                            Curve{TPM2_ECC_NIST_P521, "P-521", most_coordinate_octets}};

// 4, x, y (SEC 1, 2.3.3); both coordinates have the curve's length.
using PointOctets = std::array<std::uint8_t, 1 + 2 * most_coordinate_octets>;

OSSL_PARAM text_parameter(const char* name, const char* text) {
    return OSSL_PARAM_construct_utf8_string(name, const_cast<char*>(text), 0);  // const where nothing is asked for
}

Owned<EVP_PKEY> public_key(const char* type, OSSL_PARAM* parameters) {
    const Owned<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
    EVP_PKEY* key = nullptr;
    if (!context || EVP_PKEY_fromdata_init(context.get()) != 1) return nullptr;
    return Owned<EVP_PKEY>(EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, parameters) == 1 ? key : nullptr);
}

bool put_coordinate(const TPM2B_ECC_PARAMETER& coordinate, std::span<std::uint8_t> place) {
    if (coordinate.size > place.size()) return false;
    std::copy_n(coordinate.buffer, coordinate.size, place.last(coordinate.size).begin());
    return true;
}

void take_coordinate(std::span<const std::uint8_t> place, TPM2B_ECC_PARAMETER& coordinate) {
    coordinate.size = static_cast<UINT16>(place.size());
    std::ranges::copy(place, coordinate.buffer);
}

// Null when the point is not on the curve: OpenSSL looks.
Owned<EVP_PKEY> ecc_key(const Curve& curve, const TPMS_ECC_POINT& point) {
    PointOctets octets{4};
    const auto coordinates = std::span(octets).subspan(1, 2 * curve.octets);
    if (!put_coordinate(point.x, coordinates.first(curve.octets)) || !put_coordinate(point.y, coordinates.last(curve.octets)))
        return nullptr;
    std::array parameters{text_parameter(OSSL_PKEY_PARAM_GROUP_NAME, curve.name),
                          OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, octets.data(), 1 + coordinates.size()),
                          OSSL_PARAM_construct_end()};
    return public_key("EC", parameters.data());
}

bool take_point(const Curve& curve, EVP_PKEY* key, TPMS_ECC_POINT& point) {
    PointOctets octets{};
    const auto coordinates = std::span(octets).subspan(1, 2 * curve.octets);
    std::size_t size = 0;
    if (EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, octets.data(), octets.size(), &size) != 1 ||
        size != 1 + coordinates.size())
        return false;
    take_coordinate(coordinates.first(curve.octets), point.x);
    take_coordinate(coordinates.last(curve.octets), point.y);
    return true;
}

// The x coordinate, as long as the curve's are (TPM 2.0 Part 1, C.6.1). These curves have no small subgroup to look for in the other's key.
bool agree(EVP_PKEY* own, EVP_PKEY* other, TPM2B_ECC_PARAMETER& secret) {
    const Owned<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_pkey(nullptr, own, nullptr));
    std::size_t size = sizeof secret.buffer;
    if (!context || EVP_PKEY_derive_init(context.get()) != 1 || EVP_PKEY_derive_set_peer_ex(context.get(), other, 0) != 1 ||
        EVP_PKEY_derive(context.get(), secret.buffer, &size) != 1)
        return false;
    secret.size = static_cast<UINT16>(size);
    return true;
}

Owned<EVP_PKEY> rsa_key(const TPM2B_PUBLIC_KEY_RSA& modulus, std::uint32_t exponent) {
    std::array<std::uint8_t, sizeof modulus.buffer> native{};
    const Owned<BIGNUM> number(modulus.size > native.size() ? nullptr : BN_bin2bn(modulus.buffer, modulus.size, nullptr));
    if (!number || BN_bn2nativepad(number.get(), native.data(), modulus.size) < 0) return nullptr;
    std::array parameters{OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_RSA_N, native.data(), modulus.size),
                          OSSL_PARAM_construct_uint32(OSSL_PKEY_PARAM_RSA_E, &exponent), OSSL_PARAM_construct_end()};
    return public_key("RSA", parameters.data());
}

// The label's NUL belongs to it (TPM 2.0 Part 1, B.4).
bool encrypt_with_oaep(EVP_PKEY* key, std::span<std::uint8_t> salt, const char* label, BYTE* out, std::size_t& out_size) {
    const Owned<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr));
    const std::array parameters{
        text_parameter(OSSL_ASYM_CIPHER_PARAM_PAD_MODE, OSSL_PKEY_RSA_PAD_MODE_OAEP),
        text_parameter(OSSL_ASYM_CIPHER_PARAM_OAEP_DIGEST, "SHA256"),
        OSSL_PARAM_construct_octet_string(OSSL_ASYM_CIPHER_PARAM_OAEP_LABEL, const_cast<char*>(label), std::strlen(label) + 1),
        OSSL_PARAM_construct_end()};
    return context && EVP_PKEY_encrypt_init_ex(context.get(), parameters.data()) == 1 &&
           EVP_PKEY_encrypt(context.get(), out, &out_size, salt.data(), salt.size()) == 1;
}

TSS2_RC openssl_failure() {
    ERR_clear_error();  // the thread's queue, which the next user of OpenSSL would read as its own failure
    return TSS2_ESYS_RC_GENERAL_FAILURE;
}

}  // namespace

TSS2_RC salt_for_ecc(TPM2B_PUBLIC* key, std::size_t most, TPM2B_ECC_PARAMETER* secret, TPMS_ECC_POINT* own, BYTE* out,
                     std::size_t* out_size, void*) noexcept {
    const TPMT_PUBLIC& area = key->publicArea;
    const auto* const curve = std::ranges::find(curves, area.parameters.eccDetail.curveID, &Curve::id);
    if (curve == curves.end()) return TSS2_ESYS_RC_NOT_IMPLEMENTED;
    const auto tpm_key = ecc_key(*curve, area.unique.ecc);
    const Owned<EVP_PKEY> own_key(tpm_key ? EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", curve->name) : nullptr);
    if (!own_key || !take_point(*curve, own_key.get(), *own) || !agree(own_key.get(), tpm_key.get(), *secret)) return openssl_failure();
    *out_size = 0;
    return Tss2_MU_TPMS_ECC_POINT_Marshal(own, out, most, out_size);
}

TSS2_RC salt_for_rsa(TPM2B_PUBLIC* key, std::size_t size, BYTE* salt, std::size_t most, BYTE* out, std::size_t* out_size, const char* label,
                     void*) noexcept {
    const TPMT_PUBLIC& area = key->publicArea;
    if (area.nameAlg != TPM2_ALG_SHA256) return TSS2_ESYS_RC_NOT_IMPLEMENTED;
    constexpr std::uint32_t default_exponent = 65537;  // TPM 2.0 Part 2, 12.2.3.5
    const std::uint32_t exponent = area.parameters.rsaDetail.exponent;
    const auto rsa = rsa_key(area.unique.rsa, exponent != 0 ? exponent : default_exponent);
    *out_size = most;
    if (!rsa || !encrypt_with_oaep(rsa.get(), {salt, size}, label, out, *out_size)) return openssl_failure();
    return TSS2_RC_SUCCESS;
}

}  // namespace lethe
