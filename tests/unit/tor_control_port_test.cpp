#include "tor/control_port.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <numeric>
#include <thread>

#include "temporary_folder.hpp"
#include "tor/control_port_cookie.hpp"

namespace lethe {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

// A tor that takes one connection and answers each line as it is told to; silent where the answer is empty.
class FakeTor {
public:
    std::string methods = "COOKIE,SAFECOOKIE";
    std::string first_words = "";  // before its first answer
    bool knows_cookie = true;
    std::map<std::string, std::string> answers;
    std::vector<std::string> heard;
    const Secret cookie = Secret::random(control_cookie_octets);

    FakeTor() { EXPECT_TRUE(write_new_file(AT_FDCWD, cookie_file(), cookie.expose(), 0600)); }
    ~FakeTor() { stop(); }

    std::filesystem::path cookie_file() const { return folder_ / "cookie"; }
    const TemporaryFolder& folder() const { return folder_; }

    ControlAddress serve_socket() {
        sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
        std::ranges::copy((folder_ / "control").native(), address.sun_path);
        start(AF_UNIX, reinterpret_cast<sockaddr*>(&address), sizeof address);
        return folder_ / "control";
    }
    ControlAddress serve_port() {
        sockaddr_in address{.sin_family = AF_INET, .sin_port = 0, .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
        start(AF_INET, reinterpret_cast<sockaddr*>(&address), sizeof address);
        socklen_t size = sizeof address;
        EXPECT_EQ(::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
        return ntohs(address.sin_port);
    }
    // Waits until the controller has gone, after which `heard` may be read.
    void stop() {
        ::shutdown(listener_.get(), SHUT_RDWR);
        if (thread_.joinable()) thread_.join();
    }

private:
    void start(int family, const sockaddr* address, socklen_t size) {
        listener_ = Fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
        ASSERT_EQ(::bind(listener_.get(), address, size), 0);
        ASSERT_EQ(::listen(listener_.get(), 1), 0);
        thread_ = std::thread([this] { serve(); });
    }
    void serve() {
        const Fd peer(::accept(listener_.get(), nullptr, nullptr));
        std::string text;
        for (char buffer[512]; ssize_t count = ::recv(peer.get(), buffer, sizeof buffer, 0);) {
            if (count < 0) return;
            text.append(buffer, static_cast<std::size_t>(count));
            for (auto end = text.find("\r\n"); end != text.npos; end = text.find("\r\n")) {
                heard.push_back(text.substr(0, end));
                const auto reply = std::exchange(first_words, "") + answer(heard.back());
                if (::send(peer.get(), reply.data(), reply.size(), MSG_NOSIGNAL) < 0) return;
                text.erase(0, end + 2);
            }
        }
    }
    std::string answer(const std::string& line) {
        if (const auto known = answers.find(line); known != answers.end()) return known->second;
        if (line == "PROTOCOLINFO 1")
            return std::format("250-PROTOCOLINFO 1\r\n250-AUTH METHODS={} COOKIEFILE=\"{}\"\r\n250-VERSION Tor=\"0.4.9\"\r\n250 OK\r\n",
                               methods, cookie_file().native());
        if (line.starts_with("AUTHCHALLENGE SAFECOOKIE ")) return challenge(from_hex(line.substr(25)).value());
        if (line.starts_with("AUTHENTICATE")) return line == "AUTHENTICATE" + expected_ ? "250 OK\r\n" : "515 Authentication failed\r\n";
        return "510 Unrecognized command\r\n";
    }
    std::string challenge(const Octets& nonce) {
        const Octets own(control_nonce_octets, 7);
        expected_ = " " + to_hex(controller_cookie_proof(cookie, nonce, own));
        const auto proof = knows_cookie ? tor_cookie_proof(cookie, nonce, own) : CookieProof{};
        return std::format("250 AUTHCHALLENGE SERVERHASH={} SERVERNONCE={}\r\n", to_hex(proof), to_hex(own));
    }

    TemporaryFolder folder_;
    Fd listener_;
    std::thread thread_;
    std::string expected_;
};

Error refusal(const ControlAddress& address, std::chrono::milliseconds patience = 10s) {
    const auto port = ControlPort::open(address, patience);
    return port ? Error{ErrorKind::already_exists, "it was opened"} : port.error();
}

TEST(CookieProofs, AreThoseOfTheSpecification) {
    Octets octets(32);
    std::iota(octets.begin(), octets.end(), 0);
    const Secret cookie = Secret::copy_of(octets);
    const Octets ours(32, 1), its(32, 2);
    EXPECT_EQ(to_hex(tor_cookie_proof(cookie, ours, its)), "18bf4049ee4f5be22254e66ded2c3778d180b1eb268e8e41fcbdd10d64538030");
    EXPECT_EQ(to_hex(controller_cookie_proof(cookie, ours, its)), "e396c96ac795e44f88cc8bfdebd8517eadc1a9872cb9c6b01c244cf065abbcdb");
}

TEST(ControlPort, AuthenticatesAndAsksOverASocketAndOverAPort) {
    for (const bool by_port : {false, true}) {
        FakeTor tor;
        tor.answers["GETINFO a b"] = "250-a=1\r\n250+b=\r\nx\r\n.\r\n250 OK\r\n";
        const auto address = by_port ? tor.serve_port() : tor.serve_socket();
        auto port = ControlPort::open(address, 10s);
        ASSERT_TRUE(port) << port.error().message;
        const auto values = port->get(std::vector<std::string>{"a", "b"});
        ASSERT_TRUE(values) << values.error().message;
        EXPECT_THAT(*values, ElementsAre(Pair("a", "1"), Pair("b", "x\n")));
    }
}

TEST(ControlPort, LetsEventsPassBetweenAnswers) {
    FakeTor tor;
    tor.first_words = "650 STATUS_CLIENT NOTICE BOOTSTRAP PROGRESS=5\r\n";
    tor.answers["SETEVENTS STATUS_CLIENT STATUS_SERVER"] = "250 OK\r\n";
    tor.answers["GETINFO a"] = "650 STATUS_CLIENT NOTICE ENOUGH_DIR_INFO\r\n250-a=1\r\n250 OK\r\n";
    tor.answers["GETINFO b"] = "250 OK\r\n650 STATUS_SERVER NOTICE X\r\n";
    auto port = ControlPort::open(tor.serve_socket(), 10s);
    ASSERT_TRUE(port) << port.error().message;
    ASSERT_TRUE(port->watch_status());
    EXPECT_EQ(port->get(std::vector<std::string>{"a"})->at("a"), "1");
    EXPECT_TRUE(port->get(std::vector<std::string>{"b"})->empty());
    EXPECT_TRUE(port->get(std::vector<std::string>{"a"}));
}

TEST(ControlPort, GivesNothingAwayToOneThatDoesNotKnowTheCookie) {
    FakeTor tor;
    tor.knows_cookie = false;
    const auto refused = refusal(tor.serve_socket());
    EXPECT_EQ(refused.kind, ErrorKind::wrong_state);
    EXPECT_THAT(refused.message, HasSubstr("does not know the cookie"));
    tor.stop();
    for (const auto& line : tor.heard) EXPECT_FALSE(line.starts_with("AUTHENTICATE")) << line;
}

TEST(ControlPort, TakesATorThatWantsNoAuthenticationAndNoneThatWantsAPassword) {
    FakeTor open, closed;
    open.methods = "NULL";
    EXPECT_TRUE(ControlPort::open(open.serve_socket(), 10s));
    closed.methods = "HASHEDPASSWORD";
    EXPECT_THAT(refusal(closed.serve_socket()).message, HasSubstr("CookieAuthentication"));
}

TEST(ControlPort, RefusesACookieThatIsNone) {
    for (const std::size_t size : {31, 33}) {
        FakeTor tor;
        ASSERT_TRUE(replace_file(tor.cookie_file(), Octets(size), 0600));
        EXPECT_EQ(refusal(tor.serve_socket()).kind, ErrorKind::corrupt) << size;
    }
}

TEST(ControlPort, OfATorThatRefusesIsWrongStateWithItsWords) {
    FakeTor tor;
    tor.answers["PROTOCOLINFO 1"] = "513 No such version\r\n";
    const auto refused = refusal(tor.serve_socket());
    EXPECT_EQ(refused.kind, ErrorKind::wrong_state);
    EXPECT_THAT(refused.message, HasSubstr("No such version"));
}

TEST(ControlPort, OfWhoeverIsNotTorIsCorrupt) {
    FakeTor tor;
    tor.answers["PROTOCOLINFO 1"] = "HTTP/1.1 400 Bad Request\r\n\r\n";
    EXPECT_EQ(refusal(tor.serve_socket()).kind, ErrorKind::corrupt);
}

TEST(ControlPort, WaitsNoLongerThanItsPatience) {
    FakeTor tor;
    tor.answers["PROTOCOLINFO 1"] = "250-PROTO";
    const auto refused = refusal(tor.serve_socket(), 20ms);
    EXPECT_EQ(refused.kind, ErrorKind::io);
    EXPECT_THAT(refused.message, HasSubstr("in time"));
}

TEST(ControlPort, ThatNobodyListensAtIsNotFound) {
    FakeTor tor;
    EXPECT_EQ(refusal(tor.folder() / "none").kind, ErrorKind::not_found);
    const auto address = tor.serve_port();
    tor.stop();
    const auto refused = refusal(address);
    EXPECT_EQ(refused.kind, ErrorKind::not_found) << refused.message;
    EXPECT_EQ(refusal(std::filesystem::path(std::string(200, '/'))).kind, ErrorKind::invalid_argument);
}

TEST(ControlPort, SendsNoKeyOfMoreThanOneWord) {
    FakeTor tor;
    {
        auto port = ControlPort::open(tor.serve_socket(), 10s);
        ASSERT_TRUE(port);
        for (const char* key : {"", "a b", "a\r\nSIGNAL HALT"})
            EXPECT_EQ(port->get(std::vector<std::string>{key}).error().kind, ErrorKind::invalid_argument) << key;
    }
    tor.stop();
    for (const auto& line : tor.heard) EXPECT_FALSE(line.starts_with("SIGNAL") || line.starts_with("GETINFO")) << line;
}

}  // namespace
}  // namespace lethe
