#include "tpm/esys_convert.hpp"

#include <tss2/tss2_mu.h>

#include <algorithm>
#include <cstdlib>

namespace lethe {

namespace {

template <class T>
Octets marshal_with(const T& area, TSS2_RC (*function)(const T*, std::uint8_t*, std::size_t, std::size_t*)) {
    Octets octets(sizeof area);
    std::size_t size = 0;
    if (function(&area, octets.data(), octets.size(), &size) != TSS2_RC_SUCCESS)
        std::abort();  // it came from the TPM through the same code
    octets.resize(size);
    return octets;
}

// tss2-mu passes over lengths that do not agree: only what it would write itself is taken.
template <class T>
Result<T> unmarshal_with(OctetView octets, TSS2_RC (*read)(const std::uint8_t*, std::size_t, std::size_t*, T*),
                         TSS2_RC (*write)(const T*, std::uint8_t*, std::size_t, std::size_t*)) {
    T area{};
    std::size_t size = 0, written = 0;
    Octets again(octets.size());
    if (read(octets.data(), octets.size(), &size, &area) != TSS2_RC_SUCCESS || size != octets.size() ||
        write(&area, again.data(), again.size(), &written) != TSS2_RC_SUCCESS || !std::ranges::equal(again, octets))
        return fail(ErrorKind::corrupt, "the sealed object is damaged; restore the vault record");
    return area;
}

}  // namespace

TPM2B_DIGEST to_tpm2b(const Digest& digest) {
    TPM2B_DIGEST converted{};
    converted.size = digest.size();
    std::ranges::copy(digest, converted.buffer);
    return converted;
}

TPML_PCR_SELECTION to_selection(std::span<const unsigned> pcrs) {
    TPML_PCR_SELECTION selection{};
    selection.count = 1;
    selection.pcrSelections[0].hash = TPM2_ALG_SHA256;
    selection.pcrSelections[0].sizeofSelect = 3;
    for (const unsigned pcr : pcrs) selection.pcrSelections[0].pcrSelect[pcr / 8] |= 1U << (pcr % 8);
    return selection;
}

Octets marshal(const TPM2B_PUBLIC& area) { return marshal_with(area, Tss2_MU_TPM2B_PUBLIC_Marshal); }
Octets marshal(const TPM2B_PRIVATE& area) { return marshal_with(area, Tss2_MU_TPM2B_PRIVATE_Marshal); }
Result<TPM2B_PUBLIC> unmarshal_public(OctetView octets) {
    return unmarshal_with<TPM2B_PUBLIC>(octets, Tss2_MU_TPM2B_PUBLIC_Unmarshal, Tss2_MU_TPM2B_PUBLIC_Marshal);
}
Result<TPM2B_PRIVATE> unmarshal_private(OctetView octets) {
    return unmarshal_with<TPM2B_PRIVATE>(octets, Tss2_MU_TPM2B_PRIVATE_Unmarshal, Tss2_MU_TPM2B_PRIVATE_Marshal);
}

}  // namespace lethe
