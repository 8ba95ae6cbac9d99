#include "relay/restored_state.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ranges>

#include "base/file.hpp"
#include "tor/key_names.hpp"
#include "tor/state_payload.hpp"
#include "tor/wipe.hpp"

namespace lethe {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t file_limit_octets = 16 << 20;  // more than a snapshot holds
constexpr std::size_t reason_limit_octets = 4096;

Result<std::optional<std::chrono::sys_seconds>> written(const fs::path& file) {
    const auto octets = read_file(file, state_file_limit_octets);
    if (!octets && octets.error().kind == ErrorKind::not_found) return std::nullopt;
    if (!octets) return std::unexpected(octets.error());
    // What tor itself has left since it was started is for tor to judge.
    const auto state = parse_state_file(*octets);
    return state ? std::optional(state->last_written) : std::nullopt;
}

Result<void> put(const fs::path& from, const fs::path& folder, const std::string& name, const std::string& prefix = "") {
    const auto octets = read_secret_file(AT_FDCWD, from / (prefix + name), file_limit_octets);
    if (!octets && octets.error().kind == ErrorKind::not_found) return {};
    if (!octets) return std::unexpected(octets.error());
    return replace_file(folder / name, octets->expose(), 0600);
}

// The state from before a jump of the clock stays: a time server may yet set the clock back.
Result<void> remove_laid_out(const fs::path& folder) {
    const Fd directory = TRY(open_file(AT_FDCWD, folder, O_RDONLY | O_DIRECTORY));
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(folder, error))
        if (const auto name = entry.path().filename().native(); !name.starts_with(earlier_prefix)) TRY(wipe_tree(directory.get(), name));
    if (error) return fail_errno(error.value(), folder.native());
    return {};
}

// A relay whose state was lost starts without it unless the operator says otherwise; one that never had any has no reason given.
Result<void> check_required(const StateFolders& folders) {
    const auto reason = read_file(folders.reason, reason_limit_octets);
    if (!reason && reason.error().kind == ErrorKind::not_found)
        return fail(ErrorKind::wrong_state,
                    "RequireState=yes, and lethe-stated has not said what became of its state; see `systemctl status lethe-stated`");
    if (!reason) return std::unexpected(reason.error());
    if (as_text(*reason) == "\n") return {};
    return fail(ErrorKind::wrong_state, "RequireState=yes, and its state was not restored: {}",
                as_text(*reason).substr(0, reason->size() - 1));
}

Result<void> put_earlier(const StateFolders& folders) {
    for (const std::string& name : onion_key_files) TRY(put(folders.laid_out, folders.keys, name, earlier_prefix));
    return put(folders.laid_out, folders.data, state_file_name, earlier_prefix);
}

// Leaves tor the newest state that is not from the future.
Result<TakenOver> judge_by_clock(const StateFolders& folders, std::chrono::sys_seconds now) {
    const auto state = folders.data / state_file_name;
    const auto is_ahead = [&](const auto& time) { return time && *time > now + clock_tolerance; };
    TakenOver found{TRY(written(state))};
    const auto earlier = TRY(written(folders.laid_out / (earlier_prefix + state_file_name)));
    const bool ahead = is_ahead(found.written);
    const bool use_earlier = earlier && !is_ahead(earlier) && (ahead || !found.written || *earlier > *found.written);
    if (!ahead && !(use_earlier && found.written)) return found;
    found.loss = std::format("its newest state was written at {:%F %H:%M} UTC by a clock that was wrong; ", *found.written);
    if (use_earlier) TRY(put_earlier(folders));
    else if (::unlink(state.c_str()) < 0) return fail_errno(errno, state.native());
    found.loss += use_earlier ? std::format("tor is given that of {:%F %H:%M} UTC", *earlier) : "tor begins without state";
    found.written = use_earlier ? earlier : std::nullopt;
    return found;
}

}  // namespace

Result<TakenOver> take_over_state(const StateFolders& folders, bool required, std::optional<std::chrono::sys_seconds> now) {
    const auto state = folders.data / state_file_name;
    const bool laid_out = ::access((folders.laid_out / state_file_name).c_str(), F_OK) == 0;
    if (::access(state.c_str(), F_OK) != 0 && laid_out) {
        for (const std::string& name : onion_key_files) TRY(put(folders.laid_out, folders.keys, name));
        for (const std::string& name : cache_files) TRY(put(folders.laid_out, folders.data, name));
        TRY(put(folders.laid_out, folders.data, state_file_name));
    }
    if (laid_out) TRY(remove_laid_out(folders.laid_out));
    auto taken = now ? TRY(judge_by_clock(folders, *now)) : TakenOver{TRY(written(state))};
    if (required && !taken.loss.empty() && !taken.written) return fail(ErrorKind::wrong_state, "RequireState=yes, and {}", taken.loss);
    if (required && ::access(state.c_str(), F_OK) != 0) TRY(check_required(folders));
    return taken;
}

}  // namespace lethe
