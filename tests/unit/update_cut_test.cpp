// Power that goes at every instant of an update, over ESP, store and NV: the machine always comes back with its vault open, and what was
// begun can be done again.
#include <gmock/gmock.h>

#include <algorithm>
#include <iostream>

#include "update_machine.hpp"

namespace lethe {
namespace {

constexpr std::size_t all_media = 4096;  // of one cut; what is not synced yet of an image has many more

using Work = std::function<void(BootingMachine&)>;

/// Something that is done with updates, or a boot, and what has to hold when it is cut.
struct Cut {
    std::string name;
    Work prepare = [](BootingMachine&) {};
    Work work;
    std::set<std::string> runs;         ///< versions, one of which runs after it, and after a cut
    std::set<std::string> unhealthy{};  ///< versions
    std::set<std::string> offline{};    ///< versions, which lack the network alone
    /// What is done by hand once the machine is back; then `finally` runs.
    Work again;
    std::string finally;
    unsigned cut_again = 2;  ///< in one of so many states, the boot after it is cut, too
    bool is_told = false;    ///< something was there that a boot repairs, and says
};

// The operator's side: whatever has been done before, in the end this release runs.
void bring_to(BootingMachine& machine, const std::string& version, const std::function<Result<std::string>()>& stage) {
    if (machine.version() == version) return;
    const auto& found = machine.service().status().staged;
    if (!found || found->state == StagedState::waiting) {
        // A cut can leave a first sector that is neither the old one nor the new one: such a release is refused, and goes.
        const bool is_again = found && machine.service().retry(true);
        const auto staged = is_again ? Result<std::string>(version) : stage();
        ASSERT_TRUE(staged) << staged.error().message;
        EXPECT_EQ(*staged, version);
    }
    const auto chosen = machine.service().choose_staged();
    ASSERT_TRUE(chosen) << chosen.error().message;
    machine.boot_until_it_stays();
}

Result<std::string> stage_2(BootingMachine& machine) {
    return machine.service().stage(machine.built({.version = "2"}), with_beside({{"more.cred", {'m', 'o', 'r', 'e'}}}));
}
Result<std::string> configure(BootingMachine& machine) {
    return machine.service().stage_configuration({{"torrc.cred", {'t', 'w', 'o'}}}, {});
}

void to_release_2(BootingMachine& machine) {
    machine.unhealthy.clear();
    machine.offline.clear();
    bring_to(machine, "2", [&] { return stage_2(machine); });
}
void to_configuration(BootingMachine& machine) {
    machine.unhealthy.clear();
    bring_to(machine, "1^1", [&] { return configure(machine); });
}

template <class Value>
void expect_done(const Result<Value>& done) {
    EXPECT_TRUE(done) << done.error().message;
}

class UpdateCuts : public testing::TestWithParam<bool> {
protected:
    /// Cuts the work at every moment, and in some of the states the boot that comes after as well. Returns how many states were looked at.
    std::size_t cut(const Cut& what) {
        BootingMachine machine;
        machine.state.secure_boot = GetParam();
        machine.unhealthy = what.unhealthy;
        machine.offline = what.offline;
        machine.install();
        what.prepare(machine);
        const auto moments = machine.record([&] { what.work(machine); });
        std::size_t states = 0;
        for (const auto& moment : moments) {
            for (const UpdateState& left : moment.after_cut(std::min(most_media(300), all_media), random)) {
                SCOPED_TRACE(std::format("{}, cut before: {};{}", what.name, moment.next, left.medium.story()));
                expect_comes_back(what, left);
                ++states;
                if (random() % what.cut_again == 0) states += cut_again(what, left);
                if (HasFailure()) return states;
            }
        }
        std::cout << what.name << (GetParam() ? " with Secure Boot: " : ": ") << moments.size() << " moments, " << states << " states\n";
        return states;
    }

private:
    // Power comes back, and goes again in the boot.
    std::size_t cut_again(const Cut& what, const UpdateState& left) {
        BootingMachine machine(left);
        machine.unhealthy = what.unhealthy;
        machine.offline = what.offline;
        const auto moments = machine.record([&] { machine.boot(); });
        std::size_t states = 0;
        for (const auto& moment : moments) {
            const auto media = moment.after_cut(12, random);
            const UpdateState& again = media[random() % media.size()];
            SCOPED_TRACE(std::format("and again before: {};{}", moment.next, again.medium.story()));
            expect_comes_back(what, again);
            ++states;
            if (HasFailure()) break;
        }
        return states;
    }

    static void expect_comes_back(const Cut& what, const UpdateState& left) {
        BootingMachine machine(left);
        machine.unhealthy = what.unhealthy;
        machine.offline = what.offline;
        boot(machine);
        if (HasFatalFailure()) return;
        EXPECT_TRUE(what.runs.contains(machine.version())) << machine.version() << " runs";
        expect_settled(machine, what.is_told);
        what.again(machine);
        if (HasFatalFailure()) return;
        EXPECT_EQ(machine.version(), what.finally);
        expect_settled(machine, what.is_told);
    }

    // Each boot on the way opens the vault.
    static void boot(BootingMachine& machine) {
        constexpr int most_boots = 4;
        for (int boots = 1; !machine.boot(); ++boots) {
            EXPECT_TRUE(machine.opened) << "boot " << boots << ", of " << machine.version();
            ASSERT_LT(boots, most_boots) << "the machine goes on rebooting";
        }
    }

    static void expect_settled(BootingMachine& machine, bool is_told) {
        EXPECT_TRUE(machine.opened) << machine.version() << " does not open the vault";
        expect_done(machine.committed);
        UpdateService& service = machine.service();
        service.settle();
        const UpdateStatus& status = service.status();
        if (!is_told) {
            EXPECT_EQ(status.reason, "");
        }
        std::vector<std::string> versions{machine.version()};
        const bool waits = status.staged && status.staged->state == StagedState::waiting;
        if (status.staged && !waits) {
            EXPECT_EQ(status.staged->state, StagedState::staged);
            EXPECT_EQ(status.policy, PolicyState::staged);
            versions.push_back(status.staged->name.version);
        } else {
            EXPECT_EQ(status.policy, PolicyState::running);
        }
        EXPECT_EQ(status.admitted, versions);
        std::set<std::string> expected;
        for (const auto& version : versions) expected.insert(folder_beside_release(version));
        expected.insert(ReleaseName{machine.version()}.file());
        if (status.staged) expected.insert(status.staged->name.file());
        const auto images = machine.images();
        EXPECT_EQ(std::set<std::string>(images.begin(), images.end()), expected) << "something is left on the ESP";
        EXPECT_EQ(machine.pcrlock().indices_made, 0U);
    }

    std::mt19937 random = seeded_cuts();
};

TEST_P(UpdateCuts, AStaging) {
    const Work work = [](BootingMachine& machine) { expect_done(stage_2(machine)); };
    EXPECT_GT(cut({.name = "stage", .work = work, .runs = {"1", "2"}, .again = to_release_2, .finally = "2", .cut_again = 12}), 100U);
}

TEST_P(UpdateCuts, AStagingThatTheOperatorTakesBackAfterTheCut) {
    const Work work = [](BootingMachine& machine) { expect_done(stage_2(machine)); };
    const Work again = [](BootingMachine& machine) {
        if (!machine.service().status().staged) return;
        expect_done(machine.service().abort());
    };
    Cut what{
        .name = "stage, then fall back", .work = work, .runs = {"1"}, .unhealthy = {"2"}, .again = again, .finally = "1", .cut_again = 12};
    EXPECT_GT(cut(what), 100U);
}

const Work staged_2 = [](BootingMachine& machine) { expect_done(stage_2(machine)); };
const Work configured = [](BootingMachine& machine) { expect_done(configure(machine)); };
const Work boots = [](BootingMachine& machine) { machine.boot_until_it_stays(); };

TEST_P(UpdateCuts, TheBootIntoAReleaseAndItsCommit) {
    Cut what{.name = "boot and commit", .prepare = staged_2, .work = boots, .runs = {"2"}, .again = to_release_2, .finally = "2"};
    EXPECT_GT(cut(what), 15U);
}

void add_twin(BootingMachine& machine) {
    const std::string folder = RecordedEsp::folder;
    machine.state.medium.write(folder + "lethe_2.efi", machine.state.medium.read(folder + "lethe_2+3.efi").value());
    machine.state.medium.sync(folder + "lethe_2.efi");
    machine.state.medium.sync_names();
}
const Work staged_2_with_a_twin = [](BootingMachine& machine) {
    staged_2(machine);
    add_twin(machine);
};

TEST_P(UpdateCuts, TheBootIntoAReleaseWithATwinAndItsCommit) {
    Cut what{.name = "boot and commit with a twin",
             .prepare = staged_2_with_a_twin,
             .work = boots,
             .runs = {"2"},
             .again = to_release_2,
             .finally = "2",
             .is_told = true};
    EXPECT_GT(cut(what), 15U);
}

TEST_P(UpdateCuts, TheFallbackOfAReleaseThatTheBootLoaderCannotCount) {
    const Work prepare = [](BootingMachine& machine) {
        staged_2(machine);
        machine.read_only = {"lethe_2+3.efi"};
    };
    Cut what{.name = "fallback without the boot loader's count",
             .prepare = prepare,
             .work = boots,
             .runs = {"1"},
             .unhealthy = {"2"},
             .again = to_release_2,
             .finally = "2",
             .is_told = true};
    EXPECT_GT(cut(what), 15U);
}

TEST_P(UpdateCuts, AnAbort) {
    const Work abort = [](BootingMachine& machine) { expect_done(machine.service().abort()); };
    Cut what{.name = "abort", .prepare = staged_2, .work = abort, .runs = {"1", "2"}, .again = to_release_2, .finally = "2"};
    EXPECT_GT(cut(what), 15U);
}

TEST_P(UpdateCuts, TheFallbackOfAReleaseThatIsNotHealthy) {
    Cut what{
        .name = "fallback", .prepare = staged_2, .work = boots, .runs = {"1"}, .unhealthy = {"2"}, .again = to_release_2, .finally = "2"};
    EXPECT_GT(cut(what), 15U);
}

TEST_P(UpdateCuts, AnotherConfiguration) {
    Cut what{.name = "configure", .work = configured, .runs = {"1", "1^1"}, .again = to_configuration, .finally = "1^1", .cut_again = 12};
    EXPECT_GT(cut(what), 15U);
}

TEST_P(UpdateCuts, TheBootIntoAConfigurationAndItsCommit) {
    Cut what{.name = "boot and commit a configuration",
             .prepare = configured,
             .work = boots,
             .runs = {"1", "1^1"},
             .again = to_configuration,
             .finally = "1^1"};
    EXPECT_GT(cut(what), 15U);
}

TEST_P(UpdateCuts, TheFallbackOfAConfigurationThatIsNotHealthy) {
    Cut what{.name = "fallback of a configuration",
             .prepare = configured,
             .work = boots,
             .runs = {"1"},
             .unhealthy = {"1^1"},
             .again = to_configuration,
             .finally = "1^1"};
    EXPECT_GT(cut(what), 15U);
}

const Work staged_2_as_it_is = [](BootingMachine& machine) { expect_done(machine.service().stage(machine.built({.version = "2"}), {})); };
// Whatever a cut has left of a release that waits: in the end it is staged again, from what lies there or by hand.
const Work to_release_2_again = [](BootingMachine& machine) {
    machine.offline.clear();
    bring_to(machine, "2", [&]() -> Result<std::string> { return machine.service().stage(machine.built({.version = "2"}), {}); });
};

TEST_P(UpdateCuts, ATrialThatLacksTheNetworkAlone) {
    Cut what{.name = "lack the network",
             .prepare = staged_2_as_it_is,
             .work = boots,
             .runs = {"1"},
             .offline = {"2"},
             .again = to_release_2_again,
             .finally = "2"};
    EXPECT_GT(cut(what), 15U);
}

TEST_P(UpdateCuts, AReleaseThatWaitsForTheNetworkAndIsStagedAgain) {
    const Work prepare = [](BootingMachine& machine) {
        staged_2_as_it_is(machine);
        machine.boot_until_it_stays();
        EXPECT_EQ(machine.service().status().staged->state, StagedState::waiting);
    };
    const Work work = [](BootingMachine& machine) { expect_done(machine.service().retry(true)); };
    Cut what{.name = "stage again",
             .prepare = prepare,
             .work = work,
             .runs = {"1"},
             .offline = {"2"},
             .again = to_release_2_again,
             .finally = "2",
             .cut_again = 12};
    EXPECT_GT(cut(what), 15U);
}

TEST_P(UpdateCuts, ADowngradeThatTheOperatorWants) {
    const auto stage_1 = [](BootingMachine& machine) { return machine.service().stage(machine.built({.version = "1"}), downgrading()); };
    const Work prepare = [](BootingMachine& machine) {
        to_release_2(machine);
        EXPECT_EQ(machine.version(), "2");
    };
    const Work work = [=](BootingMachine& machine) {
        expect_done(stage_1(machine));
        machine.boot_until_it_stays();
        EXPECT_EQ(machine.version(), "1");
    };
    const Work again = [=](BootingMachine& machine) { bring_to(machine, "1", [&] { return stage_1(machine); }); };
    EXPECT_GT(
        cut({.name = "downgrade", .prepare = prepare, .work = work, .runs = {"1", "2"}, .again = again, .finally = "1", .cut_again = 12}),
        100U);
}

INSTANTIATE_TEST_SUITE_P(Of, UpdateCuts, testing::Bool(), [](const auto& info) { return info.param ? "SecureBoot" : "NoSecureBoot"; });

}  // namespace
}  // namespace lethe
