#include "vault/keyring_stamp.hpp"

#include <algorithm>

#include "base/secret_writer.hpp"

namespace lethe {

namespace {

constexpr std::uint32_t taken_over_bit = 0x80000000;
constexpr std::size_t version_octets = 1, stamp_octets = 4;

}  // namespace

std::uint32_t encode_stamp(const KeyringStamp& stamp) {
    const auto minutes = static_cast<std::uint32_t>(stamp.enrolled.time_since_epoch().count());
    return (minutes & ~taken_over_bit) | (stamp.taken_over ? taken_over_bit : 0);
}

KeyringStamp decode_stamp(std::uint32_t stamp) {
    return {std::chrono::sys_time<std::chrono::minutes>(std::chrono::minutes(stamp & ~taken_over_bit)), (stamp & taken_over_bit) != 0};
}

std::optional<KeyringStamp> stamp_of_keyring(const Secret& payload) {
    OctetReader reader(payload.expose());
    if (reader.u8() != stamped_keyring_version) return std::nullopt;
    const auto stamp = reader.u32();
    return stamp ? std::optional(decode_stamp(*stamp)) : std::nullopt;
}

Secret stamped_keyring(const Secret& payload, const KeyringStamp& stamp) {
    const std::size_t before = version_octets + (stamp_of_keyring(payload) ? stamp_octets : 0);
    const OctetView rest = payload.expose().subspan(std::min(before, payload.size()));
    SecretWriter writer(version_octets + stamp_octets + rest.size());
    return writer.u8(stamped_keyring_version).u32(encode_stamp(stamp)).raw(rest).take();
}

}  // namespace lethe
