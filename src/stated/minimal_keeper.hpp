#pragma once

#include <set>

#include "stated/moment.hpp"
#include "tor/minimal_state.hpp"
#include "tor/state_payload.hpp"
#include "vault/minimal_states.hpp"

namespace lethe {

/// The bandwidth history alone of each relay, in the TPM. Beside snapshots it is written when a day of tor's history has closed, about once
/// a day: the numbers of the running day do not count for what tor announces.
class MinimalKeeper {
public:
    explicit MinimalKeeper(MinimalStates states) : states_(std::move(states)) {}

    /// Reads what there is.
    /// @error  as MinimalStates::read, but for not_found: nothing was ever written, and there is nothing to give then.
    Result<void> read();

    /// What the former one knows goes on, under another vault key.
    void take_from(MinimalKeeper former) {
        written_ = std::move(former.written_);
        current_ = std::move(former.current_);
        taken_up_ = std::move(former.taken_up_);
    }

    /// What there is of a relay with this identity.
    const MinimalState* find(const std::string& name, const RsaFingerprint& relay) const;

    /// What its tor has now. A state without a history leaves what there is, and so does one of which a wrong clock may be the reason that
    /// it is later or earlier:
    ///
    /// - A state that goes on from the last as time does on the machine is taken.
    /// - After a jump, or over a boot, a time server's word is needed, unless the last had none either and is no newer. A history that
    ///   announces nothing, as one that tor has begun anew, does not take the place of one that does.
    /// - Once the machine has run for five days, what it had before is worth nothing to tor, whatever the time is.
    void take_up(const std::string& name, const RsaFingerprint& relay, const StateFile& state, const Moment& at);
    /// It is no relay any more, or another one.
    void drop(const std::string& name);

    /// The relays of which a day has closed since what was written last, or which are new, others or gone; with `all` those of which any
    /// number is another. To be written when there is one.
    std::set<std::string> due(bool all) const;
    /// Writes what was taken up. Relays that there is no room for are left out, those with the least bandwidth first.
    /// @error  as MinimalStates::write.
    Result<void> write(std::chrono::sys_seconds now);

    /// Gives up what is written.
    Result<void> reset();

private:
    struct Entry {
        RsaFingerprint relay;
        MinimalState state;
        bool unconfirmed = false;  ///< no time server had set the clock
        bool operator==(const Entry&) const = default;
    };
    using Entries = std::map<std::string, Entry>;

    static Result<Entries> decode(const MinimalStates::Relays& relays);
    static bool may_replace(const Entry& last, const Entry& next, std::optional<std::chrono::seconds> since, const Moment& at);

    static MinimalStates::Relays encode(const Entries& entries);

    MinimalStates states_;
    Entries written_, current_;
    std::map<std::string, std::chrono::seconds> taken_up_;  ///< at which uptime, in this boot
};

}  // namespace lethe
