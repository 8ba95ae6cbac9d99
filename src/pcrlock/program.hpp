#pragma once

#include <filesystem>

#include "base/process.hpp"
#include "pcrlock/component.hpp"
#include "pcrlock/policy_file.hpp"
#include "vault/vault_keys.hpp"

namespace lethe {

/// What can be measured ahead of a boot with systemd-pcrlock's lock-* verbs.
enum class Measurable { secureboot_policy, secureboot_authority, pe_image, uki };

/// systemd-pcrlock and the files that it reads and writes, as far as enrolment needs them.
class Pcrlock {
public:
    virtual ~Pcrlock() = default;

    /// The event log of the present boot, matched with the components that there are.
    virtual Result<EventLog> log() = 0;

    /// The values that the components allow, of those of `pcrs` that can be locked. Any number of them, unlike a policy.
    virtual Result<PcrPolicy> predict(std::span<const unsigned> pcrs) = 0;

    /// Makes the NV index, or rewrites it, with what predict() says, and writes the policy file.
    ///
    /// An index is rewritten on the PIN alone, whatever policy is in force and whatever the file says of its own PIN. Of one that an
    /// earlier release has made, nobody knows the PIN: it is rewritten as that release did, with the PIN that the file has sealed to the
    /// policy in force.
    /// @param keys  say which index it is, and have its PIN.
    virtual Result<void> make_policy(std::span<const unsigned> pcrs, const PolicyKeys& keys) = 0;

    /// @error not_found  there is none.
    virtual Result<PolicyFile> policy_file() = 0;
    /// Puts a policy file there, for the next make_policy() to build on.
    virtual Result<void> write_policy_file(std::string_view json) = 0;
    virtual Result<void> remove_policy_file() = 0;

    /// The records of one thing. `file` for pe_image and uki.
    virtual Result<std::vector<Record>> measure(Measurable what, const std::filesystem::path& file) = 0;
    /// Writes the components of the firmware's own code, in PCRs 0 and 2, and in 4 before the boot loader.
    virtual Result<void> lock_firmware() = 0;

    /// Writes COMPONENT.pcrlock.d/VARIANT.pcrlock.
    virtual Result<void> write_component(const std::string& component, const std::string& variant, std::span<const Record> records) = 0;
    /// Removes every generated variant of a component.
    virtual Result<void> clear_component(const std::string& component) = 0;
};

/// The real one. Never its Varlink service, which in 257 takes no parameters and can replace a policy by an empty one.
///
/// The recovery PIN derives from the vault key and is shown to nobody: a PIN that an operator knows could admit any boot. What an operator
/// can recover with is the recovery key of the vault. systemd-pcrlock reads the PIN as a credential, a file in `scratch` that is wiped
/// afterwards, so that it stands in no environment and in no list of arguments.
class SystemdPcrlock : public Pcrlock {
public:
    struct Paths {
        std::filesystem::path program = "/usr/lib/systemd/systemd-pcrlock";
        std::filesystem::path components = "/var/lib/pcrlock.d";
        std::filesystem::path policy = "/var/lib/systemd/pcrlock.json";
        /// In memory. Stands for the ESP when make-policy writes its credential, which would be measured into PCR 12 at the next boot; and
        /// holds the PIN while make-policy runs.
        std::filesystem::path scratch = "/run/lethe-pcrlock";
    };
    SystemdPcrlock() = default;
    explicit SystemdPcrlock(Paths paths) : paths_(std::move(paths)) {}

    Result<EventLog> log() override;
    Result<PcrPolicy> predict(std::span<const unsigned> pcrs) override;
    Result<void> make_policy(std::span<const unsigned> pcrs, const PolicyKeys& keys) override;
    Result<PolicyFile> policy_file() override;
    Result<void> write_policy_file(std::string_view json) override;
    Result<void> remove_policy_file() override;
    Result<std::vector<Record>> measure(Measurable what, const std::filesystem::path& file) override;
    Result<void> lock_firmware() override;
    Result<void> write_component(const std::string& component, const std::string& variant, std::span<const Record> records) override;
    Result<void> clear_component(const std::string& component) override;

private:
    Result<Outcome> call(std::vector<std::string> arguments);
    Result<void> try_make_policy(std::span<const unsigned> pcrs, std::uint32_t index, const std::string& recovery_pin);

    Paths paths_;
};

}  // namespace lethe
