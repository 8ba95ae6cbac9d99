#pragma once

#include "base/secret.hpp"

namespace lethe {

/// zstd at its default level, with its working memory locked and wiped like the secret itself.
Secret compress(const Secret& plain);
/// @param plain_octets  what the result must come to.
/// @error corrupt  not a zstd frame, or one of another length.
Result<Secret> decompress(const Secret& compressed, std::size_t plain_octets);

}  // namespace lethe
