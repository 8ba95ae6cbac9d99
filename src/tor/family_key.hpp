#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tor/key_set.hpp"

namespace lethe {

/// "NAME.secret_family_key".
std::string family_secret_file(std::string_view name);

/// NAME of "NAME.secret_family_key"; empty for any other file.
std::string_view family_of_secret_file(std::string_view file);

/// Checks a relay's family keys: each secret is one, and each public id is that of the secret beside it.
///
/// @return  the ids (43 base64 characters), sorted, each once.
/// @error invalid_argument  more than family_limit_count, or an id without its secret; the message names the file.
/// @error corrupt           a file does not parse, or an id belongs to another secret; the message names the file.
/// Source: tor 0.4.9, feature/relay/routerkeys.c (load_family_id_keys); proposal 321.
Result<std::vector<std::string>> check_family_keys(const KeyFiles& files);

}  // namespace lethe
