#include "updated/machine.hpp"

#include <algorithm>
#include <ranges>

#include "measure/measurement.hpp"
#include "pcrlock/policy_change.hpp"
#include "pcrlock/predicted_release.hpp"
#include "pcrlock/running_boot.hpp"
#include "tpm/policy.hpp"
#include "updated/candidate.hpp"
#include "vault/vault.hpp"

namespace lethe {
namespace {

// Whoever can write to the ESP can give the file another name, and its name to another file. What it is, its content says, which was
// measured.
Result<RunningRelease> running_release(const UpdatePorts& ports, const BootedImage& booted) {
    if (!booted.uki) return fail(ErrorKind::not_found, "this machine boots over the network: who serves its image updates it");
    const std::string file = booted.uki->filename();
    const Octets octets = TRY(ports.read_image(booted));
    const auto image = read_release_image(octets);
    if (!image)
        return fail(ErrorKind::not_found, "{} is not a release of Lethe: whoever has put it there updates it", booted.uki->native());
    if (auto name = parse_release_name(file); name && is_same_on_fat(image_version(name->version), image->version))
        return RunningRelease{*std::move(name), file, true, booted.secure_boot};
    return RunningRelease{{.version = image->version}, file, false, booted.secure_boot};
}

}  // namespace

// With a shut vault nothing can be repaired, nor changed. A policy that is lost is no sign of a machine without releases.
Result<PolicyFileInForce> policy_in_force(const UpdatePorts& ports, Tpm& tpm, Store& store) {
    if (const auto keys = ports.policy_keys()) return repair_policy_file(tpm, store, *keys);
    const auto index = policy_index_of(store);
    auto file = index.and_then([&](std::uint32_t handle) {
        return read_policy_files(store).and_then([&](const auto& files) { return confirmed_policy_file(tpm, files, handle); });
    });
    if (!file && file.error().kind == ErrorKind::not_found) return fail(ErrorKind::policy_mismatch, "{}", file.error().message);
    return file.transform([](PolicyFile& found) { return PolicyFileInForce{std::move(found), {}}; });
}

std::vector<unsigned> pcrs_of(const PcrPolicy& policy) {
    return policy | std::views::transform(&AdmittedPcr::pcr) | std::ranges::to<std::vector>();
}

Result<UpdateMachine> UpdateMachine::open(const UpdatePorts& ports) {
    auto [store, in_tpm] = TRY(ports.open_store());
    if (in_tpm) return fail(ErrorKind::not_found, "this machine has no disk: who serves its image updates it");
    if (!TRY(store.exists({ObjectKind::vault, ""})))
        return fail(ErrorKind::wrong_state, "this machine is not enrolled: run `lethectl enroll`");
    auto esp = TRY(ports.open_esp());
    auto tpm = TRY(ports.open_tpm());
    BootedImage booted = TRY(ports.booted_image());
    RunningRelease running = TRY(running_release(ports, booted));
    auto [in_force, repaired] = TRY(policy_in_force(ports, *tpm, store));
    const auto admitted = pcrs_of(in_force.policy);
    const PcrValues present = TRY(read_pcrs_before_opening(*tpm, ports.pcrlock, admitted));
    if (const auto refused = refused_pcrs(in_force.policy, present); !refused.empty())
        return fail(ErrorKind::policy_mismatch, "the policy does not admit this boot: {}; boot the release that it admits",
                    in_words(refused));
    auto pcrs = required_pcrs(booted.secure_boot, admitted);
    Releases releases(*esp);
    return UpdateMachine{std::move(tpm),     std::move(store),    std::move(esp),      releases,       std::move(booted),
                         std::move(running), std::move(in_force), std::move(repaired), std::move(pcrs)};
}

Result<void> UpdateMachine::read_policy(const UpdatePorts& ports) {
    auto found = TRY(policy_in_force(ports, *tpm, store));
    in_force = std::move(found.file);
    if (!found.repaired.empty()) repaired = std::move(found.repaired);
    return {};
}

bool UpdateMachine::lacks_secure_boot() const {
    return booted.secure_boot && !std::ranges::contains(in_force.policy, unsigned{pcr::secure_boot_policy}, &AdmittedPcr::pcr);
}

BootedImage UpdateMachine::booted_as(const ReleaseName& name) const {
    BootedImage image = booted;
    image.uki = booted.uki->parent_path() / name.file();
    return image;
}

Result<void> admit(const UpdatePorts& ports, UpdateMachine& machine, const Candidate* candidate) {
    ports.progress("locking the running release", 40);
    const auto running = TRY(lock_running_boot(ports.pcrlock, machine.booted, machine.pcrs));
    const PcrPolicy alone = candidate ? TRY(ports.pcrlock.predict(machine.pcrs)) : PcrPolicy{};
    if (candidate) TRY(lock_release(ports.pcrlock, candidate->name.file(), candidate->records));
    ports.progress(candidate ? "making the policy of both releases, and proving it" : "making the policy of the running release", 55);
    const EventLog log = TRY(ports.pcrlock.log());
    const PcrValues present = TRY(machine.present(log));
    PolicyChange change{machine.pcrs, TRY(boots_of(running, log, running, present))};
    std::vector<PcrValues> candidate_boots;
    if (candidate) candidate_boots = TRY(boots_of(candidate->records, log, running, present));
    std::ranges::copy(candidate_boots, std::back_inserter(change.boots));
    const PolicyKeys keys = TRY(ports.policy_keys());
    machine.in_force = TRY(change_policy(*machine.tpm, machine.store, ports.pcrlock, machine.in_force, keys, change));
    if (!candidate) return {};
    return make_ready(machine.store, machine.in_force,
                      policy_of_one(machine.in_force.policy, alone, running, candidate->records, candidate_boots));
}

// All that the log has of this boot since the firmware started a boot loader, as of an image that came over the network.
Result<std::string> admit_by_log(const UpdatePorts& ports) {
    auto [store, in_tpm] = TRY(ports.open_store());
    if (in_tpm || !TRY(store.exists({ObjectKind::vault, ""}))) return "";
    const auto tpm = TRY(ports.open_tpm());
    const auto [in_force, repaired] = TRY(policy_in_force(ports, *tpm, store));
    if (admits_one_release(in_force.policy)) return repaired;
    const auto admitted = pcrs_of(in_force.policy);
    const bool secure_boot =
        std::ranges::contains(admitted, unsigned{pcr::secure_boot_policy}) || measured_secure_boot(TRY(ports.pcrlock.log()));
    const auto pcrs = required_pcrs(secure_boot, admitted);
    const auto running = TRY(lock_running_boot(ports.pcrlock, {.secure_boot = secure_boot, .uki = {}, .loader = {}}, pcrs));
    const EventLog locked = TRY(ports.pcrlock.log());
    const PcrValues present = TRY(before_opening(TRY(tpm->read_pcrs(pcrs)), locked));
    const PolicyChange change{pcrs, TRY(boots_of(running, locked, running, present))};
    const PolicyKeys keys = TRY(ports.policy_keys());
    TRY(change_policy(*tpm, store, ports.pcrlock, in_force, keys, change));
    return repaired;
}

}  // namespace lethe
