#include "lethectl/secrets.hpp"

#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>

#include "base/file.hpp"
#include "lethectl/client.hpp"

namespace lethe::ctl {
namespace {

constexpr std::size_t secret_limit_octets = 1024;

// The terminal, without an echo while it lives.
class QuietTerminal {
public:
    explicit QuietTerminal(int fd) : fd_(fd) {
        tcgetattr(fd_, &before_);
        termios quiet = before_;
        quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
        quiet.c_lflag |= ECHONL;
        tcsetattr(fd_, TCSAFLUSH, &quiet);
    }
    QuietTerminal(const QuietTerminal&) = delete;
    QuietTerminal& operator=(const QuietTerminal&) = delete;
    ~QuietTerminal() { tcsetattr(fd_, TCSAFLUSH, &before_); }

private:
    int fd_;
    termios before_{};
};

Secret first_line(const Secret& text) {
    const auto octets = text.expose();
    return text.prefix(static_cast<std::size_t>(std::ranges::find(octets, '\n') - octets.begin()));
}

Result<Secret> ask(int terminal, std::string_view question) {
    const QuietTerminal quiet(terminal);
    TRY(write_all(terminal, as_octets(question)));
    Secret line(secret_limit_octets);
    const ssize_t count = read(terminal, line.expose_mutable().data(), line.size());
    if (count < 0) return fail_errno(errno, "the terminal");
    return first_line(line.prefix(static_cast<std::size_t>(count)));
}

Result<Secret> ask_at_terminal(bool twice) {
    const auto terminal = open_file(AT_FDCWD, "/dev/tty", O_RDWR | O_NOCTTY);
    if (!terminal) return fail(ErrorKind::wrong_state, "there is no terminal to ask at: use --passphrase-file");
    auto typed = TRY(ask(terminal->get(), "Passphrase: "));
    if (twice && TRY(ask(terminal->get(), "The same again: ")) != typed)
        return fail(ErrorKind::invalid_argument, "the two differ: nothing has been done");
    return typed;
}

Outcome<std::optional<Secret>> outcome_of(Result<Secret> secret) {
    if (!secret) return std::unexpected(to_failure(secret.error()));
    return std::optional(std::move(*secret));
}

}  // namespace

Outcome<std::optional<Secret>> passphrase_of(const Invocation& invocation, bool twice) {
    const auto file = invocation.option("passphrase-file");
    if (file && invocation.has("passphrase"))
        return std::unexpected(Failure{exit_usage, "--passphrase or --passphrase-file, not both", {}});
    if (file) return outcome_of(read_secret_file(AT_FDCWD, *file, secret_limit_octets).transform(first_line));
    if (invocation.has("passphrase")) return outcome_of(ask_at_terminal(twice));
    return std::nullopt;
}

Outcome<std::optional<Secret>> recovery_key_of(const Invocation& invocation) {
    const auto file = invocation.option("key");
    if (!file) return std::nullopt;
    return outcome_of(read_secret_file(AT_FDCWD, *file, secret_limit_octets));
}

}  // namespace lethe::ctl
