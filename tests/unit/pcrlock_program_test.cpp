#include "pcrlock/program.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "fake_pcrlock.hpp"
#include "temporary_folder.hpp"

namespace lethe {
namespace {

using testing::HasSubstr;
using testing::Not;

// As systemd-pcrlock 257 prints them; three events and two PCRs of a boot.
constexpr std::string_view log_json =
    R"({"log":[{"pcr":4,"pcrname":"boot-loader-code","event":"efi-action","match":true,"sha256":"3d6772b4f84ed47595d72a2c4c5ffd15f5bb72c7507fe26f2aaee2c69d5633ba",)"
    R"("phase":"F","component":"350-action-efi-application","description":"Calling EFI Application from Boot Option"},)"
    R"({"pcr":4,"pcrname":"boot-loader-code","event":"efi-boot-services-application","match":null,"sha256":"4141414141414141414141414141414141414141414141414141414141414141",)"
    R"("phase":"F","component":null,"description":"File: \\EFI\\Linux\\lethe_1.efi"},)"
    R"({"pcr":11,"pcrname":"kernel-boot","event":"phase","match":true,"sha256":"51e6b92f405d1f98d96e3de343d61d420ad6923b25de21d766f9298192f14fed",)"
    R"("phase":"U","component":"750-enter-initrd","description":"enter-initrd"}],)"
    R"("pcrs":[{"pcr":4,"pcrname":"boot-loader-code","count":2,"hashMatchesEventLog":true,"allEventsMatched":false,"noMissingComponents":false},)"
    R"({"pcr":11,"pcrname":"kernel-boot","count":1,"hashMatchesEventLog":true,"allEventsMatched":true,"noMissingComponents":true}]})";

struct Program : testing::Test {
    TemporaryFolder folder;
    PolicyKeys keys{.pin = Secret::copy_of(as_octets("0123456789")), .copy = Secret(32)};
    SystemdPcrlock pcrlock{{.program = folder / "pcrlock",
                            .components = folder / "lib/pcrlock.d",
                            .policy = folder / "lib/systemd/pcrlock.json",
                            .scratch = folder / "scratch"}};

    // A program in systemd-pcrlock's place: keeps its arguments and its environment, then does this.
    Program() { does(":"); }
    void does(const std::string& script) {
        std::ofstream(folder / "pcrlock") << std::format("#!/bin/sh\ncd {}\necho \"$@\" >>arguments\nenv >environment\n{}\n",
                                                         folder.path().native(), script);
        std::filesystem::permissions(folder / "pcrlock", std::filesystem::perms::owner_all);
    }
    void prints(std::string_view text) {
        write("output", text);
        does("cat output");
    }
    void write(const std::filesystem::path& file, std::string_view text) {
        std::filesystem::create_directories((folder / file).parent_path());
        std::ofstream(folder / file) << text;
    }
    std::string read(const std::filesystem::path& file) {
        std::stringstream text;
        text << std::ifstream(folder / file).rdbuf();
        return text.str();
    }
};

TEST_F(Program, TheLogIsReadWithTheComponentsThatItLacks) {
    write("output", log_json);
    does(
        "cat output; echo \"Couldn't find component '630-lethe-loader' in event log.\" >&2; echo \"Couldn't find component '700-x' in "
        "event log.\" >&2");
    const auto log = pcrlock.log();
    ASSERT_TRUE(log) << log.error().message;
    ASSERT_EQ(log->events.size(), 3u);
    EXPECT_EQ(log->events[0].component, "350-action-efi-application");
    EXPECT_TRUE(log->events[0].firmware);
    EXPECT_EQ(log->events[1].component, "");
    EXPECT_EQ(log->events[1].digest, digest_of(0x41));
    EXPECT_EQ(log->events[1].description, "File: \\EFI\\Linux\\lethe_1.efi");
    EXPECT_FALSE(log->events[2].firmware);
    EXPECT_FALSE(log->pcrs.at(4).all_events_matched);
    EXPECT_TRUE(log->pcrs.at(11).all_events_matched);
    EXPECT_THAT(log->missing_components, testing::ElementsAre("630-lethe-loader", "700-x"));
}

TEST_F(Program, ALogThatIsCutAnywhereIsCorrupt) {
    for (std::size_t length = 0; length < log_json.size(); ++length)
        EXPECT_EQ(parse_event_log(log_json.substr(0, length)).error().kind, ErrorKind::corrupt) << length;
}

TEST_F(Program, APredictionMayHaveMoreValuesThanAPolicy) {
    PcrPolicy policy{{4, {}}, {12, {Digest{}}}};
    for (std::uint8_t i = 0; i < 16; ++i) policy[0].values.push_back(digest_of(i));
    const std::string json = policy_json(policy);
    const auto values = json.find('['), end = json.find(",\"nvIndex\"");
    prints("{\"sha256\":" + json.substr(values, end - values) + "}");
    const auto predicted = pcrlock.predict(std::vector<unsigned>{4, 12});
    ASSERT_TRUE(predicted) << predicted.error().message;
    EXPECT_EQ(*predicted, policy);
    EXPECT_THAT(read("arguments"), HasSubstr("--pcr=4+12"));
}

TEST_F(Program, APredictionWithoutAnyPcrIsEmpty) {
    prints("{}");
    EXPECT_EQ(*pcrlock.predict(std::vector<unsigned>{4}), PcrPolicy{});
}

TEST_F(Program, MakePolicyIsAlwaysGivenTheSameIndexTokenAndLocationAndNoSecret) {
    ASSERT_TRUE(pcrlock.make_policy(std::vector<unsigned>{4, 7, 11, 12, 13}, keys));
    const std::string arguments = read("arguments");
    for (const char* argument : {"make-policy", "--pcr=4+7+11+12+13", "--location=860:940", "--nv-index=0x1800100",
                                 "--entry-token=literal:lethe", "--force", "--recovery-pin=query"})
        EXPECT_THAT(arguments, HasSubstr(argument));
    EXPECT_THAT(read("environment"), testing::AllOf(HasSubstr("SYSTEMD_XBOOTLDR_PATH=" + (folder / "scratch").native()),
                                                    HasSubstr("SYSTEMD_RELAX_XBOOTLDR_CHECKS=1"), Not(HasSubstr("0123456789"))));
    EXPECT_THAT(arguments, Not(HasSubstr("0123456789")));
}

TEST_F(Program, ThePinIsACredentialThatOnlyItsOwnerReadsAndThatDoesNotStay) {
    write("scratch/credentials/pcrlock.recovery-pin", "of a process that died, and longer than the one that follows it here");
    does("cat \"$CREDENTIALS_DIRECTORY/pcrlock.recovery-pin\" >pin; stat -c %a \"$CREDENTIALS_DIRECTORY/pcrlock.recovery-pin\" >mode");
    ASSERT_TRUE(pcrlock.make_policy(std::vector<unsigned>{4}, keys));
    EXPECT_EQ(read("pin"), "0123456789");
    EXPECT_EQ(read("mode"), "600\n");
    EXPECT_TRUE(std::filesystem::is_empty(folder / "scratch/credentials"));
}

TEST_F(Program, AnIndexOfAnEarlierReleaseIsRewrittenWithThePinInItsFile) {
    write("lib/systemd/pcrlock.json", policy_json({{4, {digest_of(4)}}}));
    does("case \"$*\" in *query*) echo 'Failed to write NV index' >&2; exit 1;; esac");
    EXPECT_TRUE(pcrlock.make_policy(std::vector<unsigned>{4}, keys));
    EXPECT_THAT(read("arguments"), HasSubstr("--recovery-pin=hide"));
}

TEST_F(Program, WhenNeitherPinWritesTheIndexTheFirstReasonIsTold) {
    write("lib/systemd/pcrlock.json", policy_json({{4, {digest_of(4)}}}));
    does("case \"$*\" in *query*) echo 'a policy check failed' >&2;; *) echo 'PolicyOR' >&2;; esac; exit 1");
    EXPECT_EQ(pcrlock.make_policy(std::vector<unsigned>{4}, keys).error().message,
              "systemd-pcrlock make-policy failed: a policy check failed");
}

TEST_F(Program, TheCredentialForTheEspDoesNotStay) {
    does("mkdir -p scratch/loader/credentials; echo x >scratch/loader/credentials/pcrlock.lethe.cred");
    ASSERT_TRUE(pcrlock.make_policy(std::vector<unsigned>{4}, keys));
    EXPECT_FALSE(std::filesystem::exists(folder / "scratch/loader"));
}

TEST_F(Program, MakePolicyIsTriedAgainWhenAPcrChangedMeanwhile) {
    does("[ $(wc -l <arguments) = 3 ] || { echo 'tpm:error(2.0): PCR have changed since checked.' >&2; exit 1; }");
    EXPECT_TRUE(pcrlock.make_policy(std::vector<unsigned>{4}, keys));
}

TEST_F(Program, MakePolicyIsNotTriedForEver) {
    does("echo 'tpm:error(2.0): PCR have changed since checked.' >&2; exit 1");
    EXPECT_EQ(pcrlock.make_policy(std::vector<unsigned>{4}, keys).error().kind, ErrorKind::policy_mismatch);
}

TEST_F(Program, AnotherFailureIsToldAtOnceWithTheLastLine) {
    does("echo first >&2; echo 'NV index 0x1800100 already allocated.' >&2; exit 1");
    const auto made = pcrlock.make_policy(std::vector<unsigned>{4}, keys);
    EXPECT_EQ(made.error().kind, ErrorKind::io);
    EXPECT_EQ(made.error().message, "systemd-pcrlock make-policy failed: NV index 0x1800100 already allocated.");
    const std::string arguments = read("arguments");
    EXPECT_EQ(std::ranges::count(arguments, '\n'), 1);
}

TEST_F(Program, RecordsComeFromStandardOutput) {
    prints(encode_component(std::vector<Record>{{4, digest_of(1)}}));
    const auto records = pcrlock.measure(Measurable::uki, "/efi/EFI/Linux/lethe_1.efi");
    ASSERT_TRUE(records) << records.error().message;
    EXPECT_EQ(*records, (std::vector<Record>{{4, digest_of(1)}}));
    EXPECT_THAT(read("arguments"), HasSubstr("lock-uki /efi/EFI/Linux/lethe_1.efi --pcrlock=-"));
}

TEST_F(Program, ComponentsAreWrittenAndCleared) {
    const std::vector<Record> records{{4, digest_of(1)}};
    ASSERT_TRUE(pcrlock.write_component("650-lethe-uki", "lethe_1", records));
    const auto file = std::filesystem::path("lib/pcrlock.d/650-lethe-uki.pcrlock.d/lethe_1.pcrlock");
    EXPECT_EQ(*parse_component(read(file)), records);
    ASSERT_TRUE(pcrlock.clear_component("650-lethe-uki"));
    EXPECT_FALSE(std::filesystem::exists(folder / file));
    EXPECT_TRUE(pcrlock.clear_component("650-lethe-uki"));
}

TEST_F(Program, ThePolicyFileIsReadAndRemoved) {
    EXPECT_EQ(pcrlock.policy_file().error().kind, ErrorKind::not_found);
    write("lib/systemd/pcrlock.json", policy_json({{4, {digest_of(4)}}}));
    EXPECT_TRUE(pcrlock.policy_file());
    ASSERT_TRUE(pcrlock.remove_policy_file());
    EXPECT_EQ(pcrlock.policy_file().error().kind, ErrorKind::not_found);
    EXPECT_TRUE(pcrlock.remove_policy_file());
}

TEST_F(Program, AProgramThatIsNotThereIsAnError) {
    std::filesystem::remove(folder / "pcrlock");
    EXPECT_FALSE(pcrlock.log());
}

}  // namespace
}  // namespace lethe
