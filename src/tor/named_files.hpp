#pragma once

#include "tor/key_set.hpp"

namespace lethe {

/// The files that a payload ends with: their number, then the name and the octets of each, in order of name. Layout in docs/formats.md.
struct NamedFiles {
    std::size_t limit_count;
    std::size_t length_octets;  ///< of the length before a file's octets: 2 or 4

    /// Of the list alone.
    std::size_t encoded_size(const KeyFiles& files) const;
    /// The payload: `head`, in which nothing is secret, and the files.
    Secret encode(OctetView head, const KeyFiles& files) const;
    /// Reads to the end of the payload.
    /// @error corrupt
    Result<KeyFiles> decode(OctetReader& reader) const;
};

}  // namespace lethe
