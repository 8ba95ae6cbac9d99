#include <ranges>

#include "stated/service.hpp"

namespace lethe {

// Takes a relay's state into the next snapshot; returns whether it is another than the last.
Result<bool> StateService::take_up(const std::string& name) {
    auto collected = place_.collect(name, configuration_.cache_limit_octets);
    if (!collected && collected.error().kind == ErrorKind::not_found) return false;
    if (!collected) return std::unexpected(collected.error());
    auto files = TRY(parse_state_files(std::move(*collected), now_(), payload_limit_octets));
    if (const auto last = states_.find(name); last != states_.end()) {
        const auto before = decode_state_payload(last->second, payload_limit_octets);
        if (before && before->files == files.files) return false;
    }
    auto payload = encode_state_payload(files);
    relays_[name].taken = files.taken;
    relays_[name].octets = payload.size();
    states_.insert_or_assign(name, std::move(payload));
    return true;
}

Result<std::uint64_t> StateService::snapshot(SnapshotCause cause) {
    if (standing_ != StateStanding::open) return std::unexpected(*reason_);
    if (!budget_.allows(cause, now_()))
        return fail(ErrorKind::wrong_state,
                    "{} snapshots a day are what the TPM's counter is given (SnapshotsPerDay= in lethe.conf), and they are taken",
                    budget_.per_day());
    const auto names = TRY(place_.relays());
    for (const auto& name : names) relays_[name].name = name;
    std::optional<Error> trouble;
    for (const auto& name : names) {
        const auto taken = take_up(name);
        unwritten_ |= taken.value_or(false);
        relays_[name].trouble = taken ? "" : "its state was not taken up: " + taken.error().message;
        if (!taken) trouble = in_context(taken.error(), name).error();
    }
    if (unwritten_) {
        // Counted before: a write that fails half-way has worn the counter, too.
        TRY(budget_.spend(now_()));
        generation_ = TRY(open_->snapshots.write(states_));
        unwritten_ = false;
        for (const auto& name : states_ | std::views::keys)
            if (const auto relay = relays_.find(name); relay != relays_.end()) relay->second.generation = generation_;
    }
    if (trouble) return std::unexpected(*trouble);
    return generation_;
}

Result<void> StateService::reset() {
    if (!open_) return std::unexpected(*reason_);
    TRY(open_->snapshots.reset());
    states_.clear();
    generation_ = 0;
    standing_ = StateStanding::open;
    reason_.reset();
    return {};
}

}  // namespace lethe
