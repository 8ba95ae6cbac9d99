#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <list>

#include "tor/offered_files.hpp"
#include "tor_oracle.hpp"

namespace lethe {
namespace {

namespace fs = std::filesystem;

// A relay's key directory as it lies on a disk, and the list of its opened files.
class OfferedFiles : public testing::Test {
protected:
    void SetUp() override { put_files(alice().files, keys_); }

    void offer(const std::string& name, int flags = O_RDONLY) {
        opened_.push_back(*open_file(AT_FDCWD, keys_ / name, flags | O_NONBLOCK));
        files_.push_back({name, opened_.back().get()});
    }
    void offer_all() {
        for (const auto& entry : fs::directory_iterator(keys_)) offer(entry.path().filename());
    }
    void put(const std::string& name, std::string_view text) {
        std::ofstream(keys_ / name, std::ios::binary) << text;
        fs::permissions(keys_ / name, fs::perms(0600));
    }

    TemporaryFolder folder_;
    fs::path keys_ = folder_ / "keys";
    std::list<Fd> opened_;
    std::vector<OfferedFile> files_;
};

TEST_F(OfferedFiles, OfAWholeKeyDirectoryAreReadWhereverTheirPositionsAre) {
    put_files(family_files("fleet"), keys_);
    offer_all();
    lseek(files_.front().fd, 5, SEEK_SET);
    const auto read = read_offered_files(files_);
    ASSERT_TRUE(is_success(read));
    EXPECT_EQ(lseek(files_.front().fd, 0, SEEK_CUR), 5);
    const auto keys = parse_key_files(copy_of(*read));
    ASSERT_TRUE(is_success(keys));
    EXPECT_EQ(keys->fingerprints, alice().fingerprints);
    EXPECT_EQ(keys->family_ids, std::vector{family_id_of("fleet")});
    EXPECT_EQ(read->size(), alice().files.size() + 2);
}

TEST_F(OfferedFiles, ASecretThatOthersCanReachIsNamedWithItsModeAndAdvice) {
    put_files(family_files("fleet"), keys_);
    for (const std::string& name : {key_file::rsa_identity, key_file::master_secret, key_file::signing_secret, key_file::onion,
                                    key_file::onion_ntor, std::string("fleet.secret_family_key")}) {
        for (const mode_t mode : {0640, 0604, 0644, 0660, 0601, 0610}) {
            fs::permissions(keys_ / name, fs::perms(mode));
            files_.clear();
            offer(name);
            EXPECT_TRUE(
                is_error(read_offered_files(files_), ErrorKind::invalid_argument, std::format("{} has mode {:04o}, which", name, mode)));
            EXPECT_TRUE(is_error(read_offered_files(files_), ErrorKind::invalid_argument, "treat the key as known"));
        }
        for (const mode_t mode : {0600, 0400, 0700}) {
            fs::permissions(keys_ / name, fs::perms(mode));
            EXPECT_TRUE(is_success(read_offered_files(files_))) << name;
        }
    }
}

TEST_F(OfferedFiles, APublicFileMayBeReadByAnybody) {
    put_files(family_files("fleet"), keys_);
    for (const std::string& name : {key_file::master_public, key_file::signing_certificate, std::string("fleet.public_family_id")}) {
        fs::permissions(keys_ / name, fs::perms(0644));
        offer(name);
    }
    EXPECT_EQ(read_offered_files(files_)->size(), 3u);
}

TEST_F(OfferedFiles, WhatIsNoRegularFileIsRefusedWithoutWaiting) {
    const auto with = [&](int fd) { return read_offered_files(std::vector{OfferedFile{key_file::rsa_identity, fd}}); };
    ASSERT_EQ(mkfifo((folder_ / "fifo").c_str(), 0600), 0);
    const Fd fifo = *open_file(AT_FDCWD, folder_ / "fifo", O_RDWR);
    const Fd directory = *open_file(AT_FDCWD, keys_, O_RDONLY | O_DIRECTORY);
    const Fd device = *open_file(AT_FDCWD, "/dev/null", O_RDONLY);
    for (const Fd* fd : {&fifo, &directory, &device})
        EXPECT_TRUE(is_error(with(fd->get()), ErrorKind::invalid_argument, "secret_id_key is not a regular file"));
    const Fd file = *open_file(AT_FDCWD, keys_ / key_file::rsa_identity, O_RDONLY);
    EXPECT_TRUE(is_success(with(file.get())));
    EXPECT_TRUE(is_error(with(-1), ErrorKind::io, "secret_id_key"));
}

TEST_F(OfferedFiles, ADescriptorThatWasNotOpenedForReadingIsRefused) {
    for (const int flags : {O_WRONLY, O_PATH}) {
        files_.clear();
        offer(key_file::rsa_identity, flags);
        EXPECT_TRUE(is_error(read_offered_files(files_), ErrorKind::invalid_argument, "secret_id_key was not opened for reading"));
    }
    files_.clear();
    offer(key_file::rsa_identity, O_RDWR);
    EXPECT_TRUE(is_success(read_offered_files(files_)));
}

TEST_F(OfferedFiles, OneOctetMoreThanAKeyFileMayHaveIsRefused) {
    put(key_file::rsa_identity, std::string(8192, 'x'));
    offer(key_file::rsa_identity);
    EXPECT_EQ(read_offered_files(files_)->at(key_file::rsa_identity).size(), 8192u);
    put(key_file::rsa_identity, std::string(8193, 'x'));
    EXPECT_TRUE(is_error(read_offered_files(files_), ErrorKind::invalid_argument, "secret_id_key has 8193 octets"));
    put(key_file::rsa_identity, "");
    EXPECT_TRUE(read_offered_files(files_)->at(key_file::rsa_identity).empty());
}

// procfs says 0 for the size of a file that has contents: so does a file that grows after it was looked at.
TEST_F(OfferedFiles, AFileWithMoreOctetsThanItSaysHasChanged) {
    const Fd lying = *open_file(AT_FDCWD, "/proc/self/cmdline", O_RDONLY);
    EXPECT_TRUE(is_error(read_offered_files(std::vector{OfferedFile{key_file::master_public, lying.get()}}), ErrorKind::wrong_state,
                         "ed25519_master_id_public_key changed while it was read: stop tor"));
}

TEST_F(OfferedFiles, NoneTwoOfOneNameAndTooManyAreRefused) {
    EXPECT_TRUE(is_error(read_offered_files({}), ErrorKind::invalid_argument, "there are no key files"));
    offer(key_file::rsa_identity);
    offer(key_file::rsa_identity);
    EXPECT_TRUE(is_error(read_offered_files(files_), ErrorKind::invalid_argument, "secret_id_key is there twice"));
    files_.assign(32, OfferedFile{"secret_onion_key.tmp", -1});
    EXPECT_TRUE(is_success(read_offered_files(files_)));
    files_.assign(33, OfferedFile{"secret_onion_key.tmp", -1});
    EXPECT_TRUE(is_error(read_offered_files(files_), ErrorKind::invalid_argument, "33 files"));
}

TEST_F(OfferedFiles, AnUnfinishedWriteOfTorIsSkippedAndAnyOtherFileNamed) {
    put("secret_onion_key_ntor.tmp", "half of a");
    fs::permissions(keys_ / "secret_onion_key_ntor.tmp", fs::perms(0644));
    put("fleet.secret_family_key.tmp", "half of a");
    offer_all();
    EXPECT_EQ(*read_offered_files(files_), alice().files);
    put("other.tmp", "x");
    offer("other.tmp");
    EXPECT_TRUE(is_error(read_offered_files(files_), ErrorKind::invalid_argument, "\"other.tmp\" is not a file of a relay's key"));
    files_.back().name = key_file::master_encrypted;
    EXPECT_TRUE(is_error(read_offered_files(files_), ErrorKind::invalid_argument, "is encrypted"));
    files_.back().name = "../secret_id_key";
    EXPECT_TRUE(is_error(read_offered_files(files_), ErrorKind::invalid_argument, "\"../secret_id_key\""));
}

TEST_F(OfferedFiles, ATruncatedOrForeignFileIsNamedByTheParser) {
    fs::resize_file(keys_ / key_file::signing_secret, 95);
    offer_all();
    EXPECT_TRUE(is_error(parse_key_files(*read_offered_files(files_)), ErrorKind::corrupt, key_file::signing_secret));
    put(key_file::signing_secret, as_text(bob().files.at(key_file::signing_secret).expose()));
    EXPECT_TRUE(is_error(parse_key_files(*read_offered_files(files_)), ErrorKind::corrupt, key_file::signing_secret));
    put(key_file::signing_secret, as_text(alice().files.at(key_file::signing_secret).expose()));
    EXPECT_TRUE(is_success(parse_key_files(*read_offered_files(files_))));
}

}  // namespace
}  // namespace lethe
