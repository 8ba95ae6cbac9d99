// A release that is healthy in all but the network: it waits where no boot loader starts it, and is staged again.
#include <gmock/gmock.h>

#include "base/file.hpp"
#include "update_machine.hpp"

namespace lethe {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

struct BlockedUpdates : testing::Test {
    BootingMachine machine;

    BlockedUpdates() {
        machine.install();
        EXPECT_TRUE(machine.service().stage(built_release({.version = "2"}), {}));
        machine.offline = {"2"};
    }

    const UpdateStatus& status() { return machine.service().status(); }
    std::string on_esp(const std::string& file) const { return RecordedEsp::folder + file; }
    Octets read(const std::string& file) const { return machine.state.medium.read(on_esp(file)).value(); }
    void write(const std::string& file, OctetView octets) {
        machine.state.medium.write(on_esp(file), octets);
        machine.state.medium.sync(on_esp(file));
        machine.state.medium.sync_names();
    }
    void boot() {
        machine.boot_until_it_stays();
        ASSERT_TRUE(machine.opened);
        ASSERT_TRUE(machine.committed) << machine.committed.error().message;
    }
    std::string retry(bool at_once = true) {
        const auto staged = machine.service().retry(at_once);
        return staged ? *staged : staged.error().message;
    }
    void expect_waits(unsigned trials) {
        EXPECT_EQ(machine.version(), "1");
        ASSERT_TRUE(status().staged);
        EXPECT_EQ(status().staged->state, StagedState::waiting);
        EXPECT_EQ(status().staged->name.version, "2");
        EXPECT_EQ(status().staged->trials, trials);
        EXPECT_EQ(status().policy, PolicyState::running);
        EXPECT_THAT(status().admitted, ElementsAre("1"));
        EXPECT_THAT(status().last_failure,
                    AllOf(HasSubstr("release 2 was healthy in all but the network"), HasSubstr("no circuit"), HasSubstr("Somebody may be"),
                          HasSubstr("lethectl update retry"), HasSubstr("lethectl update abort")));
        const std::string file = status().staged->name.file();
        EXPECT_THAT(machine.images(), ElementsAre("lethe_1.efi", "lethe_1.efi.extra.d", file));
        Octets expected = built_release({.version = "2"});
        expected[0] = expected[1] = 0;
        EXPECT_EQ(read(file), expected) << "no boot loader takes it for an image";
    }
    void expect_dropped(const std::string& why) {
        EXPECT_EQ(machine.version(), "1");
        EXPECT_FALSE(status().staged);
        EXPECT_EQ(status().policy, PolicyState::running);
        EXPECT_THAT(status().last_failure, AllOf(HasSubstr("release 2 was tried and not kept"), HasSubstr(why)));
        EXPECT_THAT(machine.images(), ElementsAre("lethe_1.efi", "lethe_1.efi.extra.d"));
        EXPECT_EQ(retry(false), "");
    }
    /// Whether it opens the vault, when somebody puts it back.
    bool opens_for_2() {
        BootingMachine attacked(machine.state);
        attacked.put({.version = "2"}, {{"torrc.cred", {'o', 'n', 'e'}}});
        attacked.state.one_shot = "lethe_2.efi";
        attacked.boot();
        EXPECT_EQ(attacked.version(), "2");
        return attacked.opened;
    }
};

TEST_F(BlockedUpdates, WaitWithoutThePolicyUntilTheNetworkIsBack) {
    boot();
    expect_waits(1);
    EXPECT_FALSE(opens_for_2());
    boot();
    expect_waits(1);
    machine.offline.clear();
    EXPECT_EQ(retry(), "2");
    EXPECT_EQ(status().policy, PolicyState::staged);
    EXPECT_THAT(status().admitted, ElementsAre("1", "2"));
    EXPECT_THAT(machine.images(), AllOf(Contains("lethe_2+3.efi"), Contains("lethe_2.efi.extra.d")));
    EXPECT_EQ(read("lethe_2+3.efi"), built_release({.version = "2"}));
    boot();
    EXPECT_EQ(machine.version(), "2");
    EXPECT_EQ(status().policy, PolicyState::running);
    EXPECT_THAT(status().admitted, ElementsAre("2"));
    EXPECT_THAT(status().last_failure, IsEmpty());
    EXPECT_THAT(machine.images(), ElementsAre("lethe_2.efi", "lethe_2.efi.extra.d"));
}

TEST_F(BlockedUpdates, WaitAlthoughTheReleaseBeforeLacksTheNetworkAsWell) {
    machine.offline = {"1", "2"};
    machine.boot_until_it_stays();
    expect_waits(1);
    EXPECT_FALSE(opens_for_2());
    EXPECT_EQ(retry(), "2");
}

TEST_F(BlockedUpdates, AreTriedAgainAfterWindowsThatGrowToADay) {
    unsigned trials = 0;
    for (const auto window : {1h, 4h, 12h, 24h, 24h}) {
        boot();
        expect_waits(++trials);
        const auto waited_since = machine.now;
        EXPECT_EQ(status().staged->again, waited_since + window);
        machine.now = waited_since + window - 1s;
        EXPECT_EQ(retry(false), "");
        boot();
        expect_waits(trials);
        machine.now = waited_since + window;
        EXPECT_EQ(retry(false), "2");
    }
}

TEST_F(BlockedUpdates, DoNotWaitForAClockThatWasAhead) {
    const auto right = machine.now;
    machine.now += 24h * 365;
    boot();
    machine.now = right;
    boot();
    expect_waits(1);
    EXPECT_EQ(status().staged->again, right + 1h);
    machine.now += 1h;
    EXPECT_EQ(retry(false), "2");
}

TEST_F(BlockedUpdates, AreDroppedWhenAnythingElseFails) {
    machine.unhealthy = {"2"};
    boot();
    expect_dropped("no circuit");
}

TEST_F(BlockedUpdates, AreDroppedWhenAnythingElseFailsTheNextTime) {
    boot();
    EXPECT_EQ(retry(), "2");
    machine.unhealthy = {"2"};
    boot();
    expect_dropped("no circuit");
}

TEST_F(BlockedUpdates, AreDroppedWhenTheNextTrialComesToNoVerdict) {
    boot();
    EXPECT_EQ(retry(), "2");
    const Octets staged = read("lethe_2+3.efi");
    write("lethe_2+0-3.efi", staged);
    machine.state.medium.remove(on_esp("lethe_2+3.efi"));
    machine.state.medium.sync_names();
    machine.state.one_shot.clear();
    boot();
    expect_dropped("no boot of it came to boot-complete.target");
}

TEST_F(BlockedUpdates, AreDroppedWhenTheBootLoaderPassesThemOver) {
    boot();
    EXPECT_EQ(retry(), "2");
    machine.state.one_shot = "lethe_1.efi";
    boot();
    expect_dropped("the boot loader did not start it");
}

TEST_F(BlockedUpdates, AreTakenBack) {
    boot();
    ASSERT_TRUE(machine.service().abort());
    EXPECT_FALSE(status().staged);
    EXPECT_THAT(status().last_failure, IsEmpty());
    EXPECT_THAT(machine.images(), ElementsAre("lethe_1.efi", "lethe_1.efi.extra.d"));
    EXPECT_THAT(retry(), HasSubstr("no release waits"));
}

TEST_F(BlockedUpdates, GiveWayToANewerRelease) {
    boot();
    ASSERT_TRUE(machine.service().stage(built_release({.version = "3"}), {}));
    EXPECT_THAT(machine.images(), Not(Contains(HasSubstr("lethe_2"))));
    EXPECT_THAT(retry(), HasSubstr("no release waits"));
    boot();
    EXPECT_EQ(machine.version(), "3");
    EXPECT_THAT(status().last_failure, IsEmpty());
}

TEST_F(BlockedUpdates, AreStagedByHandAgain) {
    boot();
    ASSERT_TRUE(machine.service().stage(built_release({.version = "2"}), {}));
    EXPECT_EQ(status().staged->state, StagedState::staged);
    boot();
    expect_waits(1);
}

TEST_F(BlockedUpdates, ThatSomebodyChangesAreRefusedAndGo) {
    boot();
    const std::string file = status().staged->name.file();
    Octets changed = read(file);
    changed[changed.size() / 2] ^= 1;
    write(file, changed);
    EXPECT_THAT(retry(), HasSubstr("release"));
    EXPECT_EQ(status().policy, PolicyState::running);
    expect_dropped("could not be staged again");
    EXPECT_FALSE(opens_for_2());
}

TEST_F(BlockedUpdates, ThatAreAnotherReleaseThanTheNameSaysGo) {
    boot();
    Octets older = built_release({.version = "0.9"});
    older[0] = older[1] = 0;
    write(status().staged->name.file(), older);
    EXPECT_THAT(retry(), HasSubstr("older"));
    expect_dropped("could not be staged again");
}

// What lies beside a release is signed by nobody: what is put there meanwhile is not admitted.
TEST_F(BlockedUpdates, AreStagedWithTheFilesOfTheRunningReleaseAlone) {
    boot();
    RecordedEsp esp(machine.state.medium, machine.state.one_shot, [](const std::string&) {});
    const auto beside = esp.make_beside("2").value();
    for (const char* name : {"torrc.cred", "more.cred"}) ASSERT_TRUE(beside->write(name, as_octets("another")) && beside->sync(name));
    ASSERT_TRUE(beside->sync_names());
    EXPECT_EQ(retry(), "2");
    EXPECT_EQ(read("lethe_2.efi.extra.d/torrc.cred"), Octets({'o', 'n', 'e'}));
    EXPECT_FALSE(machine.state.medium.exists(on_esp("lethe_2.efi.extra.d/more.cred")));
}

TEST_F(BlockedUpdates, WithFilesOfTheirOwnDoNotWait) {
    ASSERT_TRUE(machine.service().abort());
    ASSERT_TRUE(machine.service().stage(built_release({.version = "2"}), with_beside({{"torrc.cred", {'t', 'w', 'o'}}})));
    boot();
    expect_dropped("no circuit");
}

TEST_F(BlockedUpdates, OfAConfigurationDoNotWait) {
    ASSERT_TRUE(machine.service().abort());
    ASSERT_TRUE(machine.service().stage_configuration({{"torrc.cred", {'t', 'w', 'o'}}}, {}));
    machine.offline = {"1^1"};
    boot();
    EXPECT_FALSE(status().staged);
    EXPECT_EQ(machine.version(), "1");
    EXPECT_THAT(status().last_failure, HasSubstr("release 1^1 was tried and not kept"));
}

TEST_F(BlockedUpdates, ThatCannotBeStagedNowGoOnWaiting) {
    boot();
    machine.refuse = [](const std::string& verb) -> Result<void> {
        if (verb.contains("make-policy")) return fail(ErrorKind::io, "{}: refused", verb);
        return {};
    };
    EXPECT_THAT(retry(), HasSubstr("make-policy"));
    machine.refuse = [](const std::string&) -> Result<void> { return {}; };
    machine.service().settle();
    EXPECT_FALSE(opens_for_2());
    ASSERT_TRUE(status().staged);
    EXPECT_EQ(status().staged->state, StagedState::waiting);
    EXPECT_EQ(retry(), "2");
}

TEST_F(BlockedUpdates, AreOverWithoutTheirNote) {
    boot();
    machine.forget_note();
    machine.service().settle();
    EXPECT_FALSE(status().staged);
    EXPECT_EQ(status().policy, PolicyState::running);
    EXPECT_THAT(machine.images(), ElementsAre("lethe_1.efi", "lethe_1.efi.extra.d"));
}

}  // namespace
}  // namespace lethe
