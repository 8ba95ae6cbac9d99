#include "vault/configuration.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <optional>

#include "base/file.hpp"
#include "base/test_seam.hpp"
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

Result<HealthNeeds> parse_health_needs(std::string_view value) {
    if (value == "identity") return HealthNeeds::identity;
    if (value == "bootstrap") return HealthNeeds::bootstrap;
    if (value == "reachability") return HealthNeeds::reachability;
    if (value == "consensus") return HealthNeeds::consensus;
    return fail(ErrorKind::invalid_argument, "HealthNeeds= is identity, bootstrap, reachability or consensus");
}

struct Unit {
    std::string_view name;
    std::uint64_t factor;
};

/// A whole number and one of `units`, the first of which may be left out.
/// @param least, most  what is taken, in the first unit.
Result<std::uint64_t> parse_amount(std::string_view key, std::string_view value, std::span<const Unit> units, std::uint64_t least,
                                   std::uint64_t most) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
    const auto unit = trimmed({end, value.data() + value.size()});
    const auto found =
        std::ranges::find_if(units, [&](const Unit& known) { return known.name == unit || (unit.empty() && &known == units.data()); });
    if (error != std::errc{} || found == units.end() || number > most / found->factor || number * found->factor < least)
        return fail(ErrorKind::invalid_argument, "{}= is a whole number{} from {} to {}{}", key, units.size() > 1 ? " with a unit," : "",
                    least, most, units.front().name.empty() ? "" : std::format(" {}", units.front().name));
    return number * found->factor;
}

Result<bool> parse_switch(std::string_view key, std::string_view value) {
    if (value == "yes") return true;
    if (value == "no") return false;
    return fail(ErrorKind::invalid_argument, "{}= is yes or no", key);
}

/// `HH:MM`, since midnight.
std::optional<std::chrono::minutes> parse_time_of_day(std::string_view text) {
    unsigned hour = 0, minute = 0;
    const auto is_number = [](std::string_view digits, unsigned& number) {
        return std::from_chars(digits.data(), digits.data() + 2, number).ptr == digits.data() + 2;
    };
    if (text.size() != 5 || text[2] != ':' || !is_number(text.substr(0, 2), hour) || !is_number(text.substr(3), minute) || hour > 23 ||
        minute > 59)
        return {};
    return std::chrono::hours(hour) + std::chrono::minutes(minute);
}

constexpr std::array time_units{Unit{"s", 1}, Unit{"min", 60}, Unit{"h", 3600}, Unit{"d", 86400}};
constexpr std::array octet_units{Unit{"B", 1}, Unit{"K", 1 << 10}, Unit{"M", 1 << 20}};
constexpr std::array plain_number{Unit{"", 1}};

using Take = Result<void> (*)(std::string_view key, std::string_view value, Configuration& configuration);

/// The settings, in the order of lethe.conf(5).
constexpr std::array<std::pair<std::string_view, Take>, 12> settings{{
    {"Store",
     [](std::string_view, std::string_view value, Configuration& into) -> Result<void> {
         into.store = TRY(parse_store(value));
         return {};
     }},
    {"SnapshotInterval",
     [](std::string_view key, std::string_view value, Configuration& into) -> Result<void> {
         into.snapshot_interval = std::chrono::seconds(TRY(parse_amount(key, value, time_units, 60, 7 * 86400)));
         return {};
     }},
    {"SnapshotsPerDay",
     [](std::string_view key, std::string_view value, Configuration& into) -> Result<void> {
         into.snapshots_per_day = static_cast<unsigned>(TRY(parse_amount(key, value, plain_number, 4, 1000)));
         return {};
     }},
    {"CacheMax",
     [](std::string_view key, std::string_view value, Configuration& into) -> Result<void> {
         into.cache_limit_octets = TRY(parse_amount(key, value, octet_units, 0, 15 << 20));
         return {};
     }},
    {"RequireState",
     [](std::string_view key, std::string_view value, Configuration& into) -> Result<void> {
         into.require_state = TRY(parse_switch(key, value));
         return {};
     }},
    {"WaitForClock",
     [](std::string_view key, std::string_view value, Configuration& into) -> Result<void> {
         into.wait_for_clock = TRY(parse_switch(key, value));
         return {};
     }},
    {"ClockTimeout",
     [](std::string_view key, std::string_view value, Configuration& into) -> Result<void> {
         into.clock_timeout = std::chrono::seconds(TRY(parse_amount(key, value, time_units, 1, 86400)));
         return {};
     }},
    {"QuietWindow",
     [](std::string_view key, std::string_view value, Configuration& into) -> Result<void> {
         const auto dash = value.find('-');
         const auto begin = parse_time_of_day(value.substr(0, dash));
         const auto end = parse_time_of_day(dash == value.npos ? std::string_view{} : value.substr(dash + 1));
         if (!begin || !end || *begin == *end)
             return fail(ErrorKind::invalid_argument, "{}= is two different times of day from 00:00 to 23:59, such as 02:00-05:00", key);
         into.quiet_begin = *begin;
         into.quiet_end = *end;
         return {};
     }},
    {"RebootStagger",
     [](std::string_view key, std::string_view value, Configuration& into) -> Result<void> {
         into.reboot_stagger_days = static_cast<unsigned>(TRY(parse_amount(key, value, plain_number, 0, 28)));
         return {};
     }},
    {"HealthNeeds",
     [](std::string_view, std::string_view value, Configuration& into) -> Result<void> {
         into.health_needs = TRY(parse_health_needs(value));
         return {};
     }},
    {"HealthDeadline",
     [](std::string_view key, std::string_view value, Configuration& into) -> Result<void> {
         into.configured_health_deadline = std::chrono::seconds(TRY(parse_amount(key, value, time_units, 1, 86400)));
         return {};
     }},
    {"Fingerprint",
     [](std::string_view key, std::string_view value, Configuration& into) -> Result<void> {
         const auto space = value.find_first_of(white_space);
         const std::string relay(value.substr(0, space));
         const auto octets = from_hex(space == value.npos ? std::string_view{} : trimmed(value.substr(space)));
         PinnedFingerprint fingerprint;
         if (!check_relay_name(relay) || !octets || octets->size() != fingerprint.size())
             return fail(ErrorKind::invalid_argument, "{}= is the name of a relay and the 40 hexadecimal digits of its fingerprint", key);
         std::ranges::copy(*octets, fingerprint.begin());
         if (!into.fingerprints.emplace(relay, fingerprint).second)
             return fail(ErrorKind::invalid_argument, "{}= is given twice for relay {}", key, relay);
         return {};
     }},
}};

Result<void> take_line(std::string_view line, Configuration& configuration) {
    line = trimmed(line);
    if (line.empty() || line.starts_with('#') || line.starts_with(';')) return {};
    const auto equals = line.find('=');
    const auto key = trimmed(line.substr(0, equals));
    const auto* const found = std::ranges::find(settings, key, [](const auto& setting) { return setting.first; });
    if (equals == line.npos || found == settings.end())
        return fail(ErrorKind::invalid_argument, "not a setting that is known; see lethe.conf(5)");
    return found->second(key, trimmed(line.substr(equals + 1)), configuration);
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

Result<OpenedStore> open_machine_store(const OpenTpm& open_tpm) {
    const auto path = test_seam(TestSeam::store);
    if (!path) return open_configured_store("/var/lib/lethe", open_tpm);
    return OpenedStore{TRY(Store::open(*path)), false};
}

}  // namespace lethe
