#pragma once

#include <functional>
#include <set>

#include "copied_tpm.hpp"
#include "measure/measured_event.hpp"
#include "pcrlock/program.hpp"

namespace lethe {

/// systemd-pcrlock in one boot, which matches components with the events of that boot as the real one does: of a component the first
/// variant that is found in the log claims its events, and a PCR with an event that nobody claims, or of a component that is not in the
/// log, is left out without a word. Its policy file is gone with the boot. It rewrites an index on the PIN of that index; without it, on
/// the one that the policy file has sealed to the policy in force.
class BootedPcrlock final : public Pcrlock {
public:
    struct Boot {
        CopiedTpm& tpm;
        std::string& index_pin;               ///< of the index in that TPM; empty for one of which nobody knows the PIN
        const std::vector<LogEvent>& events;  ///< in order; those of the phases have a component
        std::function<Result<Octets>(const std::filesystem::path& file)> read;
        std::function<void(const std::string& what)> before;          ///< told of changes that outlive the boot
        std::function<Result<void>(const std::string& verb)> refuse;  ///< asked before each verb
    };
    explicit BootedPcrlock(Boot boot);

    using Records = std::vector<Record>;
    using Change = std::function<void(PcrPolicy& policy)>;
    std::map<std::string, std::map<std::string, Records>> components;  ///< by name, then by variant; the static ones too
    Change predicts_otherwise = [](PcrPolicy&) {};
    Change makes_otherwise = [](PcrPolicy&) {};  ///< than it predicts
    bool lies_about_nv = false;                  ///< the index gets another digest than its file says
    unsigned indices_made = 0;
    std::optional<std::string> file;

    /// The names of those that updates write: "COMPONENT/VARIANT".
    std::set<std::string> generated() const;

    Result<EventLog> log() override;
    Result<PcrPolicy> predict(std::span<const unsigned> pcrs) override;
    Result<void> make_policy(std::span<const unsigned> pcrs, const PolicyKeys& keys) override;
    Result<PolicyFile> policy_file() override;
    Result<void> write_policy_file(std::string_view json) override;
    Result<void> remove_policy_file() override;
    Result<Records> measure(Measurable what, const std::filesystem::path& file) override;
    Result<void> lock_firmware() override { return boot_.refuse("lock-firmware-code"); }
    Result<void> write_component(const std::string& component, const std::string& variant, std::span<const Record> records) override;
    Result<void> clear_component(const std::string& component) override;

private:
    EventLog matched() const;
    PcrReport report(unsigned pcr, const std::vector<LogEvent>& events) const;
    AdmittedPcr allowed(unsigned pcr) const;
    PcrPolicy prediction(std::span<const unsigned> pcrs) const;
    Result<Records> measured_uki(const std::filesystem::path& file) const;
    Result<void> check_own_pin(const PolicyFile& present) const;

    Boot boot_;
};

/// What is extended, as systemd-pcrlock lists it.
LogEvent log_event(const MeasuredEvent& event, bool firmware);

/// What Secure Boot measures into PCR 7, each time.
std::vector<LogEvent> secure_boot_events();

}  // namespace lethe
