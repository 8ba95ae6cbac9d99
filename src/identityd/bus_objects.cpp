#include "identityd/bus_objects.hpp"

#include <pwd.h>
#include <unistd.h>

#include <print>

#include "base/file.hpp"
#include "bus/errors.hpp"
#include "bus/options.hpp"
#include "bus/relay_object.hpp"
#include "identityd/journal.hpp"
#include "identityd/reasons.hpp"
#include "manager_adaptor.hpp"
#include "relay_adaptor.hpp"
#include "tor/offered_files.hpp"
#include "vault/sealed_export.hpp"

namespace lethe {
namespace {

constexpr std::size_t keys_limit_octets = 4096, passphrase_limit_octets = 1024, policy_file_limit_octets = 64 * 1024;

using VariantMap = std::map<std::string, sdbus::Variant>;

sdbus::ObjectPath path_of(const std::string& relay) { return sdbus::ObjectPath{std::string{identity_path} + "/relay/" + relay}; }

bool may_keep_state(uid_t user) {
    const passwd* const stated = getpwnam("lethe-stated");
    return user == 0 || user == geteuid() || (stated != nullptr && user == stated->pw_uid);
}

class IdentityRelay final : public RelayObject<org::lethe::Identity1::Relay_adaptor, RelayStatus> {
public:
    IdentityRelay(sdbus::IConnection& connection, const IdentityService& service, const RelayStatus& status)
        : RelayObject(connection, path_of(status.name), status), service_(service) {
        announce();
    }

private:
    void Verify() override {
        answer([&] { return service_.verify(status_.name); });
    }
    std::string Name() override { return status_.name; }
    std::string State() override { return std::string{name_of(status_.state)}; }
    std::string Reason() override { return status_.reason; }
    std::string Fingerprint() override { return status_.fingerprint; }
    std::string Ed25519Identity() override { return status_.fingerprints ? status_.fingerprints->ed25519_base64() : ""; }
    std::string KeyFolder() override { return status_.key_folder; }
    uint64_t Generation() override { return status_.generation; }
    uint64_t SigningKeyExpires() override { return status_.signing_key_expires; }
    bool HasMasterKey() override { return status_.has_master_key; }
    std::vector<std::string> FamilyIds() override { return status_.family_ids; }

    const IdentityService& service_;
};

class ManagerObject final
    : public BusObjects,
      public sdbus::AdaptorInterfaces<org::lethe::Identity1::Manager_adaptor, sdbus::Properties_adaptor, sdbus::ObjectManager_adaptor> {
public:
    ManagerObject(sdbus::IConnection& connection, IdentityService& service, RuntimePaths paths)
        : AdaptorInterfaces(connection, sdbus::ObjectPath{identity_path}),
          connection_(connection),
          service_(service),
          paths_(std::move(paths)) {
        registerAdaptor();
        announce();
    }
    ~ManagerObject() override { unregisterAdaptor(); }

private:
    using Manager_adaptor::INTERFACE_NAME;

    sdbus::ObjectPath CreateRelay(const std::string& name) override {
        change([&] { return service_.create_relay(name); });
        return path_of(name);
    }
    sdbus::ObjectPath ImportRelay(const std::string& name, const std::map<std::string, sdbus::UnixFd>& files,
                                  const VariantMap& options) override {
        change([&] -> Result<void> {
            const Options given(options, {"replace"});
            TRY(given.check());
            std::vector<OfferedFile> offered;
            for (const auto& [file, fd] : files) offered.push_back({file, fd.get()});
            return service_.import_relay(name, TRY(read_offered_files(offered)), TRY(given.text("replace")));
        });
        return path_of(name);
    }
    sdbus::UnixFd ExportRelay(const std::string& name, const VariantMap& options) override {
        return answer([&] -> Result<sdbus::UnixFd> {
            const Options given(options, {"passphrase"});
            TRY(given.check());
            const auto file = TRY(sealed_memory_file(TRY(service_.export_relay(name, TRY(given.secret("passphrase"))))));
            return sdbus::UnixFd{file.get()};  // duplicates it
        });
    }
    sdbus::ObjectPath RecoverRelay(const sdbus::UnixFd& file, const sdbus::UnixFd& secret, const VariantMap& options) override {
        std::string name;
        change([&] -> Result<void> {
            const Options given(options, {"fingerprint", "foreign", "name", "replace"});
            TRY(given.check());
            const auto octets = TRY(read_secret_descriptor(file.get(), "the export file", export_limit_octets));
            const auto opens = TRY(read_secret_descriptor(secret.get(), "the recovery key or passphrase", passphrase_limit_octets));
            const auto fingerprint = TRY(given.text("fingerprint"));
            if (!fingerprint) return fail(ErrorKind::invalid_argument, "say with the option \"fingerprint\" which relay is expected");
            const bool foreign = TRY(given.value<bool>("foreign")).value_or(false);
            const auto relay = TRY(given.text("name")), replaces = TRY(given.text("replace"));
            name = TRY(service_.recover_relay(octets.expose(), opens, *fingerprint, relay, replaces,
                                              foreign ? ForeignExport::is_taken : ForeignExport::is_refused));
            return {};
        });
        return path_of(name);
    }
    void ForgetRelay(const std::string& name, const std::string& fingerprint) override {
        change([&] { return service_.forget_relay(name, fingerprint); });
    }
    sdbus::UnixFd BeginRekeying() override {
        return hand_over([&] { return service_.begin_rekeying(); });
    }
    void SetRecoveryKey(const std::string& key, const sdbus::UnixFd& policy, const sdbus::UnixFd& begun) override {
        change([&] -> Result<void> {
            const Secret file = TRY(read_secret_descriptor(policy.get(), "the policy file", policy_file_limit_octets));
            std::optional<RecoveryPublicKey> recipient;
            if (!key.empty()) recipient = TRY(parse_recovery_public(key));
            const Secret octets = TRY(read_secret_descriptor(begun.get(), "the keys of the policy", keys_limit_octets));
            const auto keys = lethe::PolicyKeys::decode(octets);
            if (!keys) return fail(ErrorKind::invalid_argument, "{}", keys.error().message);
            return service_.set_recovery_key(recipient, as_text(file.expose()), *keys);
        });
    }
    sdbus::UnixFd PolicyKeys() override {
        return hand_over([&] { return service_.policy_keys(); });
    }
    sdbus::UnixFd StateKeys() override {
        if (!may_keep_state(getObject().getCurrentlyProcessedMessage().getCredsEuid()))
            throw sdbus::Error(sdbus::Error::Name{"org.freedesktop.DBus.Error.AccessDenied"}, "these keys are for lethe-stated and root");
        return hand_over([&] { return service_.state_keys(); });
    }
    void Reload() override {
        change([&] {
            service_.restore();
            return Result<void>{};
        });
    }
    void AcceptStore(const uint64_t& generation) override {
        change([&] { return service_.accept_store(generation); });
    }
    uint64_t Generation() override { return service_.store_standing().generation; }
    uint64_t CountedGeneration() override { return service_.store_standing().counted; }
    uint64_t Enrolled() override {
        const auto& enrolled = service_.store_standing().enrolled;
        return enrolled ? static_cast<uint64_t>(enrolled->time_since_epoch().count()) : 0;
    }
    bool TakenOver() override { return service_.store_standing().taken_over; }
    bool EarlierVaultKey() override { return service_.has_earlier_vault_key(); }
    std::string StoreReason() override { return service_.store_reason(); }
    std::vector<sdbus::Struct<std::string, std::string>> StoreObjects() override {
        std::vector<sdbus::Struct<std::string, std::string>> objects;
        for (const auto& [name, state] : service_.store_objects()) objects.emplace_back(name, std::string{name_of(state)});
        return objects;
    }
    std::string VaultState() override { return std::string{name_of(service_.vault().state)}; }
    std::string VaultReason() override { return service_.vault().reason ? service_.vault().reason->message : ""; }
    std::string VaultErrorName() override { return service_.vault().reason ? std::string{error_name(service_.vault().reason->kind)} : ""; }
    std::string RecoveryKey() override { return service_.recovery_key() ? encode_recovery_public(*service_.recovery_key()) : ""; }
    std::string RecoveryReason() override { return service_.recovery_trouble() ? service_.recovery_trouble()->message : ""; }
    std::string SecureBoot() override { return std::string{name_of(service_.firmware().secure_boot)}; }
    std::string Insecure() override { return service_.insecurity().what; }
    std::string InsecureAdvice() override { return service_.insecurity().advice; }
    std::vector<std::string> BootWarnings() override { return service_.firmware().warnings; }
    std::string Version() override { return LETHE_VERSION; }

    // Keys for another process: nobody opens this descriptor again by way of /proc.
    template <std::invocable Find>
    sdbus::UnixFd hand_over(Find&& find) {
        return answer([&] -> Result<sdbus::UnixFd> {
            const auto keys = TRY(find());
            const auto file = TRY(secret_memory_file(keys.encode()));
            return sdbus::UnixFd{file.get()};  // duplicates it
        });
    }

    // A method that changes something: whatever comes of it, the bus and the journal are told how things are now.
    template <std::invocable Change>
    void change(Change&& change) {
        answer([&] -> Result<void> {
            const auto result = change();
            announce();
            return result;
        });
    }

    // Brings the journal and the objects on the bus to what the service says.
    void announce() {
        log_state(service_);
        if (const auto written = write_reasons(paths_, service_); !written)
            std::println(stderr, "<4>relays that do not start will not say why: {}", written.error().message);
        reconcile(relays_, service_.relays(), connection_, service_);
        emitPropertiesChangedSignal(INTERFACE_NAME);
    }

    sdbus::IConnection& connection_;
    IdentityService& service_;
    RuntimePaths paths_;
    std::map<std::string, std::unique_ptr<IdentityRelay>> relays_;
};

}  // namespace

std::unique_ptr<BusObjects> publish_identity(sdbus::IConnection& connection, IdentityService& service, const RuntimePaths& paths) {
    return std::make_unique<ManagerObject>(connection, service, paths);
}

}  // namespace lethe
