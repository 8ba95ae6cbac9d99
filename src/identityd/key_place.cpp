#include "identityd/key_place.hpp"

#include <sys/stat.h>

#include "base/file.hpp"
#include "relay/handover.hpp"
#include "tor/key_folder.hpp"

namespace lethe {
namespace {

namespace fs = std::filesystem;

bool is_folder_of(const fs::path& path, uid_t user) {
    struct stat status{};
    return ::lstat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode) && status.st_uid == user;
}

}  // namespace

Result<KeySet> MachineKeyPlace::make() {
    const auto scratch = settings_.paths.runtime / "scratch";
    TRY(make_folder(scratch, 0700));
    return create_keys(settings_.tor, scratch);
}

Result<fs::path> MachineKeyPlace::install(const std::string& relay, const KeySet& keys) {
    const auto owner = TRY(find_owner(settings_.fixed_user.empty() ? settings_.user_prefix + relay : settings_.fixed_user));
    const auto folder = settings_.paths.key_folder(relay), manifest = settings_.paths.manifest(relay);
    TRY(make_folder(folder.parent_path(), 0755));
    TRY(make_folder(manifest.parent_path(), 0755));
    const auto present = read_manifest(manifest);
    if (present && *present == manifest_of(keys.fingerprints) && is_folder_of(folder, owner.user)) return folder;
    // Without a manifest no tor starts in between.
    if (::unlink(manifest.c_str()) < 0 && errno != ENOENT) return fail_errno(errno, manifest.native());
    TRY(install_keys(keys, folder, owner.user, owner.group));
    TRY(replace_file(manifest, as_octets(encode_manifest(keys.fingerprints)), 0644));
    // Every relay's user reads its manifest; this daemon's umask keeps others from its files.
    if (::chmod(manifest.c_str(), 0644) < 0) return fail_errno(errno, manifest.native());
    return folder;
}

Result<Manifest> MachineKeyPlace::installed(const std::string& relay) { return read_manifest(settings_.paths.manifest(relay)); }

Result<void> MachineKeyPlace::remove(const std::string& relay) {
    const auto folder = settings_.paths.key_folder(relay), manifest = settings_.paths.manifest(relay);
    if (::unlink(manifest.c_str()) < 0 && errno != ENOENT) return fail_errno(errno, manifest.native());
    if (!fs::exists(folder.parent_path())) return {};
    return remove_keys(folder);
}

Result<void> MachineKeyPlace::withdraw_others(const std::set<std::string>& admitted) {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(settings_.paths.manifest("").parent_path(), error)) {
        if (admitted.contains(entry.path().filename())) continue;
        if (::unlink(entry.path().c_str()) < 0) return fail_errno(errno, entry.path().native());
    }
    if (error && error != std::errc::no_such_file_or_directory) return fail_errno(error.value(), "manifests");
    return {};
}

}  // namespace lethe
