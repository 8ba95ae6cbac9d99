#include "base/process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/file.hpp"

extern "C" {  // glibc 2.41 declares it without C linkage
#include <sys/pidfd.h>
}

namespace lethe {

namespace {

constexpr std::size_t output_limit_octets = 1 << 20;

struct Pipe {
    Fd read_end;
    Fd write_end;
};

Result<Pipe> make_pipe() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return fail_errno(errno, "pipe");
    return Pipe{Fd(ends[0]), Fd(ends[1])};
}

std::vector<char*> pointers_to(const std::vector<std::string>& strings) {
    std::vector<char*> pointers;
    for (const std::string& string : strings) pointers.push_back(const_cast<char*>(string.c_str()));
    pointers.push_back(nullptr);
    return pointers;
}

int milliseconds_until(std::chrono::steady_clock::time_point deadline) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
    return static_cast<int>(std::max<long long>(left, 0));
}

// Owns the child until it is reaped: kills it when the caller leaves early.
class Child {
public:
    explicit Child(pid_t pid) : pid_(pid) {}
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;
    ~Child() {
        if (pid_ < 0) return;
        kill(pid_, SIGKILL);
        wait();
    }
    /// Whether it ends before the deadline: one that closed its output may still run.
    Result<bool> ends_before(std::chrono::steady_clock::time_point deadline) {
        const Fd pid_fd(pidfd_open(pid_, 0));
        if (!pid_fd) return fail_errno(errno, "pidfd_open");
        pollfd polled{pid_fd.get(), POLLIN, 0};
        int count;
        do count = poll(&polled, 1, milliseconds_until(deadline));
        while (count < 0 && errno == EINTR);
        return count == 1;
    }
    int wait() {
        int status = 0;
        while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
        }
        pid_ = -1;
        return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    }

private:
    pid_t pid_;
};

Result<pid_t> spawn(const Command& command, int standard_input, int standard_output, int standard_error) {
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, standard_input, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, standard_output, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, standard_error, STDERR_FILENO);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    sigset_t none;
    sigemptyset(&none);  // a daemon blocks signals for its event loop; the program must not inherit that
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    pid_t pid = -1;
    const int status = posix_spawn(&pid, command.arguments.front().c_str(), &actions, &attributes, pointers_to(command.arguments).data(),
                                   pointers_to(command.environment).data());
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    if (status != 0) return fail_errno(status, std::format("cannot start {}", command.arguments.front()));
    return pid;
}

std::unexpected<Error> did_not_end(const Command& command) {
    return fail(ErrorKind::io, "{} did not end within {} s and was stopped", command.arguments.front(), command.limit.count());
}

}  // namespace

Result<Outcome> run(const Command& command) {
    if (command.arguments.empty()) return fail(ErrorKind::invalid_argument, "no program to run");
    Pipe input = TRY(make_pipe());
    Pipe output = TRY(make_pipe());
    Pipe errors = TRY(make_pipe());
    Child child(TRY(spawn(command, input.read_end.get(), output.write_end.get(), errors.write_end.get())));
    input.read_end = Fd();
    output.write_end = Fd();
    errors.write_end = Fd();

    // Small enough for the pipe's buffer, or the program reads it as it goes; one that never reads meets the time limit.
    fcntl(input.write_end.get(), F_SETFL, O_NONBLOCK);
    std::string_view unwritten = command.standard_input;
    if (unwritten.empty()) input.write_end = Fd();

    Outcome outcome{};
    std::array<std::pair<Fd*, std::string*>, 2> streams{
        {{&output.read_end, &outcome.standard_output}, {&errors.read_end, &outcome.standard_error}}};
    const auto deadline = std::chrono::steady_clock::now() + command.limit;
    while (*streams[0].first || *streams[1].first) {
        std::array<pollfd, 3> polled{
            {{streams[0].first->get(), POLLIN, 0}, {streams[1].first->get(), POLLIN, 0}, {input.write_end.get(), POLLOUT, 0}}};
        const int count = poll(polled.data(), polled.size(), milliseconds_until(deadline));
        if (count == 0) return did_not_end(command);
        if (count < 0 && errno != EINTR) return fail_errno(errno, "poll");
        if (count < 0) continue;
        for (std::size_t i = 0; i < streams.size(); ++i) {
            if (polled[i].revents == 0) continue;
            std::array<char, 4096> buffer;
            const ssize_t count = read(streams[i].first->get(), buffer.data(), buffer.size());
            if (count < 0 && errno == EINTR) continue;
            if (count <= 0) *streams[i].first = Fd();
            else if (streams[i].second->size() < output_limit_octets)
                streams[i].second->append(buffer.data(), static_cast<std::size_t>(count));
        }
        if (polled[2].revents != 0) {
            const ssize_t count = write(input.write_end.get(), unwritten.data(), unwritten.size());
            if (count > 0) unwritten.remove_prefix(static_cast<std::size_t>(count));
            if ((count < 0 && errno != EAGAIN && errno != EINTR) || unwritten.empty()) input.write_end = Fd();
        }
    }
    if (!TRY(child.ends_before(deadline))) return did_not_end(command);
    outcome.exit_status = child.wait();
    return outcome;
}

std::string last_line(std::string_view text) {
    while (text.ends_with('\n')) text.remove_suffix(1);
    return std::string(text.substr(text.rfind('\n') + 1));
}

}  // namespace lethe
