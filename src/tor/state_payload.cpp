#include "tor/state_payload.hpp"

#include <algorithm>
#include <utility>

#include "tor/key_names.hpp"
#include "tor/named_files.hpp"
#include "tor/onion_key.hpp"

// The layout is in docs/formats.md, "State payload".
namespace lethe {

namespace {

constexpr std::uint16_t plain_version = 1;
constexpr std::uint16_t earlier_version = 2;            // with files from before a jump of the clock
constexpr std::uint16_t earlier_confirmed_version = 3;  // with them, and they alone are confirmed
constexpr std::uint16_t unconfirmed_version = 4;        // with them or without, and nothing is confirmed
constexpr std::size_t state_limit_count = 1 + onion_key_files.size();
constexpr NamedFiles named_files{.limit_count = state_limit_count + cache_files.size(), .length_octets = 4};
constexpr NamedFiles with_earlier{.limit_count = 2 * state_limit_count + cache_files.size(), .length_octets = 4};

Result<StateFile> check_state_file(const KeyFiles& files) {
    const auto found = files.find(state_file_name);
    if (found == files.end()) return fail(ErrorKind::invalid_argument, "{} is missing: a snapshot always has it", state_file_name);
    auto state = parse_state_file(found->second.expose());
    if (!state) return in_context(std::move(state).error(), state_file_name);
    return state;
}

// tor renames a key when it makes the next.
bool is_known(const Secret& key, const KeyFiles& known) {
    return std::ranges::any_of(onion_key_files, [&](const std::string& name) { return known.contains(name) && known.at(name) == key; });
}

Result<StateFiles> check_files(const RsaFingerprint& relay, KeyFiles files, std::chrono::sys_seconds taken, Scrutiny scrutiny,
                               const KeyFiles& known) {
    if (taken < std::chrono::sys_seconds() || taken >= state_time_end)
        return fail(ErrorKind::invalid_argument, "the snapshot was taken before 1970 or after 9998");
    StateFile state = TRY(check_state_file(files));
    for (const auto& [name, octets] : files) {
        if (std::ranges::contains(onion_key_files, name))
            TRY(check_onion_key(name, octets.expose(), is_known(octets, known) ? Scrutiny::sealed : scrutiny));
        else if (name != state_file_name && !std::ranges::contains(cache_files, name))
            return fail(ErrorKind::invalid_argument, "\"{}\" is not part of a relay's state: leave it out", printable_name(name));
    }
    return StateFiles{relay, taken, std::move(files), std::move(state)};
}

void copy_into(KeyFiles& to, const KeyFiles& from, std::string_view prefix) {
    for (const auto& [name, octets] : from) to.emplace(std::string(prefix) + name, Secret::copy_of(octets.expose()));
}

// Takes the files with the prefix out of the others.
KeyFiles take_earlier(KeyFiles& files) {
    KeyFiles earlier;
    for (auto file = files.lower_bound(earlier_prefix); file != files.end() && file->first.starts_with(earlier_prefix);) {
        earlier.emplace(file->first.substr(earlier_prefix.size()), std::move(file->second));
        file = files.erase(file);
    }
    return earlier;
}

Result<void> check_earlier(const KeyFiles& earlier) {
    TRY(check_state_file(earlier));
    for (const auto& [name, octets] : earlier) {
        if (name == state_file_name) continue;
        if (!std::ranges::contains(onion_key_files, name))
            return fail(ErrorKind::corrupt, "\"{}\" is not part of an earlier state", printable_name(name));
        TRY(check_onion_key(name, octets.expose(), Scrutiny::sealed));
    }
    return {};
}

std::uint16_t version_with(const StateFiles& snapshot) {
    switch (snapshot.confirmed) {
        case Confirmed::newest:
            return earlier_version;
        case Confirmed::earlier:
            return snapshot.earlier.empty() ? unconfirmed_version : earlier_confirmed_version;
        case Confirmed::neither:
            return unconfirmed_version;
    }
    std::unreachable();
}

Result<StateFiles> decode_payload(OctetView payload) {
    OctetReader reader(payload);
    const std::uint16_t version = TRY(reader.u16());
    if (version < plain_version || version > unconfirmed_version)
        return fail(ErrorKind::corrupt, "version {} of the state payload is not known to this release", version);
    RsaFingerprint relay;
    std::ranges::copy(TRY(reader.take(relay.size())), relay.begin());
    const std::uint64_t taken = TRY(reader.u64());
    if (taken >= static_cast<std::uint64_t>(state_time_end.time_since_epoch().count()))
        return fail(ErrorKind::corrupt, "taken after the year 9998");
    auto files = TRY((version == plain_version ? named_files : with_earlier).decode(reader));
    auto earlier = version == plain_version ? KeyFiles{} : take_earlier(files);
    if (version == earlier_version || version == earlier_confirmed_version || !earlier.empty()) TRY(check_earlier(earlier));
    auto all = TRY(check_files(relay, std::move(files), std::chrono::sys_seconds(std::chrono::seconds(taken)), Scrutiny::sealed, {}));
    all.earlier = std::move(earlier);
    all.confirmed = version == unconfirmed_version         ? Confirmed::neither
                    : version == earlier_confirmed_version ? Confirmed::earlier
                                                           : Confirmed::newest;
    return all;
}

}  // namespace

KeyFiles without_caches(const KeyFiles& files) {
    KeyFiles kept;
    for (const auto& [name, octets] : files)
        if (!std::ranges::contains(cache_files, name)) kept.emplace(name, Secret::copy_of(octets.expose()));
    return kept;
}

KeyFiles all_files(const StateFiles& files) {
    KeyFiles all;
    copy_into(all, files.files, "");
    copy_into(all, files.earlier, earlier_prefix);
    return all;
}

Result<StateFiles> parse_state_files(const RsaFingerprint& relay, KeyFiles files, std::chrono::sys_seconds taken, std::size_t limit_octets,
                                     const KeyFiles& known) {
    if (const std::size_t size = 2 + relay.size() + 8 + named_files.encoded_size(files); size > limit_octets)
        return fail(ErrorKind::invalid_argument, "a snapshot of {} octets, more than {}: leave cached files out", size, limit_octets);
    return check_files(relay, std::move(files), taken, Scrutiny::whole, known);
}

Secret encode_state_payload(const StateFiles& snapshot) {
    const auto taken = static_cast<std::uint64_t>(snapshot.taken.time_since_epoch().count());
    const auto head = [&](std::uint16_t version) { return OctetWriter().u16(version).raw(snapshot.relay).u64(taken).take(); };
    if (snapshot.confirmed == Confirmed::newest && snapshot.earlier.empty()) return named_files.encode(head(plain_version), snapshot.files);
    return with_earlier.encode(head(version_with(snapshot)), all_files(snapshot));
}

Result<StateFiles> decode_state_payload(const Secret& payload, std::size_t limit_octets) {
    if (payload.size() > limit_octets)
        return fail(ErrorKind::corrupt, "a snapshot of {} octets, more than {}", payload.size(), limit_octets);
    auto snapshot = decode_payload(payload.expose());
    // To whoever opens a sealed object, a missing file is damage and not a wrong request.
    if (!snapshot && snapshot.error().kind == ErrorKind::invalid_argument) snapshot.error().kind = ErrorKind::corrupt;
    return snapshot;
}

}  // namespace lethe
