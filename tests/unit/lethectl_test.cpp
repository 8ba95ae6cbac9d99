#include <gmock/gmock.h>

#include "bus/errors.hpp"
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

TEST(CommandLine, HelpOfACommandListsItsOptions) {
    EXPECT_THAT(text_of({"identity", "recover", "--help"}), testing::HasSubstr("--fingerprint FINGERPRINT"));
    EXPECT_THAT(text_of({"identity", "list", "--help"}), testing::Not(testing::HasSubstr("options:")));
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
