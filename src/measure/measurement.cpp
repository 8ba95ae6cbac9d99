#include "measure/measurement.hpp"

#include <algorithm>

namespace lethe {

Result<void> add_digest(BankDigests& digests, Bank bank, OctetView octets) {
    if (octets.size() != digest_octets(bank))
        return fail(ErrorKind::corrupt, "a {} digest of {} octets where {} are expected", name_of(bank), octets.size(),
                    digest_octets(bank));
    const auto [added, is_first] = digests.try_emplace(bank, BankDigest{.bank = bank});
    if (!is_first) return fail(ErrorKind::corrupt, "two {} digests in one event", name_of(bank));
    std::ranges::copy(octets, added->second.octets.begin());
    return {};
}

Result<Measurement> measurement_in(Bank bank, unsigned pcr, const BankDigests& digests) {
    const auto found = digests.find(bank);
    if (found == digests.end()) return fail(ErrorKind::not_found, "an event in PCR {} has no {} digest", pcr, name_of(bank));
    return Measurement{pcr, found->second};
}

}  // namespace lethe
