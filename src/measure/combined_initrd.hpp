#pragma once

#include "measure/uki.hpp"

namespace lethe {

/// The one initrd that the stub makes of several, which the kernel extends into PCR 9. What is added comes in the stub's order.
/// Source: systemd 257, src/boot/stub.c, combine_initrds().
class CombinedInitrd {
public:
    /// A section of the UKI or of an addon, borrowed; nothing when it is null.
    void add(const UkiSection* section);
    void add(Octets archive);

    bool empty() const { return parts_.empty(); }

    /// @param section  that `hashed` is the hash of the contents of. When it comes first, it is not read again.
    BankDigests hash(std::span<const Bank> banks, const UkiSection* section, const BankHashes& hashed) const;

private:
    struct Part {
        const UkiSection* section = nullptr;
        Octets archive = {};
    };
    std::vector<Part> parts_;
};

}  // namespace lethe
