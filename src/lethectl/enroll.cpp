#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <format>

#include "lethectl/run_enroll.hpp"

namespace lethe::ctl {

// The program keeps this one's terminal, so that it can say what it does as it goes.
Outcome<int> run_enroll(const std::vector<std::string>& arguments) {
    const bool asks = std::ranges::contains(arguments, "--help");
    if (::geteuid() != 0 && !asks) return std::unexpected(Failure{exit_refused, "only root may do this", {}});
    std::vector<char*> values{const_cast<char*>("lethe-enroll")};
    for (const auto& argument : arguments) values.push_back(const_cast<char*>(argument.c_str()));
    values.push_back(nullptr);
    pid_t child = -1;
    int status = 0;
    const int error = ::posix_spawn(&child, LETHE_LIBEXECDIR "/lethe-enroll", nullptr, nullptr, values.data(), environ);
    if (error != 0)
        return std::unexpected(Failure{exit_failed, std::format(LETHE_LIBEXECDIR "/lethe-enroll: {}", std::strerror(error)), {}});
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : exit_failed;
}

Outcome<int> enroll(const Invocation& invocation) {
    const bool asks = std::ranges::contains(invocation.arguments, "--help");
    const auto status = run_enroll(invocation.arguments);
    if (!status || *status != exit_ok || asks) return status;
    return identity_reload({.json = invocation.json, .arguments = {}});
}

}  // namespace lethe::ctl
