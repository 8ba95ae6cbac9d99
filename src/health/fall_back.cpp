#include "health/fall_back.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "base/file.hpp"

namespace lethe {
namespace {

constexpr std::size_t note_limit_octets = 1024;

std::string one_line(std::string_view text) {
    std::string line(text);
    std::ranges::replace(line, '\n', ' ');
    return line;
}

}  // namespace

Error end_unhealthy_boot(Fallback& fallback, const Error& reason) {
    Error told{reason.kind, "this boot is not healthy: " + reason.message};
    const auto trial = fallback.on_trial();
    if (trial && !*trial) return told;
    if (!trial) told.message += std::format("; this boot was counted, and {}", trial.error().message);
    if (const auto noted = fallback.note(reason.message); !noted)
        told.message += std::format("; the next boot will not know ({})", noted.error().message);
    const auto asked = fallback.reboot();
    told.message += asked ? "; the release is on trial: rebooting"
                          : std::format("; the release is on trial and the machine does not reboot ({}): reboot it", asked.error().message);
    return told;
}

// The store may lie on FAT, where no rename is atomic: what a cut leaves of it is a shorter hint, or none.
Result<void> write_last_update(const std::filesystem::path& file, std::string_view version, std::string_view reason) {
    std::string text = one_line(version) + "\n" + one_line(reason);
    text.resize(std::min(text.size(), note_limit_octets - 1));
    if (::unlink(file.c_str()) != 0 && errno != ENOENT) return fail_errno(errno, file.native());
    return write_new_file(AT_FDCWD, file, as_octets(text + "\n"), 0640);
}

}  // namespace lethe
