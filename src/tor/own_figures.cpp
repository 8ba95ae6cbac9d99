#include "tor/own_figures.hpp"

#include <algorithm>
#include <array>
#include <ranges>

#include "base/octets.hpp"
#include "tor/state_line.hpp"

namespace lethe {

namespace {

constexpr std::uint64_t uptime_limit_s = 100ull * 366 * 86400;
constexpr std::uint64_t kilobytes_limit = 1ull << 32;
constexpr std::array<std::uint64_t, 4> hsdir_outlives_from{0, 4, 9, 15};

// At least one.
std::vector<std::string_view> split(std::string_view text, char separator) {
    if (text.empty()) return {text};
    std::vector<std::string_view> parts;
    for (const auto part : std::views::split(text, separator)) parts.emplace_back(part);
    return parts;
}

std::string_view without_line_end(std::string_view line) {
    while (line.ends_with('\n') || line.ends_with('\r')) line.remove_suffix(1);
    return line;
}

Result<void> check_entry_of(std::string_view fingerprint, const std::vector<std::string_view>& words) {
    const auto own = TRY(from_hex(fingerprint));
    if (words.size() < 3 || words[2] != to_base64_unpadded(own))
        return fail(ErrorKind::corrupt, "the entry in the consensus is not of this relay");
    return {};
}

Result<std::uint64_t> bandwidth_of(const std::vector<std::string_view>& words) {
    constexpr std::string_view name = "Bandwidth=";
    for (const std::string_view word : words) {
        const auto kilobytes = word.starts_with(name) ? parse_state_number(word.substr(name.size()), kilobytes_limit) : std::nullopt;
        if (kilobytes) return *kilobytes * 1000;
    }
    return fail(ErrorKind::corrupt, "the entry in the consensus has no bandwidth that is a number");
}

Result<void> take_entry(std::string_view entry, std::string_view fingerprint, RelayStanding& standing) {
    bool has_name = false;
    for (const std::string_view line : split(entry, '\n')) {
        const auto words = split(without_line_end(line), ' ');
        if (words[0] == "r") {
            TRY(check_entry_of(fingerprint, words));
            has_name = true;
        }
        if (words[0] == "s") standing.flags.emplace(words.begin() + 1, words.end());
        if (words[0] == "w") standing.octets_per_second = TRY(bandwidth_of(words));
    }
    if (!has_name || !standing.flags) return fail(ErrorKind::corrupt, "the entry in the consensus has no relay or no flags");
    return {};
}

// Whether tor's answer is of a consensus that it goes by.
Result<bool> is_live(std::string_view valid_after, std::chrono::sys_seconds now) {
    if (valid_after.empty()) return false;
    const auto time = parse_state_time(without_line_end(valid_after));
    if (!time) return fail(ErrorKind::corrupt, "the time from which the consensus is valid is none");
    return now - *time <= consensus_age_limit;
}

// The numbers of `Tor 0.4.9.15-dev`; zeros for what is no version.
std::array<std::uint64_t, 4> version_of(std::string_view text) {
    std::array<std::uint64_t, 4> numbers{};
    constexpr std::string_view prefix = "Tor ";
    if (!text.starts_with(prefix)) return numbers;
    const std::string_view version = text.substr(prefix.size(), text.find_first_not_of("0123456789.", prefix.size()) - prefix.size());
    const auto parts = split(version, '.');
    for (std::size_t i = 0; i < std::min(parts.size(), numbers.size()); ++i)
        numbers[i] = parse_state_number(parts[i], 1'000'000).value_or(0);
    return numbers;
}

}  // namespace

Result<RelayStanding> own_standing(std::string name, std::string_view fingerprint, const OwnAnswers& answers,
                                   std::chrono::sys_seconds now) {
    RelayStanding standing{.name = std::move(name)};
    if (!answers.uptime.empty()) {
        const auto uptime = parse_state_number(without_line_end(answers.uptime), uptime_limit_s);
        if (!uptime) return fail(ErrorKind::corrupt, "the uptime is not a number of seconds");
        standing.run = std::chrono::seconds(*uptime);
    }
    if (!TRY(is_live(answers.valid_after, now)) || !answers.entry) return standing;
    if (answers.entry->empty()) standing.flags.emplace();
    else TRY(take_entry(*answers.entry, fingerprint, standing));
    return standing;
}

std::optional<bool> authorities_let_hsdir_outlive_restarts(std::string_view consensus) {
    std::size_t authorities = 0, new_ones = 0;
    bool is_authority = false;
    for (const auto part : std::views::split(consensus, '\n')) {
        const std::string_view line = without_line_end(std::string_view(part));
        if (line.starts_with("r ")) is_authority = false;
        if (line.starts_with("s ")) {
            is_authority = std::ranges::contains(split(line, ' '), "Authority");
            authorities += is_authority;
        }
        if (!is_authority || !line.starts_with("v ")) continue;
        new_ones += version_of(line.substr(2)) >= hsdir_outlives_from;
        is_authority = false;
    }
    if (authorities == 0) return {};
    return 2 * new_ones > authorities;
}

}  // namespace lethe
