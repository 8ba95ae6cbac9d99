#include "relay/handover.hpp"

#include <pwd.h>
#include <sys/stat.h>

#include <cerrno>

namespace lethe {

Result<Owner> find_owner(const std::string& user) {
    errno = 0;
    const passwd* entry = ::getpwnam(user.c_str());
    if (!entry) {
        if (errno != 0 && errno != ENOENT && errno != ESRCH) return fail_errno(errno, "user " + user);
        return fail(ErrorKind::not_found,
                    "there is no user {}; start lethe-relay-user@{}.service or make it, then `lethectl identity reload`", user,
                    user.substr(user.find('-') + 1));
    }
    return Owner{entry->pw_uid, entry->pw_gid};
}

Result<void> make_folder(const std::filesystem::path& path, mode_t mode) {
    if (::mkdir(path.c_str(), mode) < 0 && errno != EEXIST) return fail_errno(errno, path.native());
    if (::chmod(path.c_str(), mode) < 0) return fail_errno(errno, path.native());
    return {};
}

}  // namespace lethe
