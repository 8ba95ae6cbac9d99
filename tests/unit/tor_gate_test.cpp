#include <unistd.h>

#include <gmock/gmock.h>

#include <ctime>
#include <fstream>

#include "relay/gate.hpp"
#include "tor_oracle.hpp"

namespace lethe {
namespace {

namespace fs = std::filesystem;

// A relay "a" with its keys installed, and what its start reads besides.
class Gate : public testing::Test {
protected:
    void SetUp() override {
        fs::create_directories(paths_.manifest("a").parent_path());
        fs::create_directories(paths_.key_folder("a").parent_path());
        std::ofstream(sources_.membership) << "0::/unit\n";
    }

    void install(KeyFiles files) {
        const KeySet keys = parse_key_files(std::move(files)).value();
        install_keys(keys, paths_.key_folder("a"), geteuid(), getegid()).value();
        std::ofstream(paths_.manifest("a")) << encode_manifest(keys.fingerprints);
    }

    Result<void> pass(const std::string& torrc) {
        std::ofstream(files_.torrc) << torrc;
        const auto keys = TRY(check_installed_keys(paths_, "a"));
        return write_defaults(paths_, "a", keys, files_, sources_);
    }
    std::string defaults() { return std::string(as_text(*read_file(files_.defaults, 4096))); }

    // With the very defaults and torrc that the gate let pass; only what needs Debian's folders is set aside.
    TorStart start() {
        return start_tor({"--defaults-torrc", files_.defaults, "-f", files_.torrc, "--DataDirectory", folder_ / "data", "--PidFile", "",
                          "--ControlSocket", "0", "--CookieAuthentication", "0"});
    }

    TemporaryFolder folder_;
    RuntimePaths paths_{folder_ / "runtime"};
    TorFiles files_{.torrc = folder_ / "torrc", .defaults = folder_ / "defaults"};
    MemorySources sources_{.membership = folder_ / "membership", .cgroup_root = folder_.path(), .meminfo = "/proc/meminfo"};
};

TEST_F(Gate, ARelayThatIsPinnedToAnotherIdentityDoesNotStart) {
    install(copy_of(alice().files));
    EXPECT_TRUE(is_success(check_pinned(paths_, "a", {})));
    EXPECT_TRUE(is_success(check_pinned(paths_, "a", {{"a", alice().fingerprints.rsa}, {"b", bob().fingerprints.rsa}})));
    EXPECT_TRUE(is_error(check_pinned(paths_, "a", {{"a", bob().fingerprints.rsa}}), ErrorKind::wrong_state, bob().fingerprints.rsa_hex()));
    EXPECT_TRUE(is_error(check_pinned(paths_, "b", {{"b", bob().fingerprints.rsa}}), ErrorKind::not_found, ""));
}

TEST_F(Gate, TellsTorThatTheMasterKeyIsOfflineWhenItIsAndOnlyThen) {
    install(offline_files(alice()));
    ASSERT_TRUE(is_success(pass("Nickname a\n")));
    EXPECT_THAT(defaults(), testing::HasSubstr("\nOfflineMasterKey 1\n"));
    EXPECT_TRUE(start().bootstraps);
    install(copy_of(alice().files));
    ASSERT_TRUE(is_success(pass("Nickname a\n")));
    EXPECT_THAT(defaults(), testing::Not(testing::HasSubstr("OfflineMasterKey")));
    EXPECT_TRUE(start().bootstraps);
}

TEST_F(Gate, RefusesAnOfflineRelayWhoseSigningKeyHasEndedAsTorWould) {
    KeyFiles files = offline_files(alice());
    files.insert_or_assign(key_file::signing_certificate, certificate_until(alice(), time(nullptr) + 2 * 3600));
    install(copy_of(files));
    ASSERT_TRUE(is_success(pass("Nickname a\n")));
    EXPECT_TRUE(start().bootstraps);

    files.insert_or_assign(key_file::signing_certificate, certificate_until(alice(), time(nullptr) - 2 * 3600));
    install(copy_of(files));
    const auto refused = pass("Nickname a\n");
    EXPECT_TRUE(is_error(refused, ErrorKind::wrong_state, "lethectl identity import a DIR --replace " + alice().fingerprints.rsa_hex()));
    const TorStart tor = start();
    EXPECT_FALSE(tor.bootstraps);
    EXPECT_THAT(tor.output, testing::HasSubstr("Can't load master identity key; OfflineMasterKey is set"));

    // With the master secret tor makes a new signing key.
    files.emplace(key_file::master_secret, Secret::copy_of(alice().files.at(key_file::master_secret).expose()));
    install(std::move(files));
    ASSERT_TRUE(is_success(pass("Nickname a\n")));
    EXPECT_TRUE(start().bootstraps);
}

TEST_F(Gate, RefusesASigningKeyThatEndsWithinAMinute) {
    install(offline_files(alice()));
    const std::int64_t end = alice().signing_key_expires;
    EXPECT_TRUE(is_success(check_installed_keys(paths_, "a", end - 61)));
    EXPECT_TRUE(
        is_error(check_installed_keys(paths_, "a", end - 60), ErrorKind::wrong_state, ":00 UTC, and its master key is kept offline"));
    install(copy_of(alice().files));
    EXPECT_TRUE(is_success(check_installed_keys(paths_, "a", end + 1)));
}

TEST_F(Gate, LetsAFamilyPassWhoseKeyIsInstalledAndNoOther) {
    KeyFiles files = copy_of(alice().files);
    add(files, family_files("fleet"));
    install(std::move(files));
    ASSERT_TRUE(is_success(pass("Nickname a\nFamilyId " + family_id_of("fleet") + "\n")));
    const TorStart started = start();
    EXPECT_TRUE(started.bootstraps) << started.output;
    // That tor finds the key without FamilyKeyDirectory, and does not merely ignore the line: it says so when the key is not there.
    fs::remove(paths_.key_folder("a") / "fleet.secret_family_key");
    EXPECT_THAT(start().output, testing::HasSubstr("No key was found for listed FamilyID"));
}

TEST_F(Gate, RefusesAFamilyWithoutAKeyAsTorWould) {
    KeyFiles files = copy_of(alice().files);
    add(files, family_files("fleet"));
    install(std::move(files));
    const std::string fleet = "FamilyId " + family_id_of("fleet") + "\n", other = "FamilyId " + family_id_of("other") + "\n";
    ASSERT_TRUE(is_success(pass(fleet)));  // the defaults for the start below
    EXPECT_TRUE(is_error(pass(fleet + other), ErrorKind::invalid_argument,
                         "torrc: FamilyId " + family_id_of("other") + " has no key among this relay's: import the family key"));
    const TorStart refused = start();
    EXPECT_FALSE(refused.bootstraps);
    EXPECT_THAT(refused.output, testing::HasSubstr("No key was found for listed FamilyID " + family_id_of("other")));
    EXPECT_TRUE(is_error(pass("FamilyId *\n"), ErrorKind::invalid_argument, "line 1: FamilyId * would publish"));
}

}  // namespace
}  // namespace lethe
