// The policy's NV index of a new vault key.
#include <ranges>

#include "pcrlock/gate.hpp"
#include "pcrlock/opened_boot.hpp"
#include "pcrlock/policy_change.hpp"
#include "pcrlock/predicted_release.hpp"
#include "pcrlock/running_boot.hpp"
#include "tpm/policy.hpp"
#include "updated/service.hpp"
#include "vault/enrolment_mark.hpp"

namespace lethe {
namespace {

Result<void> expect_may_succeed(const PcrPolicy& made, const PcrPolicy& in_force) {
    if (may_succeed(made, in_force)) return {};
    return fail(ErrorKind::policy_mismatch,
                "the policy of the running release, as systemd-pcrlock makes it now, is not the one in force; `lethectl update commit` "
                "writes that again");
}

// systemd-pcrlock makes an index where there is no policy file, and refuses the file of another one.
Result<std::string> make_index(Tpm& tpm, Pcrlock& pcrlock, const PolicyFile& in_force, std::span<const unsigned> pcrs,
                               const PolicyKeys& keys) {
    const EventLog log = TRY(pcrlock.log());
    const PcrPolicy wanted = TRY(pcrlock.predict(pcrs));
    const PcrValues present = TRY(before_opening(TRY(tpm.read_pcrs(pcrs)), log));
    TRY(check_gate(pcrs, wanted, present, log));
    TRY(expect_may_succeed(wanted, in_force.policy));
    TRY(pcrlock.remove_policy_file());
    const PolicyFile made = TRY(make_checked_policy(tpm, pcrlock, pcrs, keys, log));
    TRY(expect_may_succeed(made.policy, in_force.policy));
    return made.json;
}

}  // namespace

// A machine that boots over the network has no other release. One whose policy admits too much, and cannot be written, may get one that
// does not.
Result<void> UpdateService::expect_nothing_staged() {
    auto machine = UpdateMachine::open(ports_);
    if (!machine && machine.error().kind == ErrorKind::not_found) return {};
    if (!machine) return std::unexpected(machine.error());
    TRY(look_around(*machine));
    if (status_.policy == PolicyState::running || (status_.policy == PolicyState::wide && is_complete())) return {};
    return fail(ErrorKind::wrong_state,
                "the policy admits another release besides the running one: wait until the update is kept, or take it back with `lethectl "
                "update abort`");
}

Result<std::string> UpdateService::make_policy_index(const PolicyKeys& keys) {
    TRY(expect_nothing_staged());
    const auto [store, in_tpm] = TRY(ports_.open_store());
    const auto tpm = TRY(ports_.open_tpm());
    const HandleSet handles = TRY(read_vault_record(store)).handles();
    if (keys.index != other_than(handles).policy || keys.pin.empty())
        return fail(ErrorKind::invalid_argument, "{:#x} is not the NV index of a new vault key, or there is no PIN", keys.index);
    if (TRY(index_exists(*tpm, keys.index)))
        return fail(ErrorKind::wrong_state, "the NV index {:#x} is there already; begin again with `lethectl recovery-key set`",
                    keys.index);
    const auto files = TRY(read_policy_files(store));
    const PolicyFile in_force = TRY(confirmed_policy_file(*tpm, files, handles.policy));
    const auto pcrs = in_force.policy | std::views::transform(&AdmittedPcr::pcr) | std::ranges::to<std::vector>();
    const BootedImage booted = TRY(ports_.booted_image());
    TRY(lock_running_boot(ports_.pcrlock, booted, pcrs));
    auto made = make_index(*tpm, ports_.pcrlock, in_force, pcrs, keys);
    const auto put_back = ports_.pcrlock.write_policy_file(in_force.json);
    if (made && put_back) return made;
    const auto undone = undefine_if_there(*tpm, keys.index);
    const Error& error = made ? put_back.error() : made.error();
    if (undone) return std::unexpected(error);
    return fail(error.kind, "{}. The NV index {:#x} could not be removed ({}); the next start of lethe-identityd does that", error.message,
                keys.index, undone.error().message);
}

}  // namespace lethe
