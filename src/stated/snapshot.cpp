#include <algorithm>
#include <ranges>

#include "stated/service.hpp"

namespace lethe {
namespace {

// What is already taken up of a relay; nothing when there is none, or none that is whole.
KeyFiles files_of(const RelayStates& states, const std::string& name) {
    const auto last = states.find(name);
    if (last == states.end()) return {};
    auto files = decode_state_payload(last->second, payload_limit_octets);
    return files ? std::move(files->files) : KeyFiles{};
}

}  // namespace

// Takes a relay's state into the next snapshot; returns whether it is another than the last.
Result<bool> StateService::take_up(const std::string& name, const RsaFingerprint& relay) {
    auto collected = place_.collect(name, open_->snapshots ? configuration_.cache_limit_octets : 0);
    if (!collected && collected.error().kind == ErrorKind::not_found) return false;
    if (!collected) return std::unexpected(collected.error());
    const KeyFiles before = files_of(states_, name);
    if (before == *collected) return false;
    const auto files = TRY(parse_state_files(relay, std::move(*collected), now_(), payload_limit_octets, before));
    open_->minimal.take_up(name, relay, files.state);
    auto payload = encode_state_payload(files);
    relays_[name].taken = files.taken;
    relays_[name].octets = payload.size();
    states_.insert_or_assign(name, std::move(payload));
    return true;
}

std::optional<Error> StateService::take_up_all(const Identities& relays) {
    std::optional<Error> trouble;
    for (const auto& [name, relay] : relays) {
        const auto taken = take_up(name, relay);
        unwritten_ |= taken.value_or(false);
        relays_[name].trouble = taken ? "" : "its state was not taken up: " + taken.error().message;
        if (!taken) trouble = in_context(taken.error(), name).error();
    }
    return trouble;
}

void StateService::forget(const std::string& name) {
    states_.erase(name);
    open_->minimal.drop(name);
    unwritten_ = forgotten_ = true;
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

Result<void> StateService::check_budget(SnapshotCause cause) const {
    if (budget_.allows(cause, now_())) return {};
    return fail(ErrorKind::wrong_state,
                "{} snapshots a day are what the TPM's counter is given (SnapshotsPerDay= in lethe.conf), and they are taken",
                budget_.per_day());
}

Result<void> StateService::write_snapshot() {
    // Counted before: a write that fails half-way has worn the counter, too.
    TRY(budget_.spend(now_()));
    generation_ = TRY(open_->snapshots->write(states_));
    unwritten_ = false;
    for (const auto& name : states_ | std::views::keys)
        if (const auto relay = relays_.find(name); relay != relays_.end()) relay->second.generation = generation_;
    return {};
}

// Where it is all that is kept, it is counted like a snapshot, and what tor had at its end is written, too.
Result<void> StateService::write_minimal(SnapshotCause cause) {
    if (open_->snapshots) return open_->minimal.is_due(false) ? open_->minimal.write(now_()) : Result<void>{};
    const bool all = cause == SnapshotCause::stop || cause == SnapshotCause::request;
    if (!open_->minimal.is_due(all)) return {};
    TRY(check_budget(cause));
    TRY(budget_.spend(now_()));
    return open_->minimal.write(now_());
}

Result<std::uint64_t> StateService::snapshot(SnapshotCause cause) {
    if (!may_give()) return std::unexpected(*reason_);
    const auto relays = TRY(place_.relays());
    for (const auto& [name, relay] : relays) adopt(name, relay);
    TRY(drop_forgotten(relays));
    const auto trouble = take_up_all(relays);
    if (open_->snapshots && unwritten_) TRY(check_budget(cause).and_then([&] { return write_snapshot(); }));
    // The other slot still has it.
    if (open_->snapshots && forgotten_) TRY(write_snapshot());
    forgotten_ = false;
    const auto minimal = write_minimal(cause);
    if (!minimal && !open_->snapshots) return std::unexpected(minimal.error());
    minimal_reason_ = minimal ? "" : minimal.error().message;
    if (trouble) return std::unexpected(*trouble);
    return generation_;
}

Result<void> StateService::reset() {
    if (!open_) return std::unexpected(*reason_);
    TRY(open_->minimal.reset());
    if (open_->snapshots) TRY(open_->snapshots->reset());
    states_.clear();
    unwritten_ = true;
    generation_ = 0;
    standing_ = open_->snapshots ? StateStanding::open : StateStanding::minimal;
    reason_.reset();
    return {};
}

}  // namespace lethe
