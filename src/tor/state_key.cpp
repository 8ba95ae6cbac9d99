#include "tor/state_key.hpp"

#include <algorithm>
#include <cctype>
#include <optional>
#include <vector>

#include "tor/bandwidth.hpp"
#include "tor/state_line.hpp"

namespace lethe {

namespace {

constexpr std::uint64_t int_limit = 0x7fffffff;
constexpr std::uint64_t octets_limit = 0x7fffffffffffffff;
constexpr std::size_t digest_hex_digits = 40;

std::vector<StateKey> known_keys() {
    using enum StateType;
    std::vector<StateKey> keys{{"AccountingBytesReadInInterval", octets},
                               {"AccountingBytesWrittenInInterval", octets},
                               {"AccountingExpectedUsage", octets},
                               {"AccountingBytesAtSoftLimit", octets},
                               {"AccountingIntervalStart", time},
                               {"AccountingSoftLimitHitAt", time},
                               {"AccountingSecondsActive", number},
                               {"AccountingSecondsToReachSoftLimit", number},
                               {"TransportProxy", transport},
                               {"TransportProxies", virtual_list},
                               {"Guard", guard},
                               {"TorVersion", text},
                               {"LastRotatedOnionKey", time},
                               {"LastWritten", time},
                               {"TotalBuildTimes", number},
                               {"CircuitBuildAbandonedCount", number},
                               {"CircuitBuildTimeBin", build_time_bin},
                               {"BuildtimeHistogram", virtual_list},
                               {"MinutesSinceUserActivity", number},
                               {"Dormant", choice}};
    for (const std::string_view traffic : {"Read", "Write", "IPv6Read", "IPv6Write", "DirRead", "DirWrite"})
        for (const auto& [field, type] : std::initializer_list<std::pair<std::string_view, StateType>>{
                 {"Ends", time}, {"Interval", number}, {"Values", numbers}, {"Maxima", numbers}})
            keys.push_back({std::format("BWHistory{}{}", traffic, field), type});
    return keys;
}

bool are_same_letters(std::string_view left, std::string_view right) {
    return std::ranges::equal(left, right, [](unsigned char l, unsigned char r) { return std::tolower(l) == std::tolower(r); });
}

// tor takes the first field of a name.
std::optional<std::string_view> guard_field(std::string_view value, std::string_view name) {
    while (!value.empty()) {
        const std::string_view word = value.substr(0, value.find(' '));
        value.remove_prefix(std::min(word.size() + 1, value.size()));
        if (word.starts_with(name) && word.substr(name.size()).starts_with('=')) return word.substr(name.size() + 1);
    }
    return {};
}

bool is_guard(std::string_view value) {
    const auto in = guard_field(value, "in"), identity = guard_field(value, "rsa_id");
    return in && *in != "legacy" && identity && identity->size() == digest_hex_digits &&
           std::ranges::all_of(*identity, [](unsigned char c) { return std::isxdigit(c) != 0; });
}

bool is_build_time_bin(std::string_view value) {
    const std::size_t space = std::min(value.find(' '), value.size());
    const auto milliseconds = parse_state_number(value.substr(0, space), int_limit);
    return milliseconds.value_or(0) != 0 && space < value.size() && parse_state_number(value.substr(space + 1), int_limit);
}

bool are_numbers(std::string_view value) {
    for (std::size_t count = 1; count <= history_limit_count; ++count) {
        const std::size_t comma = value.find(',');
        if (!parse_state_number(value.substr(0, comma), octets_limit)) return false;
        if (comma == std::string_view::npos) return true;
        value.remove_prefix(comma + 1);
    }
    return false;
}

Result<void> require(bool holds, std::string_view what) {
    if (!holds) return fail(ErrorKind::corrupt, "{}", what);
    return {};
}

}  // namespace

Result<const StateKey*> find_state_key(std::string_view name) {
    static const std::vector<StateKey> keys = known_keys();
    if (const auto found = std::ranges::find(keys, name, &StateKey::name); found != keys.end()) return &*found;
    const auto taken_for =
        std::ranges::find_if(keys, [&](const StateKey& key) { return are_same_letters(name, key.name.substr(0, name.size())); });
    if (taken_for != keys.end()) return fail(ErrorKind::corrupt, "tor takes {} for {}", name, taken_for->name);
    return nullptr;
}

Result<void> check_state_value(StateType type, std::string_view value) {
    switch (type) {
        case StateType::time:
            return require(parse_state_time(value).has_value(), "is not a time as YYYY-MM-DD HH:MM:SS");
        case StateType::number:
            return require(parse_state_number(value, int_limit).has_value(), "is not a number, or too large");
        case StateType::octets:
            return require(parse_state_number(value, octets_limit).has_value(), "is not a number of octets, or too large");
        case StateType::numbers:
            return require(are_numbers(value), "is not a list of numbers, or one is too large, or they are too many");
        case StateType::choice:
            return require(value == "0" || value == "1" || value == "auto", "is not 0, 1 or auto");
        case StateType::text:
            return require(!value.empty(), "is empty");
        case StateType::guard:
            return require(is_guard(value), "has no in= or no rsa_id= of 40 hexadecimal digits");
        case StateType::build_time_bin:
            return require(is_build_time_bin(value), "is not a time in milliseconds and a count");
        case StateType::transport:
            return {};
        case StateType::virtual_list:
            break;
    }
    return fail(ErrorKind::corrupt, "is not a key that has a value");
}

}  // namespace lethe
