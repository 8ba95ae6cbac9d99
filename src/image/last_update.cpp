#include "image/last_update.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <format>

#include "base/file.hpp"

namespace lethe {
namespace {

constexpr std::size_t limit_octets = 1024;

std::string one_line(std::string_view text) {
    std::string line(text);
    std::ranges::replace_if(line, [](char c) { return (c >= 0 && c < ' ') || c == 0x7f; }, ' ');
    return line;
}

constexpr std::string_view network_word = "network ";

template <class Number>
bool take_number(std::string_view& text, Number& number) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc()) return false;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return true;
}

// "network 2", or "network 2 1764486000".
std::optional<LastUpdate::NetworkWait> parse_network(std::string_view line) {
    constexpr std::int64_t latest = std::int64_t{1} << 40;  // far from where a clock overflows
    if (!line.starts_with(network_word)) return std::nullopt;
    line.remove_prefix(network_word.size());
    LastUpdate::NetworkWait wait;
    if (!take_number(line, wait.trials)) return std::nullopt;
    if (line.empty()) return wait;
    std::int64_t since = 0;
    if (!line.starts_with(' ') || (line.remove_prefix(1), !take_number(line, since)) || !line.empty()) return std::nullopt;
    if (since < 0 || since > latest) return std::nullopt;
    wait.since = std::chrono::sys_seconds(std::chrono::seconds(since));
    return wait;
}

std::string network_line(const LastUpdate::NetworkWait& wait) {
    std::string line = std::format("{}{}", network_word, wait.trials);
    if (wait.since) line += std::format(" {}", wait.since->time_since_epoch().count());
    return line + "\n";
}

}  // namespace

std::optional<LastUpdate::Note> LastUpdate::parse(std::string_view text) {
    const auto end = text.find('\n'), last = text.find('\n', end == text.npos ? end : end + 1);
    if (end == text.npos || last == text.npos) return std::nullopt;
    Note note{one_line(text.substr(0, end)), one_line(text.substr(end + 1, last - end - 1))};
    const auto third = text.substr(last + 1);
    if (third.ends_with('\n')) note.network = parse_network(third.substr(0, third.size() - 1));
    return note;
}

std::optional<LastUpdate::Note> LastUpdate::read() const {
    const auto octets = read_file(file_, limit_octets);
    return octets ? parse(as_text(*octets)) : std::nullopt;
}

LastUpdate::Note LastUpdate::of_trial(const std::string& version, const std::string& reason, bool network_alone) const {
    if (!network_alone) return {version, reason};
    const auto before = read();
    const bool is_again = before && before->version == version && before->network;
    return {version, reason, NetworkWait{.trials = is_again ? before->network->trials : 0, .since = {}}};
}

// The store may lie on FAT, where no rename is atomic: what a cut leaves of it is none.
Result<void> LastUpdate::write(const Note& note) const {
    const std::string network = note.network ? network_line(*note.network) : "";
    std::string text = one_line(note.version) + "\n" + one_line(note.reason);
    text.resize(std::min(text.size(), limit_octets - 1 - network.size()));
    TRY(remove());
    return write_new_file(AT_FDCWD, file_, as_octets(text + "\n" + network), 0640);
}

Result<void> LastUpdate::remove() const {
    if (::unlink(file_.c_str()) != 0 && errno != ENOENT) return fail_errno(errno, file_.native());
    return {};
}

}  // namespace lethe
