#include "enroll/enroll.hpp"

#include <algorithm>

#include "enroll/lock_boot.hpp"
#include "keyring/keyring.hpp"
#include "pcrlock/running_boot.hpp"
#include "vault/minimal_states.hpp"

namespace lethe {

namespace {

const ObjectId vault_id{ObjectKind::vault, ""};
const ObjectId policy_id{ObjectKind::policy, ""};
const ObjectId policy_copy_id{ObjectKind::policy_copy, ""};
const ObjectId enrolling_id{ObjectKind::enrolling, ""};
const ObjectId state_id{ObjectKind::state, ""};
const ObjectId ledger_id{ObjectKind::ledger, ""};

// Whether the vault's record is whole. While `enrolling` is there, its first write may have been cut.
Result<bool> vault_is_whole(const Store& store) {
    return std::ranges::any_of(TRY(store.read_framed(vault_id)),
                               [](const ObjectVersion& version) { return decode_vault_record(version.payload.expose()).has_value(); });
}

Result<void> erase_objects(Store& store) {
    for (const ObjectId& id : {vault_id, policy_id, policy_copy_id, state_id, ledger_id}) TRY(store.erase(id));
    return erase_lists(store);
}

// On an installed host somebody may use systemd-pcrlock for a disk. It knows one policy a machine.
Result<void> check_no_other_policy(Pcrlock& pcrlock) {
    const auto file = pcrlock.policy_file();
    if (file ? file->nv_handle == first_handles.policy || file->nv_handle == second_handles.policy
             : file.error().kind == ErrorKind::not_found)
        return {};
    return fail(ErrorKind::wrong_state,
                "systemd-pcrlock has a policy on this machine that is not Lethe's: remove it first with `systemd-pcrlock remove-policy`");
}

/// Removes what enrolment leaves when it does not come to its end. The mark goes last, so that this can be cut as well.
Result<void> undo(const EnrolmentPorts& ports) {
    TRY(remove_policy(ports));
    TRY(forget_anchor(ports.tpm));
    TRY(forget_numbered_states(ports.tpm));
    TRY(unlock_boots(ports.pcrlock));
    TRY(erase_objects(ports.store));
    TRY(ports.store.erase(enrolling_id));
    return clear_mark(ports.tpm);
}

/// What a TPM and a store say of a vault that there was.
struct Remains {
    bool in_tpm, in_store;
    bool cut;  ///< of an enrolment that has not come to its end
};

/// Only the mark in the TPM makes them those of an enrolment that was cut. That of earlier releases lay in the store, where anybody may
/// have put it who can write the disk: it counts where the TPM has nothing that could be lost.
Result<Remains> find_remains(const EnrolmentPorts& ports, UnderWay mark) {
    Remains remains{};
    remains.in_tpm = mark == UnderWay::adoption || TRY(policy_index_exists(ports.tpm)) || TRY(anchor_exists(ports.tpm));
    remains.in_store = TRY(ports.store.exists(policy_id)) || TRY(ports.store.exists(ledger_id)) || TRY(has_lists(ports.store));
    remains.cut = mark == UnderWay::enrolment || (!remains.in_tpm && TRY(ports.store.exists(enrolling_id)));
    return remains;
}

/// Whether there is a vault already; else clears the way for one, or refuses.
Result<Enrolment> prepare(const EnrolmentPorts& ports, const EnrolmentRequest& request) {
    const UnderWay mark = TRY(read_mark(ports.tpm));
    const Remains remains = TRY(find_remains(ports, mark));
    const bool may_be_cut = remains.cut && (mark == UnderWay::enrolment || !TRY(vault_is_whole(ports.store)));
    if (TRY(ports.store.exists(vault_id)) && !may_be_cut) {
        TRY(ports.store.erase(enrolling_id));
        return Enrolment::there_already;
    }
    TRY(check_boot(ports, request.insecure_boot));
    // Identities are written into a vault that was stored: that vault is lost, and may yet be found.
    if (const auto identities = TRY(ports.store.list(ObjectKind::identity)); !identities.empty())
        return fail(ErrorKind::wrong_state,
                    "the store has the identity of {} and no vault that opens it: put the store's `vault` back from a copy, or move the "
                    "identities away",
                    identities.front().name);
    TRY(check_no_other_policy(ports.pcrlock));
    if (remains.in_tpm && !remains.cut && !request.discard)
        return fail(
            ErrorKind::wrong_state,
            "the store is lost: this TPM knows of a vault that the store does not have. Put the store back from the newest copy, or run "
            "`lethectl enroll --discard` to give that vault up for good");
    if (remains.in_store && !remains.cut && !request.discard)
        return fail(ErrorKind::wrong_state,
                    "the store holds what is left of a vault that is gone: put its `vault` back from a copy, or run `lethectl enroll "
                    "--discard` to give that vault up for good");
    if (remains.cut) ports.progress("an earlier enrolment was cut; starting over");
    else if (remains.in_tpm || remains.in_store) ports.progress("discarding what is left of another vault");
    TRY(undo(ports));  // the policy file as well, on which make-policy would build otherwise
    return Enrolment::made;
}

Result<void> enroll_marked(const EnrolmentPorts& ports, const EnrolmentRequest& request) {
    TRY(set_mark(ports.tpm, UnderWay::enrolment));
    VaultKey key = VaultKey::random();
    const LockedBoot boot = TRY(lock_boot(ports, request.extra_pcrs));
    TRY(make_policy(ports, boot, key.policy_keys()));
    ports.progress("sealing the new vault key");
    const NewVault vault = TRY(seal_vault_key(ports.tpm, policy_index_handle, std::move(key)));
    Roster roster;
    for (const std::string& name : request.relays) roster.emplace(name, RosterEntry{});
    TRY(open_keyring(ports.store, ports.store_in_tpm, vault.key)->write_roster(roster));
    ports.progress("storing the vault");
    TRY(store_vault(ports.store, vault.record));
    return anchor_store(ports, vault.key);
}

}  // namespace

Result<Enrolment> enroll(const EnrolmentPorts& ports, const EnrolmentRequest& request) {
    for (const std::string& name : request.relays) TRY(check_relay_name(name));
    if (TRY(prepare(ports, request)) == Enrolment::there_already) return Enrolment::there_already;

    auto done = ports.store.write_framed(enrolling_id, {}).and_then([&](std::uint64_t) { return enroll_marked(ports, request); });
    if (!done) {
        const auto undone = undo(ports);
        if (undone) return std::unexpected(done.error());
        return fail(done.error().kind, "{}. Undoing it failed as well ({}); the next enrolment starts with that", done.error().message,
                    undone.error().message);
    }
    ports.progress("enrolled");
    // The vault counts from now on. When what asks for this program at the next boot stays behind, it takes that away.
    (void)ports.store.erase(enrolling_id);
    return Enrolment::made;
}

}  // namespace lethe
