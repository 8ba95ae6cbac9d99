#include "tor/torrc.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <set>

#include "base/octets.hpp"
#include "tor/torrc_line.hpp"

namespace lethe {

namespace {

constexpr std::size_t torrc_limit_octets = 64 * 1024;
constexpr std::size_t family_id_characters = 43;

struct Refusal {
    std::string_view option;
    std::string_view reason;
};

constexpr std::string_view set_by_lethe = "is set by Lethe: leave it out";
constexpr std::string_view in_key_directory = "is the key directory, which Lethe sets: leave it out, and import the family key";

constexpr std::array refusals{
    Refusal{"%include", "would read options past this check: write them here"},
    Refusal{"DataDirectory", set_by_lethe},
    Refusal{"DataDirectoryGroupReadable", set_by_lethe},
    Refusal{"FamilyKeyDirectory", in_key_directory},
    Refusal{"KeyDirectory", set_by_lethe},
    Refusal{"KeyDirectoryGroupReadable", set_by_lethe},
    Refusal{"OfflineMasterKey", set_by_lethe},
    Refusal{"PidFile", set_by_lethe},
    Refusal{"RunAsDaemon", set_by_lethe},
    Refusal{"Sandbox", "makes tor miss the signal that stops it; the unit is confined by systemd: leave it out"},
    Refusal{"User", set_by_lethe},
};

// Allowed, but only in full: Lethe reads its values.
constexpr std::string_view family_option = "FamilyId";

// tor's TOR_ISSPACE, in any locale.
constexpr std::string_view white_space = " \t\n\v\f\r";

bool equal_letters(char left, char right) {
    return std::tolower(static_cast<unsigned char>(left)) == std::tolower(static_cast<unsigned char>(right));
}

bool is_prefix(std::string_view word, std::string_view option) {
    return word.size() <= option.size() && std::ranges::equal(word, option.substr(0, word.size()), equal_letters);
}

bool is_option(std::string_view word, std::string_view option) { return word.size() == option.size() && is_prefix(word, option); }

// The word that tor would take for an option's name; empty for a blank line or a comment.
std::string_view first_word(std::string_view line) {
    line.remove_prefix(std::min(line.find_first_not_of(white_space), line.size()));
    line = line.substr(0, line.find_first_of(" \t\n\v\f\r#"));
    if (line.ends_with('\\')) line.remove_suffix(1);
    line.remove_prefix(std::min(line.find_first_not_of("+/"), line.size()));
    return line;
}

Result<void> check_word(std::string_view word, std::size_t line) {
    if (word.empty() || is_option(word, family_option)) return {};
    if (is_prefix(word, family_option))
        return fail(ErrorKind::invalid_argument,
                    "line {}: tor may read \"{}\" as {}: write options in full, and begin no continued line with this word", line, word,
                    family_option);
    for (const auto& [option, reason] : refusals) {
        if (!is_prefix(word, option)) continue;
        if (is_option(word, option)) return fail(ErrorKind::invalid_argument, "line {}: {} {}", line, option, reason);
        return fail(ErrorKind::invalid_argument,
                    "line {}: tor may read \"{}\" as {}, which {}; write options in full, and begin no continued line with this word", line,
                    word, option, reason);
    }
    return {};
}

// In the one form in which KeySet has it: tor skips padding and white space. (It also ignores the two bits that 43 characters have too
// many, which no tool sets.)
Result<std::string> family_id(const TorrcLine& line) {
    std::string text = line.value;
    std::erase_if(text, [](char c) { return c == '=' || white_space.contains(c); });
    if (text == "*")
        return fail(ErrorKind::invalid_argument,
                    "line {}: {} * would publish a certificate for every family key that is there: name the ids", line.number,
                    family_option);
    const auto key = from_base64(text + "=");
    if (text.size() != family_id_characters || !key)
        return fail(ErrorKind::invalid_argument, "line {}: {} takes one id of {} base64 characters, as `tor --keygen-family` printed it",
                    line.number, family_option, family_id_characters);
    return to_base64_unpadded(*key);
}

bool is_refused_octet(char c) {
    const auto octet = static_cast<unsigned char>(c);
    return octet == 0x7f || (octet < 0x20 && c != '\t' && c != '\n' && c != '\r');
}

}  // namespace

RelayPaths relay_paths(std::string_view name, const std::filesystem::path& keys_root) {
    return {.user = std::format("_tor-{}", name),
            .data_directory = std::filesystem::path("/var/lib/tor-instances") / name,
            .key_directory = keys_root / name,
            .runtime_directory = std::filesystem::path("/run/tor-instances") / name};
}

std::string defaults_torrc(const DefaultsOptions& options) {
    const RelayPaths& paths = options.paths;
    const std::string& runtime = paths.runtime_directory.native();
    return std::format(
        "# Written by Lethe before each start of this relay; changes are lost. Options go into the relay's own torrc.\n"
        "DataDirectory {}\n"
        "KeyDirectory {}\n"
        "PidFile {}/tor.pid\n"
        "RunAsDaemon 0\n"
        "User {}\n"
        "ControlSocket {}/control GroupWritable RelaxDirModeCheck\n"
        "CookieAuthentication 1\n"
        "CookieAuthFileGroupReadable 1\n"
        "CookieAuthFile {}/control.authcookie\n"
        "SocksPort 0\n"
        "Log notice stdout\n"
        "MaxMemInQueues {} MB\n"
        "{}",
        paths.data_directory.native(), paths.key_directory.native(), runtime, paths.user, runtime, runtime, options.max_mem_in_queues_mib,
        options.offline_master_key ? "OfflineMasterKey 1\n" : "");
}

Result<void> check_operator_torrc(std::string_view text) {
    if (text.size() > torrc_limit_octets)
        return fail(ErrorKind::invalid_argument, "the torrc has {} octets; {} are allowed", text.size(), torrc_limit_octets);
    std::size_t number = 1;
    for (std::size_t start = 0; start <= text.size(); ++number) {
        const std::size_t end = std::min(text.find('\n', start), text.size());
        const std::string_view line = text.substr(start, end - start);
        start = end + 1;
        if (std::ranges::any_of(line, is_refused_octet)) return fail(ErrorKind::invalid_argument, "line {}: a control character", number);
        TRY(check_word(first_word(line), number));
    }
    TRY(family_ids_of_torrc(text));
    return {};
}

Result<std::vector<std::string>> family_ids_of_torrc(std::string_view text) {
    std::set<std::string> ids;
    TorrcReader reader(text);
    while (const auto line = TRY(reader.next())) {
        if (!is_option(line->name, family_option)) continue;
        if (line->prefix == '/') ids.clear();
        else if (!line->value.empty()) ids.insert(TRY(family_id(*line)));  // tor skips an empty one
    }
    return std::vector(ids.begin(), ids.end());
}

}  // namespace lethe
