#include <pwd.h>
#include <unistd.h>

#include <gmock/gmock.h>

#include <fstream>

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
    const std::string defaults = defaults_torrc(paths_in(folder), 768);
    const Outcome dump = ask_tor(folder, "dump", defaults, "ORPort 9001\nNickname alice\nContactInfo none\n");
    ASSERT_EQ(dump.exit_status, 0) << dump.standard_output;
    for (const std::string& line :
         {std::format("DataDirectory {}", (folder / "data").native()), std::format("KeyDirectory {}", (folder / "keys").native()),
          std::format("PidFile {}", (folder / "tor.pid").native()), std::string("Log notice stdout"), std::string("Nickname alice"),
          std::format("MaxMemInQueues {}", 768 << 20), std::string("CookieAuthentication 1"), std::string("SocksPort 0")})
        EXPECT_THAT(dump.standard_output, testing::HasSubstr(line + "\n"));
    const Outcome verify = ask_tor(folder, "verify", defaults, "ORPort 9001\nNickname alice\nContactInfo none\n");
    EXPECT_EQ(verify.exit_status, 0) << verify.standard_output;
    EXPECT_THAT(verify.standard_output, testing::Not(testing::HasSubstr("deprecated")));
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
         {"DataDirectory", "DataDirectoryGroupReadable", "FamilyId", "FamilyKeyDirectory", "KeyDirectory", "KeyDirectoryGroupReadable",
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
    EXPECT_TRUE(is_success(check_operator_torrc("Nick alice\nKeepalivePeriod 60\nDataX 1\nUsers 1\n")));
}

TEST(OperatorTorrc, ControlCharactersAndTooManyOctetsAreRefused) {
    EXPECT_TRUE(is_error(check_operator_torrc(std::string_view("ORPort 9001\n\0KeyDirectory /x\n", 29)), ErrorKind::invalid_argument,
                         "line 2: a control"));
    EXPECT_TRUE(is_error(check_operator_torrc("ORPort\v9001\n"), ErrorKind::invalid_argument, "line 1: a control"));
    EXPECT_TRUE(is_success(check_operator_torrc(std::string(65536, '\n'))));
    EXPECT_TRUE(is_error(check_operator_torrc(std::string(65537, '\n')), ErrorKind::invalid_argument, "65537 octets"));
}

}  // namespace
}  // namespace lethe
