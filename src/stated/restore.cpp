#include <utility>

#include "pcrlock/open_vault.hpp"
#include "stated/service.hpp"

namespace lethe {

std::string_view name_of(StateStanding standing) {
    switch (standing) {
        case StateStanding::open:
            return "open";
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

// The vault key lives in this function alone.
Result<StateService::Open> StateService::open() {
    auto opened = TRY(open_store_());
    auto store = std::make_unique<Store>(std::move(opened.store));
    if (!TRY(store->exists({ObjectKind::vault, ""})))
        return fail(ErrorKind::wrong_state, "this machine is not enrolled; run `lethectl enroll` as root");
    auto tpm = TRY(open_tpm_());
    const auto key = TRY(open_vault_of(*store, *tpm));
    auto snapshots = TRY(Snapshots::open(store->disk(), *tpm, key));
    return Open{std::move(tpm), std::move(store), std::move(snapshots)};
}

void StateService::refuse(StateStanding standing, const Error& error) {
    standing_ = standing;
    reason_ = error;
}

void StateService::restore() {
    open_.reset();
    reason_.reset();
    states_.clear();
    unwritten_ = false;
    relays_.clear();
    generation_ = 0;
    standing_ = StateStanding::open;

    Result<Snapshot> snapshot = fail(ErrorKind::wrong_state, "shut");
    if (auto opened = open()) {
        open_ = std::move(*opened);
        snapshot = open_->snapshots.read();
        if (!snapshot && snapshot.error().kind != ErrorKind::not_found) refuse(StateStanding::refused, snapshot.error());
    } else {
        snapshot = std::unexpected(opened.error());
        refuse(StateStanding::shut, opened.error());
    }
    if (snapshot) generation_ = snapshot->generation;
    const auto names = place_.relays();
    if (!names) return refuse(StateStanding::shut, names.error());
    for (const auto& name : *names) restore_relay(name, snapshot);
    // A relay that is not admitted in this boot keeps its part.
    if (snapshot)
        for (auto& [name, part] : snapshot->relays) states_.try_emplace(name, std::move(part.state));
}

void StateService::restore_relay(const std::string& name, const Result<Snapshot>& snapshot) {
    auto& status = relays_[name];
    status.name = name;
    if (place_.collect(name, 0)) {
        status.source = StateSource::kept;
        if (snapshot && snapshot->relays.contains(name)) status.generation = snapshot->relays.at(name).generation;
        return;
    }
    if (!snapshot) return give_nothing(name, snapshot.error().kind == ErrorKind::not_found ? "" : snapshot.error().message);
    if (const auto damaged = snapshot->damaged.find(name); damaged != snapshot->damaged.end())
        return give_nothing(name, damaged->second.message);
    if (!snapshot->relays.contains(name)) return give_nothing(name, "");
    if (const auto given = give(name, *snapshot); !given) give_nothing(name, given.error().message);
}

Result<void> StateService::give(const std::string& name, const Snapshot& snapshot) {
    const auto& part = snapshot.relays.at(name);
    const auto files = TRY(decode_state_payload(part.state, payload_limit_octets));
    TRY(place_.lay_out(name, files.files));
    auto& status = relays_[name];
    status.source = part.generation == snapshot.generation ? StateSource::snapshot : StateSource::previous;
    status.generation = part.generation;
    status.taken = files.taken;
    status.octets = part.state.size();
    status.restored_bandwidth = observed_bandwidth(files.state, now_());
    if (status.source == StateSource::previous) status.reason = "its newest snapshot is damaged; check the disk";
    const auto& histories = files.state.bandwidth;
    if (const auto read = histories.find(Traffic::read); read != histories.end() && tor_discards(read->second, now_()))
        status.reason =
            std::format("its bandwidth history ended at {:%F %H:%M} UTC: tor discards what is more than five days old", read->second.ends);
    return {};
}

void StateService::give_nothing(const std::string& name, const std::string& reason) {
    auto& status = relays_[name];
    status.source = StateSource::nothing;
    status.reason = reason;
    if (const auto said = place_.lay_out_nothing(name, reason); !said && status.reason.empty()) status.reason = said.error().message;
}

}  // namespace lethe
