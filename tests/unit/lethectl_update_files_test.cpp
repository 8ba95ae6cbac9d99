#include <gmock/gmock.h>
#include <unistd.h>

#include <fstream>

#include "lethectl/command_line.hpp"
#include "lethectl/update_files.hpp"
#include "temporary_folder.hpp"

namespace lethe::ctl {
namespace {

using testing::HasSubstr;

class UpdateFiles : public testing::Test {
protected:
    std::string file(const std::string& name, const std::string& text = "x") {
        std::ofstream(folder_ / name) << text;
        return folder_ / name;
    }
    static Outcome<OfferedRelease> offered(std::vector<std::string> arguments) {
        arguments.insert(arguments.begin(), {"update", "stage"});
        return offered_release(std::get<Call>(*parse_command_line(arguments)).invocation);
    }
    static std::string text_of(const Fd& fd) {
        char text[16] = {};
        return {text, static_cast<std::size_t>(::pread(fd.get(), text, sizeof text, 0))};
    }
    static void expect_failure(const Failure& failure, int exit_status, std::string_view words) {
        EXPECT_EQ(failure.exit_status, exit_status) << failure.message;
        EXPECT_THAT(failure.message, HasSubstr(words));
    }

    TemporaryFolder folder_;
};

TEST_F(UpdateFiles, RecordsBesideTheReleaseAreTakenAndOthersWhenTheyAreNamed) {
    const auto image = file("lethe_2.0.efi", "image");
    EXPECT_FALSE(offered({image})->records);
    file("lethe_2.0.pcrlock", "records");
    const auto release = offered({image});
    ASSERT_TRUE(release && release->records);
    EXPECT_EQ(text_of(release->image), "image");
    EXPECT_EQ(text_of(*release->records), "records");
    EXPECT_EQ(text_of(*offered({image, "--records", file("other", "others")})->records), "others");
}

TEST_F(UpdateFiles, AReleaseOfAnotherSuffixHasNoRecordsBesideIt) {
    const auto image = file("lethe.uki");
    file("lethe.pcrlock");
    EXPECT_FALSE(offered({image})->records);
}

TEST_F(UpdateFiles, LieUnderTheirOwnNames) {
    const auto release = offered({file("u.efi"), "--beside", file("lethe.torrc.a.cred", "torrc"), "--beside", file("b.sysext.raw"),
                                  "--drop", "c.cred", "--drop", "d.cred", "--allow-downgrade"});
    ASSERT_TRUE(release);
    EXPECT_EQ(release->beside.size(), 2u);
    EXPECT_EQ(text_of(release->beside.at("lethe.torrc.a.cred")), "torrc");
    EXPECT_TRUE(release->beside.contains("b.sysext.raw"));
    EXPECT_EQ(release->drop, (std::vector<std::string>{"c.cred", "d.cred"}));
    EXPECT_TRUE(release->allow_downgrade);
    EXPECT_FALSE(offered({file("u.efi")})->allow_downgrade);
}

TEST_F(UpdateFiles, AreRefusedWhenTheyAreNoneAndNamed) {
    const auto missing = (folder_ / "missing.efi").native();
    expect_failure(offered({missing}).error(), exit_refused, "missing.efi");
    expect_failure(offered({folder_.path()}).error(), exit_refused, "not a regular file");
    expect_failure(offered({file("u.efi"), "--records", missing}).error(), exit_refused, "missing.efi");
    expect_failure(offered({file("u.efi"), "--beside", missing}).error(), exit_refused, "missing.efi");
}

TEST_F(UpdateFiles, HaveANameEach) {
    const auto a = file("a.cred");
    expect_failure(files_beside({a, a}, {}).error(), exit_usage, "a.cred is given twice");
    expect_failure(files_beside({a}, {"a.cred"}).error(), exit_usage, "a.cred is to be there and to be dropped");
    expect_failure(files_beside({folder_.path().native() + "/"}, {}).error(), exit_usage, "not the name of a file");
    EXPECT_EQ(files_beside({}, {"a.cred"})->size(), 0u);
}

TEST_F(UpdateFiles, OfAnOptionNeedAReleaseOrAChange) {
    const auto plan = std::get<Call>(*parse_command_line(std::vector<std::string>{"update", "plan", "--drop", "a"}));
    expect_failure(plan.command->run(plan.invocation).error(), exit_usage, "about a FILE");
    expect_failure(update_configure({}).error(), exit_usage, "--set FILE or --drop NAME");
    Invocation urgent;
    urgent.options = {{"urgent", ""}, {"when", "quiet"}};
    expect_failure(update_reboot(urgent).error(), exit_usage, "--urgent is now");
}

}  // namespace
}  // namespace lethe::ctl
