#include "stated/minimal_keeper.hpp"

#include <algorithm>
#include <ranges>

// The layout is in docs/formats.md, "Minimal states".
namespace lethe {
namespace {

// Enough of a fingerprint to tell a relay from the one that had its name before. The octets are authentic.
constexpr std::size_t tag_octets = 8;

OctetView tag_of(const RsaFingerprint& relay) { return OctetView(relay).first(tag_octets); }

bool same_days(const MinimalState& left, const MinimalState& right) {
    return left.read.ends == right.read.ends && left.write.ends == right.write.ends;
}

}  // namespace

MinimalStates::Relays MinimalKeeper::encode(const Entries& entries) {
    MinimalStates::Relays relays;
    for (const auto& [name, entry] : entries) {
        OctetWriter writer;
        writer.raw(tag_of(entry.relay)).raw(encode_minimal_state(entry.state));
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
        entry.state = TRY(decode_minimal_state(OctetView(octets).subspan(tag_octets)));
        entries.emplace(name, std::move(entry));
    }
    return entries;
}

Result<void> MinimalKeeper::read() {
    written_.clear();
    current_.clear();
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

void MinimalKeeper::take_up(const std::string& name, const RsaFingerprint& relay, const StateFile& state) {
    auto minimal = minimal_state(state);
    if (!minimal) return;
    Entry entry{{}, std::move(*minimal)};
    std::ranges::copy(tag_of(relay), entry.relay.begin());
    current_.insert_or_assign(name, std::move(entry));
}

void MinimalKeeper::drop(const std::string& name) { current_.erase(name); }

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
