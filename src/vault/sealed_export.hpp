#pragma once

#include <array>
#include <optional>
#include <string>

#include "vault/recovery_key.hpp"

namespace lethe {

/// What opens an export. The values are part of the format.
enum class ExportProtection : std::uint8_t {
    recipient = 1,   ///< the secret half of a recovery key
    passphrase = 2,  ///< a passphrase, through Argon2id
};

/// What an export file says of itself to everyone. It is authenticated only when the export opens.
struct ExportHeader {
    std::uint16_t version;
    ExportProtection protection;
    std::string relay;
    std::optional<RecoveryPublicKey> recipient;  ///< whose secret half is needed; none under a passphrase
    bool operator==(const ExportHeader&) const = default;
};

/// The identity of one relay, taken out of an export file.
struct Export {
    std::string relay;
    Secret payload;
    std::optional<std::array<std::uint8_t, 32>> sender{};  ///< none in a file of version 1
};

/// The key by which a vault knows its own exports again. @param identity_key  VaultKeys::kind_key(ObjectKind::identity).
Secret export_authentication(const Secret& identity_key);

/// Whether the vault whose export_authentication() this is has made the export. Whoever has the recovery key's public half, or the
/// passphrase, can make one; not this tag.
bool is_sent_by(const Export& opened, const Secret& vault);

/// An export file has no more octets than this, 64 KiB.
constexpr std::size_t export_limit_octets = 64 << 10;
constexpr std::size_t least_passphrase_octets = 12;

/// The octets of an export file of one relay's identity, sealed to a recovery key. The payload is padded, so that the length says little.
///
/// @param sender            export_authentication() of the vault that it comes from; without it the file is of version 1, which
///                          nobody's vault has signed.
/// @error invalid_argument  no relay's name, or a payload too large for an export file.
Result<Octets> seal_export(const std::string& relay, const Secret& payload, const RecoveryPublicKey& recipient,
                           const Secret* sender = nullptr);

/// The same under a passphrase, with Argon2id of 3 passes over 64 MiB. libsodium takes that memory by mmap and does not lock it: what lies
/// in it lets a guess be checked cheaply, so that a process that may be swapped out calls lock_down_process() first, under a RLIMIT_MEMLOCK
/// that has room for it.
///
/// @param passphrase  taken octet for octet, a newline at its end too; at least 12 octets.
/// @error invalid_argument  as above, or a passphrase that is too short.
/// @error io                the memory is not to be had.
Result<Octets> seal_export_with_passphrase(const std::string& relay, const Secret& payload, const Secret& passphrase,
                                           const Secret* sender = nullptr);

/// What an export file says of itself: which relay, and what is needed to open it.
/// @error corrupt  no export file, cut short, of an unknown version, or asking for more than Argon2id is allowed: 1 to 16 passes, 8 KiB to
///                 1 GiB.
Result<ExportHeader> read_export_header(OctetView file);

/// Opens an export that was sealed to a recovery key. Who has the public key can make such a file: what comes out is compared with the
/// fingerprints that the operator knows.
///
/// @error invalid_argument  it is sealed to another key, which is named, or under a passphrase.
/// @error corrupt           no export file, or damaged.
Result<Export> open_export(OctetView file, const RecoverySecretKey& secret_key);

/// The same with a passphrase; takes the time and the memory that the header asks for, within the bounds of read_export_header().
/// @error invalid_argument  it is sealed to a recovery key, which is named; or the passphrase is wrong or the file damaged: which of the
///                          two cannot be told.
/// @error corrupt           no export file, or cut short.
/// @error io                the memory is not to be had.
Result<Export> open_export(OctetView file, const Secret& passphrase);

}  // namespace lethe
