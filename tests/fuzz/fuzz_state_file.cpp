// tor's state file, beside a reading of it that follows tor's own rules for lines: no line that tor reads otherwise may pass.

#include <algorithm>
#include <cctype>
#include <map>
#include <string>

#include "fuzz.hpp"
#include "tor/state_file.hpp"

using namespace lethe;
using fuzz::require;

namespace {

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

std::string lower(std::string_view text) {
    std::string result(text);
    std::ranges::transform(result, result.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return result;
}

// The last value of each key. Source: tor 0.4.9, lib/encoding/confline.c; of quoted values no more than that they are there.
std::map<std::string, std::string> as_tor_reads(std::string_view text) {
    std::map<std::string, std::string> values;
    std::size_t at = 0;
    const auto now = [&] { return at < text.size() ? text[at] : '\0'; };
    const auto skip_line = [&] { at = std::min(text.find('\n', at), text.size()); };
    const auto continues = [&] { return text.substr(std::min(at, text.size())).starts_with("\\\n"); };
    while (true) {
        while (is_space(now()) || now() == '#') now() == '#' ? skip_line() : void(++at);
        if (now() == '\0') return values;
        const std::size_t start = at;
        while (now() != '\0' && !is_space(now()) && now() != '#' && !continues()) ++at;
        const std::string key = lower(text.substr(start, at - start));
        while (now() == ' ' || now() == '\t') ++at;
        require(now() != '"', "no value is quoted");
        std::string value;
        for (; now() != '\0' && now() != '\n' && now() != '#'; ++at) {
            require(!continues(), "no value is continued");
            value += now();
        }
        while (!value.empty() && is_space(value.back())) value.pop_back();
        values[key] = value;
    }
}

// As the numbers of a list are printed.
std::string without_leading_zeros(std::string_view value) {
    if (value.contains(':')) return std::string(value);
    std::string result;
    bool is_leading = true;
    for (std::size_t i = 0; i < value.size(); ++i) {
        const bool is_last = i + 1 == value.size() || value[i + 1] == ',';
        if (value[i] == '0' && is_leading && !is_last) continue;
        is_leading = value[i] == ',';
        result += value[i];
    }
    return result;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text = as_text({data, size});
    const auto state = parse_state_file({data, size});
    if (!fuzz::parsed(state)) return 0;
    auto values = as_tor_reads(text);
    require(values["lastwritten"] == state_time(state->last_written), "tor reads the same time");
    for (const auto& [traffic, history] : state->bandwidth) {
        require(check_history(history, state->last_written).has_value(), "tor can have written the history");
        for (const auto& [key, value] : as_tor_reads(history_lines(traffic, history)))
            require(without_leading_zeros(values[key]) == value, "tor reads the same history");
    }
    require(observed_bandwidth(*state, state->last_written) <= rate_limit_octets, "tor can announce the rate");
    return 0;
}
