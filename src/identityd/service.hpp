#pragma once

#include <functional>
#include <map>

#include "identityd/key_place.hpp"
#include "identityd/status.hpp"
#include "image/firmware_state.hpp"
#include "keyring/keyring.hpp"
#include "pcrlock/insecurity.hpp"
#include "pcrlock/opened_boot.hpp"
#include "pcrlock/policy_file.hpp"
#include "vault/anchor.hpp"
#include "vault/configuration.hpp"

namespace lethe {

/// What becomes of an export that another vault has made, or this one under a former vault key.
enum class ForeignExport { is_refused, is_taken };

/// What lethe-identityd does, without D-Bus. Holds the keyring's keys in locked memory and derives the rest from store, TPM and key place
/// whenever restore() is called, so it may die at any instant.
///
/// Every change may fail with `wrong_state` when the vault is not open, with `invalid_argument` for what is no relay's name, with `corrupt`
/// when the list of relays is damaged, and with `io`.
class IdentityService {
public:
    using TpmOpener = std::function<Result<std::unique_ptr<Tpm>>()>;
    using StoreOpener = std::function<Result<OpenedStore>()>;
    using Clock = std::function<std::chrono::sys_seconds()>;

    /// Keeps these keys, and no others. @param next  of a vault key that is about to be put in force; none: nullptr.
    using KeyKeeper = std::function<Result<void>(const VaultKeys& in_force, const VaultKeys* next)>;

    using FirmwareReader = std::function<FirmwareState()>;

    /// Borrows `place`. Touches nothing yet.
    IdentityService(
        StoreOpener open_store, TpmOpener open_tpm, KeyPlace& place, FirmwareReader read_firmware = {},
        Clock clock = [] { return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()); })
        : open_store_(std::move(open_store)),
          open_tpm_(std::move(open_tpm)),
          place_(place),
          read_firmware_(std::move(read_firmware)),
          clock_(std::move(clock)) {}

    /// A boot opens the vault once. Nothing is closed, and nothing kept, before this was called.
    /// @param close  records that the vault was opened: close_opening().
    /// @param keep   keeps the keys for the next start of this daemon in this boot.
    /// @param kept   what the one before has kept.
    void open_once(RecordWord close, KeyKeeper keep, std::vector<VaultKeys> kept);

    /// Relays that never run with another identity than this one: lethe.conf(5), `Fingerprint`.
    void pin(std::map<std::string, PinnedFingerprint> fingerprints) { pinned_ = std::move(fingerprints); }

    /// Opens the vault, sees to it that the store is the newest that this machine has had, brings what was cut to its end, makes the keys
    /// of pending relays, installs the others. Never fails as a whole: vault() and relays() say how it went.
    void restore();

    const VaultStatus& vault() const { return vault_; }
    /// The generation of the store, as far as it is known; of a store that is refused, too.
    const StoreStanding& store_standing() const { return store_standing_; }
    /// Whether the vault, on a disk, has a key that an earlier release has made: while that release may come back, or because nobody has
    /// made a new one yet. False while it is shut.
    bool has_earlier_vault_key() const { return open_ && !open_->in_tpm && is_of_earlier_release(); }
    /// How each object is that the ledger lists, by the stem of its files; none while the vault is shut.
    std::map<std::string, ObjectStanding> store_objects() const;
    /// What is wrong with the store, or with objects in it; empty when nothing is.
    std::string store_reason() const;
    const std::map<std::string, RelayStatus>& relays() const { return relays_; }
    /// What the firmware says about this boot; Secure Boot is off where nobody reads it.
    const FirmwareState& firmware() const { return firmware_; }
    /// What an attacker can do because of it.
    const Insecurity& insecurity() const { return insecurity_; }
    /// The operator's recovery key; none when none is set, or the vault is shut.
    const std::optional<RecoveryPublicKey>& recovery_key() const { return recovery_key_; }
    /// Why the vault key is not sealed to the recovery key as it is set; none when it is.
    const std::optional<Error>& recovery_trouble() const { return recovery_trouble_; }

    /// Why what a re-keying has left of another vault key is still there; none when nothing is.
    const std::optional<Error>& rekeying_trouble() const { return rekeying_trouble_; }

    /// What lethe-updated changes the policy with. Lives as long as the vault stays open here. @error wrong_state  it is shut.
    Result<PolicyKeys> policy_keys() const;
    /// What lethe-stated keeps the relays' state with. @error as policy_keys()
    Result<VaultKeys> state_keys() const;

    /// Makes, seals and installs a new relay.
    /// @error already_exists  there is such an identity, readable or not, or there was one.
    Result<void> create_relay(const std::string& name);

    /// Seals and installs keys that a person brings.
    /// @param replaces  the fingerprint of the identity that these are to take the place of, or nothing.
    /// @error invalid_argument  the keys are refused, the message names the file; `replaces` is not the fingerprint of what is there; or
    ///                          another relay of this machine has this identity.
    /// @error already_exists    there is an identity of this name, and `replaces` is not given.
    /// @error corrupt           a file is damaged or does not belong with the others; the message names it.
    Result<void> import_relay(const std::string& name, KeyFiles files, const std::optional<std::string>& replaces);

    /// The same from an export file. Whoever has the recovery key's public half can make one, with the relay's RSA identity and another
    /// Ed25519 identity: the fingerprint is compared before anything is written, and an export that this vault did not make is taken on the
    /// operator's word alone, which the relay's reason repeats.
    /// @param secret       the text of the recovery key's secret half, or the passphrase: what the file asks for.
    /// @param fingerprint  the relay's, as the operator knows it.
    /// @param name         the relay's name here; nothing for the one in the file.
    /// @param foreign      another machine's export, or one from before this vault had its key.
    /// @error as open_export, and as import_relay; invalid_argument  the export is foreign.
    /// @return the name
    Result<std::string> recover_relay(OctetView file, const Secret& secret, const std::string& fingerprint,
                                      const std::optional<std::string>& name, const std::optional<std::string>& replaces,
                                      ForeignExport foreign = ForeignExport::is_refused);

    /// The sealed identity as an export file, sealed to the recovery key, or under a passphrase when there is one.
    /// @error not_found    no such identity.
    /// @error wrong_state  neither a recovery key is set nor a passphrase given.
    Result<Octets> export_relay(const std::string& name, const std::optional<Secret>& passphrase) const;

    /// Wipes a relay's identity, in the store and where it is installed.
    /// @param fingerprint  the relay's; "none" for one that never had keys.
    /// @error not_found         no such relay.
    /// @error invalid_argument  another fingerprint.
    Result<void> forget_relay(const std::string& name, const std::string& fingerprint);

    /// Begins with a new vault key, and gives what systemd-pcrlock makes the policy's new index with. What was begun before is given up,
    /// whether or not it had come to an index.
    /// @error wrong_state  somebody else has an NV index in the place of one that is needed.
    Result<PolicyKeys> begin_rekeying();

    /// Sets to whom exports and the vault key are sealed from now on; nothing: to nobody. That is a new vault key: everything is encrypted
    /// again, and what opened the store before opens nothing in it any more.
    ///
    /// @param policy_file  systemd-pcrlock's, of the index that begin_rekeying() has named.
    /// @param keys             what begin_rekeying() has given.
    /// @error wrong_state      begin_rekeying() was not called, or has been called again since; or the TPM has no room.
    /// @error policy_mismatch  the new index does not admit exactly what the one in force does.
    /// @error corrupt, rollback  an object cannot be read, which would be lost.
    Result<void> set_recovery_key(const std::optional<RecoveryPublicKey>& key, std::string_view policy_file, const PolicyKeys& keys);

    /// Adopts the store as it is under the next generation, whatever has been put back, and starts over with it.
    /// @param generation  the store's, spelled out.
    /// @error invalid_argument  that is not its generation.
    /// @error                   as restore() has it in vault(), when the vault does not open.
    Result<void> accept_store(std::uint64_t generation);

    /// Reads the sealed identity again and compares it with what is installed.
    /// @error not_found    no such relay, or its identity is gone from the store.
    /// @error wrong_state  the vault is not open, or the relay is not installed.
    /// @error corrupt      no slot is whole, or the fingerprints differ.
    Result<void> verify(const std::string& name) const;

private:
    struct Open {
        std::unique_ptr<Store> store;  ///< borrowed by the others
        std::unique_ptr<Keyring> keyring;
        std::vector<unsigned> pcrs;  ///< that the policy in force holds
        std::shared_ptr<Anchor> anchor;
        bool in_tpm;
        Secret export_authentication;
    };
    /// The vault, before anything is believed that the store says.
    struct Vault {
        std::unique_ptr<Store> store;
        bool in_tpm;
        std::optional<VaultKey> key;  ///< when it was opened just now, and not earlier in this boot
        Result<PolicyFile> in_force;  ///< an error where the store has lost it since the vault was opened
        std::shared_ptr<Anchor> anchor;
    };
    /// At its end, what was announced of the store is settled; what fails of that, the next announcement does.
    class Settled;

    // restore.cpp
    Result<Vault> open_the_vault();
    Result<void> take_kept(const Store& store);
    bool is_of_earlier_release() const { return !keys_->is_counted() && has_earlier_key(store_standing_); }
    Result<void> close_vault(Tpm& tpm, const Vault& vault);
    Result<std::optional<VaultKey>> find_keys(const Store& store, Tpm& tpm, const std::vector<PolicyFile>& files);
    Error why_no_vault();
    Result<Open> open();
    Result<Open> take(Vault& vault);
    Result<void> follow_recovery_key(Store& store, const std::optional<VaultKey>& key);
    void restore_relays();
    void restore_relay(Roster& roster, const std::string& name);
    void restore_pending(Roster& roster, const std::string& name);
    void restore_created(Roster& roster, const std::string& name);
    Result<void> settle_replacement(Roster& roster, const std::string& name, const StoredIdentity& identity);
    Result<bool> settle_arrival(Roster& roster, const std::string& name);
    Result<std::string> mend(const std::string& name, StoredIdentity& identity);
    void install(const std::string& name, StoredIdentity identity);
    void withdraw_others();
    void report(const std::string& name, RelayState state, std::string reason, const RosterEntry& entry = {});
    void report_stored(RelayState state, const std::string& reason);

    // changes.cpp
    Result<Keyring*> open_keyring() const;
    Result<Roster> list_of_relays() const;
    Result<StoredIdentity> make_identity(Roster& roster, const std::string& name);
    Result<void> admit(const std::string& name, KeySet keys, const std::optional<std::string>& replaces);
    Result<void> finish_forgetting(Roster& roster, const std::string& name);
    Result<void> expect_installed(const std::string& name) const;
    Result<void> check_pin(const std::string& name, const std::optional<RosterEntry::Fingerprint>& fingerprint) const;

    // rekey.cpp
    Result<void> finish_rekeying(Tpm& tpm, Store& store, bool in_tpm);
    Result<void> take_store_over();
    Result<NewVault> rekey_to(const std::optional<RecoveryPublicKey>& key, std::string_view policy_file, const PolicyKeys& keys);
    void give_up_rekeying(const Error& error);

    StoreOpener open_store_;
    TpmOpener open_tpm_;
    KeyPlace& place_;
    FirmwareReader read_firmware_;
    Clock clock_;
    RecordWord close_;
    KeyKeeper keep_;
    std::vector<VaultKeys> kept_;  ///< until it is known which of them are in force
    std::map<std::string, PinnedFingerprint> pinned_;
    std::optional<VaultKeys> keys_;  ///< of the vault, from when it was opened in this boot; whether or not the store is accepted
    std::optional<Open> open_;
    std::optional<VaultKey> next_;  ///< of a re-keying that has begun
    std::optional<Error> rekeying_trouble_;
    VaultStatus vault_;
    FirmwareState firmware_;
    Insecurity insecurity_;
    StoreStanding store_standing_;
    std::optional<RecoveryPublicKey> recovery_key_;
    std::optional<Error> recovery_trouble_;
    std::map<std::string, RelayStatus> relays_;
};

class IdentityService::Settled {
public:
    explicit Settled(IdentityService& service) : service_(service) {}
    Settled(const Settled&) = delete;
    Settled& operator=(const Settled&) = delete;
    ~Settled() {
        if (!service_.open_) return;
        (void)service_.open_->anchor->settle();
        service_.store_standing_ = service_.open_->anchor->standing();
    }

private:
    IdentityService& service_;
};

}  // namespace lethe
