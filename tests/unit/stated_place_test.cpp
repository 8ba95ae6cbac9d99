#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "state_machine.hpp"
#include "stated/place.hpp"

namespace lethe {
namespace {

namespace fs = std::filesystem;

void write(const fs::path& file, std::string_view text) {
    fs::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << text;
}

// The folders of relay `a`, whose tor runs as the user of this test.
struct Place : testing::Test {
    TemporaryFolder folder;
    StatePlaceSettings settings{.paths = {folder / "lethe-state"},
                                .identity = {folder / "lethe"},
                                .instances = folder / "instances",
                                .fixed_user = ::getpwuid(::getuid())->pw_name};
    MachineStatePlace place{settings};
    fs::path state = folder / "instances/a/state";
    fs::path keys = folder / "lethe/keys/a";

    Place() {
        fs::create_directory(folder / "lethe-state");
        write(folder / "lethe/manifest/a", encode_manifest(alice().fingerprints));
        write(folder / "lethe/manifest/b", "no manifest");
        write(state, state_of(1 << 20));
        for (const std::string& name : {key_file::onion, key_file::onion_ntor})
            write(keys / name, as_text(alice().files.at(name).expose()));
    }
    Error refusal() {
        const auto collected = place.collect("a", 0);
        EXPECT_FALSE(collected);
        return collected ? Error{ErrorKind::io, "it was read"} : collected.error();
    }
};

TEST_F(Place, CollectsStateAndOnionKeysAndNothingElse) {
    write(keys / "secret_id_key", "x");
    write(state.parent_path() / "cached-certs", "certs");
    EXPECT_EQ(*place.relays(), (std::map<std::string, RsaFingerprint>{{"a", alice().fingerprints.rsa}}));
    EXPECT_EQ(*place.collect("a", 0), state_files(state_of(1 << 20)));
}

TEST_F(Place, CollectsCachedFilesWithinTheLimitWhenAsked) {
    write(state.parent_path() / "cached-certs", "certs");
    write(state.parent_path() / "cached-microdescs", std::string(100, 'x'));
    const auto collected = place.collect("a", 50);
    ASSERT_TRUE(collected);
    EXPECT_TRUE(collected->contains("cached-certs"));
    EXPECT_FALSE(collected->contains("cached-microdescs"));
}

TEST_F(Place, HasNothingToCollectBeforeTorHasWritten) {
    fs::remove(state);
    EXPECT_EQ(refusal().kind, ErrorKind::not_found);
}

TEST_F(Place, TakesNeitherALinkNorAPipeNorAHugeFileForAState) {
    fs::remove(state);
    write(folder / "elsewhere", state_of(1 << 20));
    fs::create_symlink(folder / "elsewhere", state);
    EXPECT_EQ(refusal().kind, ErrorKind::corrupt);
    fs::remove(state);
    ASSERT_EQ(::mkfifo(state.c_str(), 0600), 0);
    EXPECT_EQ(refusal().kind, ErrorKind::corrupt);
    fs::remove(state);
    write(state, "");
    fs::resize_file(state, 100 << 20);
    EXPECT_EQ(refusal().kind, ErrorKind::corrupt);
    EXPECT_THAT(refusal().message, HasSubstr("state: larger than"));
}

TEST_F(Place, TakesNoFileOfAnotherUser) {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root, to give a file away";
    ASSERT_EQ(::chown(state.c_str(), 65534, 65534), 0);
    EXPECT_EQ(refusal().kind, ErrorKind::corrupt);
    EXPECT_THAT(refusal().message, HasSubstr("belongs to user 65534"));
}

TEST_F(Place, WaitsWhileTorReplacesAnOnionKey) {
    fs::rename(keys / key_file::onion_ntor, keys / key_file::onion_ntor_old);
    EXPECT_EQ(refusal().kind, ErrorKind::wrong_state);
    write(keys / key_file::onion_ntor, as_text(bob().files.at(key_file::onion_ntor).expose()));
    EXPECT_TRUE(place.collect("a", 0));
}

TEST_F(Place, LaysOutForTheRelaysUserAlone) {
    ASSERT_TRUE(place.lay_out("a", state_files(state_of(2 << 20))));
    const auto laid_out = settings.paths.laid_out("a");
    EXPECT_EQ(as_text(*read_file(laid_out / "state", 1 << 20)), state_of(2 << 20));
    EXPECT_EQ(fs::status(laid_out).permissions(), fs::perms::owner_all);
    EXPECT_EQ(fs::status(laid_out / "state").permissions(), fs::perms::owner_read | fs::perms::owner_write);
    ASSERT_TRUE(place.lay_out_nothing("a", "it was lost"));
    EXPECT_FALSE(fs::exists(laid_out));
    EXPECT_EQ(as_text(*read_file(settings.paths.reason("a"), 100)), "it was lost\n");
    ASSERT_TRUE(place.lay_out("a", state_files(state_of(2 << 20))));
    EXPECT_FALSE(fs::exists(settings.paths.reason("a")));
}

}  // namespace
}  // namespace lethe
