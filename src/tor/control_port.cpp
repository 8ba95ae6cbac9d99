#include "tor/control_port.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "tor/control_port_cookie.hpp"

namespace lethe {
namespace {

constexpr unsigned status_done = 250, status_event = 650;

using Deadline = std::chrono::steady_clock::time_point;

Result<void> wait_until_ready(int fd, short events, Deadline deadline) {
    for (;;) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
        if (left.count() <= 0) return fail(ErrorKind::io, "tor's control port: no answer in time");
        pollfd polled{fd, events, 0};
        const int ready = ::poll(&polled, 1, static_cast<int>(left.count()));
        if (ready > 0) return {};
        if (ready < 0 && errno != EINTR) return fail_errno(errno, "tor's control port");
    }
}

Result<void> connect_to(int fd, const sockaddr* address, socklen_t size, Deadline deadline, const std::string& where) {
    if (::connect(fd, address, size) == 0) return {};
    int error = errno;
    if (error == EINPROGRESS) {
        TRY(wait_until_ready(fd, POLLOUT, deadline));
        socklen_t length = sizeof error;
        if (::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0) error = errno;
    }
    if (error == 0) return {};
    if (error == ENOENT || error == ECONNREFUSED) return fail(ErrorKind::not_found, "tor's control port: nobody listens at {}", where);
    return fail_errno(error, "tor's control port, " + where);
}

Result<Fd> open_socket(int family) {
    Fd fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) return fail_errno(errno, "socket");
    return fd;
}

Result<Fd> connect_to(const std::filesystem::path& socket, Deadline deadline) {
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    if (socket.native().size() >= sizeof address.sun_path)
        return fail(ErrorKind::invalid_argument, "tor's control port: {} is too long for a socket's path", socket.native());
    std::ranges::copy(socket.native(), address.sun_path);
    Fd fd = TRY(open_socket(AF_UNIX));
    TRY(connect_to(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address, deadline, socket.native()));
    return fd;
}

Result<Fd> connect_to(std::uint16_t port, Deadline deadline) {
    const sockaddr_in address{
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
    Fd fd = TRY(open_socket(AF_INET));
    TRY(connect_to(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address, deadline, to_text(ControlAddress(port))));
    return fd;
}

Result<void> send_all(int fd, std::string_view text, Deadline deadline) {
    while (!text.empty()) {
        TRY(wait_until_ready(fd, POLLOUT, deadline));
        const ssize_t count = ::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
        if (count < 0 && errno != EAGAIN && errno != EINTR) return fail_errno(errno, "tor's control port");
        text.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
    }
    return {};
}

Result<void> receive_more(int fd, Octets& received, Deadline deadline) {
    std::array<std::uint8_t, 4096> buffer;
    TRY(wait_until_ready(fd, POLLIN, deadline));
    const ssize_t count = ::recv(fd, buffer.data(), buffer.size(), 0);
    if (count == 0) return fail(ErrorKind::io, "tor has closed its control port");
    if (count < 0 && errno != EAGAIN && errno != EINTR) return fail_errno(errno, "tor's control port");
    if (count > 0) received.insert(received.end(), buffer.begin(), buffer.begin() + count);
    return {};
}

// The first line of a reply that begins with this word.
std::string_view line_of(const ControlReply& reply, std::string_view word) {
    for (const auto& line : reply.lines)
        if (line.text.starts_with(word)) return line.text;
    return {};
}

Result<Octets> octets_in(std::string_view line, std::string_view key) {
    auto octets = from_hex(control_word(line, key).value_or(""));
    if (!octets || octets->size() != control_nonce_octets)
        return fail(ErrorKind::corrupt, "tor's control port: its challenge has no {}", key);
    return octets;
}

bool lists(std::string_view methods, std::string_view method) {
    return ("," + std::string(methods) + ",").contains("," + std::string(method) + ",");
}

}  // namespace

Result<ControlPort> ControlPort::open(const ControlAddress& address, std::chrono::milliseconds patience) {
    const auto deadline = std::chrono::steady_clock::now() + patience;
    ControlPort port(TRY(std::visit([&](const auto& where) { return connect_to(where, deadline); }, address)), patience);
    TRY(port.authenticate());
    return port;
}

Result<void> ControlPort::authenticate() {
    const auto offer = TRY(ask_for_done("PROTOCOLINFO 1"));
    const auto line = line_of(offer, "AUTH ");
    const auto methods = control_word(line, "METHODS").value_or("");
    if (lists(methods, "SAFECOOKIE")) return prove_cookie(control_word(line, "COOKIEFILE").value_or(""));
    if (!lists(methods, "NULL"))
        return fail(ErrorKind::wrong_state, "tor's control port takes a password alone: leave CookieAuthentication out of the torrc");
    TRY(ask_for_done("AUTHENTICATE"));
    return {};
}

Result<void> ControlPort::prove_cookie(const std::filesystem::path& file) {
    const auto cookie = TRY(read_secret_file(AT_FDCWD, file, control_cookie_octets));
    if (cookie.size() != control_cookie_octets)
        return fail(ErrorKind::corrupt, "tor's control port: its cookie has {} octets", cookie.size());
    const Secret nonce = Secret::random(control_nonce_octets);
    const auto challenge = TRY(ask_for_done("AUTHCHALLENGE SAFECOOKIE " + to_hex(nonce.expose())));
    const auto line = line_of(challenge, "AUTHCHALLENGE ");
    const Octets proof = TRY(octets_in(line, "SERVERHASH")), tor_nonce = TRY(octets_in(line, "SERVERNONCE"));
    if (!std::ranges::equal(proof, tor_cookie_proof(cookie, nonce.expose(), tor_nonce)))
        return fail(ErrorKind::wrong_state, "whoever answers at tor's control port does not know the cookie in {}", file.native());
    TRY(ask_for_done("AUTHENTICATE " + to_hex(controller_cookie_proof(cookie, nonce.expose(), tor_nonce))));
    return {};
}

Result<ControlReply> ControlPort::ask(std::string_view command) {
    const auto deadline = std::chrono::steady_clock::now() + patience_;
    TRY(send_all(fd_.get(), std::string(command) + "\r\n", deadline));
    for (;;) {
        auto taken = TRY(take_control_reply(received_));
        if (!taken) {
            TRY(receive_more(fd_.get(), received_, deadline));
            continue;
        }
        received_.erase(received_.begin(), received_.begin() + static_cast<std::ptrdiff_t>(taken->size_octets));
        if (taken->reply.status != status_event) return std::move(taken->reply);
    }
}

Result<ControlReply> ControlPort::ask_for_done(std::string_view command) {
    auto reply = TRY(ask(command));
    if (reply.status == status_done) return reply;
    return fail(ErrorKind::wrong_state, "tor's control port: {}", printable_words(reply.lines.back().text));
}

Result<std::map<std::string, std::string>> ControlPort::get(std::span<const std::string> keys) {
    std::string command = "GETINFO";
    for (const auto& key : keys) {
        if (key.empty() || std::ranges::any_of(key, [](char c) { return c <= ' ' || c > '~'; }))
            return fail(ErrorKind::invalid_argument, "\"{}\" is not a key of GETINFO", printable_words(key));
        command += " " + key;
    }
    return values_of(TRY(ask(command)));
}

Result<void> ControlPort::watch_status() {
    TRY(ask_for_done("SETEVENTS STATUS_CLIENT STATUS_SERVER"));
    return {};
}

}  // namespace lethe
