#include "bus/kept_keys.hpp"

#include <systemd/sd-daemon.h>

#include <cstdlib>
#include <string_view>

#include "base/file.hpp"

namespace lethe {
namespace {

constexpr std::string_view name = "keys";
constexpr std::size_t limit_octets = 4096;

struct Free {
    void operator()(char** names) const {
        for (char** entry = names; entry && *entry; ++entry) std::free(*entry);
        std::free(static_cast<void*>(names));
    }
};

}  // namespace

Result<std::optional<Secret>> kept_keys() {
    char** list = nullptr;
    const int count = sd_listen_fds_with_names(1, &list);
    const std::unique_ptr<char*, Free> names(list);
    if (count < 0) return fail_errno(-count, "the descriptors of the service manager");
    std::optional<Secret> kept;
    for (int i = 0; i < count; ++i) {
        const Fd fd(SD_LISTEN_FDS_START + i);
        if (name == names.get()[i]) kept = TRY(read_secret_descriptor(fd.get(), "the keys that were kept", limit_octets));
    }
    return kept;
}

Result<void> keep_keys(const Secret& keys) {
    const Fd fd = TRY(secret_memory_file(keys));
    sd_notify(0, std::format("FDSTOREREMOVE=1\nFDNAME={}", name).c_str());
    const int descriptor = fd.get();
    const auto text = std::format("FDSTORE=1\nFDNAME={}\nFDPOLL=0", name);
    if (const int r = sd_pid_notify_with_fds(0, 0, text.c_str(), &descriptor, 1); r < 0) return fail_errno(-r, "cannot keep the keys");
    // The service manager has it once this comes back.
    if (const int r = sd_notify_barrier(0, 5'000'000); r < 0) return fail_errno(-r, "the service manager does not answer");
    return {};
}

}  // namespace lethe
