#include "pcrlock/policy_change.hpp"

#include <tuple>

#include "pcrlock/gate.hpp"
#include "pcrlock/json.hpp"
#include "pcrlock/opened_boot.hpp"
#include "pcrlock/proof.hpp"
#include "tpm/policy.hpp"

namespace lethe {
namespace {

Result<void> check_policy(Tpm& tpm, const PolicyChange& change, const PcrPolicy& policy, const EventLog& log, OctetView content) {
    auto boots = change.boots;
    boots.push_back(TRY(before_opening(TRY(tpm.read_pcrs(change.pcrs)), log)));
    TRY(check_gate(change.pcrs, policy, boots.back(), log));
    return prove(policy, change.pcrs, boots, content);
}

bool is_same_json(std::string_view left, std::string_view right) { return nlohmann::json::parse(left) == nlohmann::json::parse(right); }

}  // namespace

Result<PolicyFile> make_checked_policy(Tpm& tpm, Pcrlock& pcrlock, std::span<const unsigned> pcrs, const PolicyKeys& keys,
                                       const EventLog& log) {
    TRY(pcrlock.make_policy(pcrs, keys));
    PolicyFile file = TRY(pcrlock.policy_file());
    TRY(check_gate(pcrs, file.policy, TRY(before_opening(TRY(tpm.read_pcrs(pcrs)), log)), log));
    if (file.nv_handle != keys.index || !TRY(is_in_force(file.policy, TRY(tpm.nv_read(keys.index)))))
        return fail(ErrorKind::policy_mismatch, "NV index {:#x} does not hold the digest of the policy that systemd-pcrlock wrote",
                    keys.index);
    return file;
}

Result<void> make_ready(Store& store, const PolicyFile& in_force, const PcrPolicy& next) {
    const PolicyFile file = TRY(with_policy(in_force, next));
    if (TRY(find_policy_slot(store, file))) return {};
    TRY(write_policy_slot(store, file, in_force));
    return {};
}

Result<PolicyFile> change_policy(Tpm& tpm, Store& store, Pcrlock& pcrlock, const PolicyFile& in_force, const PolicyKeys& keys,
                                 const PolicyChange& change) {
    const EventLog log = TRY(pcrlock.log());
    const PcrPolicy wanted = TRY(pcrlock.predict(change.pcrs));
    TRY(check_policy(tpm, change, wanted, log, authorized_policy_content(TRY(pcrlock_policy(wanted)))));

    TRY(pcrlock.write_policy_file(in_force.json));  // what make-policy builds on; a reboot has emptied its folder
    if (in_force.policy == wanted) return in_force;

    PolicyFile candidate = TRY(with_policy(in_force, wanted));
    if (const auto ready = TRY(find_policy_slot(store, candidate))) {
        candidate.generation = ready->generation;
        if (is_same_json(ready->json, candidate.json)) candidate.json = ready->json;
    } else {
        candidate.generation = TRY(write_policy_slot(store, candidate, in_force));
    }
    // It is made again where this fails, by repair_policy_file(), which says so.
    std::ignore = write_policy_copy(store, keys, candidate);
    const auto checked = make_checked_policy(tpm, pcrlock, change.pcrs, keys, log);
    // What the index holds has to be in the store, whatever is wrong with it: without its file no boot opens the vault.
    if (const auto written = pcrlock.policy_file(); written && written->policy != wanted && written->policy != in_force.policy)
        TRY(write_policy_slot(store, *written, in_force));
    const PolicyFile made = TRY(checked);
    if (made.policy != wanted)
        return fail(ErrorKind::policy_mismatch, "systemd-pcrlock has made another policy than it predicted; it was written");
    TRY(check_policy(tpm, change, made.policy, log, TRY(tpm.nv_read(keys.index))));
    return candidate;
}

}  // namespace lethe
