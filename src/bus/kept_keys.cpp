#include "bus/kept_keys.hpp"

#include <sodium.h>
#include <systemd/sd-daemon.h>

#include <array>
#include <cstdlib>
#include <format>
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

// It tells nothing of keys of 256 bits, and the service manager shows it to everybody.
std::string name_for(const Secret& keys) {
    std::array<std::uint8_t, crypto_generichash_BYTES_MIN> digest{};
    const OctetView octets = keys.expose();
    crypto_generichash(digest.data(), digest.size(), octets.data(), octets.size(), nullptr, 0);
    return "keys-" + to_hex(digest);
}

Result<void> store(const std::string& name, const Secret& keys) {
    const Fd fd = TRY(secret_memory_file(keys));
    const int descriptor = fd.get();
    const auto text = std::format("FDSTORE=1\nFDNAME={}\nFDPOLL=0", name);
    if (const int r = sd_pid_notify_with_fds(0, 0, text.c_str(), &descriptor, 1); r < 0) return fail_errno(-r, "cannot keep the keys");
    return wait_for_manager();
}

Result<void> drop(const std::string& name) {
    const int r = sd_notify(0, std::format("FDSTOREREMOVE=1\nFDNAME={}", name).c_str());
    if (r < 0) return fail_errno(-r, "cannot drop the keys that are kept");
    return wait_for_manager();
}

}  // namespace

Result<KeptKeys> KeptKeys::receive() {
    char** list = nullptr;
    const int count = sd_listen_fds_with_names(1, &list);
    const std::unique_ptr<char*, Free> names(list);
    if (count < 0) return fail_errno(-count, "the descriptors of the service manager");
    KeptKeys kept;
    for (int i = 0; i < count; ++i) {
        const Fd fd(SD_LISTEN_FDS_START + i);
        Secret keys = TRY(read_secret_descriptor(fd.get(), "the keys that were kept", limit_octets));
        if (kept.names_.insert(names.get()[i]).second) kept.before_.push_back(std::move(keys));
    }
    return kept;
}

Result<void> KeptKeys::keep_only(std::span<const Secret* const> keys) {
    before_.clear();
    std::set<std::string> wanted;
    for (const Secret* secret : keys) {
        const auto name = name_for(*secret);
        wanted.insert(name);
        if (names_.contains(name)) continue;
        TRY(store(name, *secret));
        names_.insert(name);
    }
    for (auto name = names_.begin(); name != names_.end();) {
        if (!wanted.contains(*name)) TRY(drop(*name));
        name = wanted.contains(*name) ? std::next(name) : names_.erase(name);
    }
    return {};
}

}  // namespace lethe
