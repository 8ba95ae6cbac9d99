#include "identityd/word_request.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/inotify.h>

#include <chrono>

#include "base/file.hpp"

namespace lethe {
namespace {

constexpr std::chrono::seconds time_limit{60};  // a TPM behind a slow bus, an emulated machine

// Until something goes from the folder, or the time is over.
Result<void> wait_for_change(const Fd& watch, std::chrono::steady_clock::time_point end) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
    pollfd entry{watch.get(), POLLIN, 0};
    if (poll(&entry, 1, static_cast<int>(std::max(left, std::chrono::milliseconds(0)).count())) < 0 && errno != EINTR)
        return fail_errno(errno, "poll");
    std::array<char, 4096> events;
    while (read(watch.get(), events.data(), events.size()) > 0) {
    }
    return {};
}

}  // namespace

Result<void> request_word(const std::filesystem::path& folder, std::string_view word) {
    std::error_code error;
    std::filesystem::create_directory(folder, error);
    const Fd watch(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    if (!watch || inotify_add_watch(watch.get(), folder.c_str(), IN_DELETE) < 0) return fail_errno(errno, folder.native());
    const auto file = folder / word;
    TRY(open_file(AT_FDCWD, file, O_WRONLY | O_CREAT, 0600));
    const auto end = std::chrono::steady_clock::now() + time_limit;
    while (std::filesystem::exists(file, error)) {
        if (std::chrono::steady_clock::now() > end)
            return fail(ErrorKind::tpm_unavailable,
                        "{} was not recorded in PCR 12, so that the vault could be opened again in this boot: see `systemctl status "
                        "'lethe-record@*'`, and reboot",
                        word);
        TRY(wait_for_change(watch, end));
    }
    return {};
}

}  // namespace lethe
