#include "measure/replay.hpp"

#include <algorithm>

namespace lethe {

PcrBank reset_values(Bank bank, StartupLocality locality) {
    constexpr unsigned first_dynamic = 17, last_dynamic = 22;
    PcrBank values;
    values.fill({.bank = bank});
    for (unsigned pcr = first_dynamic; pcr <= last_dynamic; ++pcr) std::fill_n(values[pcr].octets.begin(), digest_octets(bank), 0xff);
    values[0].octets[digest_octets(bank) - 1] = static_cast<std::uint8_t>(locality);
    return values;
}

Result<PcrBank> replay(Bank bank, std::span<const Measurement> measurements, StartupLocality locality) {
    PcrBank values = reset_values(bank, locality);
    for (const auto& [pcr, digest] : measurements) {
        if (pcr >= pcr_count) return fail(ErrorKind::invalid_argument, "there is no PCR {}", pcr);
        if (digest.bank != bank)
            return fail(ErrorKind::invalid_argument, "a {} digest cannot be extended into the {} bank", name_of(digest.bank),
                        name_of(bank));
        values[pcr] = extended(values[pcr], digest);
    }
    return values;
}

}  // namespace lethe
