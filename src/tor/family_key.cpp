#include "tor/family_key.hpp"

#include <map>
#include <set>

#include "tor/ed25519_key.hpp"
#include "tor/key_names.hpp"

namespace lethe {

namespace {

constexpr std::string_view family_tag = "fmly-id";

std::string_view family_of(std::string_view file, std::string_view suffix) {
    return file.ends_with(suffix) ? file.substr(0, file.size() - suffix.size()) : std::string_view();
}

using IdsByName = std::map<std::string, std::string, std::less<>>;

Result<IdsByName> read_secrets(const KeyFiles& files) {
    IdsByName ids;
    for (const auto& [file, octets] : files) {
        const std::string_view name = family_of_secret_file(file);
        if (name.empty()) continue;
        if (ids.size() == family_limit_count)
            return fail(ErrorKind::invalid_argument, "{}: more than {} family keys: leave out those that are in no FamilyId", file,
                        family_limit_count);
        const auto key = parse_ed25519_secret(octets.expose(), family_tag);
        if (!key) return in_context(key.error(), file);
        ids.emplace(name, to_base64_unpadded(*key));
    }
    return ids;
}

// tor does not read these files: they are for the operator, whom a wrong one would mislead.
Result<void> check_public_ids(const KeyFiles& files, const IdsByName& ids) {
    for (const auto& [file, octets] : files) {
        const std::string_view name = family_of(file, family_public_suffix);
        if (name.empty()) continue;
        const auto id = ids.find(name);
        if (id == ids.end())
            return fail(ErrorKind::invalid_argument, "{} has no {} beside it: give both, or leave it out", file, family_secret_file(name));
        if (as_text(octets.expose()) != id->second + "\n")
            return fail(ErrorKind::corrupt, "{} is not the id of {}", file, family_secret_file(name));
    }
    return {};
}

}  // namespace

std::string family_secret_file(std::string_view name) { return std::string(name).append(family_secret_suffix); }

std::string_view family_of_secret_file(std::string_view file) { return family_of(file, family_secret_suffix); }

Result<std::vector<std::string>> check_family_keys(const KeyFiles& files) {
    const IdsByName ids = TRY(read_secrets(files));
    TRY(check_public_ids(files, ids));
    // One key under two names is one family.
    std::set<std::string> each_once;
    for (const auto& [name, id] : ids) each_once.insert(id);
    return std::vector(each_once.begin(), each_once.end());
}

}  // namespace lethe
