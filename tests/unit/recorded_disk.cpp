#include "recorded_disk.hpp"

#include <algorithm>
#include <cerrno>
#include <ranges>

namespace lethe {

int Medium::find(const std::string& file) const {
    const auto found = names_.find(file);
    return found == names_.end() ? none : found->second.back();
}

std::vector<std::string> Medium::names() const {
    const auto is_there = [](const auto& name) { return name.second.back() != none; };
    return names_ | std::views::filter(is_there) | std::views::keys | std::ranges::to<std::vector>();
}

Result<Octets> Medium::read(const std::string& file) const {
    if (!exists(file)) return fail(ErrorKind::not_found, "{} is not on the disk", file);
    return files_.at(find(file)).versions.back();
}

void Medium::write(const std::string& file, OctetView octets) {
    if (!exists(file)) {
        auto& history = names_.try_emplace(file, std::vector{none}).first->second;
        history.push_back(next_);
        files_[next_++].versions.emplace_back();
    }
    auto& versions = files_.at(find(file)).versions;
    Octets content = versions.back();
    if (content.size() < octets.size()) content.resize(octets.size());
    std::ranges::copy(octets, content.begin());
    versions.push_back(std::move(content));
}

void Medium::sync(const std::string& file) {
    auto& versions = files_.at(find(file)).versions;
    versions.erase(versions.begin(), versions.end() - 1);
}

void Medium::remove(const std::string& file) { names_.at(file).push_back(none); }

void Medium::sync_name(std::vector<int>& history) {
    history.erase(history.begin(), history.end() - 1);
    if (history.back() != none) files_.at(history.back()).named = true;
}

void Medium::sync_names() {
    for (auto& history : names_ | std::views::values) sync_name(history);
    std::erase_if(names_, [](const auto& name) { return name.second.back() == none; });
}

void Medium::sync_names(const std::string& folder) {
    const auto is_in_it = [&](const std::string& name) { return name.substr(0, name.rfind('/') + 1) == folder; };
    for (auto& [name, history] : names_)
        if (is_in_it(name)) sync_name(history);
    std::erase_if(names_, [&](const auto& name) { return is_in_it(name.first) && name.second.back() == none; });
}

bool Medium::holds(OctetView octets) const {
    return std::ranges::any_of(files_ | std::views::values,
                               [&](const File& file) { return !std::ranges::search(file.versions.back(), octets).empty(); });
}

std::size_t Medium::used() const {
    std::size_t octets = 0;
    for (const std::string& name : names()) octets += files_.at(find(name)).versions.back().size();
    return octets;
}

Result<void> RecordedDisk::write(const std::string& file, OctetView octets) {
    before_("write " + file);
    const std::size_t present = medium_.exists(file) ? medium_.read(file)->size() : 0;
    if (const std::size_t most = present + medium_.room - medium_.used(); octets.size() > most) {
        medium_.write(file, octets.first(most));
        return fail_errno(ENOSPC, file);
    }
    medium_.write(file, octets);
    return {};
}

Result<void> RecordedDisk::sync(const std::string& file) {
    before_("sync " + file);
    medium_.sync(file);
    return {};
}

Result<void> RecordedDisk::remove(const std::string& file) {
    if (!medium_.exists(file)) return fail(ErrorKind::not_found, "{} is not on the disk", file);
    before_("remove " + file);
    medium_.remove(file);
    return {};
}

Result<void> RecordedDisk::sync_names() {
    before_("sync the names");
    medium_.sync_names("");
    return {};
}

}  // namespace lethe
