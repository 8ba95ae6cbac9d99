#include <gmock/gmock.h>

#include <algorithm>

#include "bus/errors.hpp"
#include "lethectl/client_call.hpp"
#include "lethectl/command_line.hpp"
#include "lethectl/output.hpp"

namespace lethe::ctl {
namespace {

using Arguments = std::vector<std::string>;

Outcome<std::variant<Call, Text>> parse(const Arguments& arguments) { return parse_command_line(arguments); }

void expect_usage(const Arguments& arguments, std::string_view words) {
    const auto parsed = parse(arguments);
    ASSERT_FALSE(parsed) << testing::PrintToString(arguments);
    EXPECT_EQ(parsed.error().exit_status, exit_usage);
    EXPECT_THAT(parsed.error().message, testing::HasSubstr(words));
}

std::string text_of(const Arguments& arguments) { return std::get<Text>(*parse(arguments)).text; }

TEST(CommandLine, FindsCommandsOfOneAndTwoWords) {
    EXPECT_EQ(std::get<Call>(*parse({"status"})).command->name, "status");
    const auto show = std::get<Call>(*parse({"identity", "show", "a"}));
    EXPECT_EQ(show.command->name, "identity show");
    EXPECT_EQ(show.invocation.arguments, Arguments{"a"});
    EXPECT_FALSE(show.invocation.json);
}

TEST(CommandLine, TakesOptionsAnywhere) {
    for (const Arguments& arguments :
         {Arguments{"--json", "identity", "list"}, {"identity", "--json", "list"}, {"identity", "list", "--json"}}) {
        const auto call = std::get<Call>(*parse(arguments));
        EXPECT_EQ(call.command->name, "identity list");
        EXPECT_TRUE(call.invocation.json);
    }
}

TEST(CommandLine, PassesOptionsAfterEnrollOn) {
    const auto call = std::get<Call>(*parse({"--json", "enroll", "--pcr", "0", "--", "-x", "--help"}));
    EXPECT_EQ(call.command->name, "enroll");
    EXPECT_TRUE(call.invocation.json);
    EXPECT_EQ(call.invocation.arguments, (Arguments{"--pcr", "0", "--", "-x", "--help"}));
}

TEST(CommandLine, TakesACommandsOwnOptionsWithTheirValuesInEitherForm) {
    for (const Arguments& arguments :
         {Arguments{"identity", "import", "--replace", "F", "a", "dir"}, {"identity", "import", "a", "dir", "--replace=F"}}) {
        const auto call = std::get<Call>(*parse(arguments));
        EXPECT_EQ(call.invocation.arguments, (Arguments{"a", "dir"}));
        EXPECT_EQ(call.invocation.option("replace"), "F");
        EXPECT_FALSE(call.invocation.has("passphrase"));
    }
    const auto exported = std::get<Call>(*parse({"identity", "export", "--passphrase", "a", "file"}));
    EXPECT_TRUE(exported.invocation.has("passphrase"));
    EXPECT_EQ(exported.invocation.arguments, (Arguments{"a", "file"}));
    EXPECT_EQ(std::get<Call>(*parse({"identity", "recover", "--", "--key"})).invocation.arguments, Arguments{"--key"});
}

TEST(CommandLine, RefusesOptionsOfOtherCommandsWithoutAValueOrTwice) {
    expect_usage({"identity", "list", "--replace", "F"}, "unknown option --replace");
    expect_usage({"--replace", "F", "identity", "import", "a", "dir"}, "unknown option --replace");
    expect_usage({"identity", "import", "a", "dir", "--replace"}, "needs FINGERPRINT");
    expect_usage({"identity", "export", "a", "file", "--passphrase=secret"}, "takes no value");
    expect_usage({"identity", "import", "a", "dir", "--replace=F", "--replace=G"}, "twice");
}

TEST(CommandLine, TakesAnOptionThatRepeatsInTheOrderGivenAndAnotherOnce) {
    const auto call =
        std::get<Call>(*parse({"update", "stage", "--beside", "b", "u.efi", "--beside=a", "--drop", "c", "--allow-downgrade"}));
    EXPECT_EQ(call.invocation.arguments, Arguments{"u.efi"});
    EXPECT_EQ(call.invocation.all("beside"), (Arguments{"b", "a"}));
    EXPECT_EQ(call.invocation.all("drop"), Arguments{"c"});
    EXPECT_EQ(call.invocation.all("records"), Arguments{});
    EXPECT_TRUE(call.invocation.has("allow-downgrade"));
    expect_usage({"update", "stage", "u.efi", "--records", "a", "--records", "b"}, "--records is given twice");
    EXPECT_THAT(text_of({"update", "configure", "--help"}), testing::HasSubstr("[--set FILE]... [--drop NAME]... [--verbose]"));
}

TEST(CommandLine, HelpOfACommandListsItsOptions) {
    for (const char* option : {"--fingerprint FINGERPRINT", "--generation N", "--foreign"})
        EXPECT_THAT(text_of({"identity", "recover", "--help"}), testing::HasSubstr(option));
    EXPECT_THAT(text_of({"identity", "list", "--help"}), testing::Not(testing::HasSubstr("options:")));
}

TEST(CommandLine, OptionsOfARecoveryGoWithAStoreOrWithAFile) {
    const auto expect_refused = [](const Arguments& words, const std::string& text) {
        const auto refused = identity_recover(std::get<Call>(*parse(words)).invocation);
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().exit_status, exit_usage);
        EXPECT_EQ(refused.error().message, text);
    };
    expect_refused({"identity", "recover", "--generation", "3", "--fingerprint", "F", "a"}, "--generation goes with --store");
    expect_refused({"identity", "recover", "--insecure-boot", "--fingerprint", "F", "a"}, "--insecure-boot goes with --store");
    expect_refused({"identity", "recover", "--store", "--foreign", "--key", "a", "--fingerprint", "F"},
                   "--foreign goes with an export file");
}

TEST(CommandLine, AResetOfTheStateDoesNothingWithoutItsOption) {
    EXPECT_TRUE(std::get<Call>(*parse({"state", "reset", "--yes"})).invocation.has("yes"));
    const auto refused = state_reset({});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().exit_status, exit_refused);
    EXPECT_EQ(std::ranges::count(refused.error().message, '\n'), 1);
    EXPECT_THAT(refused.error().message, testing::EndsWith("--yes"));
}

TEST(CommandLine, RefusesWhatItDoesNotKnow) {
    expect_usage({}, "no command");
    expect_usage({"frobnicate"}, "unknown command frobnicate");
    expect_usage({"identity"}, "unknown command identity");
    expect_usage({"identity", "destroy"}, "unknown command identity destroy");
    expect_usage({"status", "--colour"}, "unknown option --colour");
}

TEST(CommandLine, CountsArguments) {
    expect_usage({"identity", "show"}, "NAME");
    expect_usage({"identity", "show", "a", "b"}, "NAME");
    expect_usage({"status", "a"}, "no argument");
    EXPECT_TRUE(parse({"identity", "verify"}));
    EXPECT_TRUE(parse({"identity", "verify", "a"}));
}

TEST(CommandLine, TakesWhatFollowsTwoDashesForArguments) {
    EXPECT_EQ(std::get<Call>(*parse({"identity", "show", "--", "--json"})).invocation.arguments, Arguments{"--json"});
}

TEST(CommandLine, HelpNamesEveryCommandAndEachHasItsOwn) {
    const auto help = text_of({"--help"});
    for (const auto& command : commands()) {
        EXPECT_THAT(help, testing::HasSubstr(std::string{command.name}));
        EXPECT_THAT(help_text(command), testing::HasSubstr(std::string{command.help}));
    }
    EXPECT_THAT(text_of({"identity", "show", "-h"}), testing::HasSubstr("identity show NAME"));
    EXPECT_THAT(text_of({"--version"}), testing::StartsWith("lethectl "));
}

TEST(Table, AlignsByCodePointsAndLeavesNoSpaceAtLineEnds) {
    EXPECT_EQ(table({{{"●"}, {"a"}, {"x"}}, {{"●"}, {"long"}, {""}}, {{"●"}, {""}, {"y"}}}), "●  a     x\n●  long\n●        y\n");
    EXPECT_EQ(table({}), "");
}

TEST(Dates, AreReadableAndSayTheZone) {
    EXPECT_EQ(date_text(0), "-");
    EXPECT_EQ(date_text(1763763300), "2025-11-21 22:15 UTC");
}

TEST(Sizes, HaveOneDigitAfterThePointBelowAHundred) {
    EXPECT_EQ(size_text(0), "0 B");
    EXPECT_EQ(size_text(999), "999 B");
    EXPECT_EQ(size_text(1000), "1.0 KB");
    EXPECT_EQ(size_text(8123), "8.1 KB");
    EXPECT_EQ(size_text(8150), "8.2 KB");
    EXPECT_EQ(size_text(123456), "123 KB");
    EXPECT_EQ(size_text(16 << 20), "16.8 MB");
    EXPECT_EQ(rate_text(3'200'000), "3.2 MB/s");
}

TEST(Sizes, AreRoundedIntoTheNextUnitAndNeverOverflow) {
    EXPECT_EQ(size_text(99'949), "99.9 KB");
    EXPECT_EQ(size_text(99'950), "100 KB");
    EXPECT_EQ(size_text(999'949), "999 KB");
    EXPECT_EQ(size_text(999'950), "1.0 MB");
    EXPECT_EQ(size_text(UINT64_MAX), "18446744 TB");
}

TEST(Ages, AreOneNumberInTheUnitThatFits) {
    EXPECT_EQ(age_text(1000, 1059), "59 s");
    EXPECT_EQ(age_text(1000, 1060), "1 min");
    EXPECT_EQ(age_text(1000, 1000 + 3599), "59 min");
    EXPECT_EQ(age_text(1000, 1000 + 3600), "1 h");
    EXPECT_EQ(age_text(1000, 1000 + 48 * 3600 - 1), "47 h");
    EXPECT_EQ(age_text(1000, 1000 + 48 * 3600), "2 d");
}

TEST(Ages, OfNothingOrOfTheFutureSaySo) {
    EXPECT_EQ(age_text(0, 1000), "-");
    EXPECT_EQ(age_text(1001, 1000), "0 s");
    EXPECT_EQ(age_text(1061, 1000), "clock behind");
}

TEST(Failures, NameTheServiceThatIsAway) {
    const auto failure = [](const std::string& name, const Service& service) {
        return to_failure(sdbus::Error{sdbus::Error::Name{name}, "text"}, service);
    };
    for (const char* name : {"org.freedesktop.DBus.Error.ServiceUnknown", "org.freedesktop.DBus.Error.Spawn.ChildExited",
                             "org.freedesktop.systemd1.LoadFailed"}) {
        EXPECT_EQ(failure(name, identity_service).message, "lethe-identityd is not running; see `systemctl status lethe-identityd`");
        EXPECT_EQ(failure(name, state_service).message, "lethe-stated is not running; see `systemctl status lethe-stated`");
        EXPECT_EQ(failure(name, state_service).exit_status, exit_person);
    }
    const auto silent = failure("org.freedesktop.DBus.Error.NoReply", state_service);
    EXPECT_EQ(silent.message, "lethe-stated does not answer; see `systemctl status lethe-stated`");
    EXPECT_EQ(silent.exit_status, exit_failed);
}

// Whoever runs code as tor, or writes the disk, writes such text.
TEST(TextFromOutside, ReachesNoTerminalAsItIs) {
    const std::string bad = "gone\x1b[2J\n\u25cf  a  keys installed", good = "gone\\x1b[2J \u25cf  a  keys installed";
    EXPECT_EQ(service_text(bad), good);
    const Properties properties{{sdbus::PropertyName{"Reason"}, sdbus::Variant{bad}},
                                {sdbus::PropertyName{"Admitted"}, sdbus::Variant{std::vector<std::string>{bad}}}};
    EXPECT_EQ(value<std::string>(properties, "Reason"), good);
    EXPECT_EQ(value<std::vector<std::string>>(properties, "Admitted"), std::vector<std::string>{good});
    EXPECT_EQ(to_failure(Error{ErrorKind::io, bad}).message, good);
    for (const std::string name : {"org.lethe.Error.Io", "org.example.Whatever"})
        EXPECT_TRUE(to_failure(sdbus::Error{sdbus::Error::Name{name}, bad}, identity_service).message.starts_with(good));
}

TEST(TextFromOutside, IsCutBeforeItFillsTheConsole) {
    EXPECT_LT(service_text(std::string(4000, 'x')).size(), 500u);
    EXPECT_TRUE(service_text(std::string(4000, 'x')).ends_with("x..."));
}

TEST(Failures, ThatAServiceAnswersWithKeepTheirText) {
    const auto status_of = [](const std::string& name) {
        const auto failure = to_failure(sdbus::Error{sdbus::Error::Name{name}, "what to do"}, state_service);
        EXPECT_EQ(failure.error_name, name);
        EXPECT_THAT(failure.message, testing::HasSubstr(name.ends_with("AccessDenied") ? "only root" : "what to do"));
        return failure.exit_status;
    };
    EXPECT_EQ(status_of("org.lethe.Error.WrongState"), exit_person);
    EXPECT_EQ(status_of("org.lethe.Error.Rollback"), exit_person);
    EXPECT_EQ(status_of("org.lethe.Error.Io"), exit_failed);
    EXPECT_EQ(status_of("org.freedesktop.DBus.Error.AccessDenied"), exit_refused);
    EXPECT_EQ(status_of("org.freedesktop.DBus.Error.InvalidArgs"), exit_failed);
}

TEST(ErrorTable, NamesEveryKindOnceAndBack) {
    for (const auto kind :
         {ErrorKind::invalid_argument, ErrorKind::not_found, ErrorKind::already_exists, ErrorKind::wrong_state, ErrorKind::policy_mismatch,
          ErrorKind::rollback, ErrorKind::corrupt, ErrorKind::tpm_locked_out, ErrorKind::tpm_unavailable, ErrorKind::io}) {
        EXPECT_THAT(std::string{error_name(kind)}, testing::StartsWith("org.lethe.Error."));
        EXPECT_EQ(error_kind(error_name(kind)), kind);
    }
    EXPECT_FALSE(error_kind("org.sdbuscpp.Error"));
}

TEST(ErrorTable, WhateverIsThrownLeavesUnderAName) {
    const auto name_of = [](auto function) -> std::string {
        try {
            answer(function);
        } catch (const sdbus::Error& error) {
            return error.getName();
        }
        return "nothing thrown";
    };
    EXPECT_EQ(name_of([]() -> Result<void> { return fail(ErrorKind::corrupt, "x"); }), "org.lethe.Error.Corrupt");
    EXPECT_EQ(name_of([]() -> Result<void> { throw std::bad_alloc(); }), "org.lethe.Error.Io");
    EXPECT_EQ(name_of([]() -> Result<void> { throw 1; }), "org.lethe.Error.Io");
    EXPECT_EQ(answer([]() -> Result<int> { return 7; }), 7);
}

}  // namespace
}  // namespace lethe::ctl
