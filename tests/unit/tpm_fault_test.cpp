// Each TPM command of each operation failed once: the error is right, nothing is left behind, and the operation succeeds the next time.
#include <tss2/tss2_tpm2_types.h>

#include <algorithm>
#include <iostream>

#include "tpm_fault.hpp"

namespace lethe {
namespace {

std::string fingerprint_of(int number) { return pooled_keys(number).fingerprints.rsa_hex(); }
KeyFiles files_of(int number) { return clone(pooled_keys(number)).files; }
constexpr int brought = 7, former = 6;

const RecoveryKeyPair& recovery_pair() {
    static const RecoveryKeyPair pair = make_recovery_key();
    return pair;
}

Result<void> without_value(const auto& result) {
    if (!result) return std::unexpected(result.error());
    return {};
}

class TpmFaults : public testing::TestWithParam<bool> {
protected:
    bool in_tpm() const { return GetParam(); }
    /// How many faults there are at least: with a store on a disk, what the open vault needs no TPM for has none.
    std::size_t least() const { return in_tpm() ? 5 : 0; }

    FaultedOperation on_enrolled_machine(std::string name) const {
        FaultedOperation operation{.name = std::move(name), .in_tpm = in_tpm()};
        operation.prepare = [](FaultMachine& machine) {
            EXPECT_TRUE(machine.enroll({}));
            machine.start_daemon();
            EXPECT_TRUE(machine.daemon().import_relay("a", files_of(former), std::nullopt));
        };
        return operation;
    }
};

// What the store holds, seen by a daemon that starts anew.
void expect_relays(FaultMachine& machine, const std::map<std::string, std::string>& relays) {
    machine.start_daemon();
    std::map<std::string, std::string> found;
    for (const auto& [name, relay] : machine.daemon().relays()) {
        EXPECT_EQ(relay.state, RelayState::installed) << relay.reason;
        found[name] = relay.fingerprint;
    }
    EXPECT_EQ(found, relays);
}

TEST_P(TpmFaults, OpeningTheVault) {
    FaultedOperation operation = on_enrolled_machine("open");
    operation.run = [](FaultMachine& machine) { return without_value(machine.open_vault()); };
    operation.expect_done = [](FaultMachine& machine) { expect_relays(machine, {{"a", fingerprint_of(former)}}); };
    EXPECT_GT(fail_everywhere(operation), 15U);
}

TEST_P(TpmFaults, Enrolment) {
    FaultedOperation operation{.name = "enrolment", .in_tpm = in_tpm()};
    operation.run = [](FaultMachine& machine) { return without_value(machine.enroll({})); };
    operation.expect_failed = [](FaultMachine& machine) {
        // Nothing, or what the next enrolment clears up.
        const auto files = machine.files();
        if (std::ranges::any_of(files, [](const std::string& file) { return file.starts_with("enrolling"); })) return;
        EXPECT_TRUE(files.empty()) << files.front();
        for (const auto handle : machine.handles()) EXPECT_NE(handle, policy_index_handle);
    };
    operation.expect_done = [](FaultMachine& machine) { EXPECT_TRUE(machine.open_vault()); };
    EXPECT_GT(fail_everywhere(operation), 15U);
}

const std::map<std::string, std::string>& only_a() {
    static const std::map<std::string, std::string> relays{{"a", fingerprint_of(former)}};
    return relays;
}

TEST_P(TpmFaults, Creation) {
    FaultedOperation operation = on_enrolled_machine("create");
    operation.run = [](FaultMachine& machine) { return machine.daemon().create_relay("c"); };
    operation.when_done = {ErrorKind::already_exists};
    operation.expect_done = [](FaultMachine& machine) {
        machine.start_daemon();
        ASSERT_TRUE(machine.daemon().relays().contains("c"));
        expect_relays(machine, {{"a", fingerprint_of(former)}, {"c", machine.daemon().relays().at("c").fingerprint}});
    };
    EXPECT_GE(fail_everywhere(operation), least());
}

TEST_P(TpmFaults, Import) {
    FaultedOperation operation = on_enrolled_machine("import");
    operation.run = [](FaultMachine& machine) { return machine.daemon().import_relay("c", files_of(brought), std::nullopt); };
    operation.when_done = {ErrorKind::already_exists};
    operation.expect_done = [](FaultMachine& machine) {
        expect_relays(machine, {{"a", fingerprint_of(former)}, {"c", fingerprint_of(brought)}});
    };
    EXPECT_GE(fail_everywhere(operation), least());
}

TEST_P(TpmFaults, Replacement) {
    FaultedOperation operation = on_enrolled_machine("replace");
    operation.run = [](FaultMachine& machine) { return machine.daemon().import_relay("a", files_of(brought), fingerprint_of(former)); };
    operation.when_done = {ErrorKind::invalid_argument};
    operation.expect_failed = [](FaultMachine& machine) {
        machine.start_daemon();
        ASSERT_TRUE(machine.daemon().relays().contains("a"));
        const auto& relay = machine.daemon().relays().at("a");
        EXPECT_EQ(relay.state, RelayState::installed) << relay.reason;
        EXPECT_TRUE(relay.fingerprint == fingerprint_of(former) || relay.fingerprint == fingerprint_of(brought)) << relay.fingerprint;
    };
    operation.expect_done = [](FaultMachine& machine) { expect_relays(machine, {{"a", fingerprint_of(brought)}}); };
    EXPECT_GE(fail_everywhere(operation), least());
    EXPECT_GE(fail_in_pairs(operation, 40), in_tpm() ? 10U : 0U);
}

TEST_P(TpmFaults, Forgetting) {
    FaultedOperation operation = on_enrolled_machine("forget");
    const auto prepare = operation.prepare;
    operation.prepare = [prepare](FaultMachine& machine) {
        prepare(machine);
        EXPECT_TRUE(machine.daemon().import_relay("c", files_of(brought), std::nullopt));
    };
    operation.run = [](FaultMachine& machine) { return machine.daemon().forget_relay("c", fingerprint_of(brought)); };
    operation.when_done = {ErrorKind::not_found};
    operation.expect_done = [](FaultMachine& machine) { expect_relays(machine, only_a()); };
    EXPECT_GE(fail_everywhere(operation), least());
}

TEST_P(TpmFaults, RecoveryFromAnExport) {
    const auto file = std::make_shared<Octets>();
    FaultedOperation operation = on_enrolled_machine("recover");
    const auto prepare = operation.prepare;
    operation.prepare = [=](FaultMachine& machine) {
        prepare(machine);
        EXPECT_TRUE(machine.daemon().import_relay("c", files_of(brought), std::nullopt));
        EXPECT_TRUE(machine.set_recovery_key(recovery_pair().public_key));
        *file = machine.daemon().export_relay("c", std::nullopt).value();
        EXPECT_TRUE(machine.daemon().forget_relay("c", fingerprint_of(brought)));
    };
    operation.run = [=](FaultMachine& machine) {
        return without_value(
            machine.daemon().recover_relay(*file, encode_recovery_secret(recovery_pair().secret_key), fingerprint_of(brought), {}, {}));
    };
    operation.when_done = {ErrorKind::already_exists};
    operation.expect_done = [](FaultMachine& machine) {
        expect_relays(machine, {{"a", fingerprint_of(former)}, {"c", fingerprint_of(brought)}});
    };
    EXPECT_GE(fail_everywhere(operation), least());
}

TEST_P(TpmFaults, SettingTheRecoveryKey) {
    FaultedOperation operation = on_enrolled_machine("set_recovery_key");
    operation.run = [](FaultMachine& machine) {
        if (machine.daemon().vault().state != VaultState::open) machine.start_daemon();  // the TPM stayed away behind the switch
        return machine.set_recovery_key(recovery_pair().public_key);
    };
    operation.expect_done = [](FaultMachine& machine) {
        expect_relays(machine, only_a());
        EXPECT_EQ(machine.daemon().recovery_key(), recovery_pair().public_key);
        EXPECT_FALSE(machine.daemon().recovery_trouble());
    };
    EXPECT_GT(fail_everywhere(operation), 15U);
}

TEST_P(TpmFaults, RecoveryOfAWholeStore) {
    FaultedOperation operation = on_enrolled_machine("re-enrolment");
    const auto prepare = operation.prepare;
    operation.prepare = [=](FaultMachine& machine) {
        prepare(machine);
        EXPECT_TRUE(machine.set_recovery_key(recovery_pair().public_key));
        EXPECT_TRUE(machine.tpm().nv_undefine(second_handles.policy));
    };
    operation.run = [](FaultMachine& machine) { return machine.reenroll(recovery_pair().secret_key, fingerprint_of(former)); };
    operation.when_done = {ErrorKind::wrong_state};
    operation.expect_done = [](FaultMachine& machine) { expect_relays(machine, only_a()); };
    EXPECT_GT(fail_everywhere(operation), 15U);
}

TEST_P(TpmFaults, TheTakingOverOfAnEarlierReleasesStore) {
    FaultedOperation operation = on_enrolled_machine("takeover");
    const auto prepare = operation.prepare;
    operation.prepare = [prepare](FaultMachine& machine) {
        prepare(machine);
        const auto key = machine.open_vault();
        ASSERT_TRUE(key) << key.error().message;
        auto store = machine.store();
        make_unanchored(store, machine.tpm(), machine.in_tpm(), *key);
    };
    operation.run = [](FaultMachine& machine) -> Result<void> {
        machine.start_daemon();
        if (const auto& reason = machine.daemon().vault().reason) return std::unexpected(*reason);
        return {};
    };
    operation.expect_done = [](FaultMachine& machine) {
        expect_relays(machine, only_a());
        EXPECT_EQ(machine.daemon().store_standing().generation, machine.daemon().store_standing().counted);
    };
    EXPECT_GT(fail_everywhere(operation), 15U);
}

TEST_P(TpmFaults, AStartOfTheDaemon) {
    FaultedOperation operation = on_enrolled_machine("start");
    operation.run = [](FaultMachine& machine) -> Result<void> {
        machine.start_daemon();
        if (const auto& reason = machine.daemon().vault().reason) return std::unexpected(*reason);
        return {};
    };
    operation.expect_done = [](FaultMachine& machine) { expect_relays(machine, only_a()); };
    EXPECT_GT(fail_everywhere(operation), 15U);
}

// ESAPI sends a command five times, and Lethe asks it twenty times more, with pauses.
TEST(TpmThatStaysBusy, IsGivenUpAfterABoundedNumberOfTries) {
    for (const std::uint32_t failing : {TPM2_CC_Load, TPM2_CC_NV_Write}) {
        FaultMachine machine(true);
        ASSERT_TRUE(machine.enroll({}));
        machine.start_daemon();
        auto& traffic = machine.tpm().traffic();
        traffic.forget();
        traffic.before = [=](std::uint32_t code) { return code == failing ? std::optional<std::uint32_t>(TPM2_RC_RETRY) : std::nullopt; };
        const auto done = failing == TPM2_CC_Load ? without_value(machine.open_vault()) : machine.daemon().create_relay("c");
        traffic.before = nullptr;
        ASSERT_FALSE(done);
        EXPECT_EQ(done.error().kind, ErrorKind::tpm_unavailable) << done.error().message;
        const auto tries = std::ranges::count(traffic.command_codes(), failing);
        std::cout << "tries: " << tries << "\n";
        EXPECT_GT(tries, 20);
        EXPECT_LT(tries, 200);
        EXPECT_EQ(machine.tpm().leftovers(), 0U);
        EXPECT_TRUE(machine.daemon().create_relay("c"));
    }
}

INSTANTIATE_TEST_SUITE_P(Of, TpmFaults, testing::Bool(), [](const auto& info) { return info.param ? "AStoreInTheTpm" : "AStoreOnADisk"; });

}  // namespace
}  // namespace lethe
