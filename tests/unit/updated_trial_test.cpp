// What the ESP and the boot loader's variables can do to a trial: none of it holds the old release in the policy.
#include <gmock/gmock.h>

#include "update_machine.hpp"

namespace lethe {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class Trials : public testing::Test {
protected:
    Trials() {
        machine.install();
        const auto staged = machine.service().stage(built_release({.version = "2"}), {});
        EXPECT_TRUE(staged) << staged.error().message;
    }

    static std::string on_esp(const std::string& file) { return RecordedEsp::folder + file; }
    void write(const std::string& file, OctetView octets) {
        machine.state.medium.write(on_esp(file), octets);
        machine.state.medium.sync(on_esp(file));
        machine.state.medium.sync_names();
    }
    void remove(const std::string& file) {
        machine.state.medium.remove(on_esp(file));
        machine.state.medium.sync_names();
    }
    void rename(const std::string& from, const std::string& to) {
        write(to, machine.state.medium.read(on_esp(from)).value());
        remove(from);
    }
    void refuse(const std::string& words) {
        machine.refuse = [=](const std::string& verb) -> Result<void> {
            if (verb.contains(words)) return fail(ErrorKind::io, "{}: refused", verb);
            return {};
        };
    }
    void refuse_nothing() {
        machine.refuse = [](const std::string&) -> Result<void> { return {}; };
    }
    const UpdateStatus& status() { return machine.service().status(); }
    void expect_runs_alone(const std::string& version) {
        EXPECT_TRUE(machine.committed) << machine.committed.error().message;
        expect_alone(version);
    }
    void expect_alone(const std::string& version) {
        EXPECT_EQ(machine.version(), version);
        EXPECT_TRUE(machine.opened);
        EXPECT_EQ(status().policy, PolicyState::running);
        EXPECT_THAT(status().admitted, ElementsAre(version));
        EXPECT_THAT(machine.images(), ElementsAre("lethe_" + version + ".efi", "lethe_" + version + ".efi.extra.d"));
        EXPECT_EQ(machine.state.medium.read(on_esp("lethe_" + version + ".efi")).value(), built_release({.version = version}));
    }
    /// Whether the old release opens the vault, when somebody puts it back.
    bool opens_for_1() {
        BootingMachine attacked(machine.state);
        attacked.put({.version = "1"}, {{"torrc.cred", {'o', 'n', 'e'}}});
        attacked.state.one_shot = "lethe_1.efi";
        attacked.boot();
        EXPECT_EQ(attacked.version(), "1");
        return attacked.opened;
    }

    BootingMachine machine;
};

TEST_F(Trials, EndAlthoughATwinDoesNotCount) {
    write("lethe_2.efi", built_release({.version = "2"}));
    machine.boot_until_it_stays();
    expect_runs_alone("2");
    EXPECT_THAT(status().reason, AllOf(HasSubstr("lethe_2.efi"), HasSubstr("two files of one release")));
    EXPECT_FALSE(opens_for_1());
    machine.boot_until_it_stays();
    expect_runs_alone("2");
    EXPECT_THAT(status().reason, IsEmpty());
}

TEST_F(Trials, EndAlthoughTheTwinIsWhatRuns) {
    write("lethe_2.efi", built_release({.version = "2"}));
    rename("lethe_2+3.efi", "lethe_2+0-3.efi");
    machine.state.one_shot.clear();
    machine.boot_until_it_stays();
    expect_runs_alone("2");
    EXPECT_FALSE(opens_for_1());
}

TEST_F(Trials, EndAlthoughATwinHoldsSomethingElse) {
    write("lethe_2.efi", built_release({.version = "1"}));
    machine.boot_until_it_stays();
    expect_runs_alone("2");
    EXPECT_FALSE(opens_for_1());
}

TEST_F(Trials, EndInTheFallbackAlthoughATwinDoesNotCount) {
    write("lethe_2.efi", built_release({.version = "2"}));
    machine.unhealthy = {"2"};
    machine.boot_until_it_stays();
    expect_runs_alone("1");
    EXPECT_THAT(status().last_failure, HasSubstr("release 2"));
}

TEST_F(Trials, EndAlthoughTheOldReleaseIsNamedAsOneThatIsStaged) {
    rename("lethe_1.efi", "lethe_1+3.efi");
    machine.boot_until_it_stays();
    expect_runs_alone("2");
    EXPECT_FALSE(opens_for_1());
}

// Whoever writes to the ESP has put the octets of the old release into the new one's file.
TEST_F(Trials, OfTheOldReleaseUnderTheNewOnesNameAreNoneOfTheNewOne) {
    write("lethe_2+3.efi", built_release({.version = "1"}));
    machine.boot_until_it_stays();
    EXPECT_TRUE(machine.committed) << machine.committed.error().message;
    ASSERT_TRUE(machine.opened);
    EXPECT_EQ(status().running->name.version, "1");
    EXPECT_THAT(status().admitted, ElementsAre("1"));
    EXPECT_EQ(status().policy, PolicyState::running);
    EXPECT_THAT(status().last_failure, AllOf(HasSubstr("release 2"), HasSubstr("was release 1")));
    EXPECT_THAT(machine.images(), ElementsAre("lethe_1.efi", "lethe_1.efi.extra.d")) << "the same lies there under its own name";

    ASSERT_TRUE(machine.service().stage(built_release({.version = "2"}), {}));
    machine.boot_until_it_stays();
    expect_runs_alone("2");
    EXPECT_FALSE(opens_for_1());
}

TEST_F(Trials, OfTheOldReleaseUnderTheNewOnesNameLeaveAMachineThatBoots) {
    write("lethe_2+3.efi", built_release({.version = "1"}));
    remove("lethe_1.efi");
    machine.boot_until_it_stays();
    ASSERT_TRUE(machine.opened);
    EXPECT_EQ(status().running->name.version, "1");
    EXPECT_THAT(status().reason, AllOf(HasSubstr("release 1 by what it holds"), HasSubstr("rename it to lethe_1.efi")));
    const auto images = machine.images();
    const auto refused = machine.service().stage(built_release({.version = "2"}), {});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, ErrorKind::wrong_state) << refused.error().message;
    EXPECT_EQ(machine.images(), images) << "the image that runs is all that there is";
    ASSERT_TRUE(machine.service().stage(built_release({.version = "3"}), {}));
    machine.boot_until_it_stays();
    expect_runs_alone("3");
}

// The files beside a release decide what it does as much as the release.
TEST_F(Trials, OfFilesOfBeforeUnderTheNewOnesNameAreReported) {
    ASSERT_TRUE(machine.service().abort());
    ASSERT_TRUE(machine.service().stage_configuration({{"torrc.cred", {'t', 'w', 'o'}}}, {}));
    const auto staged = machine.state;
    write("lethe_1^1.efi.extra.d/torrc.cred", machine.state.medium.read(on_esp("lethe_1.efi.extra.d/torrc.cred")).value());
    for (int boots = 0; boots < 2; ++boots) {
        machine.boot_until_it_stays();
        ASSERT_TRUE(machine.opened);
        EXPECT_TRUE(machine.committed) << machine.committed.error().message;
        EXPECT_EQ(status().policy, PolicyState::running);
        EXPECT_THAT(status().last_failure, HasSubstr("what ran before; stage it again")) << "in boot " << boots;
    }
    ASSERT_TRUE(machine.service().stage_configuration({{"torrc.cred", {'t', 'w', 'o'}}}, {}));
    machine.boot_until_it_stays();
    EXPECT_EQ(status().last_failure, "");

    BootingMachine other(staged);  // the other side
    other.boot_until_it_stays();
    EXPECT_EQ(other.version(), "1^1");
    EXPECT_EQ(other.service().status().last_failure, "");
}

// It was started from a disk that is not mounted; or its file was taken away, or exchanged, while it ran.
TEST_F(Trials, OfWhatIsOnNoEspEndAllTheSame) {
    machine.refuse = [](const std::string& verb) -> Result<void> {
        if (verb == "find what was booted" || verb == "open the ESP") return fail(ErrorKind::io, "{}: refused", verb);
        return {};
    };
    machine.boot_until_it_stays();
    EXPECT_EQ(machine.version(), "2");
    EXPECT_FALSE(machine.committed);
    EXPECT_EQ(status().policy, PolicyState::unknown) << "and a person is told";
    EXPECT_FALSE(opens_for_1());
    refuse_nothing();
    machine.boot_until_it_stays();
    expect_runs_alone("2");
}

// Two variables that another system has left are enough, once they are removed.
TEST_F(Trials, OfWhatSeemsToHaveComeOverTheNetworkEndAllTheSame) {
    machine.seems_booted = BootedImage{.secure_boot = true, .uki = {}, .loader = {}};
    machine.boot_until_it_stays();
    EXPECT_EQ(machine.version(), "2");
    EXPECT_TRUE(machine.opened);
    EXPECT_FALSE(opens_for_1());
}

TEST_F(Trials, OfAFileThatIsNotWhatWasBootedEndAllTheSame) {
    const std::string folder = "/efi/EFI/Linux/";
    write("lethe_9.efi", built_release({.version = "9"}));
    machine.seems_booted =
        BootedImage{.secure_boot = true, .uki = folder + "lethe_9.efi", .loader = "/efi/EFI/systemd/systemd-bootx64.efi"};
    machine.boot_until_it_stays();
    EXPECT_EQ(machine.version(), "2");
    EXPECT_FALSE(machine.committed);
    EXPECT_THAT(status().reason, HasSubstr("not what was booted"));
    EXPECT_FALSE(opens_for_1());
}

TEST_F(Trials, ThatHaveNotBegunAreNotEndedByACommitThatKnowsNothing) {
    for (const std::string verb : {"find what was booted", "read the running image"}) {
        refuse(verb);
        EXPECT_FALSE(machine.service().commit());
    }
    refuse_nothing();
    machine.boot_until_it_stays();
    expect_runs_alone("2");
}

TEST_F(Trials, OfWhatCountsNothingIsOverAtOnce) {
    rename("lethe_2+3.efi", "lethe_2.efi");
    rename("lethe_1.efi", "lethe_1+3.efi");
    machine.unhealthy = {"2"};
    machine.boot_until_it_stays();
    EXPECT_EQ(machine.version(), "2");
    EXPECT_EQ(status().policy, PolicyState::running);
    EXPECT_FALSE(opens_for_1());
}

TEST_F(Trials, AreCountedWhereTheBootLoaderCannotCount) {
    machine.read_only = {"lethe_2+3.efi"};
    machine.unhealthy = {"2"};
    EXPECT_FALSE(machine.boot());
    EXPECT_THAT(machine.images(), testing::Contains("lethe_2+2-1.efi"));
    EXPECT_THAT(status().reason, AllOf(HasSubstr("did not count this boot"), HasSubstr("lethe_2+2-1.efi")));
    machine.boot_until_it_stays();
    expect_runs_alone("1");
    EXPECT_THAT(status().last_failure, HasSubstr("release 2"));
}

TEST_F(Trials, OfAReadOnlyFileEndWhenItIsHealthy) {
    machine.read_only = {"lethe_2+3.efi"};
    machine.boot_until_it_stays();
    expect_runs_alone("2");
    EXPECT_FALSE(opens_for_1());
}

TEST_F(Trials, HaveThreeBootsWhateverTheNameSays) {
    rename("lethe_2+3.efi", "lethe_2+4000000000.efi");
    machine.unhealthy = {"2"};
    machine.boot_until_it_stays();
    expect_runs_alone("1");
}

TEST_F(Trials, OfAReleaseWithoutAnotherOneNeedNoOtherInThePolicy) {
    remove("lethe_1.efi");
    machine.unhealthy = {"2"};
    EXPECT_FALSE(machine.boot());
    EXPECT_TRUE(machine.opened);
    EXPECT_EQ(status().policy, PolicyState::trial);
    EXPECT_THAT(status().admitted, ElementsAre("2"));
    EXPECT_FALSE(opens_for_1());
    machine.boot_until_it_stays();
    EXPECT_EQ(machine.version(), "2");
    EXPECT_TRUE(machine.opened);
}

TEST_F(Trials, OfAReleaseBesideOneThatWasChangedNeedNoOtherInThePolicy) {
    write("lethe_1.efi", built_release({.version = "0.9"}));
    machine.unhealthy = {"2"};
    EXPECT_FALSE(machine.boot());
    EXPECT_FALSE(opens_for_1());
}

// By a default entry that somebody set, or by hand in the boot loader's menu.
TEST_F(Trials, ThatTheBootLoaderPassesOverAreOver) {
    machine.state.one_shot = "lethe_1.efi";
    machine.boot_until_it_stays();
    expect_runs_alone("1");
    EXPECT_THAT(status().last_failure, AllOf(HasSubstr("release 2"), HasSubstr("did not start it")));
    EXPECT_EQ(machine.state.one_shot, "");
    EXPECT_TRUE(machine.service().stage(built_release({.version = "2"}), {}));
    machine.boot_until_it_stays();
    expect_runs_alone("2");
}

TEST_F(Trials, OfAFileThatCannotBeRenamedAreKeptAllTheSame) {
    refuse("rename lethe_2");
    EXPECT_TRUE(machine.boot());
    ASSERT_FALSE(machine.committed);
    EXPECT_EQ(status().policy, PolicyState::running);
    EXPECT_THAT(status().admitted, ElementsAre("2"));
    EXPECT_THAT(status().reason, AllOf(HasSubstr("goes on counting boots"), HasSubstr("rename lethe_2")));
    EXPECT_FALSE(opens_for_1());
    EXPECT_THAT(machine.images(), ElementsAre("lethe_2+2-1.efi", "lethe_2.efi.extra.d")) << "no other is left that could be taken instead";
    refuse_nothing();
    machine.service().settle();
    expect_alone("2");
    EXPECT_THAT(status().reason, IsEmpty());
}

TEST_F(Trials, EndAlthoughTheOldReleaseCannotBeTakenOff) {
    refuse("write lethe_1");
    EXPECT_TRUE(machine.boot());
    EXPECT_FALSE(machine.committed);
    EXPECT_THAT(status().reason, HasSubstr("write lethe_1"));
    EXPECT_EQ(status().policy, PolicyState::running);
    EXPECT_FALSE(opens_for_1());
}

TEST_F(Trials, WhoseCommitFailsLeaveThePolicyWideAndSayWhy) {
    refuse("systemd-pcrlock: make-policy");
    EXPECT_TRUE(machine.boot());
    ASSERT_FALSE(machine.committed);
    for (int look = 0; look < 2; ++look) {
        EXPECT_EQ(status().policy, PolicyState::wide);
        EXPECT_EQ(name_of(status().policy), "wide");
        EXPECT_THAT(status().admitted, ElementsAre("2", "1"));
        EXPECT_THAT(status().reason, AllOf(HasSubstr("release 1 still opens the vault besides 2"), HasSubstr("make-policy"),
                                           HasSubstr("lethectl update commit")));
        machine.service().settle();
    }
    EXPECT_TRUE(opens_for_1()) << "or the state says too much";
    refuse_nothing();
    machine.service().settle();
    expect_alone("2");
    EXPECT_THAT(status().reason, IsEmpty());
}

TEST_F(Trials, AreToldOfVariablesThatAnotherSystemHasLeft) {
    machine.left_variables = {"LoaderBootCountPath", "LoaderEntryDefault"};
    machine.boot_until_it_stays();
    expect_runs_alone("2");
    EXPECT_THAT(status().reason, HasSubstr("LoaderBootCountPath, LoaderEntryDefault"));
    machine.boot_until_it_stays();
    expect_runs_alone("2");
    EXPECT_THAT(status().reason, IsEmpty());
}

TEST_F(Trials, DoNotBeginWhereTheBootLoaderCannotBeTold) {
    ASSERT_TRUE(machine.service().abort());
    const auto before = machine.state.medium.names();
    refuse("set the next entry");
    const auto staged = machine.service().stage(built_release({.version = "2"}), {});
    ASSERT_FALSE(staged);
    EXPECT_THAT(staged.error().message, HasSubstr("set the next entry"));
    refuse_nothing();
    machine.service().settle();
    EXPECT_EQ(machine.state.medium.names(), before);
    EXPECT_EQ(status().policy, PolicyState::running);
}

}  // namespace
}  // namespace lethe
