#include "enroll/lock_boot.hpp"

#include "pcrlock/gate.hpp"
#include "pcrlock/opened_boot.hpp"
#include "pcrlock/policy_change.hpp"
#include "pcrlock/running_boot.hpp"

namespace lethe {

namespace {

std::string list_of(std::span<const unsigned> pcrs) {
    std::string text;
    for (unsigned pcr : pcrs) text += std::format("{}{}", text.empty() ? "" : " ", pcr);
    return text;
}

}  // namespace

Result<void> check_boot(const EnrolmentPorts& ports, bool insecure_boot) {
    if (!insecure_boot) TRY(require_secure_boot(TRY(ports.booted_image()).secure_boot_state()));
    if (!was_opened(TRY(ports.pcrlock.log()))) return {};
    return fail(
        ErrorKind::wrong_state,
        "a vault was opened in this boot already, and a boot opens one once: nothing that is sealed now could be opened. Reboot, and "
        "try again");
}

Result<LockedBoot> lock_boot(const EnrolmentPorts& ports, std::span<const unsigned> extra_pcrs) {
    const BootedImage image = TRY(ports.booted_image());
    const std::vector<unsigned> pcrs = required_pcrs(image.secure_boot, extra_pcrs);
    ports.progress(std::format("locking PCRs {} to {}, Secure Boot {}", list_of(pcrs),
                               image.uki ? image.uki->native() : "the image that came over the network", image.secure_boot ? "on" : "off"));
    TRY(lock_running_boot(ports.pcrlock, image, pcrs));

    ports.progress("checking that the running boot is predicted completely");
    EventLog log = TRY(ports.pcrlock.log());
    if (image.secure_boot && !measured_secure_boot(log))
        return fail(
            ErrorKind::policy_mismatch,
            "the firmware says that Secure Boot is on, but did not measure that into PCR 7: something that ran before this system hides "
            "that it is off; power the machine off, and boot only this disk");
    TRY(check_gate(pcrs, TRY(ports.pcrlock.predict(pcrs)), TRY(ports.tpm.read_pcrs(pcrs)), log));
    return LockedBoot{pcrs, std::move(log)};
}

Result<void> make_policy(const EnrolmentPorts& ports, const LockedBoot& boot, const PolicyKeys& keys) {
    ports.progress(std::format("making the policy in NV index {:#x}", keys.index));
    const PolicyFile file = TRY(make_checked_policy(ports.tpm, ports.pcrlock, boot.pcrs, keys, boot.log));
    ports.progress("writing the policy to the store");
    TRY(ports.store.write_framed({ObjectKind::policy, ""}, as_octets(file.json)));
    if (ports.store_in_tpm) return {};
    return write_policy_copy(ports.store, keys, file);
}

Result<void> anchor_store(const EnrolmentPorts& ports, const VaultKeys& key) {
    ports.progress(std::format("anchoring the store in NV index {:#x}", key.handles().anchor));
    TRY(Anchor(ports.store, ports.store_in_tpm, ports.tpm, key)
            .make(std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now())));
    return clear_mark(ports.tpm);
}

Result<bool> policy_index_exists(Tpm& tpm) {
    return TRY(index_exists(tpm, first_handles.policy)) || TRY(index_exists(tpm, second_handles.policy));
}

Result<void> remove_policy(const EnrolmentPorts& ports) {
    TRY(undefine_if_there(ports.tpm, first_handles.policy));
    TRY(undefine_if_there(ports.tpm, second_handles.policy));
    return ports.pcrlock.remove_policy_file();
}

}  // namespace lethe
