#include "tor/state_payload.hpp"

#include <algorithm>

#include "base/secret_writer.hpp"
#include "tor/key_names.hpp"
#include "tor/onion_key.hpp"

// The layout is in docs/formats.md, "State payload".
namespace lethe {

namespace {

constexpr std::uint16_t payload_version = 1;
constexpr std::size_t file_limit_count = 1 + std::tuple_size_v<decltype(onion_key_files)> + std::tuple_size_v<decltype(cache_files)>;

std::size_t encoded_size(const KeyFiles& files) {
    std::size_t size = 2 + 8 + 2;
    for (const auto& [name, octets] : files) size += 2 + name.size() + 4 + octets.size();
    return size;
}

Result<StateFile> check_state_file(const KeyFiles& files) {
    const auto found = files.find(state_file_name);
    if (found == files.end()) return fail(ErrorKind::invalid_argument, "{} is missing: a snapshot always has it", state_file_name);
    auto state = parse_state_file(found->second.expose());
    if (!state) return in_context(std::move(state).error(), state_file_name);
    return state;
}

Result<StateFiles> check_files(KeyFiles files, std::chrono::sys_seconds taken, Scrutiny scrutiny) {
    if (taken < std::chrono::sys_seconds() || taken >= state_time_end)
        return fail(ErrorKind::invalid_argument, "the snapshot was taken before 1970 or after 9998");
    StateFile state = TRY(check_state_file(files));
    for (const auto& [name, octets] : files) {
        if (std::ranges::contains(onion_key_files, name)) TRY(check_onion_key(name, octets.expose(), scrutiny));
        else if (name != state_file_name && !std::ranges::contains(cache_files, name))
            return fail(ErrorKind::invalid_argument, "\"{}\" is not part of a relay's state: leave it out", printable_name(name));
    }
    return StateFiles{taken, std::move(files), std::move(state)};
}

Result<KeyFiles> decode_files(OctetReader& reader) {
    KeyFiles files;
    const std::uint16_t count = TRY(reader.u16());
    if (count > file_limit_count) return fail(ErrorKind::corrupt, "{} files, more than {}", count, file_limit_count);
    for (unsigned i = 0; i < count; ++i) {
        const std::string name(as_text(TRY(reader.sized16())));
        // One form for one set of files: names in order, none twice.
        if (!files.empty() && name <= files.rbegin()->first) return fail(ErrorKind::corrupt, "the files are not in order of name");
        files.emplace(name, Secret::copy_of(TRY(reader.sized32())));
    }
    TRY(reader.end());
    return files;
}

Result<StateFiles> decode_payload(OctetView payload) {
    OctetReader reader(payload);
    const std::uint16_t version = TRY(reader.u16());
    if (version != payload_version)
        return fail(ErrorKind::corrupt, "version {} of the state payload is not known to this release", version);
    const std::uint64_t taken = TRY(reader.u64());
    if (taken >= static_cast<std::uint64_t>(state_time_end.time_since_epoch().count()))
        return fail(ErrorKind::corrupt, "taken after the year 9998");
    return check_files(TRY(decode_files(reader)), std::chrono::sys_seconds(std::chrono::seconds(taken)), Scrutiny::sealed);
}

}  // namespace

Result<StateFiles> parse_state_files(KeyFiles files, std::chrono::sys_seconds taken, std::size_t limit_octets) {
    if (const std::size_t size = encoded_size(files); size > limit_octets)
        return fail(ErrorKind::invalid_argument, "a snapshot of {} octets, more than {}: leave cached files out", size, limit_octets);
    return check_files(std::move(files), taken, Scrutiny::whole);
}

Secret encode_state_payload(const StateFiles& snapshot) {
    const auto taken = static_cast<std::uint64_t>(snapshot.taken.time_since_epoch().count());
    SecretWriter writer(encoded_size(snapshot.files));
    writer.u16(payload_version);
    writer.u32(taken >> 32).u32(taken & 0xffffffff);
    writer.u16(snapshot.files.size());
    for (const auto& [name, octets] : snapshot.files) {
        writer.sized16(as_octets(name));
        writer.u32(octets.size()).raw(octets.expose());
    }
    return writer.take();
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
