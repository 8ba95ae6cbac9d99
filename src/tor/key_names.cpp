#include "tor/key_names.hpp"

#include <algorithm>

namespace lethe {

namespace {

constexpr std::size_t family_name_limit = 32;
constexpr std::string_view unfinished_suffix = ".tmp";

bool is_family_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-'; }

bool is_family_file(std::string_view name, std::string_view suffix) {
    return name.ends_with(suffix) && is_family_name(name.substr(0, name.size() - suffix.size()));
}

}  // namespace

std::string printable_name(std::string_view name) {
    std::string text(name.substr(0, 64));
    std::ranges::replace_if(text, [](char c) { return c < ' ' || c > '~'; }, '?');
    return text;
}

bool is_family_name(std::string_view name) {
    return !name.empty() && name.size() <= family_name_limit && std::ranges::all_of(name, is_family_letter);
}

bool is_key_file(std::string_view name) {
    return std::ranges::contains(identity_key_files, name) || std::ranges::contains(onion_key_files, name) ||
           is_family_file(name, family_secret_suffix) || is_family_file(name, family_public_suffix);
}

bool is_public_key_file(std::string_view name) {
    return name == key_file::master_public || name == key_file::signing_certificate || is_family_file(name, family_public_suffix);
}

bool is_unfinished_key_file(std::string_view name) {
    return name.ends_with(unfinished_suffix) && is_key_file(name.substr(0, name.size() - unfinished_suffix.size()));
}

Result<void> check_key_file_name(std::string_view name) {
    if (is_key_file(name)) return {};
    if (name == key_file::master_encrypted)
        return fail(
            ErrorKind::invalid_argument,
            "{} is encrypted, and Lethe has no passphrase: leave it on the machine where the master key is kept offline, and give {} "
            "and {} in its place",
            name, key_file::signing_secret, key_file::signing_certificate);
    if (name.ends_with("_encrypted"))
        return fail(ErrorKind::invalid_argument, "{} is encrypted, and Lethe has no passphrase: give the key without one",
                    printable_name(name));
    if (name.ends_with(family_secret_suffix) || name.ends_with(family_public_suffix))
        return fail(ErrorKind::invalid_argument,
                    "{}: the name of a family key has 1 to {} of A-Z, a-z, 0-9, '_' and '-': rename the file, and the one beside it",
                    printable_name(name), family_name_limit);
    return fail(ErrorKind::invalid_argument, "\"{}\" is not a file of a relay's key directory: leave it out", printable_name(name));
}

}  // namespace lethe
