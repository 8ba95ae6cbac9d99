#include <utility>

#include "stated/service.hpp"
#include "vault/vault.hpp"

namespace lethe {

std::string_view name_of(StateStanding standing) {
    switch (standing) {
        case StateStanding::open:
            return "open";
        case StateStanding::minimal:
            return "minimal";
        case StateStanding::refused:
            return "refused";
        case StateStanding::shut:
            return "shut";
    }
    std::unreachable();
}

std::string_view name_of(StateSource source) {
    switch (source) {
        case StateSource::snapshot:
            return "snapshot";
        case StateSource::previous:
            return "previous";
        case StateSource::minimal:
            return "minimal";
        case StateSource::kept:
            return "kept";
        case StateSource::nothing:
            return "nothing";
    }
    std::unreachable();
}

namespace {

// Why tor would leave a history out; empty when it takes it.
std::string discard_reason(const BandwidthHistory& history, std::chrono::sys_seconds now) {
    if (!tor_discards(history, now)) return {};
    if (history.starts() > now)
        return std::format("its bandwidth history begins at {:%F %H:%M} UTC: the clock is behind", history.starts());
    return std::format("its bandwidth history ended at {:%F %H:%M} UTC: tor discards what is more than five days old", history.ends);
}

}  // namespace

Result<StateService::Open> StateService::open() {
    auto opened = TRY(open_store_());
    auto store = std::make_unique<Store>(std::move(opened.store));
    if (!TRY(store->exists({ObjectKind::vault, ""})))
        return fail(ErrorKind::wrong_state, "this machine is not enrolled; run `lethectl enroll` as root");
    const VaultRecord record = TRY(read_vault_record(*store));
    const VaultKeys key = TRY(read_keys_());
    if (key.handles() != record.handles())
        return fail(ErrorKind::wrong_state, "lethe-identityd has the keys of another vault than is in the store: restart it");
    auto tpm = TRY(open_tpm_());
    MinimalKeeper minimal(MinimalStates(*tpm, key, opened.in_tpm));
    std::optional<Snapshots> snapshots;
    if (!opened.in_tpm) snapshots = TRY(Snapshots::open(store->disk(), *tpm, key));
    return Open{std::move(tpm), std::move(store), record.index, std::move(minimal), std::move(snapshots)};
}

// For as long as the result lives, nobody makes a new vault key. Of one that was made since, the keys are fetched first.
Result<Fd> StateService::write_alone() {
    for (;;) {
        Fd alone = TRY(open_->store->disk().exclude());
        if (TRY(read_vault_record(*open_->store)).index == open_->index) return alone;
        alone = Fd();  // whoever hands the keys out may be waiting for it
        auto reopened = TRY(open());
        reopened.minimal.take_from(std::move(open_->minimal));
        open_ = std::move(reopened);
    }
}

void StateService::refuse(StateStanding standing, const Error& error) {
    standing_ = standing;
    reason_ = error;
}

// Damage is each relay's own business: the next snapshot writes over it. Where something was put back, a person has to look first.
void StateService::judge(const Error& error) {
    switch (error.kind) {
        case ErrorKind::not_found:
        case ErrorKind::corrupt:
            return;
        case ErrorKind::rollback:
        case ErrorKind::wrong_state:
            return refuse(StateStanding::refused, error);
        default:
            return refuse(StateStanding::shut, error);
    }
}

// What is in the TPM beside snapshots is the last resort: that it is damaged is of interest only when it is needed.
Result<Snapshot> StateService::read() {
    if (auto opened = open()) open_ = std::move(*opened);
    else {
        refuse(StateStanding::shut, opened.error());
        return std::unexpected(opened.error());
    }
    const auto minimal = open_->minimal.read();
    if (open_->snapshots) {
        auto snapshot = open_->snapshots->read();
        if (!snapshot) judge(snapshot.error());
        return snapshot;
    }
    standing_ = StateStanding::minimal;
    if (minimal) return fail(ErrorKind::not_found, "");
    judge(minimal.error());
    return std::unexpected(minimal.error());
}

void StateService::restore() {
    open_.reset();
    reason_.reset();
    states_.clear();
    unwritten_.clear();
    forgotten_ = false;
    relays_.clear();
    identities_.clear();
    generation_ = 0;
    standing_ = StateStanding::open;

    auto snapshot = read();
    if (snapshot) generation_ = snapshot->generation;
    const auto relays = place_.relays();
    if (!relays) return refuse(StateStanding::shut, relays.error());
    for (const auto& [name, relay] : *relays) restore_relay(name, relay, snapshot);
    // A relay that is not admitted in this boot keeps its part.
    if (snapshot)
        for (auto& [name, part] : snapshot->relays) states_.try_emplace(name, std::move(part.state));
    for (const auto& [name, relay] : *relays) forget_if_of_another(name, relay);
}

void StateService::restore_relay(const std::string& name, const RsaFingerprint& relay, const Result<Snapshot>& snapshot) {
    identities_[name] = relay;
    auto& status = relays_[name] = {};
    status.name = name;
    if (place_.collect(name, 0)) {
        status.source = StateSource::kept;
        if (snapshot && snapshot->relays.contains(name)) status.generation = snapshot->relays.at(name).generation;
        return;
    }
    if (!snapshot) return give_minimal(name, relay, snapshot.error());
    if (const auto damaged = snapshot->damaged.find(name); damaged != snapshot->damaged.end())
        return give_minimal(name, relay, damaged->second);
    const auto given = give(name, relay, *snapshot);
    if (!given) return give_minimal(name, relay, given.error());
    if (!*given) give_nothing(name, "");
}

// Returns whether there is anything for this relay: a name may have passed to another.
Result<bool> StateService::give(const std::string& name, const RsaFingerprint& relay, const Snapshot& snapshot) {
    const auto found = snapshot.relays.find(name);
    if (found == snapshot.relays.end()) return false;
    const auto& part = found->second;
    const auto files = TRY(decode_state_payload(part.state, payload_limit_octets));
    if (files.relay != relay) return false;
    TRY(place_.lay_out(name, all_files(files)));
    auto& status = relays_[name];
    status.source = part.generation == snapshot.generation ? StateSource::snapshot : StateSource::previous;
    status.generation = part.generation;
    status.taken = files.taken;
    status.octets = part.state.size();
    status.restored_bandwidth = observed_bandwidth(files.state, now_());
    if (status.source == StateSource::previous) status.reason = "its newest snapshot is damaged; check the disk";
    const auto& histories = files.state.bandwidth;
    if (const auto read = histories.find(Traffic::read); read != histories.end())
        if (auto discarded = discard_reason(read->second, now_()); !discarded.empty()) status.reason = std::move(discarded);
    return true;
}

// What is left when `loss` is all there is of snapshots. Nothing was lost when none was ever taken.
void StateService::give_minimal(const std::string& name, const RsaFingerprint& relay, const Error& loss) {
    const auto* state = may_give() ? open_->minimal.find(name, relay) : nullptr;
    if (!state) return give_nothing(name, loss.kind == ErrorKind::not_found ? "" : loss.message);
    KeyFiles files;
    files.emplace(state_file_name, Secret::copy_of(as_octets(to_state_text(*state))));
    if (const auto given = place_.lay_out(name, files); !given) return give_nothing(name, given.error().message);
    auto& status = relays_[name];
    status.source = StateSource::minimal;
    status.taken = state->last_written;
    status.octets = files.at(state_file_name).size();
    status.restored_bandwidth = observed_bandwidth(state->read, state->write, now_());
    status.reason = loss.message;
    if (auto discarded = discard_reason(state->read, now_()); !discarded.empty()) status.reason = std::move(discarded);
}

void StateService::give_nothing(const std::string& name, const std::string& reason) {
    auto& status = relays_[name];
    status.source = StateSource::nothing;
    status.reason = reason;
    if (const auto said = place_.lay_out_nothing(name, reason); !said && status.reason.empty()) status.reason = said.error().message;
}

}  // namespace lethe
