#pragma once

#include <functional>
#include <map>
#include <optional>

#include "identityd/key_place.hpp"
#include "vault/roster.hpp"
#include "vault/vault.hpp"

namespace lethe {

enum class VaultState { open, shut, not_enrolled };
std::string_view name_of(VaultState state);

struct VaultStatus {
    VaultState state = VaultState::shut;
    std::optional<Error> reason;  ///< none when it is open
};

enum class RelayState {
    installed,  ///< the keys lie where tor finds them
    damaged,    ///< they cannot be read or installed; never replaced by new ones
    pending,    ///< meant to be made, and could not be made yet
    shut,       ///< the vault is shut
    unlisted,   ///< an identity is there, and no such relay is meant to be on this machine
};
std::string_view name_of(RelayState state);

struct RelayStatus {
    std::string name;
    RelayState state = RelayState::damaged;
    std::string reason;                        ///< what happened and what to do; when installed, a note or empty
    std::optional<Fingerprints> fingerprints;  ///< when the identity could be read
    std::filesystem::path key_folder;          ///< empty when not installed
    std::uint64_t generation = 0;
    std::int64_t signing_key_expires = 0;  ///< seconds since the epoch
    bool operator==(const RelayStatus&) const = default;
};

/// What lethe-identityd does, without D-Bus. Holds the kind keys of `identity` and `relays` in locked memory and derives the rest from
/// store, TPM and key place whenever restore() is called, so it may die at any instant.
class IdentityService {
public:
    using TpmOpener = std::function<Result<std::unique_ptr<Tpm>>()>;

    /// Borrows `place`. Touches nothing yet.
    IdentityService(std::filesystem::path store, TpmOpener open_tpm, KeyPlace& place)
        : store_path_(std::move(store)), open_tpm_(std::move(open_tpm)), place_(place) {}

    /// Opens the vault, makes the keys of pending relays, installs the others. Never fails as a whole: vault() and relays() say how it
    /// went.
    void restore();

    const VaultStatus& vault() const { return vault_; }
    const std::map<std::string, RelayStatus>& relays() const { return relays_; }

    /// Makes, seals and installs a new relay.
    /// @error invalid_argument  not a relay's name.
    /// @error already_exists    there is such an identity, readable or not, or there was one.
    /// @error wrong_state       the vault is not open.
    Result<void> create_relay(const std::string& name);

    /// Reads the sealed identity again and compares it with what is installed.
    /// @error not_found    no such relay, or its identity is gone from the store.
    /// @error wrong_state  the vault is not open, or the relay is not installed.
    /// @error corrupt      no slot is whole, or the fingerprints differ.
    Result<void> verify(const std::string& name) const;

private:
    struct Open {
        Store store;
        Secret identity_key;
        Secret relays_key;
    };
    struct Identity {
        KeySet keys;
        std::uint64_t generation;
        bool one_slot_damaged;
    };

    Result<Open> open();
    Result<Identity> read_identity(const Open& vault, const std::string& name) const;
    Result<std::string> mend(const std::string& name, Identity& identity);
    Result<Identity> make_identity(Open& vault, Roster& roster, const std::string& name);
    void restore_relay(Roster& roster, const std::string& name);
    void install(const std::string& name, Identity identity);
    void report(const std::string& name, RelayState state, std::string reason);
    void report_stored(RelayState state, const std::string& reason);

    std::filesystem::path store_path_;
    TpmOpener open_tpm_;
    KeyPlace& place_;
    std::optional<Open> open_;
    VaultStatus vault_;
    std::map<std::string, RelayStatus> relays_;
};

}  // namespace lethe
