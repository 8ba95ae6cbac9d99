#include "image/signature.hpp"

#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/pkcs7.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <memory>

namespace lethe {
namespace {

template <auto free>
struct Free {
    void operator()(auto* object) const { free(object); }
};
using Pkcs7 = std::unique_ptr<PKCS7, Free<PKCS7_free>>;
using Certificate = std::unique_ptr<X509, Free<X509_free>>;
using CertificateStore = std::unique_ptr<X509_STORE, Free<X509_STORE_free>>;
using DigestInfo = std::unique_ptr<X509_SIG, Free<X509_SIG_free>>;
using Memory = std::unique_ptr<BIO, Free<BIO_free>>;

constexpr std::size_t entry_header_octets = 8;
constexpr std::uint16_t pkcs_signed_data = 0x0002;
constexpr const char* spc_indirect_data = "1.3.6.1.4.1.311.2.1.4";

// The certificate table's entries of PKCS#7. Each begins at a multiple of 8 octets.
Result<std::vector<Pkcs7>> parse_signatures(OctetView table) {
    std::vector<Pkcs7> signatures;
    OctetReader reader(table);
    while (reader.rest().size() >= entry_header_octets) {
        const std::size_t size = TRY(reader.u32_le());
        TRY(reader.u16_le());  // the revision
        const std::uint16_t type = TRY(reader.u16_le());
        if (size < entry_header_octets) return fail(ErrorKind::corrupt, "an entry of {} octets in the image's certificate table", size);
        const OctetView content = TRY(reader.take(size - entry_header_octets));
        TRY(reader.take(std::min((8 - size % 8) % 8, reader.rest().size())));
        const std::uint8_t* start = content.data();
        if (type != pkcs_signed_data) continue;
        Pkcs7 signature(d2i_PKCS7(nullptr, &start, static_cast<long>(content.size())));
        ERR_clear_error();
        if (!signature) return fail(ErrorKind::corrupt, "a signature of the image is not PKCS#7");
        signatures.push_back(std::move(signature));
    }
    if (signatures.empty()) return fail(ErrorKind::not_found, "the image is not signed");
    return signatures;
}

// What is inside a DER element, and takes it off `octets`. Empty when there is none.
OctetView take_element(OctetView& octets) {
    const std::uint8_t* start = octets.data();
    long length = 0;
    int tag = 0, kind = 0;
    const int flags = ASN1_get_object(&start, &length, &tag, &kind, static_cast<long>(octets.size()));
    ERR_clear_error();
    if ((flags & 0x80) != 0 || (flags & 1) != 0) return {};
    const OctetView inside(start, static_cast<std::size_t>(length));
    octets = octets.subspan(static_cast<std::size_t>(start - octets.data()) + inside.size());
    return inside;
}

// What the signature is over: the contents of SpcIndirectDataContent, without its tag and length.
OctetView signed_octets(PKCS7* signature) {
    if (!PKCS7_type_is_signed(signature) || !signature->d.sign || !signature->d.sign->contents) return {};
    const PKCS7* const contents = signature->d.sign->contents;
    char type[64] = "";
    OBJ_obj2txt(type, sizeof(type), contents->type, 1);
    if (std::string_view(type) != spc_indirect_data || !contents->d.other || contents->d.other->type != V_ASN1_SEQUENCE) return {};
    const ASN1_STRING* const sequence = contents->d.other->value.sequence;
    OctetView whole(ASN1_STRING_get0_data(sequence), static_cast<std::size_t>(ASN1_STRING_length(sequence)));
    return take_element(whole);
}

// Each is computed once, whatever the number of signatures: it takes as long as to read the image.
class ImageDigests {
public:
    explicit ImageDigests(const PeImage& image) : image_(image) {}

    const BankDigest& of(Bank bank) {
        if (!known_.contains(bank)) known_.merge(authenticode(image_, std::array{bank}));
        return known_.at(bank);
    }

private:
    const PeImage& image_;
    BankDigests known_;
};

// Whether the digest that was signed is the image's: SEQUENCE { SpcAttributeTypeAndOptionalValue, DigestInfo }.
bool is_of_image(OctetView indirect_data, ImageDigests& digests) {
    if (take_element(indirect_data).empty()) return false;
    const std::uint8_t* start = indirect_data.data();
    const DigestInfo info(d2i_X509_SIG(nullptr, &start, static_cast<long>(indirect_data.size())));
    ERR_clear_error();
    if (!info) return false;
    const X509_ALGOR* algorithm = nullptr;
    const ASN1_OCTET_STRING* digest = nullptr;
    X509_SIG_get0(info.get(), &algorithm, &digest);
    const ASN1_OBJECT* object = nullptr;
    X509_ALGOR_get0(&object, nullptr, nullptr, algorithm);
    const int name = OBJ_obj2nid(object);
    const auto bank = name == NID_sha256   ? std::optional(Bank::sha256)
                      : name == NID_sha384 ? std::optional(Bank::sha384)
                      : name == NID_sha512 ? std::optional(Bank::sha512)
                                           : std::nullopt;
    if (!bank) return false;
    const OctetView said(ASN1_STRING_get0_data(digest), static_cast<std::size_t>(ASN1_STRING_length(digest)));
    return std::ranges::equal(digests.of(*bank).view(), said);
}

Certificate parse_certificate(const Octets& der) {
    const std::uint8_t* start = der.data();
    Certificate certificate(d2i_X509(nullptr, &start, static_cast<long>(der.size())));
    ERR_clear_error();
    return certificate;
}

// Whether the signature's chain ends at this certificate, which may be the signer's own. The firmware has no clock that counts.
bool leads_to(PKCS7* signature, OctetView content, X509* certificate) {
    const CertificateStore store(X509_STORE_new());
    if (!store || X509_STORE_add_cert(store.get(), certificate) != 1) return false;
    X509_STORE_set_flags(store.get(), X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_NO_CHECK_TIME);
    X509_STORE_set_purpose(store.get(), X509_PURPOSE_ANY);
    const Memory data(BIO_new_mem_buf(content.data(), static_cast<int>(content.size())));
    const bool leads = data && PKCS7_verify(signature, nullptr, store.get(), data.get(), nullptr, PKCS7_BINARY) == 1;
    ERR_clear_error();
    return leads;
}

bool leads_to_one(PKCS7* signature, OctetView content, std::span<const Octets> certificates) {
    return std::ranges::any_of(certificates, [&](const Octets& der) {
        const Certificate certificate = parse_certificate(der);
        return certificate && leads_to(signature, content, certificate.get());
    });
}

}  // namespace

Result<Octets> verify_signature(const PeImage& image, std::span<const Octets> trusted, const SignatureLists& revoked) {
    const auto signatures = TRY(parse_signatures(image.certificates));
    ImageDigests digests(image);
    const OctetView own = digests.of(Bank::sha256).view();
    if (std::ranges::any_of(revoked.image_digests, [&](const Octets& other) { return std::ranges::equal(own, other); }))
        return fail(ErrorKind::policy_mismatch, "the image was revoked: the firmware's dbx names it");
    bool of_image = false;
    for (const Pkcs7& signature : signatures) {
        const OctetView content = signed_octets(signature.get());
        if (content.empty() || !is_of_image(content, digests)) continue;
        of_image = true;
        if (leads_to_one(signature.get(), content, revoked.certificates)) continue;
        for (const Octets& der : trusted)
            if (leads_to_one(signature.get(), content, std::span(&der, 1))) return der;
    }
    if (!of_image) return fail(ErrorKind::corrupt, "the image's signature is of another image: it was changed after it was signed");
    return fail(ErrorKind::policy_mismatch, "the image is signed by nobody whom this machine trusts");
}

}  // namespace lethe
