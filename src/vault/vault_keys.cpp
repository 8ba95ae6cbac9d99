#include "vault/vault_keys.hpp"

#include <sodium.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "base/secret_writer.hpp"

namespace lethe {
namespace {

constexpr std::size_t key_octets = crypto_kdf_KEYBYTES, id_octets = 2, row_octets = id_octets + key_octets, flags_octets = 1;
constexpr std::uint8_t second_set = 1, sealed_counted = 2;  // of the first octet
constexpr std::size_t pin_octets = 2 * key_octets;          // in hexadecimal: systemd-pcrlock takes a text without NUL
constexpr std::size_t policy_keys_octets = pin_octets + key_octets + sizeof(std::uint32_t);

constexpr std::uint16_t id_of(ObjectKind kind) { return static_cast<std::uint16_t>(kind); }

// Part of the format; a kind has 8 bits.
constexpr std::uint16_t counter_id = 0x100, anchor_id = 0x101, pin_id = 0x102;
constexpr std::array state_ids{id_of(ObjectKind::state), id_of(ObjectKind::minimal), counter_id};
constexpr std::array all_ids{id_of(ObjectKind::relays),
                             id_of(ObjectKind::identity),
                             id_of(ObjectKind::recovery),
                             id_of(ObjectKind::keyring),
                             id_of(ObjectKind::state),
                             id_of(ObjectKind::minimal),
                             id_of(ObjectKind::ledger),
                             id_of(ObjectKind::policy_copy),
                             counter_id,
                             anchor_id,
                             pin_id};

std::uint16_t id_of_row(OctetView row) { return static_cast<std::uint16_t>(row[0] | row[1] << 8); }

void write_row(SecretWriter& writer, std::uint16_t id, OctetView key) {
    writer.u8(static_cast<std::uint8_t>(id & 0xff)).u8(static_cast<std::uint8_t>(id >> 8)).raw(key);
}

}  // namespace

Secret PolicyKeys::encode() const {
    SecretWriter writer(policy_keys_octets);
    return writer.raw(pin.expose()).raw(copy.expose()).u32(index).take();
}

Result<PolicyKeys> PolicyKeys::decode(const Secret& octets) {
    if (octets.size() != policy_keys_octets) return fail(ErrorKind::corrupt, "{} octets are not the keys of a policy", octets.size());
    const OctetView view = octets.expose();
    const auto index = TRY(OctetReader(view.subspan(pin_octets + key_octets)).u32());
    return PolicyKeys{Secret::copy_of(view.first(pin_octets)), Secret::copy_of(view.subspan(pin_octets, key_octets)), index};
}

VaultKeys VaultKeys::derive(const Secret& key, const HandleSet& handles) {
    SecretWriter writer(all_ids.size() * row_octets);
    Secret subkey(key_octets);
    for (const std::uint16_t id : all_ids) {
        crypto_kdf_derive_from_key(subkey.expose_mutable().data(), subkey.size(), id, "lethe-v1", key.expose().data());
        write_row(writer, id, subkey.expose());
    }
    VaultKeys keys(handles);
    keys.rows_ = writer.take();
    return keys;
}

OctetView VaultKeys::subkey(std::uint16_t id) const {
    for (OctetView rows = rows_.expose(); !rows.empty(); rows = rows.subspan(row_octets))
        if (id_of_row(rows) == id) return rows.subspan(id_octets, key_octets);
    std::abort();
}

VaultKeys VaultKeys::only(std::span<const std::uint16_t> ids) const {
    SecretWriter writer(ids.size() * row_octets);
    for (const std::uint16_t id : ids) write_row(writer, id, subkey(id));
    VaultKeys keys(handles_);
    keys.rows_ = writer.take();
    return keys;
}

Secret VaultKeys::kind_key(ObjectKind kind) const { return Secret::copy_of(subkey(id_of(kind))); }
Secret VaultKeys::counter_authorisation() const { return Secret::copy_of(subkey(counter_id)); }
Secret VaultKeys::anchor_authorisation() const { return Secret::copy_of(subkey(anchor_id)); }

PolicyKeys VaultKeys::policy_keys() const {
    constexpr std::string_view digits = "0123456789abcdef";
    SecretWriter pin(pin_octets);
    for (const std::uint8_t octet : subkey(pin_id)) pin.u8(digits[octet >> 4]).u8(digits[octet & 0xf]);
    return {pin.take(), kind_key(ObjectKind::policy_copy), handles_.policy};
}

VaultKeys VaultKeys::copy() const {
    VaultKeys keys(handles_);
    keys.is_counted_ = is_counted_;
    keys.rows_ = Secret::copy_of(rows_.expose());
    return keys;
}

VaultKeys VaultKeys::of_state() const { return only(state_ids); }

Secret VaultKeys::encode() const {
    SecretWriter writer(flags_octets + rows_.size());
    const unsigned set = handles_ == second_handles ? second_set : 0, counted = is_counted_ ? sealed_counted : 0;
    return writer.u8(static_cast<std::uint8_t>(set | counted)).raw(rows_.expose()).take();
}

Result<VaultKeys> VaultKeys::decode(const Secret& octets) {
    OctetReader reader(octets.expose());
    const auto flags = TRY(reader.u8());
    VaultKeys keys((flags & second_set) == 0 ? first_handles : second_handles);
    keys.is_counted_ = (flags & sealed_counted) != 0;
    keys.rows_ = Secret::copy_of(octets.expose().subspan(flags_octets));
    const auto has = [&](std::span<const std::uint16_t> ids) {
        OctetView rows = keys.rows_.expose();
        if (flags > (second_set | sealed_counted) || rows.size() != ids.size() * row_octets) return false;
        return std::ranges::all_of(ids, [&](std::uint16_t id) {
            const bool is_next = id_of_row(rows) == id;
            rows = rows.subspan(row_octets);
            return is_next;
        });
    };
    if (!has(all_ids) && !has(state_ids)) return fail(ErrorKind::corrupt, "{} octets are not the keys of a vault", octets.size());
    return keys;
}

}  // namespace lethe
