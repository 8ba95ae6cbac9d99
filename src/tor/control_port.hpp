#pragma once

#include <chrono>
#include <map>
#include <span>

#include "base/file.hpp"
#include "tor/control_port_place.hpp"
#include "tor/control_port_reply.hpp"

namespace lethe {

/// A connection to the control port of a tor, to ask and not to change anything. It holds no cookie.
class ControlPort {
public:
    /// Connects and authenticates by the cookie that tor names: tor has to prove first that it knows it, so that nobody else learns
    /// anything from us (SAFECOOKIE). A tor that asks for no authentication is taken as well.
    ///
    /// @param patience  how long each answer may take.
    /// @error not_found    nobody listens there.
    /// @error wrong_state  tor takes a password alone, or refuses; or it is not tor that answers.
    /// @error corrupt      an answer that is none, or a cookie that is none.
    /// @error io           not in time, or the operating system refused.
    static Result<ControlPort> open(const ControlAddress& address, std::chrono::milliseconds patience);

    /// What tor says to GETINFO, by key. The value of several lines has each line's '\n'; what tor does not have at the moment is empty.
    /// @error invalid_argument  a key that would be more than one word.
    /// @error wrong_state       tor does not know one of the keys, or not yet.
    /// @error corrupt, io
    Result<std::map<std::string, std::string>> get(std::span<const std::string> keys);

    /// Lets tor send a line whenever its own status changes, as to bootstrapping, reachability or the consensus. descriptor() is readable
    /// then, and when tor has ended.
    /// @error wrong_state, corrupt, io
    Result<void> watch_status();

    int descriptor() const { return fd_.get(); }

private:
    ControlPort(Fd fd, std::chrono::milliseconds patience) : fd_(std::move(fd)), patience_(patience) {}

    Result<void> authenticate();
    Result<void> prove_cookie(const std::filesystem::path& file);
    Result<ControlReply> ask(std::string_view command);
    Result<ControlReply> ask_for_done(std::string_view command);

    Fd fd_;
    std::chrono::milliseconds patience_;
    Octets received_;  // and not taken yet
};

}  // namespace lethe
