#include <algorithm>
#include <optional>

#include "tpm/esys_convert.hpp"
#include "tpm/esys_errors.hpp"
#include "tpm/esys_verbs.hpp"

namespace lethe {

namespace {

constexpr unsigned pcr_count = 24;
constexpr unsigned most_tries = 16;

bool selected(const TPML_PCR_SELECTION& selection, unsigned pcr) {
    for (std::uint32_t i = 0; i < selection.count; ++i) {
        const TPMS_PCR_SELECTION& bank = selection.pcrSelections[i];
        if (bank.hash == TPM2_ALG_SHA256 && pcr / 8 < bank.sizeofSelect && (bank.pcrSelect[pcr / 8] & (1U << (pcr % 8))) != 0) return true;
    }
    return false;
}

/// The values, or nothing when a PCR has changed between two reads.
Result<std::optional<PcrValues>> read_once(const EsysContext& esys, std::vector<unsigned> wanted) {
    PcrValues values;
    std::optional<std::uint32_t> counter;
    while (!wanted.empty()) {
        const TPML_PCR_SELECTION ask = to_selection(wanted);
        std::uint32_t update_counter = 0;
        TPML_PCR_SELECTION* selection = nullptr;
        TPML_DIGEST* digests = nullptr;
        const TSS2_RC rc = esys([&](ESYS_CONTEXT* context) {
            return Esys_PCR_Read(context, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &ask, &update_counter, &selection, &digests);
        });
        if (rc != TSS2_RC_SUCCESS) return std::unexpected(esys_error(rc, "cannot read the PCRs"));
        const EsysBuffer<TPML_PCR_SELECTION> selection_owner(selection);
        const EsysBuffer<TPML_DIGEST> digests_owner(digests);
        if (counter.value_or(update_counter) != update_counter) return std::nullopt;
        counter = update_counter;

        // The TPM returns as many as fit, usually 8, and says which: in ascending order (TPM 2.0 Part 3, 22.4).
        std::vector<unsigned> left;
        std::uint32_t next = 0;
        for (const unsigned pcr : wanted) {
            if (!selected(*selection, pcr) || next == digests->count) {
                left.push_back(pcr);
                continue;
            }
            const TPM2B_DIGEST& digest = digests->digests[next++];
            if (digest.size != sizeof(Digest))
                return fail(ErrorKind::tpm_unavailable, "the TPM returns PCRs of the wrong size; replace it");
            std::copy_n(digest.buffer, digest.size, values[pcr].begin());
        }
        if (left.size() == wanted.size())
            return fail(ErrorKind::tpm_unavailable, "the TPM has no SHA-256 bank of PCRs; switch it on in the firmware's set-up");
        wanted = std::move(left);
    }
    return values;
}

}  // namespace

Result<PcrValues> esys_read_pcrs(const EsysContext& esys, std::span<const unsigned> pcrs) {
    std::vector<unsigned> wanted(pcrs.begin(), pcrs.end());
    std::ranges::sort(wanted);
    const auto repeated = std::ranges::unique(wanted);
    wanted.erase(repeated.begin(), repeated.end());
    if (!wanted.empty() && wanted.back() >= pcr_count) return fail(ErrorKind::invalid_argument, "there is no PCR {}", wanted.back());
    for (unsigned tries = 0; tries < most_tries; ++tries)
        if (std::optional<PcrValues> values = TRY(read_once(esys, wanted))) return *std::move(values);
    return fail(ErrorKind::tpm_unavailable, "the PCRs keep changing while they are read; try again later");
}

}  // namespace lethe
