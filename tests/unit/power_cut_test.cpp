// Each thing that an operator does, cut at every instant, on a disk and in the TPM. Afterwards either there is no identity and the command
// works, or the identity is whole.
#include "power_cut.hpp"

#include <algorithm>

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
        EXPECT_TRUE(machine.daemon().set_recovery_key(pair->public_key));
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

TEST_P(PowerCut, TheSettingOfAnotherRecoveryKey) {
    const auto old_pair = std::make_shared<RecoveryKeyPair>(make_recovery_key()),
               pair = std::make_shared<RecoveryKeyPair>(make_recovery_key());
    Operation operation = on_enrolled_machine("set_recovery_key");
    operation.prepare = [=](CutMachine& machine) {
        machine.boot();
        EXPECT_TRUE(machine.daemon().set_recovery_key(old_pair->public_key));
    };
    operation.command = [=](CutMachine& machine) { return machine.daemon().set_recovery_key(pair->public_key); };
    operation.expect_done = [=](CutMachine& machine) {
        EXPECT_EQ(machine.daemon().recovery_key(), pair->public_key);
        EXPECT_FALSE(machine.daemon().recovery_trouble());
        const auto key = machine.vault_key();
        ASSERT_TRUE(key) << key.error().message;
        const auto records = machine.store().read_framed({ObjectKind::vault, ""}).value();
        EXPECT_EQ(records.size(), 2U);
        for (const auto& version : records) {
            const auto record = decode_vault_record(version.payload.expose()).value();
            ASSERT_TRUE(record.recovery);
            const auto boxed = unbox_vault_key(*record.recovery, pair->secret_key);
            ASSERT_TRUE(boxed) << boxed.error().message;
            EXPECT_EQ(boxed->kind_key(ObjectKind::identity), key->kind_key(ObjectKind::identity));
        }
        EXPECT_FALSE(machine.state.medium.holds(old_pair->public_key.octets())) << "a box of the former recipient is left";
    };
    EXPECT_GT(cut_everywhere(operation, in_tpm()), 15U);
}

TEST_P(PowerCut, TheRecoveryOfAWholeStore) {
    const auto pair = std::make_shared<RecoveryKeyPair>(make_recovery_key());
    Operation operation = on_enrolled_machine("re-enrolment");
    operation.prepare = [=, this](CutMachine& machine) {
        machine.boot();
        EXPECT_TRUE(machine.daemon().import_relay("c", files_of(brought), std::nullopt));
        EXPECT_TRUE(machine.daemon().set_recovery_key(pair->public_key));
        if (in_tpm()) EXPECT_TRUE(machine.state.tpm.nv_undefine(policy_index_handle));  // another TPM would have no store
        else machine.state.tpm = CopiedTpm();
        machine.boot();
        EXPECT_NE(machine.daemon().vault().state, VaultState::open);
    };
    operation.command = [=](CutMachine& machine) { return machine.reenroll(pair->secret_key, fingerprint_of(brought)); };
    operation.when_done = {ErrorKind::wrong_state};
    operation.may_be = {{"a", {fingerprint_of(0)}}, {"c", {fingerprint_of(brought)}}};
    operation.opens_before = false;
    operation.expect_done = [](CutMachine& machine) {
        expect_fingerprint(machine, "a", fingerprint_of(0));
        expect_fingerprint(machine, "c", fingerprint_of(brought));
        EXPECT_EQ(machine.state.minted, 1);
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
