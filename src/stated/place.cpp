#include "stated/place.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ranges>

#include "base/file.hpp"
#include "relay/handover.hpp"
#include "tor/key_folder.hpp"
#include "tor/key_names.hpp"
#include "tor/state_line.hpp"

namespace lethe {
namespace {

namespace fs = std::filesystem;

// The folders of an instance are its tor's, who may put anything into them: what is not a file of that user is not the relay's state.
Result<Secret> read_file_of(uid_t user, const fs::path& path, std::size_t limit_octets) {
    const Fd fd = TRY(open_file(AT_FDCWD, path, O_RDONLY | O_NONBLOCK));
    struct stat status{};
    if (::fstat(fd.get(), &status) != 0) return fail_errno(errno, path.native());
    if (S_ISREG(status.st_mode) && status.st_uid != user)
        return fail(ErrorKind::corrupt, "{}: belongs to user {}, not to the relay's", path.native(), status.st_uid);
    return read_secret_descriptor(fd.get(), path.native(), limit_octets);
}

Result<void> collect_into(KeyFiles& files, uid_t user, const fs::path& folder, const std::string& name, std::size_t limit_octets) {
    auto octets = read_file_of(user, folder / name, limit_octets);
    if (!octets && octets.error().kind == ErrorKind::not_found) return {};
    if (!octets) return std::unexpected(octets.error());
    files.emplace(name, std::move(*octets));
    return {};
}

// A manifest that was taken away meanwhile is that of a relay which may not run.
Result<RsaFingerprint> fingerprint_in(const fs::path& manifest) {
    const Octets octets = TRY(from_hex(TRY(read_manifest(manifest)).fingerprint));
    RsaFingerprint fingerprint;
    if (octets.size() != fingerprint.size()) return fail(ErrorKind::corrupt, "{} has no fingerprint", manifest.native());
    std::ranges::copy(octets, fingerprint.begin());
    return fingerprint;
}

// tor renames the key that it has to NAME.old, and then makes the new one.
Result<void> expect_no_rotation(const KeyFiles& files) {
    for (const auto& [name, former] : {std::pair{key_file::onion, key_file::onion_old}, {key_file::onion_ntor, key_file::onion_ntor_old}})
        if (files.contains(former) && !files.contains(name))
            return fail(ErrorKind::wrong_state, "tor is replacing {}; try again in a moment", name);
    return {};
}

}  // namespace

Result<std::map<std::string, RsaFingerprint>> MachineStatePlace::relays() {
    std::map<std::string, RsaFingerprint> relays;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(settings_.identity.manifest("").parent_path(), error))
        if (const auto fingerprint = fingerprint_in(entry.path())) relays.emplace(entry.path().filename(), *fingerprint);
    if (error && error != std::errc::no_such_file_or_directory) return fail_errno(error.value(), "manifests");
    return relays;
}

Result<KeyFiles> MachineStatePlace::collect(const std::string& relay, std::size_t cache_limit_octets) {
    const auto owner = TRY(find_owner(user_of(relay)));
    const auto data = settings_.instances / relay, keys = settings_.identity.key_folder(relay);
    KeyFiles files;
    TRY(collect_into(files, owner.user, data, state_file_name, state_file_limit_octets));
    if (files.empty()) return fail(ErrorKind::not_found, "tor has written no state yet");
    for (const std::string& name : onion_key_files) TRY(collect_into(files, owner.user, keys, name, key_file_limit_octets));
    TRY(expect_no_rotation(files));
    if (cache_limit_octets == 0) return files;
    std::size_t left = cache_limit_octets;
    for (const std::string& name : cache_files) {
        // What is too large is downloaded again; it is no damage.
        if (const auto taken = collect_into(files, owner.user, data, name, left); !taken && taken.error().kind != ErrorKind::corrupt)
            return std::unexpected(taken.error());
        if (files.contains(name)) left -= files.at(name).size();
    }
    return files;
}

Result<void> MachineStatePlace::lay_out(const std::string& relay, const KeyFiles& files) {
    const auto owner = TRY(find_owner(user_of(relay)));
    const auto folder = settings_.paths.laid_out(relay), reason = settings_.paths.reason(relay);
    TRY(make_folder(folder.parent_path(), 0711));
    if (::unlink(reason.c_str()) < 0 && errno != ENOENT) return fail_errno(errno, reason.native());
    return install_files(files, folder, owner.user, owner.group);
}

Result<void> MachineStatePlace::lay_out_nothing(const std::string& relay, const std::string& reason) {
    const auto folder = settings_.paths.laid_out(relay), file = settings_.paths.reason(relay);
    TRY(make_folder(folder.parent_path(), 0711));
    TRY(remove_keys(folder));
    TRY(make_folder(file.parent_path(), 0755));
    TRY(replace_file(file, as_octets(reason + "\n"), 0644));
    if (::chmod(file.c_str(), 0644) < 0) return fail_errno(errno, file.native());
    return {};
}

}  // namespace lethe
