#include "vault/enrolment_mark.hpp"

#include <sodium.h>

#include <algorithm>

namespace lethe {

namespace {

// Part of the format; earlier releases have an index of the mark alone.
constexpr std::uint16_t mark_octets = 1, octets_with_proof = mark_octets + AdoptionProof().size();
constexpr std::string_view adoption_context = "lethe-adoption";

/// Nothing when there is no index.
Result<std::optional<NvArea>> own_area(Tpm& tpm) {
    const auto area = tpm.nv_area(enrolling_index_handle);
    if (!area && area.error().kind == ErrorKind::not_found) return std::nullopt;
    const NvArea found = TRY(area);
    if (found.plain && (found.octets == mark_octets || found.octets == octets_with_proof)) return found;
    return fail(ErrorKind::wrong_state, "the NV index {:#x} is not Lethe's; remove it with tpm2_nvundefine if nothing needs it",
                enrolling_index_handle);
}

Result<void> write_mark(Tpm& tpm, UnderWay what, const AdoptionProof& proof) {
    if (const auto area = TRY(own_area(tpm)); !area || area->octets != octets_with_proof) {
        if (area) TRY(tpm.nv_undefine(enrolling_index_handle));
        TRY(tpm.nv_define(enrolling_index_handle, octets_with_proof));
    }
    return tpm.nv_write(enrolling_index_handle, 0, OctetWriter().u8(static_cast<std::uint8_t>(what)).raw(proof).octets());
}

}  // namespace

Result<UnderWay> read_mark(Tpm& tpm) {
    const auto area = TRY(own_area(tpm));
    if (!area || !area->written) return UnderWay::nothing;
    // A write that was cut leaves any octet: what it was to announce has not begun.
    const UnderWay found{TRY(tpm.nv_read(enrolling_index_handle)).front()};
    return found == UnderWay::enrolment || found == UnderWay::adoption ? found : UnderWay::nothing;
}

Result<void> set_mark(Tpm& tpm, UnderWay what) {
    // Not over itself: a write that is cut would take it away.
    if (TRY(read_mark(tpm)) == what) return {};
    return write_mark(tpm, what, {});
}

AdoptionProof prove_adoption(const Secret& authorisation, std::uint64_t counted) {
    const Octets text = OctetWriter().raw(as_octets(adoption_context)).u64(counted).octets();
    AdoptionProof proof;
    crypto_generichash(proof.data(), proof.size(), text.data(), text.size(), authorisation.expose().data(), authorisation.size());
    return proof;
}

Result<void> set_adoption(Tpm& tpm, const AdoptionProof& proof) { return write_mark(tpm, UnderWay::adoption, proof); }

Result<std::optional<AdoptionProof>> read_adoption_proof(Tpm& tpm) {
    const auto area = TRY(own_area(tpm));
    if (!area || !area->written || area->octets != octets_with_proof) return std::nullopt;
    const Octets octets = TRY(tpm.nv_read(enrolling_index_handle));
    AdoptionProof proof;
    std::ranges::copy(OctetView(octets).subspan(mark_octets), proof.begin());
    return proof;
}

Result<void> clear_mark(Tpm& tpm) { return undefine_if_there(tpm, enrolling_index_handle); }

Result<bool> index_exists(Tpm& tpm, std::uint32_t handle) {
    const auto index = tpm.nv_index(handle);
    if (index) return true;
    if (index.error().kind == ErrorKind::not_found) return false;
    return std::unexpected(index.error());
}

Result<bool> anchor_exists(Tpm& tpm) {
    return TRY(index_exists(tpm, first_handles.anchor)) || TRY(index_exists(tpm, second_handles.anchor));
}

Result<void> forget_anchor(Tpm& tpm) {
    TRY(undefine_if_there(tpm, first_handles.anchor));
    return undefine_if_there(tpm, second_handles.anchor);
}

Result<void> undefine_if_there(Tpm& tpm, std::uint32_t handle) {
    auto undefined = tpm.nv_undefine(handle);
    if (!undefined && undefined.error().kind == ErrorKind::not_found) return {};
    return undefined;
}

}  // namespace lethe
