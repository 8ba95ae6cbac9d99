#include <pwd.h>
#include <unistd.h>

#include <gmock/gmock.h>

#include <fstream>
#include <set>
#include <sstream>

#include "base/process.hpp"
#include "tor/torrc.hpp"
#include "tor_keys.hpp"

namespace lethe {
namespace {

// What tor makes of a defaults torrc and an operator's torrc: the options that differ from its own defaults, or its complaint.
Outcome ask_tor(const TemporaryFolder& folder, std::string_view mode, std::string_view defaults, std::string_view operators) {
    std::ofstream(folder / "defaults", std::ios::binary) << defaults;
    std::ofstream(folder / "torrc", std::ios::binary) << operators;
    std::vector<std::string> arguments{tor_program, "--hush", "--defaults-torrc", folder / "defaults", "-f", folder / "torrc"};
    if (mode == "dump") arguments.insert(arguments.end(), {"--dump-config", "full"});
    else if (mode == "short") arguments.insert(arguments.end(), {"--dump-config", "short"});
    else arguments.emplace_back("--verify-config");
    return *run({arguments, {}, "", std::chrono::seconds(60)});
}

RelayPaths paths_in(const TemporaryFolder& folder) {
    return {.user = getpwuid(geteuid())->pw_name,
            .data_directory = folder / "data",
            .key_directory = folder / "keys",
            .runtime_directory = folder.path()};
}

TEST(RelayPaths, AreThoseOfDebiansInstancesWithKeysOfTheirOwn) {
    const RelayPaths paths = relay_paths("alice", "/run/lethe/keys");
    EXPECT_EQ(paths.user, "_tor-alice");
    EXPECT_EQ(paths.data_directory, "/var/lib/tor-instances/alice");
    EXPECT_EQ(paths.key_directory, "/run/lethe/keys/alice");
    EXPECT_EQ(paths.runtime_directory, "/run/tor-instances/alice");
}

TEST(DefaultsTorrc, TorTakesEveryOptionOfItAndStillTheOperators) {
    const TemporaryFolder folder;
    const std::string defaults = defaults_torrc({.paths = paths_in(folder), .max_mem_in_queues_mib = 768});
    const Outcome dump = ask_tor(folder, "dump", defaults, "ORPort 9001\nNickname alice\nContactInfo none\n");
    ASSERT_EQ(dump.exit_status, 0) << dump.standard_output;
    for (const std::string& line :
         {std::format("DataDirectory {}", (folder / "data").native()), std::format("KeyDirectory {}", (folder / "keys").native()),
          std::format("PidFile {}", (folder / "tor.pid").native()), std::string("Log notice stdout"), std::string("Nickname alice"),
          std::format("MaxMemInQueues {}", 768 << 20), std::string("CookieAuthentication 1"), std::string("SocksPort 0")})
        EXPECT_THAT(dump.standard_output, testing::HasSubstr(line + "\n"));
    EXPECT_THAT(dump.standard_output, testing::HasSubstr("OfflineMasterKey 0\n"));
    const Outcome verify = ask_tor(folder, "verify", defaults, "ORPort 9001\nNickname alice\nContactInfo none\n");
    EXPECT_EQ(verify.exit_status, 0) << verify.standard_output;
    EXPECT_THAT(verify.standard_output, testing::Not(testing::HasSubstr("deprecated")));
}

TEST(DefaultsTorrc, SaysWhenTheMasterKeyIsOffline) {
    const TemporaryFolder folder;
    const std::string defaults = defaults_torrc({.paths = paths_in(folder), .max_mem_in_queues_mib = 768, .offline_master_key = true});
    const Outcome dump = ask_tor(folder, "dump", defaults, "ORPort 9001\nNickname alice\nContactInfo none\n");
    EXPECT_THAT(dump.standard_output, testing::HasSubstr("OfflineMasterKey 1\n"));
}

TEST(OperatorTorrc, AnOrdinaryRelaysIsAccepted) {
    EXPECT_TRUE(
        is_success(check_operator_torrc("# My relay\r\n\nNickname alice\r\nORPort 9001\nORPort [2001:db8::1]:9001\n"
                                        "ContactInfo \"Alice <alice at example dot org>\" # mail\n"
                                        "ExitPolicy accept *:443,\\\n   accept *:80,\\\n  reject *:*\n"
                                        "MyFamily $0000000000000000000000000000000000000000\nRelayBandwidthRate 10 MB\n"
                                        "+ControlSocket /run/x\n/Log\nLog info stdout\nMaxMemInQueues 1 GB\nDirPort 0\n")));
    EXPECT_TRUE(is_success(check_operator_torrc("")));
    EXPECT_TRUE(is_success(check_operator_torrc("# User root\n   # KeyDirectory /x\n#\n#KeyDirectory /x\\\n")));
}

TEST(OperatorTorrc, AnOptionThatLetheSetsIsRefusedWithItsLineAndName) {
    for (const std::string option :
         {"DataDirectory", "DataDirectoryGroupReadable", "FamilyKeyDirectory", "KeyDirectory", "KeyDirectoryGroupReadable",
          "OfflineMasterKey", "PidFile", "RunAsDaemon", "Sandbox", "User", "%include"})
        EXPECT_TRUE(
            is_error(check_operator_torrc("ORPort 9001\n\n" + option + " 1\n"), ErrorKind::invalid_argument, "line 3: " + option + " "));
}

// Each spelling is given to tor as well: that it reads it as the option shows that the refusal is needed, and not only strict.
TEST(OperatorTorrc, EverySpellingThatTorReadsAsTheOptionIsRefused) {
    const TemporaryFolder folder;
    const std::string defaults = std::format("DataDirectory {0}/data\nKeyDirectory {0}/keys\n", folder.path().native());
    for (const std::string spelling :
         {"KeyDirectory /elsewhere", "keydirectory /elsewhere", "KEYDIR /elsewhere", "KeyD /elsewhere", "  \t KeyDirectory\t/elsewhere",
          "+KeyDirectory /elsewhere", "/KeyDirectory", "KeyDirectory#", "KeyDirectory\\\n/elsewhere", "KeyDirectory \\\n/elsewhere",
          "KeyD\\\n/elsewhere", "ContactInfo none # \\\nKeyDirectory /elsewhere", "# \\\nKeyDirectory /elsewhere",
          "ContactInfo \"none\"\\\nKeyDirectory /elsewhere", "ContactInfo \"none\" # \\\nKeyDirectory /elsewhere",
          "KeyDirectory \"/elsewhere\"", "ContactInfo none\r\nKeyDirectory /elsewhere\r\n", "KeyDirectory",
          "ContactInfo a \\\nb\nKeyDirectory /elsewhere"}) {
        const Outcome dump = ask_tor(folder, "dump", defaults, spelling + "\n");
        EXPECT_FALSE(dump.exit_status == 0 && dump.standard_output.contains(std::format("KeyDirectory {}/keys\n", folder.path().native())))
            << "tor does not read this as KeyDirectory: " << spelling;
        EXPECT_TRUE(is_error(check_operator_torrc(spelling + "\n"), ErrorKind::invalid_argument, "KeyDirectory")) << spelling;
        EXPECT_TRUE(is_error(check_operator_torrc(spelling), ErrorKind::invalid_argument, "KeyDirectory"))
            << "without a newline: " << spelling;
    }
}

TEST(OperatorTorrc, AnAbbreviationOfARefusedOptionIsRefusedWithAdvice) {
    EXPECT_TRUE(is_error(check_operator_torrc("Offline 1\n"), ErrorKind::invalid_argument, "\"Offline\" as OfflineMasterKey"));
    EXPECT_TRUE(is_error(check_operator_torrc("sand 1\n"), ErrorKind::invalid_argument, "write options in full"));
    for (const std::string word : {"F", "Family", "familyi", "+FamilyI", "/FamilyI", "FamilyI\\"})
        EXPECT_TRUE(is_error(check_operator_torrc(word + "\n"), ErrorKind::invalid_argument, "as FamilyId: write options in full")) << word;
    EXPECT_TRUE(is_success(check_operator_torrc("FamilyIdx 1\nFamilyId\n")));
    EXPECT_TRUE(is_success(check_operator_torrc("Nick alice\nKeepalivePeriod 60\nDataX 1\nUsers 1\n")));
}

TEST(OperatorTorrc, ControlCharactersAndTooManyOctetsAreRefused) {
    EXPECT_TRUE(is_error(check_operator_torrc(std::string_view("ORPort 9001\n\0KeyDirectory /x\n", 29)), ErrorKind::invalid_argument,
                         "line 2: a control"));
    EXPECT_TRUE(is_error(check_operator_torrc("ORPort\v9001\n"), ErrorKind::invalid_argument, "line 1: a control"));
    EXPECT_TRUE(is_success(check_operator_torrc(std::string(65536, '\n'))));
    EXPECT_TRUE(is_error(check_operator_torrc(std::string(65537, '\n')), ErrorKind::invalid_argument, "65537 octets"));
}

constexpr std::string_view an_id = "xBUyjQLTTwTqTY0E9p6rUJ0COjj3Q3mSEm3U7wUL1KA";
constexpr std::string_view another_id = "4hm5XccDSKhJU9TUcLNiBQQYfiRkror8G0VQ0CFTt/s";

// "$1" and "$2" stand for the two ids.
std::string with_ids(std::string text) {
    for (const auto& [mark, id] : {std::pair{"$1", an_id}, {"$2", another_id}})
        for (std::size_t place; (place = text.find(mark)) != std::string::npos;) text.replace(place, 2, id);
    return text;
}

// The real tor's reading of the same text: its FamilyId lines, without what it skips in an id.
std::set<std::string> ids_by_tor(const TemporaryFolder& folder, const std::string& torrc) {
    std::istringstream dump(ask_tor(folder, "short", "", torrc).standard_output);
    std::set<std::string> ids;
    for (std::string line; std::getline(dump, line);) {
        if (!line.starts_with("FamilyId ")) continue;
        line.erase(0, 9);
        std::erase_if(line, [](char c) { return c == ' ' || c == '='; });
        ids.insert(line);
    }
    return ids;
}

TEST(FamilyIds, AreFoundWhereTorFindsThem) {
    const TemporaryFolder folder;
    for (const std::string text : {"",
                                   "Nickname a\n",
                                   "FamilyId $1\n",
                                   "FamilyId $1",
                                   "familyid $1\nFAMILYID $2\n",
                                   "FamilyId $1\nFamilyId $1\n",
                                   "+FamilyId $1\n",
                                   "FamilyId $1\n+FamilyId $2\n",
                                   "FamilyId $1\n/FamilyId\n",
                                   "FamilyId $1\n/FamilyId\nFamilyId $2\n",
                                   "+FamilyId $1\n/FamilyId $2\n",
                                   "FamilyId \"$1\"\n",
                                   "FamilyId \"$1\" # mine\n",
                                   "FamilyId \"$1\"\r\n",
                                   "FamilyId $1#mine\n",
                                   "\t FamilyId \t $1 \t\r\n",
                                   "FamilyId \\\n  $1\n",
                                   "FamilyId\\\n$1\n",
                                   "FamilyId $1\\\n# a comment\n=\n",
                                   "FamilyId $1=\n",
                                   "FamilyId $1==\n",
                                   "# FamilyId $1\n",
                                   "# \\\nFamilyId $1\n",
                                   "ContactInfo a \\\nFamilyId $1\n",
                                   "ContactInfo a # \\\nFamilyId $1\n",
                                   "ContactInfo a \\\n# b\nFamilyId $1\n",
                                   "ContactInfo \"a\\\" # b\"\nFamilyId $1\n",
                                   "ContactInfo \"a\" \nFamilyId $1\n",
                                   "ContactInfo \\\n\nFamilyId $1\n",
                                   "FamilyId\nFamilyId $1\n",
                                   "FamilyId \"\"\nFamilyId $1\n",
                                   "ORPort 9001\n\n\nFamilyId $2\nFamilyId $1\n",
                                   "MyFamily $1\n",
                                   "FamilyId#$1\n"}) {
        const std::string torrc = with_ids(text);
        const auto found = family_ids_of_torrc(torrc);
        ASSERT_TRUE(is_success(found)) << torrc;
        EXPECT_EQ(std::set(found->begin(), found->end()), ids_by_tor(folder, torrc)) << torrc;
        EXPECT_TRUE(std::ranges::is_sorted(*found));
    }
}

TEST(FamilyIds, AreBroughtToTheOneFormThatKeysHave) {
    const std::vector expected{std::string(an_id)};
    EXPECT_EQ(*family_ids_of_torrc(with_ids("FamilyId $1==\n")), expected);
    EXPECT_EQ(*family_ids_of_torrc("FamilyId xBUyjQLTTwTqTY0E9p6r UJ0COjj3Q3mSEm3U7wUL1KA\n"), expected);
}

TEST(FamilyIds, TheStarAndWhatIsNoIdAreRefusedWithTheirLine) {
    for (const char* text : {"FamilyId *\n", "FamilyId \"*\"\n", "+familyid * # all\n", "FamilyId $1\n/FamilyId\nFamilyId *\n"}) {
        EXPECT_TRUE(is_error(family_ids_of_torrc(with_ids(text)), ErrorKind::invalid_argument, "FamilyId * would publish")) << text;
        EXPECT_TRUE(is_error(check_operator_torrc(with_ids(text)), ErrorKind::invalid_argument, "FamilyId * would publish")) << text;
    }
    for (const char* text :
         {"$1 $2", "$1,$2", "$1A", "ed25519:$1", "abc", "\"$1\\n\"", "**", "xBUyjQLTTwTqTY0E9p6rUJ0COjj3Q3mSEm3U7wUL1KB"})
        EXPECT_TRUE(is_error(family_ids_of_torrc(with_ids(std::string("\nFamilyId ") + text)), ErrorKind::invalid_argument,
                             "line 2: FamilyId takes one id of 43"))
            << text;
    EXPECT_TRUE(is_success(check_operator_torrc(with_ids("FamilyId $1\nFamilyId $2\n"))));
}

TEST(FamilyIds, AQuotedValueThatTorRefusesIsRefused) {
    const TemporaryFolder folder;
    for (const std::string text :
         {"ContactInfo \"a", "ContactInfo \"a\nNickname b\"\n", "ContactInfo \"a\\\"\n", "ContactInfo \"a\" b\n"}) {
        EXPECT_TRUE(is_error(family_ids_of_torrc(text), ErrorKind::invalid_argument, "line 1: ")) << text;
        EXPECT_NE(ask_tor(folder, "verify", "", text).exit_status, 0) << text;
    }
}

}  // namespace
}  // namespace lethe
