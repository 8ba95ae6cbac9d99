#include "tor/state_file.hpp"

#include <algorithm>
#include <array>

#include "tor/state_key.hpp"

namespace lethe {

namespace {

// tor keeps 1000. It takes memory for as many as the file says before it looks at them.
constexpr std::uint64_t build_times_limit_count = 10'000;

constexpr std::array<std::pair<Traffic, std::string_view>, 6> traffic_names{{{Traffic::read, "Read"},
                                                                             {Traffic::write, "Write"},
                                                                             {Traffic::ipv6_read, "IPv6Read"},
                                                                             {Traffic::ipv6_write, "IPv6Write"},
                                                                             {Traffic::directory_read, "DirRead"},
                                                                             {Traffic::directory_write, "DirWrite"}}};

// The values of the keys that tor knows, each checked for its type.
using Values = std::multimap<std::string, std::string_view, std::less<>>;

Result<Values> take_values(OctetView file) {
    Values values;
    for (const StateLine& line : TRY(split_state_file(file))) {
        const auto key = find_state_key(line.key);
        if (!key) return in_context(key.error(), std::format("line {}", line.number));
        if (*key == nullptr) continue;
        if (!(*key)->repeats() && values.contains(line.key))
            return fail(ErrorKind::corrupt, "line {}: {} is there twice", line.number, line.key);
        if (const auto checked = check_state_value((*key)->type, line.value); !checked)
            return fail(ErrorKind::corrupt, "line {}: {} {}", line.number, line.key, checked.error().message);
        values.emplace(line.key, line.value);
    }
    return values;
}

Result<std::string_view> required(const Values& values, std::string_view key) {
    const auto found = values.find(key);
    if (found == values.end()) return fail(ErrorKind::corrupt, "{} is missing: the file is cut short, or tor did not write it", key);
    return found->second;
}

// A number that has been checked; 0 when it is not there.
std::uint64_t number_of(const Values& values, std::string_view key) {
    const auto found = values.find(key);
    return found == values.end() ? 0 : *parse_state_number(found->second, ~0ull);
}

Result<void> check_build_times(const Values& values) {
    const std::uint64_t total = number_of(values, "TotalBuildTimes");
    if (total > build_times_limit_count) return fail(ErrorKind::corrupt, "TotalBuildTimes is more than {}", build_times_limit_count);
    std::uint64_t counted = number_of(values, "CircuitBuildAbandonedCount");
    const auto [begin, end] = values.equal_range("CircuitBuildTimeBin");
    for (auto bin = begin; bin != end; ++bin) counted += *parse_state_number(bin->second.substr(bin->second.find(' ') + 1), ~0ull);
    if (counted != total) return fail(ErrorKind::corrupt, "TotalBuildTimes is {}, and {} are there", total, counted);
    return {};
}

std::vector<std::uint64_t> numbers_of(std::string_view list) {
    std::vector<std::uint64_t> numbers;
    for (std::size_t comma = 0; comma != std::string_view::npos;) {
        comma = list.find(',');
        numbers.push_back(*parse_state_number(list.substr(0, comma), ~0ull));
        if (comma != std::string_view::npos) list.remove_prefix(comma + 1);
    }
    return numbers;
}

Result<void> take_history(const Values& values, Traffic traffic, std::string_view name, StateFile& state) {
    const auto key = [&](std::string_view field) { return std::format("BWHistory{}{}", name, field); };
    const std::array fields{key("Ends"), key("Interval"), key("Maxima"), key("Values")};
    if (std::ranges::none_of(fields, [&](const std::string& field) { return values.contains(field); })) return {};
    // A TRY behind a member that has memory of its own would leak it: g++ does not destroy the members of a half-made aggregate.
    const auto ends = TRY(required(values, fields[0])), interval = TRY(required(values, fields[1]));
    const auto maxima = TRY(required(values, fields[2])), octets = TRY(required(values, fields[3]));
    const BandwidthHistory history{.ends = *parse_state_time(ends),
                                   .interval = std::chrono::seconds(*parse_state_number(interval, ~0ull)),
                                   .values = numbers_of(octets),
                                   .maxima = numbers_of(maxima)};
    if (auto checked = check_history(history, state.last_written); !checked) return in_context(std::move(checked).error(), key("*"));
    state.bandwidth.emplace(traffic, history);
    return {};
}

std::string list_of(const std::vector<std::uint64_t>& numbers) {
    std::string text;
    for (const std::uint64_t number : numbers) text += std::format("{}{}", text.empty() ? "" : ",", number);
    return text;
}

}  // namespace

Result<StateFile> parse_state_file(OctetView file) {
    const Values values = TRY(take_values(file));
    const auto last_written = TRY(required(values, "LastWritten")), tor_version = TRY(required(values, "TorVersion"));
    StateFile state{.last_written = *parse_state_time(last_written), .tor_version = std::string(tor_version)};
    TRY(check_build_times(values));
    for (const auto& [traffic, name] : traffic_names) TRY(take_history(values, traffic, name, state));
    return state;
}

std::uint64_t observed_bandwidth(const StateFile& state, std::chrono::sys_seconds now) {
    const auto read = state.bandwidth.find(Traffic::read), write = state.bandwidth.find(Traffic::write);
    if (read == state.bandwidth.end() || write == state.bandwidth.end()) return 0;
    return observed_bandwidth(read->second, write->second, now);
}

std::string history_lines(Traffic traffic, const BandwidthHistory& history) {
    const std::string_view name = std::ranges::find(traffic_names, traffic, &std::pair<Traffic, std::string_view>::first)->second;
    return std::format("BWHistory{0}Ends {1}\nBWHistory{0}Interval {2}\nBWHistory{0}Maxima {3}\nBWHistory{0}Values {4}\n", name,
                       state_time(history.ends), history.interval.count(), list_of(history.maxima), list_of(history.values));
}

}  // namespace lethe
