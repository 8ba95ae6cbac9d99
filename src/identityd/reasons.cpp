#include "identityd/reasons.hpp"

#include <sys/stat.h>

#include "base/file.hpp"
#include "relay/handover.hpp"

namespace lethe {
namespace {

namespace fs = std::filesystem;

// Every relay's user reads them; this daemon's umask keeps others from its files.
Result<void> write_for_all(const fs::path& file, const std::string& text) {
    TRY(replace_file(file, as_octets(text), 0644));
    if (::chmod(file.c_str(), 0644) < 0) return fail_errno(errno, file.native());
    return {};
}

Result<void> remove_others(const fs::path& folder, const std::map<std::string, RelayStatus>& relays) {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(folder, error)) {
        const auto relay = relays.find(entry.path().filename());
        if (relay != relays.end() && relay->second.state != RelayState::installed) continue;
        if (::unlink(entry.path().c_str()) < 0) return fail_errno(errno, entry.path().native());
    }
    if (error) return fail_errno(error.value(), folder.native());
    return {};
}

}  // namespace

Result<void> write_reasons(const RuntimePaths& paths, const IdentityService& service) {
    const auto folder = paths.reason("").parent_path();
    TRY(make_folder(folder, 0755));
    TRY(remove_others(folder, service.relays()));
    for (const auto& [name, relay] : service.relays()) {
        if (relay.state == RelayState::installed) continue;
        TRY(write_for_all(paths.reason(name), std::format("its keys are {}: {}", name_of(relay.state), relay.reason)));
    }
    const auto& vault = service.vault();
    return write_for_all(paths.vault_reason(),
                         vault.reason ? std::format("the vault is {}: {}", name_of(vault.state), vault.reason->message) : "");
}

}  // namespace lethe
