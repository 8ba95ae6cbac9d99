#include "bus/kept_keys.hpp"

#include <systemd/sd-daemon.h>

#include <cstdlib>
#include <memory>

#include "base/file.hpp"

namespace lethe {
namespace {

constexpr std::size_t limit_octets = 4096;

struct Free {
    void operator()(char** names) const {
        for (char** entry = names; entry && *entry; ++entry) std::free(*entry);
        std::free(static_cast<void*>(names));
    }
};

// The service manager has taken what it was told before.
Result<void> wait_for_manager() {
    constexpr std::uint64_t limit_microseconds = 30'000'000;
    if (const int r = sd_notify_barrier(0, limit_microseconds); r < 0) return fail_errno(-r, "the service manager does not answer");
    return {};
}

}  // namespace

Result<std::map<std::string, Secret>> kept_keys() {
    char** list = nullptr;
    const int count = sd_listen_fds_with_names(1, &list);
    const std::unique_ptr<char*, Free> names(list);
    if (count < 0) return fail_errno(-count, "the descriptors of the service manager");
    std::map<std::string, Secret> kept;
    for (int i = 0; i < count; ++i) {
        const Fd fd(SD_LISTEN_FDS_START + i);
        kept[names.get()[i]] = TRY(read_secret_descriptor(fd.get(), "the keys that were kept", limit_octets));
    }
    return kept;
}

Result<void> keep_keys(const std::string& name, const Secret& keys) {
    const Fd fd = TRY(secret_memory_file(keys));
    TRY(drop_keys(name));
    const int descriptor = fd.get();
    const auto text = std::format("FDSTORE=1\nFDNAME={}\nFDPOLL=0", name);
    if (const int r = sd_pid_notify_with_fds(0, 0, text.c_str(), &descriptor, 1); r < 0) return fail_errno(-r, "cannot keep the keys");
    return wait_for_manager();
}

Result<void> drop_keys(const std::string& name) {
    const int r = sd_notify(0, std::format("FDSTOREREMOVE=1\nFDNAME={}", name).c_str());
    if (r < 0) return fail_errno(-r, "cannot drop the keys that are kept");
    return wait_for_manager();
}

}  // namespace lethe
