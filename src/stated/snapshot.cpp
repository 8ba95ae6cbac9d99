#include <algorithm>
#include <ranges>

#include "stated/service.hpp"

namespace lethe {
namespace {

// What is already taken up of a relay; nothing when there is none, or none that is whole.
std::optional<StateFiles> last_of(const RelayStates& states, const std::string& name) {
    const auto last = states.find(name);
    if (last == states.end()) return std::nullopt;
    auto files = decode_state_payload(last->second, payload_limit_octets);
    return files ? std::optional(std::move(*files)) : std::nullopt;
}

// What one relay may have of a snapshot: no tor can make it too large for all.
std::size_t share_of(std::size_t relays) {
    constexpr std::size_t directory_octets = 1 << 20;  // far more than it has, and than encryption adds to the parts
    constexpr std::size_t earlier_octets = 2 << 20;    // far more than an earlier state has
    return std::min(payload_limit_octets - earlier_octets, (slot_limit_octets - directory_octets) / std::max<std::size_t>(1, relays));
}

// Whether the last state, and not the one that is kept beside it, is what tor is to have should the clock have been wrong since.
bool is_last_good(const StateFiles& last, const Moment& at) {
    const auto kept = last.earlier.find(state_file_name);
    if (!at.synchronised) return kept == last.earlier.end() || last.confirmed != Confirmed::earlier;
    if (at.shows_to_be_ahead(last.state.last_written)) return false;
    const auto earlier =
        kept == last.earlier.end() ? Result<StateFile>(fail(ErrorKind::not_found, "")) : parse_state_file(kept->second.expose());
    return !earlier || earlier->last_written <= last.state.last_written;
}

}  // namespace

// Decides what is kept beside a state, and whether the clock can be believed that wrote it.
void StateService::put_after(const std::string& name, StateFiles before, StateFiles& now, const Moment& at) {
    const auto was = before.state.last_written, is = now.state.last_written;
    if (is < was - clock_tolerance) tell_of_future(name, before, now.state);
    const auto last = taken_up_.find(name);
    const auto since = last == taken_up_.end() ? std::nullopt : std::optional(last->second);
    const bool is_steady = goes_on(was, is, since, at.uptime);
    const bool last_is_kept = !is_steady && is_last_good(before, at);
    const bool earlier_is_confirmed =
        last_is_kept ? at.synchronised || before.confirmed == Confirmed::newest : before.confirmed != Confirmed::neither;
    if (now.confirmed == Confirmed::neither && is_steady) now.confirmed = before.confirmed;
    else if (now.confirmed == Confirmed::neither && earlier_is_confirmed) now.confirmed = Confirmed::earlier;
    now.earlier = last_is_kept ? without_caches(before.files) : std::move(before.earlier);
}

// lethe-relay decides what tor is given, once a time server has set the clock. That tor writes an earlier time now says what it was.
void StateService::tell_of_future(const std::string& name, const StateFiles& before, const StateFile& now) {
    auto& status = relays_[name];
    const auto earlier = before.earlier.find(state_file_name);
    const auto given =
        earlier == before.earlier.end() ? Result<StateFile>(fail(ErrorKind::not_found, "")) : parse_state_file(earlier->second.expose());
    status.source = given ? StateSource::previous : StateSource::nothing;
    status.restored_bandwidth = given ? observed_bandwidth(*given, now.last_written) : 0;
    status.reason =
        std::format("its newest state says that it was written at {:%F %H:%M} UTC, which is still to come: the clock was wrong then; ",
                    before.state.last_written) +
        (given ? std::format("tor was given that of {:%F %H:%M} UTC", given->last_written) : "tor has begun without state");
}

// Takes a relay's state into the next snapshot; returns whether it is another than the last.
Result<bool> StateService::take_up(const std::string& name, const RsaFingerprint& relay, std::size_t share_octets) {
    const std::size_t cache_limit = std::min<std::size_t>(configuration_.cache_limit_octets, share_octets / 2);
    auto collected = place_.collect(name, open_->snapshots ? cache_limit : 0);
    if (!collected && collected.error().kind == ErrorKind::not_found) return false;
    if (!collected) return std::unexpected(collected.error());
    auto before = last_of(states_, name);
    if (before && before->files == *collected) return false;
    const KeyFiles none;
    auto files = TRY(parse_state_files(relay, std::move(*collected), now_(), share_octets, before ? before->files : none));
    const Moment at = moment();
    // What was written before a time server has set the clock back has not its word.
    if (!at.synchronised || at.shows_to_be_ahead(files.state.last_written)) files.confirmed = Confirmed::neither;
    if (before) put_after(name, std::move(*before), files, at);
    taken_up_[name] = at.uptime;
    open_->minimal.take_up(name, relay, files.state, at);
    auto payload = encode_state_payload(files);
    if (payload.size() > share_octets) {
        files.earlier.clear();
        payload = encode_state_payload(files);
    }
    relays_[name].taken = files.taken;
    relays_[name].octets = payload.size();
    states_.insert_or_assign(name, std::move(payload));
    return true;
}

std::optional<Error> StateService::take_up_all(const Identities& relays) {
    std::optional<Error> trouble;
    for (const auto& [name, relay] : relays) {
        const auto taken = take_up(name, relay, share_of(relays.size()));
        if (taken.value_or(false)) unwritten_.insert(name);
        relays_[name].trouble = taken ? "" : "its state was not taken up: " + taken.error().message;
        if (!taken) trouble = in_context(taken.error(), name).error();
    }
    return trouble;
}

void StateService::forget(const std::string& name) {
    states_.erase(name);
    open_->minimal.drop(name);
    taken_up_.erase(name);
    unwritten_.insert(name);
    forgotten_ = true;
}

// When a name has passed to another relay, the former one's state goes.
void StateService::forget_if_of_another(const std::string& name, const RsaFingerprint& relay) {
    const auto last = states_.find(name);
    if (last == states_.end()) return;
    if (const auto files = decode_state_payload(last->second, payload_limit_octets); files && files->relay != relay) forget(name);
}

// A relay that was admitted after this service was started gets what the last snapshot has of it before its tor writes something new.
void StateService::adopt(const std::string& name, const RsaFingerprint& relay) {
    if (const auto known = identities_.find(name); known != identities_.end() && known->second == relay) return;
    forget_if_of_another(name, relay);
    Result<Snapshot> snapshot = fail(ErrorKind::not_found, "");
    if (open_->snapshots) snapshot.emplace(generation_);
    if (const auto last = states_.find(name); last != states_.end() && snapshot)
        snapshot->relays.emplace(name, Snapshot::Relay{generation_, Secret::copy_of(last->second.expose())});
    restore_relay(name, relay, snapshot);
}

// A relay that is only not admitted in this boot, because its keys are damaged, say, still has its objects in the store.
Result<void> StateService::drop_forgotten(const Identities& relays) {
    const auto kept = states_ | std::views::keys | std::ranges::to<std::vector>();
    for (const auto& name : kept) {
        if (relays.contains(name) || !open_->snapshots || TRY(open_->store->exists({ObjectKind::identity, name}))) continue;
        forget(name);
    }
    std::erase_if(relays_, [&](const auto& relay) { return !relays.contains(relay.first) && !states_.contains(relay.first); });
    std::erase_if(identities_, [&](const auto& relay) { return !relays_.contains(relay.first); });
    return {};
}

// To whom a snapshot is charged. What a relay that was forgotten leaves is no tor's doing.
Result<std::string> StateService::payer(SnapshotCause cause, const std::set<std::string>& changed) const {
    const auto found = budget_.payer(forgotten_ ? SnapshotCause::request : cause, now_(), changed, relays_.size());
    if (found) return *found;
    std::string names;
    for (const auto& name : changed) names += (names.empty() ? "" : ", ") + name;
    return fail(
        ErrorKind::wrong_state,
        "{} snapshots a day are what the TPM's counter is given (SnapshotsPerDay= in lethe.conf), and they, or the share of {}, are "
        "taken",
        budget_.per_day(), names);
}

Result<void> StateService::write_snapshot(const std::string& payer) {
    // Counted before: a write that fails half-way has worn the counter, too.
    TRY(budget_.spend(now_(), payer));
    generation_ = TRY(open_->snapshots->write(states_));
    unwritten_.clear();
    for (const auto& name : states_ | std::views::keys)
        if (const auto relay = relays_.find(name); relay != relays_.end()) relay->second.generation = generation_;
    return {};
}

// Where it is all that is kept, it is counted like a snapshot, and what tor had at its end is written, too.
Result<void> StateService::write_minimal(SnapshotCause cause) {
    if (open_->snapshots) return open_->minimal.due(false).empty() ? Result<void>{} : open_->minimal.write(now_());
    const auto due = open_->minimal.due(cause == SnapshotCause::stop || cause == SnapshotCause::request);
    if (due.empty()) return {};
    TRY(budget_.spend(now_(), TRY(payer(cause, due))));
    return open_->minimal.write(now_());
}

Result<std::uint64_t> StateService::snapshot(SnapshotCause cause) {
    if (!may_give()) return std::unexpected(*reason_);
    const Fd alone = TRY(write_alone());
    return snapshot_alone(cause);
}

Result<std::uint64_t> StateService::snapshot_alone(SnapshotCause cause) {
    const auto relays = TRY(place_.relays());
    for (const auto& [name, relay] : relays) adopt(name, relay);
    TRY(drop_forgotten(relays));
    const auto trouble = take_up_all(relays);
    if (open_->snapshots && !unwritten_.empty()) TRY(write_snapshot(TRY(payer(cause, unwritten_))));
    // The other slot still has it.
    if (open_->snapshots && forgotten_) TRY(write_snapshot(""));
    forgotten_ = false;
    const auto minimal = write_minimal(cause);
    if (!minimal && !open_->snapshots) return std::unexpected(minimal.error());
    minimal_reason_ = minimal ? "" : minimal.error().message;
    if (trouble) return std::unexpected(*trouble);
    return generation_;
}

Result<void> StateService::reset() {
    if (!open_) return std::unexpected(*reason_);
    const Fd alone = TRY(write_alone());
    TRY(open_->minimal.reset());
    if (open_->snapshots) TRY(open_->snapshots->reset());
    states_.clear();
    unwritten_.insert("");
    generation_ = 0;
    standing_ = open_->snapshots ? StateStanding::open : StateStanding::minimal;
    reason_.reset();
    return {};
}

}  // namespace lethe
