#include "image/last_update.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "base/file.hpp"

namespace lethe {
namespace {

constexpr std::size_t limit_octets = 1024;

std::string one_line(std::string_view text) {
    std::string line(text);
    std::ranges::replace_if(line, [](char c) { return (c >= 0 && c < ' ') || c == 0x7f; }, ' ');
    return line;
}

}  // namespace

std::optional<LastUpdate::Note> LastUpdate::parse(std::string_view text) {
    const auto end = text.find('\n'), last = text.find('\n', end == text.npos ? end : end + 1);
    if (end == text.npos || last == text.npos) return std::nullopt;
    return Note{one_line(text.substr(0, end)), one_line(text.substr(end + 1, last - end - 1))};
}

std::optional<LastUpdate::Note> LastUpdate::read() const {
    const auto octets = read_file(file_, limit_octets);
    return octets ? parse(as_text(*octets)) : std::nullopt;
}

// The store may lie on FAT, where no rename is atomic: what a cut leaves of it is none.
Result<void> LastUpdate::write(std::string_view version, std::string_view reason) const {
    std::string text = one_line(version) + "\n" + one_line(reason);
    text.resize(std::min(text.size(), limit_octets - 1));
    TRY(remove());
    return write_new_file(AT_FDCWD, file_, as_octets(text + "\n"), 0640);
}

Result<void> LastUpdate::remove() const {
    if (::unlink(file_.c_str()) != 0 && errno != ENOENT) return fail_errno(errno, file_.native());
    return {};
}

}  // namespace lethe
