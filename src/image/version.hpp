#pragma once

#include <compare>
#include <string_view>

namespace lethe {

/// Which of two versions is the newer one, as systemd-boot sorts its entries: "1.2" is newer than "1.2~rc1" and older than "1.10".
/// Characters that are no part of a version separate its parts.
///
/// Source: UAPI.10, Version Format Specification.
std::strong_ordering compare_versions(std::string_view left, std::string_view right);

/// Whether a letter is part of a version: letters, digits and "~-^.".
bool is_of_a_version(char letter);

}  // namespace lethe
