#include "vault/open_store.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>

#include "fake_tpm.hpp"
#include "temporary_folder.hpp"
#include "vault/nv_disk.hpp"

namespace lethe {
namespace {

const ObjectId keyring_id{ObjectKind::keyring, ""};

struct OpenStoreTest : testing::Test {
    TemporaryFolder folder;
    bool lasting = true;
    int opened = 0;
    Result<void> tpm_is_there;
    std::unique_ptr<FakeTpm> tpm = std::make_unique<FakeTpm>();

    Result<OpenedStore> open(StoreChoice choice, const std::filesystem::path& path) {
        const auto open_tpm = [&]() -> Result<std::unique_ptr<Tpm>> {
            ++opened;
            TRY(tpm_is_there);
            return std::move(tpm);
        };
        const auto is_volatile = [&](const std::filesystem::path& folder) {
            return is_volatile_folder(folder).transform([&](bool) { return !lasting; });
        };
        return open_store(choice, path, open_tpm, is_volatile);
    }
    void put_store_into_tpm() {
        auto made = std::make_unique<FakeTpm>();
        FakeTpm& kept = *made;
        NvDisk disk(std::move(made));
        ASSERT_TRUE(disk.write("keyring.a", as_octets("octets")));
        for (const std::uint32_t handle : store_index_handles) {
            ASSERT_TRUE(tpm->nv_define(handle, kept.nv_area(handle)->octets));
            ASSERT_TRUE(tpm->nv_write(handle, 0, *kept.nv_read(handle)));
        }
    }
};

TEST_F(OpenStoreTest, AutomaticallyTakesALastingFolder) {
    const auto store = open(StoreChoice::automatic, folder.path());
    ASSERT_TRUE(store) << store.error().message;
    EXPECT_FALSE(store->in_tpm);
    EXPECT_EQ(store->store.place(), folder.path());
}

// What a new vault key and a snapshot need, on a disk or in the TPM.
TEST_F(OpenStoreTest, WhoHoldsAStoreKeepsEverybodyElseWaiting) {
    const auto is_held = [&] {
        const Fd other = open_file(AT_FDCWD, folder.path(), O_RDONLY | O_DIRECTORY).value();
        return flock(other.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    };
    for (const StoreChoice choice : {StoreChoice::folder, StoreChoice::tpm}) {
        auto store = open(choice, folder.path());
        ASSERT_TRUE(store) << store.error().message;
        EXPECT_FALSE(is_held());
        {
            const auto alone = store->store.disk().exclude();
            ASSERT_TRUE(alone) << alone.error().message;
            EXPECT_TRUE(is_held());
        }
        EXPECT_FALSE(is_held());
    }
    tpm = std::make_unique<FakeTpm>();
    EXPECT_TRUE(open(StoreChoice::tpm, folder / "missing")->store.disk().exclude()) << "there is nothing to hold on to";
}

TEST_F(OpenStoreTest, AutomaticallyTakesTheStoreInTheTpmBeforeAnyFolder) {
    put_store_into_tpm();
    const auto store = open(StoreChoice::automatic, folder.path());
    ASSERT_TRUE(store) << store.error().message;
    EXPECT_TRUE(store->in_tpm);
    EXPECT_TRUE(*store->store.exists(keyring_id));
}

TEST_F(OpenStoreTest, AutomaticallyWithoutAFolderOrWithAVolatileOneItIsAnEmptyStoreInTheTpm) {
    FakeTpm& kept = *tpm;
    const auto store = open(StoreChoice::automatic, folder / "missing");
    ASSERT_TRUE(store) << store.error().message;
    EXPECT_TRUE(store->in_tpm);
    EXPECT_FALSE(*store->store.exists(keyring_id));
    EXPECT_EQ(kept.nv_area(store_index_handles[0]).error().kind, ErrorKind::not_found) << "nothing is taken before it is needed";
    tpm = std::make_unique<FakeTpm>();
    lasting = false;
    EXPECT_TRUE(open(StoreChoice::automatic, folder.path())->in_tpm);
}

TEST_F(OpenStoreTest, AnIndexOfOthersIsNoMatterToAFolderAndInTheWayOfAStoreInTheTpm) {
    tpm->define_index(store_index_handles[2]);
    EXPECT_FALSE(open(StoreChoice::automatic, folder.path())->in_tpm);
    tpm = std::make_unique<FakeTpm>();
    tpm->define_index(store_index_handles[2]);
    EXPECT_EQ(open(StoreChoice::automatic, folder / "missing").error().kind, ErrorKind::wrong_state);
}

TEST_F(OpenStoreTest, AutomaticallyWithoutATpmNothingIsChosen) {
    tpm_is_there = fail(ErrorKind::tpm_unavailable, "no TPM");
    EXPECT_EQ(open(StoreChoice::automatic, folder.path()).error().kind, ErrorKind::tpm_unavailable);
    tpm_is_there = {};
    tpm->fail_with(Error{ErrorKind::tpm_locked_out, "locked out"});
    EXPECT_EQ(open(StoreChoice::automatic, folder.path()).error().kind, ErrorKind::tpm_locked_out);
}

TEST_F(OpenStoreTest, AFolderThatIsChosenNeedsNoTpmAndMustLast) {
    EXPECT_FALSE(open(StoreChoice::folder, folder.path())->in_tpm);
    lasting = false;
    const auto refused = open(StoreChoice::folder, folder.path());
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, ErrorKind::wrong_state);
    EXPECT_TRUE(refused.error().message.contains("lies in memory")) << refused.error().message;
    EXPECT_EQ(open(StoreChoice::folder, folder / "missing").error().kind, ErrorKind::not_found);
    EXPECT_EQ(opened, 0);
}

TEST_F(OpenStoreTest, TheTpmThatIsChosenIsTakenWhateverFolderThereIs) {
    const auto store = open(StoreChoice::tpm, folder.path());
    ASSERT_TRUE(store) << store.error().message;
    EXPECT_TRUE(store->in_tpm);
    tpm_is_there = fail(ErrorKind::tpm_unavailable, "no TPM");
    EXPECT_EQ(open(StoreChoice::tpm, folder.path()).error().kind, ErrorKind::tpm_unavailable);
}

TEST(VolatileFolder, IsOneInMemory) {
    EXPECT_TRUE(*is_volatile_folder("/dev/shm"));
    EXPECT_FALSE(*is_volatile_folder("/proc"));
    EXPECT_EQ(is_volatile_folder("/nonexistent").error().kind, ErrorKind::not_found);
}

}  // namespace
}  // namespace lethe
