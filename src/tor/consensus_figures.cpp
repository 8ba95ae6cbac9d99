#include "tor/consensus_figures.hpp"

#include <algorithm>
#include <charconv>
#include <map>

#include "tor/state_line.hpp"

namespace lethe {

namespace {

constexpr std::size_t line_limit_octets = 4096;
constexpr std::uint64_t time_limit_s = 100ull * 366 * 86400;
constexpr std::uint64_t rate_limit = 1ull << 48;

using Fields = std::map<std::string_view, std::string_view>;

// `KEYWORD NAME=VALUE NAME=VALUE ...`
Result<Fields> take_fields(std::string_view line, std::string_view keyword) {
    if (line.size() > line_limit_octets)
        return fail(ErrorKind::corrupt, "a line of {} octets, more than {}", line.size(), line_limit_octets);
    if (!line.starts_with(keyword) || !line.substr(keyword.size()).starts_with(' '))
        return fail(ErrorKind::corrupt, "the line does not begin with {}", keyword);
    line.remove_prefix(keyword.size());
    Fields fields;
    while (!line.empty()) {
        line.remove_prefix(1);
        const std::string_view field = line.substr(0, line.find(' '));
        line.remove_prefix(field.size());
        const std::size_t equals = field.find('=');
        if (equals == field.npos || equals == 0) return fail(ErrorKind::corrupt, "in {} stands what is not NAME=VALUE", keyword);
        if (!fields.emplace(field.substr(0, equals), field.substr(equals + 1)).second)
            return fail(ErrorKind::corrupt, "in {} a name stands twice", keyword);
    }
    return fields;
}

Result<std::optional<std::uint64_t>> number(const Fields& fields, std::string_view name, std::uint64_t limit) {
    const auto found = fields.find(name);
    if (found == fields.end()) return std::nullopt;
    const auto value = parse_state_number(found->second, limit);
    if (!value) return fail(ErrorKind::corrupt, "{}= is not a whole number up to {}", name, limit);
    return value;
}

// Digits and a point alone: from_chars takes "nan" and "inf", too.
Result<std::optional<double>> fraction(const Fields& fields, std::string_view name, std::string_view unit, double whole) {
    const auto found = fields.find(name);
    if (found == fields.end()) return std::nullopt;
    const std::string_view digits = found->second.substr(0, found->second.size() - std::min(unit.size(), found->second.size()));
    double value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, std::chars_format::fixed);
    if (!found->second.ends_with(unit) || error != std::errc{} || end != digits.data() + digits.size() || value > whole ||
        !std::ranges::all_of(digits, [](char c) { return c == '.' || (c >= '0' && c <= '9'); }))
        return fail(ErrorKind::corrupt, "{}= is not a number from 0 to {}{}", name, whole, unit);
    return value / whole;
}

template <class T>
Result<T> required(const std::optional<T>& value, std::string_view name) {
    if (!value) return fail(ErrorKind::corrupt, "{}= is missing", name);
    return *value;
}

Result<std::chrono::seconds> required_time(const Fields& fields, std::string_view name) {
    return std::chrono::seconds(TRY(required(TRY(number(fields, name, time_limit_s)), name)));
}

Result<std::chrono::seconds> capped_time(const Fields& fields, std::string_view name, std::chrono::seconds most) {
    const auto value = TRY(number(fields, name, time_limit_s));
    return value ? std::min(most, std::chrono::seconds(*value)) : most;
}

Result<std::uint64_t> capped_rate(const Fields& fields, std::string_view name, std::uint64_t most) {
    return std::min(most, TRY(number(fields, name, rate_limit)).value_or(most));
}

}  // namespace

Result<VoteStats> parse_vote_stats(std::string_view line) {
    const Fields fields = TRY(take_fields(line, "stats"));
    return VoteStats{.fractional_uptime = TRY(required(TRY(fraction(fields, "wfu", "", 1)), "wfu")),
                     .time_known = TRY(required_time(fields, "tk")),
                     .mean_time_between_failures = TRY(required_time(fields, "mtbf"))};
}

AuthorityHistory history_of(const VoteStats& stats, std::optional<std::chrono::seconds> run) {
    const WeightedTime known = stats.time_known, up = stats.fractional_uptime * known;
    const WeightedTime current = std::min<WeightedTime>(up, run.value_or(std::chrono::seconds(0)));
    // The current run counts as one, and a time between failures below a second is written as none.
    const WeightedTime between = std::max<WeightedTime>(stats.mean_time_between_failures, std::chrono::seconds(1));
    const double runs = std::max(1.0, up / between) - 1;
    return {.run_length = up - current, .runs = runs, .uptime = up - current, .known = known - current, .run = current};
}

Result<FlagThresholds> parse_flag_thresholds(std::string_view line) {
    const Fields fields = TRY(take_fields(line, "flag-thresholds"));
    const FlagThresholds most;
    const std::uint64_t including_exits = TRY(capped_rate(fields, "guard-bw-inc-exits", most.guard_octets_per_second));
    const std::uint64_t excluding_exits = TRY(capped_rate(fields, "guard-bw-exc-exits", most.guard_octets_per_second));
    const auto stable_mtbf = TRY(capped_time(fields, "stable-mtbf", most.stable_mtbf));
    const bool goes_by_mtbf = TRY(number(fields, "enough-mtbf", 1)).value_or(1) == 1;
    return FlagThresholds{
        .stable_mtbf = goes_by_mtbf ? stable_mtbf : most.stable_mtbf,
        .guard_wfu = std::min(most.guard_wfu, TRY(fraction(fields, "guard-wfu", "%", 100)).value_or(most.guard_wfu)),
        .guard_time_known = TRY(capped_time(fields, "guard-tk", most.guard_time_known)),
        .guard_octets_per_second = std::min(including_exits, excluding_exits),
        .fast_octets_per_second = TRY(capped_rate(fields, "fast-speed", most.fast_octets_per_second)),
    };
}

}  // namespace lethe
