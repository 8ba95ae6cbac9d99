#include "tor/key_names.hpp"

#include <algorithm>

namespace lethe {

namespace {

// A name comes from a directory that others may have filled: it reaches messages only with its odd octets replaced.
std::string printable(std::string_view name) {
    std::string text(name.substr(0, 64));
    std::ranges::replace_if(text, [](char c) { return c < ' ' || c > '~'; }, '?');
    return text;
}

}  // namespace

bool is_key_file(std::string_view name) {
    return std::ranges::contains(required_key_files, name) || std::ranges::contains(optional_key_files, name);
}

Result<void> check_key_file_name(std::string_view name) {
    if (is_key_file(name)) return {};
    if (name == "ed25519_master_id_secret_key_encrypted" || name == "ed25519_signing_secret_key_encrypted")
        return fail(ErrorKind::invalid_argument, "{} is encrypted, which Lethe does not support yet: give the key without a passphrase",
                    name);
    if (name.ends_with(".secret_family_key") || name.ends_with(".public_family_id"))
        return fail(ErrorKind::invalid_argument, "{} is a family key, which Lethe does not support yet: leave it out", printable(name));
    return fail(ErrorKind::invalid_argument, "\"{}\" is not a file of a relay's key directory: leave it out", printable(name));
}

}  // namespace lethe
