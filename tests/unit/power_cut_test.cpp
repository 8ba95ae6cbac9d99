// Each thing that an operator does, cut at every instant, on a disk and in the TPM. Afterwards either there is no identity and the command
// works, or the identity is whole.
#include "power_cut.hpp"

#include <algorithm>

#include "vault/minimal_states.hpp"
#include "vault/snapshots.hpp"

namespace lethe {
namespace {

std::string fingerprint_of(int number) { return pooled_keys(number).fingerprints.rsa_hex(); }
KeyFiles files_of(int number) { return clone(pooled_keys(number)).files; }

// Of the pool: 7 and 6 are what operators bring; the others are minted in their order.
constexpr int brought = 7, former = 6;

class PowerCut : public testing::TestWithParam<bool> {
protected:
    bool in_tpm() const { return GetParam(); }
};

void expect_relays(CutMachine& machine, const std::set<std::string>& names) {
    std::set<std::string> found;
    for (const auto& [name, relay] : machine.daemon().relays()) found.insert(name);
    EXPECT_EQ(found, names);
}

void expect_fingerprint(CutMachine& machine, const std::string& relay, const std::string& fingerprint) {
    const auto found = machine.daemon().relays().find(relay);
    ASSERT_NE(found, machine.daemon().relays().end()) << "there is no " << relay;
    EXPECT_EQ(found->second.fingerprint, fingerprint);
}

// Whatever can be read in the store is this identity.
void expect_stored(CutMachine& machine, const std::string& relay, const std::string& fingerprint) {
    const auto stored = machine.stored_keys(relay);
    EXPECT_FALSE(stored.empty());
    for (const auto& keys : stored) EXPECT_EQ(keys.fingerprints.rsa_hex(), fingerprint);
}

TEST_P(PowerCut, AnEnrolmentWithItsFirstTwoRelays) {
    Operation operation{.name = "enrolment", .relays = {"a", "b"}};
    operation.expect_done = [](CutMachine& machine) { expect_relays(machine, {"a", "b"}); };
    EXPECT_GT(cut_everywhere(operation, in_tpm(), 40), 200U);
}

// A machine with the relay `a`, which no operation may touch.
Operation on_enrolled_machine(std::string name) {
    Operation operation{.name = std::move(name), .relays = {"a"}};
    operation.prepare = [](CutMachine& machine) { machine.boot(); };
    return operation;
}

TEST_P(PowerCut, ACreation) {
    Operation operation = on_enrolled_machine("create");
    operation.command = [](CutMachine& machine) { return machine.daemon().create_relay("c"); };
    operation.when_done = {ErrorKind::already_exists};
    operation.expect_done = [](CutMachine& machine) { expect_relays(machine, {"a", "c"}); };
    EXPECT_GT(cut_everywhere(operation, in_tpm(), 40), 100U);
}

TEST_P(PowerCut, AnImport) {
    Operation operation = on_enrolled_machine("import");
    operation.command = [](CutMachine& machine) { return machine.daemon().import_relay("c", files_of(brought), std::nullopt); };
    operation.when_done = {ErrorKind::already_exists};
    operation.may_be = {{"c", {"", fingerprint_of(brought)}}};
    operation.expect_done = [](CutMachine& machine) {
        expect_relays(machine, {"a", "c"});
        expect_fingerprint(machine, "c", fingerprint_of(brought));
    };
    EXPECT_GT(cut_everywhere(operation, in_tpm()), 15U);
}

TEST_P(PowerCut, AnImportThatReplacesAnIdentity) {
    Operation operation = on_enrolled_machine("replace");
    operation.prepare = [](CutMachine& machine) {
        machine.boot();
        EXPECT_TRUE(machine.daemon().import_relay("c", files_of(former), std::nullopt));
    };
    operation.command = [](CutMachine& machine) { return machine.daemon().import_relay("c", files_of(brought), fingerprint_of(former)); };
    operation.when_done = {ErrorKind::invalid_argument};
    operation.may_be = {{"c", {fingerprint_of(former), fingerprint_of(brought)}}};
    operation.expect_done = [](CutMachine& machine) {
        expect_fingerprint(machine, "c", fingerprint_of(brought));
        expect_stored(machine, "c", fingerprint_of(brought));
    };
    EXPECT_GT(cut_everywhere(operation, in_tpm()), 15U);
}

TEST_P(PowerCut, ARecoveryFromAnExport) {
    const auto pair = std::make_shared<RecoveryKeyPair>(make_recovery_key());
    const auto file = std::make_shared<Octets>();
    Operation operation = on_enrolled_machine("recover");
    operation.prepare = [=](CutMachine& machine) {
        machine.boot();
        EXPECT_TRUE(machine.set_recovery_key(pair->public_key));
        EXPECT_TRUE(machine.daemon().import_relay("c", files_of(brought), std::nullopt));
        *file = machine.daemon().export_relay("c", std::nullopt).value();
        EXPECT_TRUE(machine.daemon().forget_relay("c", fingerprint_of(brought)));
    };
    operation.command = [=](CutMachine& machine) -> Result<void> {
        TRY(machine.daemon().recover_relay(*file, encode_recovery_secret(pair->secret_key), fingerprint_of(brought), std::nullopt,
                                           std::nullopt));
        return {};
    };
    operation.when_done = {ErrorKind::already_exists};
    operation.may_be = {{"c", {"", fingerprint_of(brought)}}};
    operation.expect_done = [](CutMachine& machine) { expect_fingerprint(machine, "c", fingerprint_of(brought)); };
    EXPECT_GT(cut_everywhere(operation, in_tpm()), 15U);
}

// Whether octets of what lay in the slots can still be read from the disk, or from the TPM.
void expect_wiped(CutMachine& machine, const std::vector<Octets>& slots) {
    constexpr std::size_t piece_octets = 32;
    std::vector<Octets> nv;
    for (const auto handle : store_index_handles)
        if (auto content = machine.state.tpm.nv_read(handle)) nv.push_back(std::move(*content));
    for (const auto& slot : slots) {
        for (std::size_t at = 0; at + piece_octets <= slot.size(); at += piece_octets) {
            const auto piece = OctetView(slot).subspan(at, piece_octets);
            if (std::ranges::all_of(piece, [](std::uint8_t octet) { return octet == 0; })) continue;  // padding
            const auto holds = [&](const Octets& content) { return !std::ranges::search(content, piece).empty(); };
            ASSERT_FALSE(machine.state.medium.holds(piece) || std::ranges::any_of(nv, holds))
                << "octets from " << at << " of the forgotten keys are left";
        }
    }
}

TEST_P(PowerCut, AForgetting) {
    const auto slots = std::make_shared<std::vector<Octets>>();
    Operation operation = on_enrolled_machine("forget");
    operation.prepare = [=](CutMachine& machine) {
        machine.boot();
        EXPECT_TRUE(machine.daemon().import_relay("c", files_of(former), std::nullopt));
        EXPECT_TRUE(machine.daemon().import_relay("c", files_of(brought), fingerprint_of(former)));  // in both slots
        *slots = machine.slots(machine.in_tpm() ? ObjectId{ObjectKind::keyring, ""} : ObjectId{ObjectKind::identity, "c"});
        EXPECT_EQ(slots->size(), 2U);
    };
    operation.command = [](CutMachine& machine) { return machine.daemon().forget_relay("c", fingerprint_of(brought)); };
    operation.when_done = {ErrorKind::not_found};
    operation.may_be = {{"c", {"", fingerprint_of(brought)}}};
    operation.expect_done = [=](CutMachine& machine) {
        expect_relays(machine, {"a"});
        EXPECT_TRUE(machine.stored_keys("c").empty());
        expect_wiped(machine, *slots);
    };
    EXPECT_GT(cut_everywhere(operation, in_tpm()), 15U);
}

// What the relays' state is, to be told from any other.
const Octets state_of_a{'s', 't', 'a', 't', 'e'};

void keep_state(CutMachine& machine) {
    const auto key = machine.vault_key();
    ASSERT_TRUE(key) << key.error().message;
    Store store = machine.store();
    RelayStates states;
    states.emplace("a", Secret::copy_of(state_of_a));
    if (!machine.in_tpm()) {
        ASSERT_TRUE(Snapshots::open(store.disk(), machine.state.tpm, *key)->write(states));
    }
    ASSERT_TRUE(MinimalStates(machine.state.tpm, *key, machine.in_tpm()).write({{"a", state_of_a}}));
}

void expect_state(CutMachine& machine) {
    const auto key = machine.vault_key();
    ASSERT_TRUE(key) << key.error().message;
    Store store = machine.store();
    const auto minimal = MinimalStates(machine.state.tpm, *key, machine.in_tpm()).read();
    ASSERT_TRUE(minimal) << minimal.error().message;
    EXPECT_EQ(*minimal, (MinimalStates::Relays{{"a", state_of_a}}));
    if (machine.in_tpm()) return;
    const auto snapshot = Snapshots::open(store.disk(), machine.state.tpm, *key)->read();
    ASSERT_TRUE(snapshot) << snapshot.error().message;
    ASSERT_TRUE(snapshot->relays.contains("a"));
    EXPECT_EQ(snapshot->relays.at("a").state, Secret::copy_of(state_of_a));
}

// Of the two sets of NV indices one is there.
void expect_one_set(CutMachine& machine) {
    const auto handles = read_vault_record(machine.store()).value().handles(), other = other_than(handles);
    for (const auto handle : {handles.policy, handles.snapshots, handles.anchor}) EXPECT_TRUE(machine.state.tpm.nv_index(handle)) << handle;
    for (const auto handle : {other.policy, other.snapshots, other.anchor}) EXPECT_FALSE(machine.state.tpm.nv_index(handle)) << handle;
}

// As after any boot: whichever key is in force, nothing of another is left, and nobody is told of damage.
void expect_no_trace_of_two_keys(CutMachine& machine) {
    expect_state(machine);
    expect_one_set(machine);
    for (const auto& [name, relay] : machine.daemon().relays()) EXPECT_EQ(relay.reason, "") << name;
    EXPECT_EQ(machine.daemon().store_reason(), "");
    EXPECT_FALSE(machine.daemon().rekeying_trouble());
}

// Whoever has the former vault key, and everything of the machine, opens nothing.
void expect_worthless(CutMachine& machine, const VaultKey& former, const VaultRecord& former_record) {
    Store store = machine.store();
    const auto names = store.disk().names().value();
    for (const std::string& file : names) {
        const Octets octets = store.disk().read(file).value();
        for (const auto kind : {ObjectKind::relays, ObjectKind::recovery, ObjectKind::keyring, ObjectKind::ledger, ObjectKind::policy_copy})
            EXPECT_FALSE(decrypt_object(former.kind_key(kind), {kind, ""}, octets)) << file;
        EXPECT_FALSE(decrypt_object(former.kind_key(ObjectKind::identity), {ObjectKind::identity, "a"}, octets)) << file;
        EXPECT_FALSE(open_snapshot_directory(former.kind_key(ObjectKind::state), octets)) << file;
    }
    EXPECT_FALSE(MinimalStates(machine.state.tpm, former, false).read());
    const auto policy = parse_policy_file(as_text(store.read_framed({ObjectKind::policy, ""}).value().front().payload.expose())).value();
    EXPECT_FALSE(machine.state.tpm.unseal(former_record.root, former_record.index, former_record.sealed, policy.policy));
}

struct Former {
    RecoveryKeyPair pair = make_recovery_key();
    std::optional<VaultKey> key;
    std::optional<VaultRecord> record;
};

Operation on_machine_with_state(std::string name, const std::shared_ptr<Former>& former, bool has_recovery_key) {
    Operation operation = on_enrolled_machine(std::move(name));
    operation.prepare = [=](CutMachine& machine) {
        machine.boot();
        if (has_recovery_key) {
            ASSERT_TRUE(machine.set_recovery_key(former->pair.public_key));
        }
        keep_state(machine);
        former->key = *machine.vault_key();
        former->record = read_vault_record(machine.store()).value();
    };
    operation.expect_after_cut = expect_no_trace_of_two_keys;
    return operation;
}

void expect_key_in_both_records(CutMachine& machine, const RecoveryKeyPair& pair) {
    const auto key = machine.vault_key();
    ASSERT_TRUE(key) << key.error().message;
    const auto records = machine.store().read_framed({ObjectKind::vault, ""}).value();
    EXPECT_EQ(records.size(), 2U);
    for (const auto& version : records) {
        const auto record = decode_vault_record(version.payload.expose()).value();
        ASSERT_TRUE(record.recovery);
        const auto boxed = unbox_vault_key(*record.recovery, pair.secret_key, record.handles());
        ASSERT_TRUE(boxed) << boxed.error().message;
        EXPECT_EQ(boxed->kind_key(ObjectKind::identity), key->kind_key(ObjectKind::identity));
    }
}

// The setting of a recovery key, on a machine that has a former one or none.
Operation setting_of_recovery_key(std::string name, const std::shared_ptr<Former>& former, bool has_recovery_key) {
    const auto pair = std::make_shared<RecoveryKeyPair>(make_recovery_key());
    Operation operation = on_machine_with_state(std::move(name), former, has_recovery_key);
    operation.command = [=](CutMachine& machine) { return machine.set_recovery_key(pair->public_key); };
    operation.expect_done = [=](CutMachine& machine) {
        EXPECT_EQ(machine.daemon().recovery_key(), pair->public_key);
        expect_key_in_both_records(machine, *pair);
        expect_no_trace_of_two_keys(machine);
        expect_worthless(machine, *former->key, *former->record);
    };
    return operation;
}

TEST_P(PowerCut, TheSettingOfARecoveryKey) {
    EXPECT_GT(cut_everywhere(setting_of_recovery_key("set_recovery_key", std::make_shared<Former>(), false), in_tpm(), 40), 50U);
}

TEST_P(PowerCut, TheSettingOfAnotherRecoveryKey) {
    const auto former = std::make_shared<Former>();
    Operation operation = setting_of_recovery_key("replace_recovery_key", former, true);
    operation.expect_done = [=, expect_set = operation.expect_done](CutMachine& machine) {
        expect_set(machine);
        EXPECT_FALSE(machine.state.medium.holds(former->pair.public_key.octets())) << "a box of the former recipient is left";
    };
    EXPECT_GT(cut_everywhere(operation, in_tpm(), 40), 50U);
}

// One copy of each object is all that there is of it.
TEST_P(PowerCut, TheSettingOfARecoveryKeyWithOneCopyOfEachObject) {
    const auto former = std::make_shared<Former>();
    const auto pair = std::make_shared<RecoveryKeyPair>(make_recovery_key());
    for (const std::string slot : {".a", ".b"}) {
        Operation operation = on_machine_with_state("set_recovery_key without " + slot, former, false);
        const auto prepare = operation.prepare;
        operation.prepare = [=](CutMachine& machine) {
            prepare(machine);
            Store store = machine.store();
            for (const std::string stem : {"identity-a", "relays", "keyring"})
                if (store.disk().exists(stem + slot).value_or(false)) {
                    ASSERT_TRUE(store.disk().write(stem + slot, Octets(64, 0xff)));
                    ASSERT_TRUE(store.disk().sync(stem + slot));
                }
        };
        operation.command = [=](CutMachine& machine) { return machine.set_recovery_key(pair->public_key); };
        operation.expect_after_cut = [](CutMachine& machine) {
            expect_state(machine);
            expect_one_set(machine);
        };
        operation.expect_done = [=](CutMachine& machine) {
            EXPECT_EQ(machine.daemon().recovery_key(), pair->public_key);
            expect_state(machine);
            expect_one_set(machine);
        };
        EXPECT_GT(cut_everywhere(operation, in_tpm()), 50U);
    }
}

TEST_P(PowerCut, TheRemovalOfARecoveryKey) {
    const auto former = std::make_shared<Former>();
    Operation operation = on_machine_with_state("remove_recovery_key", former, true);
    operation.command = [=](CutMachine& machine) { return machine.set_recovery_key(std::nullopt); };
    operation.expect_done = [=](CutMachine& machine) {
        EXPECT_FALSE(machine.daemon().recovery_key());
        const auto records = machine.store().read_framed({ObjectKind::vault, ""}).value();
        for (const auto& version : records) EXPECT_FALSE(decode_vault_record(version.payload.expose()).value().recovery);
        expect_no_trace_of_two_keys(machine);
        expect_worthless(machine, *former->key, *former->record);
        EXPECT_FALSE(machine.state.medium.holds(former->pair.public_key.octets())) << "a box of the former recipient is left";
    };
    EXPECT_GT(cut_everywhere(operation, in_tpm(), 40), 50U);
}

void expect_anchored(CutMachine& machine) {
    const auto& standing = machine.daemon().store_standing();
    EXPECT_GT(standing.generation, 0U);
    EXPECT_EQ(standing.generation, standing.counted);
    EXPECT_EQ(machine.daemon().store_reason(), "");
    EXPECT_FALSE(machine.state.tpm.nv_index(enrolling_index_handle)) << "the mark is left";
}

// Where the vault does not open, with a TPM that has counted the store (`same_tpm`) or with another one, which has not.
Operation recovery_of_store(std::string name, bool same_tpm) {
    const auto pair = std::make_shared<RecoveryKeyPair>(make_recovery_key());
    Operation operation = on_enrolled_machine(std::move(name));
    operation.prepare = [=](CutMachine& machine) {
        machine.boot();
        EXPECT_TRUE(machine.daemon().import_relay("c", files_of(brought), std::nullopt));
        EXPECT_TRUE(machine.set_recovery_key(pair->public_key));
        keep_state(machine);
        if (same_tpm) EXPECT_TRUE(machine.state.tpm.nv_undefine(second_handles.policy));
        else machine.state.tpm = CopiedTpm();
        machine.boot();
        EXPECT_NE(machine.daemon().vault().state, VaultState::open);
    };
    operation.command = [=](CutMachine& machine) { return machine.reenroll(pair->secret_key, fingerprint_of(brought)); };
    operation.when_done = {ErrorKind::wrong_state};
    operation.may_be = {{"a", {fingerprint_of(0)}}, {"c", {fingerprint_of(brought)}}};
    operation.opens_before = false;
    operation.expect_done = [same_tpm](CutMachine& machine) {
        expect_fingerprint(machine, "a", fingerprint_of(0));
        expect_fingerprint(machine, "c", fingerprint_of(brought));
        EXPECT_EQ(machine.state.minted, 1);
        expect_anchored(machine);
        if (same_tpm) expect_state(machine);
    };
    return operation;
}

TEST_P(PowerCut, TheRecoveryOfAWholeStore) { EXPECT_GT(cut_everywhere(recovery_of_store("re-enrolment", true), in_tpm(), 40), 50U); }

TEST(PowerCutOnADisk, TheRecoveryOfAWholeStoreWithAnotherTpm) {
    EXPECT_GT(cut_everywhere(recovery_of_store("re-enrolment with another TPM", false), false, 40), 50U);
}

TEST_P(PowerCut, TheTakingOverOfAnEarlierReleasesStore) {
    Operation operation = on_enrolled_machine("takeover");
    operation.prepare = [](CutMachine& machine) {
        machine.boot();
        const auto key = machine.vault_key();
        ASSERT_TRUE(key) << key.error().message;
        auto store = machine.store();
        make_unanchored(store, machine.state.tpm, machine.in_tpm(), *key);
    };
    operation.expect_done = [](CutMachine& machine) {
        expect_relays(machine, {"a"});
        expect_anchored(machine);
    };
    EXPECT_GT(cut_everywhere(operation, in_tpm(), 40), 15U);
}

TEST_P(PowerCut, TheAdoptionOfAnOlderStore) {
    Operation operation = on_enrolled_machine("accept");
    operation.prepare = [this](CutMachine& machine) {
        machine.boot();
        const auto medium = machine.state.medium;
        std::map<std::uint32_t, Octets> nv;
        for (const auto handle : store_index_handles)
            if (in_tpm()) nv[handle] = machine.state.tpm.nv_read(handle).value();
        EXPECT_TRUE(machine.daemon().import_relay("c", files_of(brought), std::nullopt));
        machine.state.medium = medium;
        for (const auto& [handle, octets] : nv) EXPECT_TRUE(machine.state.tpm.nv_write(handle, 0, octets));
        machine.boot();
        EXPECT_EQ(machine.daemon().vault().state, VaultState::shut);
        EXPECT_EQ(machine.daemon().vault().reason->kind, ErrorKind::rollback);
    };
    operation.command = [](CutMachine& machine) { return machine.daemon().accept_store(machine.daemon().store_standing().generation); };
    operation.may_be = {{"a", {fingerprint_of(0)}}, {"c", {""}}};
    operation.opens_before = false;
    operation.expect_done = [](CutMachine& machine) {
        expect_relays(machine, {"a"});
        expect_anchored(machine);
    };
    EXPECT_GT(cut_everywhere(operation, in_tpm(), 40), 15U);
}

INSTANTIATE_TEST_SUITE_P(Of, PowerCut, testing::Bool(), [](const auto& info) { return info.param ? "AStoreInTheTpm" : "AStoreOnADisk"; });

}  // namespace
}  // namespace lethe
