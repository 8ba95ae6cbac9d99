#include "measure/combined_initrd.hpp"

namespace lethe {

void CombinedInitrd::add(const UkiSection* section) {
    if (section) parts_.push_back({.section = section});
}

void CombinedInitrd::add(Octets archive) { parts_.push_back({.archive = std::move(archive)}); }

BankDigests CombinedInitrd::hash(std::span<const Bank> banks, const UkiSection* section, const BankHashes& hashed) const {
    const bool is_first = section && !empty() && parts_[0].section == section;
    BankHashes hashes = is_first ? hashed : BankHashes(banks);
    for (const Part& part : parts_) {
        std::size_t size = part.archive.size();
        if (part.section) {
            size = part.section->octets.size() + part.section->zeros;
            if (part.section != section || !is_first) hashes.update(part.section->octets).zeros(part.section->zeros);
        } else {
            hashes.update(part.archive);
        }
        // One alone is taken as it is.
        if (parts_.size() > 1) hashes.zeros((4 - size % 4) % 4);
    }
    return hashes.finish();
}

}  // namespace lethe
