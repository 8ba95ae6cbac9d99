#include "stated/minimal_keeper.hpp"

#include <algorithm>
#include <ranges>

// The layout is in docs/formats.md, "Minimal states".
namespace lethe {
namespace {

// Enough of a fingerprint to tell a relay from the one that had its name before. The octets are authentic.
constexpr std::size_t tag_octets = 8;

OctetView tag_of(const RsaFingerprint& relay) { return OctetView(relay).first(tag_octets); }

// In the place of a state's version: no time server had set the clock.
constexpr std::uint8_t unconfirmed_mark = 0;

// Whether tor announces anything by it, were it started when it was written.
bool tells(const MinimalState& state) { return observed_bandwidth(state.read, state.write, state.last_written) > 0; }

bool same_days(const MinimalState& left, const MinimalState& right) {
    return left.read.ends == right.read.ends && left.write.ends == right.write.ends;
}

}  // namespace

MinimalStates::Relays MinimalKeeper::encode(const Entries& entries) {
    MinimalStates::Relays relays;
    for (const auto& [name, entry] : entries) {
        OctetWriter writer;
        writer.raw(tag_of(entry.relay));
        if (entry.unconfirmed) writer.u8(unconfirmed_mark);
        writer.raw(encode_minimal_state(entry.state));
        relays.emplace(name, writer.take());
    }
    return relays;
}

Result<MinimalKeeper::Entries> MinimalKeeper::decode(const MinimalStates::Relays& relays) {
    Entries entries;
    for (const auto& [name, octets] : relays) {
        OctetReader reader(octets);
        Entry entry{};
        std::ranges::copy(TRY(reader.take(tag_octets)), entry.relay.begin());
        auto state = OctetView(octets).subspan(tag_octets);
        entry.unconfirmed = !state.empty() && state.front() == unconfirmed_mark;
        if (entry.unconfirmed) state = state.subspan(1);
        entry.state = TRY(decode_minimal_state(state));
        entries.emplace(name, std::move(entry));
    }
    return entries;
}

Result<void> MinimalKeeper::read() {
    written_.clear();
    current_.clear();
    taken_up_.clear();
    const auto relays = states_.read();
    if (!relays && relays.error().kind == ErrorKind::not_found) return {};
    written_ = TRY(decode(TRY(relays)));
    current_ = written_;
    return {};
}

const MinimalState* MinimalKeeper::find(const std::string& name, const RsaFingerprint& relay) const {
    const auto found = current_.find(name);
    if (found == current_.end() || !std::ranges::equal(tag_of(found->second.relay), tag_of(relay))) return nullptr;
    return &found->second.state;
}

// Whether a later or an earlier state than goes on from the last may take its place.
bool MinimalKeeper::may_replace(const Entry& last, const Entry& next, std::optional<std::chrono::seconds> since, const Moment& at) {
    if (at.shows_to_be_ahead(last.state.last_written)) return true;
    if (at.uptime - since.value_or(std::chrono::seconds(0)) >= history_kept_by_tor) return true;
    // While the machine runs, a clock that a time server had set before does not jump.
    const bool is_believed = last.unconfirmed || (at.synchronised && !since);
    return is_believed && next.state.last_written > last.state.last_written && (tells(next.state) || !tells(last.state));
}

void MinimalKeeper::take_up(const std::string& name, const RsaFingerprint& relay, const StateFile& state, const Moment& at) {
    auto minimal = minimal_state(state);
    if (!minimal || at.shows_to_be_ahead(state.last_written)) return;
    Entry next{{}, std::move(*minimal), !at.synchronised};
    std::ranges::copy(tag_of(relay), next.relay.begin());
    if (const auto last = current_.find(name); last != current_.end() && last->second.relay == next.relay) {
        const auto taken = taken_up_.find(name);
        const auto since = taken == taken_up_.end() ? std::nullopt : std::optional(taken->second);
        if (goes_on(last->second.state.last_written, next.state.last_written, since, at.uptime))
            next.unconfirmed = next.unconfirmed && last->second.unconfirmed;
        else if (!may_replace(last->second, next, since, at)) return;
    }
    current_.insert_or_assign(name, std::move(next));
    taken_up_[name] = at.uptime;
}

void MinimalKeeper::drop(const std::string& name) {
    current_.erase(name);
    taken_up_.erase(name);
}

std::set<std::string> MinimalKeeper::due(bool all) const {
    std::set<std::string> names;
    for (const auto& [name, entry] : current_) {
        const auto last = written_.find(name);
        const bool same = last != written_.end() &&
                          (all ? last->second == entry : last->second.relay == entry.relay && same_days(last->second.state, entry.state));
        if (!same) names.insert(name);
    }
    for (const auto& name : written_ | std::views::keys)
        if (!current_.contains(name)) names.insert(name);
    return names;
}

Result<void> MinimalKeeper::write(std::chrono::sys_seconds now) {
    Entries fitting = current_;
    const auto bandwidth = [&](const auto& entry) { return observed_bandwidth(entry.second.state.read, entry.second.state.write, now); };
    while (!states_.fits(encode(fitting))) fitting.erase(std::ranges::min_element(fitting, {}, bandwidth));
    TRY(states_.write(encode(fitting)));
    // Those that were left out are not due again before anything else is.
    written_ = current_;
    return {};
}

Result<void> MinimalKeeper::reset() {
    TRY(states_.reset());
    written_.clear();
    return {};
}

}  // namespace lethe
