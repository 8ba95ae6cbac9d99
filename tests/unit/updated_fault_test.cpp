// A failure of each verb in turn, of the store, the ESP, the TPM and systemd-pcrlock: what was begun is undone, or it is done.
#include <gmock/gmock.h>

#include <iostream>

#include "update_machine.hpp"

namespace lethe {
namespace {

using testing::ElementsAre;
using Work = std::function<Result<void>(BootingMachine&)>;

/// Fails one verb, or that and all after it, and counts them.
struct Fault {
    unsigned at;
    bool lasts;
    unsigned calls = 0;
    std::string verb{};

    Result<void> operator()(const std::string& next) {
        const bool fails = lasts ? calls >= at : calls == at;
        if (calls++ == at) verb = next;
        if (fails) return fail(ErrorKind::io, "{} failed", next);
        return {};
    }
};

void expect_healthy(BootingMachine& machine, const std::vector<std::string>& admitted) {
    EXPECT_EQ(machine.vault(), machine.state.vault);
    machine.service().settle();
    const UpdateStatus& status = machine.service().status();
    // A slot that could not be read once is taken for lost.
    EXPECT_TRUE(status.reason.empty() || status.reason.ends_with("was put back from its encrypted copy")) << status.reason;
    EXPECT_EQ(status.admitted, admitted);
    EXPECT_EQ(machine.images().size(), 2 * admitted.size()) << testing::PrintToString(machine.images());
}

void expect_boot(BootingMachine& machine) {
    machine.boot_until_it_stays();
    EXPECT_TRUE(machine.opened);
    EXPECT_TRUE(machine.committed) << machine.committed.error().message;
    expect_healthy(machine, {machine.version()});
}

class FailingUpdates : public testing::TestWithParam<bool> {
protected:
    FailingUpdates() { machine.install(); }
    static bool lasts() { return GetParam(); }

    /// Does it with each verb failing, then looks at what came of it. @return how many verbs there are.
    unsigned fail_everywhere(const Work& work, const std::function<void(BootingMachine&, bool done)>& expect) {
        for (unsigned at = 0;; ++at) {
            BootingMachine copy(machine.state);
            EXPECT_TRUE(copy.boot());
            Fault fault{at, lasts()};
            copy.refuse = std::ref(fault);
            const auto done = work(copy);
            copy.refuse = [](const std::string&) -> Result<void> { return {}; };
            if (fault.calls <= at) {
                EXPECT_TRUE(done) << done.error().message;
                std::cout << at << " verbs\n";
                return at;
            }
            SCOPED_TRACE(std::format("{} of: {}", at, fault.verb));
            expect(copy, done.has_value());
            if (HasFailure()) return 0;
        }
    }

    BootingMachine machine;
};

Result<void> stage_2(BootingMachine& machine) {
    TRY(machine.service().stage(built_release({.version = "2"}), with_beside({{"more.cred", {1}}})));
    return {};
}
void stage_2_without_fault(BootingMachine& machine) {
    const auto refuse = std::exchange(machine.refuse, [](const std::string&) -> Result<void> { return {}; });
    const auto staged = stage_2(machine);
    EXPECT_TRUE(staged) << staged.error().message;
    machine.refuse = refuse;
}
Result<void> configure(BootingMachine& machine) {
    TRY(machine.service().stage_configuration({{"torrc.cred", {2}}}, {}));
    return {};
}

TEST_P(FailingUpdates, AStagingThatFailsIsUndone) {
    const auto expect = [](BootingMachine& machine, bool done) {
        if (done) expect_healthy(machine, {"1", "2"});
        else if (!lasts()) expect_healthy(machine, {"1"});
        expect_boot(machine);
        // Where the undoing fails as well, what was staged to its end may be tried.
        if (done || !lasts()) {
            EXPECT_EQ(machine.version(), done ? "2" : "1");
        }
        if (machine.version() == "2") return;
        const auto again = stage_2(machine);
        EXPECT_TRUE(again) << again.error().message;
        expect_boot(machine);
        EXPECT_EQ(machine.version(), "2");
    };
    EXPECT_GT(fail_everywhere(stage_2, expect), 50U);
}

TEST_P(FailingUpdates, AConfigurationThatFailsIsUndone) {
    const auto expect = [](BootingMachine& machine, bool done) {
        if (done) expect_healthy(machine, {"1", "1^1"});
        else if (!lasts()) expect_healthy(machine, {"1"});
        machine.boot_until_it_stays();
        EXPECT_TRUE(machine.opened);
        if (done) {
            EXPECT_EQ(machine.version(), "1^1");
        }
    };
    EXPECT_GT(fail_everywhere(configure, expect), 50U);
}

TEST_P(FailingUpdates, AnAbortThatFailsCanBeDoneAgain) {
    const auto expect = [](BootingMachine& machine, bool) {
        EXPECT_EQ(machine.vault(), machine.state.vault);
        machine.service().settle();
        if (machine.service().status().staged) {
            EXPECT_TRUE(machine.service().abort());
        }
        expect_healthy(machine, {"1"});
        expect_boot(machine);
        EXPECT_EQ(machine.version(), "1");
    };
    const Work abort = [](BootingMachine& machine) -> Result<void> {
        stage_2_without_fault(machine);
        return machine.service().abort();
    };
    EXPECT_GT(fail_everywhere(abort, expect), 30U);
}

// Of a release that lacked the network alone, whatever fails of its staging: in the end it is staged, from what lies there or by hand.
TEST_P(FailingUpdates, AStagingAgainThatFailsCanBeDoneAgain) {
    const Work retry = [](BootingMachine& machine) -> Result<void> {
        const auto refuse = std::exchange(machine.refuse, [](const std::string&) -> Result<void> { return {}; });
        EXPECT_TRUE(machine.service().stage(machine.built({.version = "2"}), {}));
        machine.offline = {"2"};
        machine.boot_until_it_stays();
        machine.offline.clear();
        machine.refuse = refuse;
        EXPECT_EQ(machine.service().status().staged->state, StagedState::waiting);
        TRY(machine.service().retry(true));
        return {};
    };
    const auto expect = [](BootingMachine& machine, bool) {
        EXPECT_EQ(machine.vault(), machine.state.vault);
        machine.service().settle();
        const auto& staged = machine.service().status().staged;
        if (!staged) {
            EXPECT_TRUE(machine.service().stage(machine.built({.version = "2"}), {}));
        } else if (staged->state == StagedState::waiting) {
            const auto again = machine.service().retry(true);
            EXPECT_TRUE(again) << again.error().message;
        }
        expect_healthy(machine, {"1", "2"});
        expect_boot(machine);
        EXPECT_EQ(machine.version(), "2");
    };
    EXPECT_GT(fail_everywhere(retry, expect), 30U);
}

TEST_P(FailingUpdates, ACommitThatFailsIsDoneAtTheNextStart) {
    const Work boot_and_commit = [](BootingMachine& machine) -> Result<void> {
        stage_2_without_fault(machine);
        EXPECT_TRUE(machine.boot());
        return machine.committed;
    };
    const auto expect = [](BootingMachine& machine, bool) {
        EXPECT_EQ(machine.version(), "2");
        const auto again = machine.service().commit();
        EXPECT_TRUE(again) << again.error().message;
        expect_healthy(machine, {"2"});
        expect_boot(machine);
        EXPECT_EQ(machine.version(), "2");
    };
    EXPECT_GT(fail_everywhere(boot_and_commit, expect), 30U);
}

INSTANTIATE_TEST_SUITE_P(Where, FailingUpdates, testing::Bool(),
                         [](const auto& info) { return info.param ? "EverythingFailsFromThereOn" : "OneVerbFails"; });

}  // namespace
}  // namespace lethe
