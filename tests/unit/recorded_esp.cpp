#include "recorded_esp.hpp"

#include <algorithm>
#include <cerrno>

#include "image/release.hpp"

namespace lethe {

namespace {

std::string folder_of(const std::string& version) { return RecordedEsp::folder + folder_beside_release(version); }

}  // namespace

Result<std::vector<std::string>> RecordedFolder::names() const {
    std::vector<std::string> names{".", ".."};  // as a real folder has
    for (const std::string& name : medium_.names())
        if (name.starts_with(folder_) && !name.substr(folder_.size()).contains('/')) names.push_back(name.substr(folder_.size()));
    return names;
}

Result<void> RecordedFolder::sync_names() {
    before_("sync the names in " + folder_);
    medium_.sync_names(folder_);
    return {};
}

bool RecordedEsp::has_files(const std::string& version) const {
    return std::ranges::any_of(medium_.names(), [&](const std::string& name) { return name.starts_with(folder_of(version) + "/"); });
}

Result<std::unique_ptr<Disk>> RecordedEsp::beside(const std::string& version) {
    if (!medium_.exists(folder_of(version))) return fail(ErrorKind::not_found, "there is no {}", folder_of(version));
    return std::make_unique<RecordedFolder>(medium_, folder_of(version) + "/", before_);
}

Result<std::unique_ptr<Disk>> RecordedEsp::make_beside(const std::string& version) {
    if (!medium_.exists(folder_of(version))) {
        // On a real disk they would be gone, their clusters taken for ever.
        if (has_files(version)) return fail(ErrorKind::corrupt, "{} went before the names in it were synced", folder_of(version));
        before_("make " + folder_of(version));
        medium_.write(folder_of(version), {});
    }
    if (auto synced = images_.sync_names(); !synced) return std::unexpected(synced.error());
    return beside(version);
}

Result<void> RecordedEsp::remove_beside(const std::string& version) {
    if (!medium_.exists(folder_of(version))) return {};
    if (has_files(version)) return fail_errno(ENOTEMPTY, folder_of(version));
    before_("remove " + folder_of(version));
    medium_.remove(folder_of(version));
    return {};
}

Result<void> RecordedEsp::set_one_shot(const std::string& entry) {
    before_(entry.empty() ? "take the next entry back" : "set the next entry " + entry);
    one_shot_ = entry;
    return {};
}

// On FAT the new name comes before the old one goes.
Result<void> RecordedEsp::rename(const std::string& from, const std::string& to) {
    const std::string old_name = folder + from, new_name = folder + to;
    if (medium_.exists(new_name)) return fail(ErrorKind::already_exists, "{} is there", new_name);
    const Octets octets = TRY(medium_.read(old_name));
    before_(from + " becomes " + to);
    medium_.write(new_name, octets);
    medium_.sync(new_name);
    medium_.remove(old_name);
    medium_.sync_names(folder);
    if (read_only) read_only->erase(from);
    return {};
}

}  // namespace lethe
