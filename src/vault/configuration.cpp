#include "vault/configuration.hpp"

#include <cstdlib>

#include "base/file.hpp"
#include "vault/configured_relays.hpp"

namespace lethe {

namespace {

constexpr std::size_t file_limit_octets = 64 << 10;
constexpr std::string_view white_space = " \t\r";

std::string_view trimmed(std::string_view text) {
    const auto begin = text.find_first_not_of(white_space);
    if (begin == text.npos) return {};
    return text.substr(begin, text.find_last_not_of(white_space) - begin + 1);
}

Result<StoreChoice> parse_store(std::string_view value) {
    if (value == "automatic") return StoreChoice::automatic;
    if (value == "folder") return StoreChoice::folder;
    if (value == "tpm") return StoreChoice::tpm;
    return fail(ErrorKind::invalid_argument, "Store= is automatic, folder or tpm");
}

Result<void> take_line(std::string_view line, Configuration& configuration) {
    line = trimmed(line);
    if (line.empty() || line.starts_with('#') || line.starts_with(';')) return {};
    const auto equals = line.find('=');
    const auto key = trimmed(line.substr(0, equals));
    if (equals == line.npos || key != "Store") return fail(ErrorKind::invalid_argument, "not a setting that is known; see lethe.conf(5)");
    configuration.store = TRY(parse_store(trimmed(line.substr(equals + 1))));
    return {};
}

Result<Configuration> parse(std::string_view text) {
    Configuration configuration;
    unsigned number = 1;
    for (std::size_t start = 0; start <= text.size(); ++number) {
        const auto end = std::min(text.find('\n', start), text.size());
        if (const auto taken = take_line(text.substr(start, end - start), configuration); !taken)
            return in_context(taken.error(), std::format("line {}", number));
        start = end + 1;
    }
    return configuration;
}

}  // namespace

Result<Configuration> read_configuration(std::span<const std::filesystem::path> files) {
    for (const auto& file : files) {
        const auto octets = read_file(file, file_limit_octets);
        if (!octets && octets.error().kind == ErrorKind::not_found) continue;
        auto configuration = octets.and_then([](const Octets& text) { return parse(as_text(text)); });
        if (!configuration) return in_context(configuration.error(), file.native());
        return configuration;
    }
    return Configuration{};
}

Result<Configuration> read_configuration() {
    // A service is given its credentials by systemd, and may not look into the stores; a program that root runs may.
    std::vector<std::filesystem::path> files{"/etc/lethe.conf"};
    if (const char* credentials = std::getenv("CREDENTIALS_DIRECTORY")) files.push_back(std::filesystem::path(credentials) / "lethe.conf");
    else
        for (const auto& folder : credential_folders) files.push_back(folder / "lethe.conf");
    return read_configuration(files);
}

Result<OpenedStore> open_configured_store(const std::filesystem::path& folder, const OpenTpm& open_tpm) {
    return open_store(TRY(read_configuration()).store, folder, open_tpm);
}

}  // namespace lethe
