#include "identityd/key_place.hpp"

#include <pwd.h>
#include <unistd.h>

#include <fstream>

#include "base/file.hpp"
#include "relay/gate.hpp"
#include "tor_keys.hpp"

namespace lethe {
namespace {

namespace fs = std::filesystem;

// The real key place in a temporary folder, with this process's own user as every relay's.
struct Place {
    TemporaryFolder folder;
    RuntimePaths paths{folder.path()};
    MachineKeyPlace place{{.paths = paths, .tor = tor_program, .user_prefix = "_tor-", .fixed_user = ::getpwuid(::getuid())->pw_name}};
};

TEST(KeyPlace, MakesKeysWithTheRealTorAndLeavesNothingInItsScratchFolder) {
    Place place;
    const auto keys = place.place.make();
    ASSERT_TRUE(keys) << keys.error().message;
    EXPECT_TRUE(fs::is_empty(place.folder / "scratch"));
}

TEST(KeyPlace, WhatItInstallsPassesTheGate) {
    Place place;
    EXPECT_TRUE(is_error(check_installed_keys(place.paths, "a"), ErrorKind::not_found, ""));
    const auto folder = place.place.install("a", alice());
    ASSERT_TRUE(folder) << folder.error().message;
    EXPECT_EQ(*folder, place.paths.key_folder("a"));
    EXPECT_EQ(fs::status(*folder).permissions(), fs::perms::owner_all);
    EXPECT_TRUE(is_success(check_installed_keys(place.paths, "a")));
    EXPECT_EQ(*place.place.installed("a"), manifest_of(alice().fingerprints));
}

TEST(KeyPlace, AManifestCanBeReadByAnyRelaysUser) {
    Place place;
    const auto mask = ::umask(0077);
    ASSERT_TRUE(place.place.install("a", alice()));
    ::umask(mask);
    EXPECT_EQ(fs::status(place.paths.manifest("a")).permissions(), fs::perms{0644});
}

TEST(KeyPlace, KeysThatAreThereAreLeftAlone) {
    Place place;
    ASSERT_TRUE(place.place.install("a", alice()));
    std::ofstream(place.paths.key_folder("a") / "mark");
    ASSERT_TRUE(place.place.install("a", alice()));
    EXPECT_TRUE(fs::exists(place.paths.key_folder("a") / "mark"));
    ASSERT_TRUE(place.place.install("a", bob()));
    EXPECT_FALSE(fs::exists(place.paths.key_folder("a") / "mark"));
    EXPECT_TRUE(is_success(check_installed_keys(place.paths, "a")));
}

TEST(KeyPlace, OtherKeysThanTheManifestsDoNotPassTheGate) {
    Place place;
    ASSERT_TRUE(place.place.install("a", alice()));
    ASSERT_TRUE(place.place.install("b", bob()));
    fs::remove(place.paths.manifest("a"));
    fs::copy(place.paths.manifest("b"), place.paths.manifest("a"));
    EXPECT_TRUE(is_error(check_installed_keys(place.paths, "a"), ErrorKind::corrupt, "sealed identity"));
    EXPECT_TRUE(is_success(check_installed_keys(place.paths, "b")));
}

TEST(KeyPlace, ADamagedKeyDoesNotPassTheGate) {
    Place place;
    ASSERT_TRUE(place.place.install("a", alice()));
    fs::resize_file(place.paths.key_folder("a") / "ed25519_master_id_secret_key", 95);
    EXPECT_TRUE(is_error(check_installed_keys(place.paths, "a"), ErrorKind::corrupt, ""));
}

TEST(KeyPlace, ADamagedManifestDoesNotPassTheGate) {
    Place place;
    ASSERT_TRUE(place.place.install("a", alice()));
    for (const char* text : {"", "{}", "[]", "{\"fingerprint\":1,\"ed25519\":2}", "not JSON"}) {
        std::ofstream(place.paths.manifest("a")) << text;
        EXPECT_TRUE(is_error(check_installed_keys(place.paths, "a"), ErrorKind::corrupt, "not a manifest")) << text;
    }
}

TEST(KeyPlace, WithdrawnRelaysDoNotPassTheGateAndOthersDo) {
    Place place;
    ASSERT_TRUE(is_success(place.place.withdraw_others({})));
    ASSERT_TRUE(place.place.install("a", alice()));
    ASSERT_TRUE(place.place.install("b", bob()));
    ASSERT_TRUE(is_success(place.place.withdraw_others({"b"})));
    EXPECT_TRUE(is_error(check_installed_keys(place.paths, "a"), ErrorKind::not_found, ""));
    EXPECT_TRUE(is_success(check_installed_keys(place.paths, "b")));
}

TEST(KeyPlace, ARelayWithoutAUserIsNotFound) {
    Place place;
    MachineKeyPlace without_user({.paths = place.paths, .tor = tor_program, .user_prefix = "_no-such-user-", .fixed_user = ""});
    EXPECT_TRUE(is_error(without_user.install("a", alice()), ErrorKind::not_found, "_no-such-user-a"));
}

TEST(RelayFiles, TheDefaultsAreWrittenForAGoodTorrcAndNotForOneThatMovesTheKeys) {
    Place place;
    ASSERT_TRUE(place.place.install("a", alice()));
    const TorFiles files{.torrc = place.folder / "torrc", .defaults = place.folder / "defaults"};
    const MemorySources sources{.membership = place.folder / "membership", .cgroup_root = place.folder.path(), .meminfo = "/proc/meminfo"};
    std::ofstream(sources.membership) << "0::/unit\n";
    fs::create_directory(place.folder / "unit");
    std::ofstream(place.folder / "unit/memory.max") << "1073741824\n";
    EXPECT_TRUE(is_error(write_defaults(place.paths, "a", {.has_master_secret = true}, files, sources), ErrorKind::not_found, "torrc"));
    std::ofstream(files.torrc) << "Nickname a\nKeyDirectory /tmp\n";
    EXPECT_TRUE(
        is_error(write_defaults(place.paths, "a", {.has_master_secret = true}, files, sources), ErrorKind::invalid_argument, "line 2"));
    EXPECT_FALSE(fs::exists(files.defaults));
    std::ofstream(files.torrc) << "Nickname a\nORPort 443\n";
    ASSERT_TRUE(is_success(write_defaults(place.paths, "a", {.has_master_secret = true}, files, sources)));
    const auto text = std::string(as_text(*read_file(files.defaults, 4096)));
    EXPECT_TRUE(text.contains("KeyDirectory " + place.paths.key_folder("a").native() + "\n")) << text;
    EXPECT_TRUE(text.contains("MaxMemInQueues 768 MB")) << text;
    EXPECT_TRUE(text.contains("\nUser \n")) << "systemd sets the user: " << text;
}

}  // namespace
}  // namespace lethe
