#include "tpm/esys_reference.hpp"

#include <algorithm>

#include "tpm/esys_convert.hpp"
#include "tpm/esys_errors.hpp"
#include "tpm/policy.hpp"

namespace lethe {

namespace {

// The octets of Esys_TR_Serialize (IESYS_RESOURCE; systemd writes them by hand too): handle, name, kind, and the public area as a TPM2B.
struct Parts {
    TPM2_HANDLE handle;
    OctetView name;
    std::uint32_t kind;
    OctetView public_area;  ///< without its size
};

Result<Parts> parse(OctetView serialized) {
    OctetReader reader(serialized);
    Parts parts{};
    parts.handle = TRY(reader.u32());
    parts.name = TRY(reader.sized16());
    parts.kind = TRY(reader.u32());
    parts.public_area = TRY(reader.sized16());
    TRY(reader.end());
    return parts;
}

constexpr std::uint32_t esys_kind(ReferenceKind kind) {
    return kind == ReferenceKind::storage_root ? 1 : 2;
}  // IESYSC_KEY_RSRC, IESYSC_NV_RSRC
constexpr TPM2_HT handle_type(ReferenceKind kind) { return kind == ReferenceKind::storage_root ? TPM2_HT_PERSISTENT : TPM2_HT_NV_INDEX; }

}  // namespace

Result<void> check_reference(const TpmReference& reference, ReferenceKind kind) {
    const Result<Parts> parts = parse(reference.serialized);
    // The name of a key or an index: nameAlg and the digest of the public area (TPM 2.0 Part 1, 16). A TPMT_HA, as the policy's content is.
    if (!parts || parts->handle >> TPM2_HR_SHIFT != handle_type(kind) || parts->kind != esys_kind(kind) ||
        !std::ranges::equal(parts->name, reference.name) || reference.name != authorized_policy_content(sha256(parts->public_area)))
        return fail(ErrorKind::corrupt, "the reference to a TPM object is damaged; restore the vault record");
    return {};
}

TPM2_HANDLE handle_of(const TpmReference& reference) { return OctetReader(reference.serialized).u32().value(); }

Result<ESYS_TR> resolve(const EsysContext& esys, const TpmReference& reference, ReferenceKind kind) {
    TRY(check_reference(reference, kind));
    ESYS_TR object = ESYS_TR_NONE;
    const TSS2_RC rc = Esys_TR_Deserialize(esys.get(), reference.serialized.data(), reference.serialized.size(), &object);
    if (rc != TSS2_RC_SUCCESS) return fail(ErrorKind::corrupt, "the reference to a TPM object is damaged; restore the vault record");
    return object;
}

Result<ESYS_TR> unnamed_index(const EsysContext& esys, TPM2_HANDLE handle) {
    TRY(check_index_handle(handle));
    // ESAPI wants a public area and its name, and uses neither: TPMS_NV_PUBLIC, TPM 2.0 Part 2, 13.6.
    const Octets area = OctetWriter().u32(handle).u16(TPM2_ALG_SHA256).u32(0).sized16({}).u16(0).take();
    const Octets name = authorized_policy_content(sha256(area));
    const Octets serialized = OctetWriter().u32(handle).sized16(name).u32(esys_kind(ReferenceKind::nv_index)).sized16(area).take();
    return resolve(esys, {serialized, name}, ReferenceKind::nv_index);
}

Result<void> check_index_handle(TPM2_HANDLE handle) {
    if (handle >> TPM2_HR_SHIFT == TPM2_HT_NV_INDEX) return {};
    return fail(ErrorKind::invalid_argument, "{:#x} is not the handle of an NV index", handle);
}

Result<TpmReference> present_reference(const EsysContext& esys, TPM2_HANDLE handle, ReferenceKind kind) {
    ESYS_TR object = ESYS_TR_NONE;
    const TSS2_RC rc = esys(
        [&](ESYS_CONTEXT* context) { return Esys_TR_FromTPMPublic(context, handle, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &object); });
    if (tpm_code(rc) == TPM2_RC_HANDLE) return fail(ErrorKind::not_found, "the TPM has nothing at {:#x}", handle);
    if (rc != TSS2_RC_SUCCESS) return std::unexpected(esys_error(rc, std::format("cannot read the public area of {:#x}", handle)));

    std::uint8_t* octets = nullptr;
    std::size_t size = 0;
    const TSS2_RC serialized = Esys_TR_Serialize(esys.get(), object, &octets, &size);
    if (serialized != TSS2_RC_SUCCESS) return std::unexpected(esys_error(serialized, "cannot keep a reference"));
    const EsysBuffer<std::uint8_t> owner(octets);
    TpmReference reference{Octets(octets, octets + size), {}};
    if (const auto parts = parse(reference.serialized)) reference.name.assign(parts->name.begin(), parts->name.end());
    if (!check_reference(reference, kind))
        return fail(ErrorKind::wrong_state, "the object at {:#x} is not named with SHA-256; remove it from the TPM", handle);
    return reference;
}

Result<void> check_storage_root(const TpmReference& reference) {
    const Parts parts = TRY(parse(reference.serialized));
    const TPM2B_PUBLIC key = TRY(unmarshal_public(OctetWriter().sized16(parts.public_area).octets()));
    constexpr TPMA_OBJECT wanted =
        TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT | TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN;
    const bool asymmetric = key.publicArea.type == TPM2_ALG_ECC || key.publicArea.type == TPM2_ALG_RSA;
    if (!asymmetric || (key.publicArea.objectAttributes & wanted) != wanted)
        return fail(ErrorKind::wrong_state, "the key at {0:#x} is no storage root key; remove it with tpm2_evictcontrol -c {0:#x}",
                    parts.handle);
    return {};
}

}  // namespace lethe
