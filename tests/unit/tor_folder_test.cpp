#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <functional>

#include <gmock/gmock.h>

#include "base/file.hpp"
#include "base/process.hpp"
#include "tor/key_names.hpp"
#include "tor/torrc.hpp"
#include "tor_keys.hpp"

namespace lethe {
namespace {

namespace fs = std::filesystem;

constexpr uid_t daemon_user = 64301;
constexpr uid_t tor_user = 64302;

Result<KeyFiles> read_directory(const fs::path& path) {
    const Fd directory = TRY(open_file(AT_FDCWD, path, O_RDONLY | O_DIRECTORY));
    return read_key_directory(directory.get());
}

Result<Fingerprints> fingerprints_of_folder(const fs::path& path) { return TRY(read_key_folder(path)).fingerprints; }

std::string contents(const fs::path& path) { return std::string(as_text(*read_file(path, 1 << 20))); }

void write_file(const fs::path& path, std::string_view text) { std::ofstream(path) << text; }

fs::path script(const fs::path& path, std::string_view body) {
    write_file(path, std::format("#!/bin/sh\n{}\n", body));
    fs::permissions(path, fs::perms::owner_all);
    return path;
}

std::vector<std::string> names_in(const fs::path& folder) {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename());
    return names;
}

std::string mode_of(const fs::path& path) {
    struct stat status{};
    lstat(path.c_str(), &status);
    return std::format("{:o} {} {}", status.st_mode, status.st_uid, status.st_gid);
}

Outcome tor_on_folder(const fs::path& data, const fs::path& keys) {
    return *run(
        {{tor_program, "--list-fingerprint", "--hush", "--defaults-torrc", data / "none", "--ignore-missing-torrc", "-f", data / "none",
          "--DataDirectory", data, "--KeyDirectory", keys, "--ORPort", "9001", "--DisableNetwork", "1", "--ContactInfo", "none"},
         {},
         "",
         std::chrono::seconds(60)});
}

TEST(CreateKeys, LeavesNothingInTheScratchFolder) {
    const TemporaryFolder scratch;
    const auto keys = create_keys(tor_program, scratch.path());
    ASSERT_TRUE(is_success(keys));
    EXPECT_NE(keys->fingerprints, alice().fingerprints);
    EXPECT_TRUE(fs::is_empty(scratch.path()));
}

TEST(CreateKeys, AFailureOfTorIsReportedWithItsLastLineAndLeavesNothing) {
    const TemporaryFolder folder;
    fs::create_directory(folder / "scratch");
    const auto tor = script(folder / "tor",
                            "while [ \"$1\" != --DataDirectory ]; do shift; done; mkdir -p $2/keys; echo secret >$2/keys/secret_id_key\n"
                            "echo first; echo 'the last line'; exit 3");
    EXPECT_TRUE(is_error(create_keys(tor, folder / "scratch"), ErrorKind::io, "(exit status 3): the last line"));
    EXPECT_TRUE(fs::is_empty(folder / "scratch"));
    EXPECT_TRUE(is_error(create_keys("/nonexistent/tor", folder / "scratch"), ErrorKind::io, "/nonexistent/tor"));
    EXPECT_TRUE(fs::is_empty(folder / "scratch"));
}

TEST(CreateKeys, KeysThatDoNotParseOrDisagreeWithTorAreCorruptAndLeaveNothing) {
    const TemporaryFolder folder;
    fs::create_directory(folder / "scratch");
    EXPECT_TRUE(is_error(create_keys("/bin/true", folder / "scratch"), ErrorKind::corrupt, "/bin/true"));
    const auto partial =
        script(folder / "partial", "while [ \"$1\" != --DataDirectory ]; do shift; done; mkdir -p $2/keys; echo x >$2/keys/secret_id_key");
    EXPECT_TRUE(is_error(create_keys(partial, folder / "scratch"), ErrorKind::corrupt, "missing"));
    const auto lying = script(folder / "lying",
                              "/usr/bin/tor \"$@\" || exit 1\nwhile [ \"$1\" != --DataDirectory ]; do shift; done\n"
                              "echo Unnamed 0000000000000000000000000000000000000000 >$2/fingerprint");
    EXPECT_TRUE(is_error(create_keys(lying, folder / "scratch"), ErrorKind::corrupt, "disagrees"));
    EXPECT_TRUE(fs::is_empty(folder / "scratch"));
    EXPECT_TRUE(is_error(create_keys(tor_program, folder / "absent"), ErrorKind::not_found, "absent"));
}

TEST(InstallKeys, TorAcceptsTheFolderWithTheSameFingerprintsAndChangesNothing) {
    const TemporaryFolder folder;
    ASSERT_TRUE(is_success(install_keys(alice(), folder / "keys", geteuid(), getegid())));
    fs::create_directory(folder / "data");
    fs::permissions(folder / "data", fs::perms::owner_all);
    const Outcome tor = tor_on_folder(folder / "data", folder / "keys");
    EXPECT_EQ(tor.exit_status, 0) << tor.standard_output << tor.standard_error;
    EXPECT_EQ(contents(folder / "data/fingerprint"), "Unnamed " + alice().fingerprints.rsa_hex() + "\n");
    EXPECT_EQ(contents(folder / "data/fingerprint-ed25519"), "Unnamed " + alice().fingerprints.ed25519_base64() + "\n");
    EXPECT_EQ(*read_directory(folder / "keys"), alice().files);
    EXPECT_EQ(*fingerprints_of_folder(folder / "keys"), alice().fingerprints);
}

TEST(InstallKeys, FolderAndFilesAreReadableByTheirOwnerAlone) {
    const TemporaryFolder folder;
    const mode_t before = umask(0277);
    const auto installed = install_keys(alice(), folder / "keys", geteuid(), getegid());
    umask(before);
    ASSERT_TRUE(is_success(installed));
    EXPECT_EQ(names_in(folder.path()), std::vector<std::string>{"keys"});
    EXPECT_EQ(mode_of(folder / "keys"), std::format("40700 {} {}", geteuid(), getegid()));
    for (const std::string& name : names_in(folder / "keys"))
        EXPECT_EQ(mode_of(folder / "keys" / name), std::format("100600 {} {}", geteuid(), getegid()));
}

TEST(InstallKeys, AnEarlierFolderIsOverwrittenOctetForOctetAndReplaced) {
    const TemporaryFolder folder;
    ASSERT_TRUE(is_success(install_keys(alice(), folder / "keys", geteuid(), getegid())));
    const Fd still_open = *open_file(AT_FDCWD, folder / "keys" / key_file::master_secret, O_RDONLY);
    fs::create_directories(folder / ".keys.new/left/behind");
    write_file(folder / ".keys.new/left/behind/secret", "x");

    ASSERT_TRUE(is_success(install_keys(bob(), folder / "keys", geteuid(), getegid())));
    EXPECT_EQ(*fingerprints_of_folder(folder / "keys"), bob().fingerprints);
    EXPECT_EQ(names_in(folder.path()), std::vector<std::string>{"keys"});
    std::string old(96, 'x');
    EXPECT_EQ(pread(still_open.get(), old.data(), old.size(), 0), 96);
    EXPECT_EQ(old, std::string(96, '\0'));
}

TEST(InstallKeys, ASymbolicLinkInThePlaceOfTheFolderIsReplacedAndNotFollowed) {
    const TemporaryFolder folder;
    fs::create_directory(folder / "elsewhere");
    write_file(folder / "elsewhere/precious", "kept");
    fs::create_directory_symlink(folder / "elsewhere", folder / "keys");
    fs::create_directory_symlink(folder / "elsewhere", folder / ".keys.new");
    ASSERT_TRUE(is_success(install_keys(alice(), folder / "keys", geteuid(), getegid())));
    EXPECT_TRUE(fs::is_directory(fs::symlink_status(folder / "keys")));
    EXPECT_EQ(contents(folder / "elsewhere/precious"), "kept");
    EXPECT_EQ(names_in(folder / "elsewhere"), std::vector<std::string>{"precious"});
}

TEST(InstallKeys, AParentThatIsMissingOrALinkIsAnError) {
    const TemporaryFolder folder;
    EXPECT_TRUE(is_error(install_keys(alice(), folder / "absent/keys", geteuid(), getegid()), ErrorKind::not_found, "absent"));
    fs::create_directory(folder / "real");
    fs::create_directory_symlink(folder / "real", folder / "link");
    EXPECT_FALSE(install_keys(alice(), folder / "link/keys", geteuid(), getegid()));
    EXPECT_TRUE(fs::is_empty(folder / "real"));
}

TEST(RemoveKeys, LinksInTheFolderAreRemovedAndWhatTheyPointToIsKept) {
    const TemporaryFolder folder;
    ASSERT_TRUE(is_success(install_keys(alice(), folder / "keys", geteuid(), getegid())));
    write_file(folder / "precious", "kept");
    fs::create_symlink(folder / "precious", folder / "keys/symbolic");
    fs::create_hard_link(folder / "precious", folder / "keys/hard");
    ASSERT_EQ(mkfifo((folder / "keys/fifo").c_str(), 0600), 0);
    ASSERT_TRUE(is_success(remove_keys(folder / "keys")));
    EXPECT_FALSE(fs::exists(folder / "keys"));
    EXPECT_EQ(contents(folder / "precious"), "kept");
    EXPECT_TRUE(is_success(remove_keys(folder / "keys")));  // nothing to do
}

TEST(ReadKeyDirectory, AnythingButASmallRegularFileIsCorruptAndNamed) {
    const TemporaryFolder folder;
    const auto keys = folder / "keys";
    const auto with = [&](auto replace_file_by) {
        EXPECT_TRUE(is_success(install_keys(alice(), keys, geteuid(), getegid())));
        fs::remove(keys / key_file::rsa_identity);
        replace_file_by(keys / key_file::rsa_identity);
        return fingerprints_of_folder(keys);
    };
    write_file(folder / "target", as_text(alice().files.at(key_file::rsa_identity).expose()));
    EXPECT_TRUE(
        is_error(with([&](const fs::path& path) { fs::create_symlink(folder / "target", path); }), ErrorKind::corrupt, "secret_id_key"));
    EXPECT_TRUE(is_error(with([](const fs::path& path) { mkfifo(path.c_str(), 0600); }), ErrorKind::corrupt, "secret_id_key"));
    EXPECT_TRUE(is_error(with([](const fs::path& path) { fs::create_directory(path); }), ErrorKind::corrupt, "secret_id_key"));
    EXPECT_TRUE(
        is_error(with([](const fs::path& path) { write_file(path, std::string(8193, 'x')); }), ErrorKind::corrupt, "secret_id_key"));
    EXPECT_TRUE(is_error(with([](const fs::path& path) { write_file(path, std::string(8192, 'x')); }), ErrorKind::corrupt, "PEM"));
    EXPECT_TRUE(is_success(with([&](const fs::path& path) { fs::copy_file(folder / "target", path); })));
}

TEST(ReadKeyDirectory, AnUnfinishedWriteOfTorIsSkippedAndOtherFilesAreNot) {
    const TemporaryFolder folder;
    ASSERT_TRUE(is_success(install_keys(alice(), folder / "keys", geteuid(), getegid())));
    write_file(folder / "keys/secret_onion_key_ntor.tmp", "half of a");
    EXPECT_TRUE(is_success(fingerprints_of_folder(folder / "keys")));
    write_file(folder / "keys/other.tmp", "x");
    EXPECT_TRUE(is_error(fingerprints_of_folder(folder / "keys"), ErrorKind::invalid_argument, "other.tmp"));
    fs::remove(folder / "keys/other.tmp");
    for (int i = 0; i < 32; ++i) write_file(folder / std::format("keys/{}", i), "x");
    EXPECT_TRUE(is_error(fingerprints_of_folder(folder / "keys"), ErrorKind::corrupt, "more than 32 files"));
}

TEST(ReadKeyFolder, AnAbsentFolderOrALinkToOneIsAnError) {
    const TemporaryFolder folder;
    EXPECT_TRUE(is_error(fingerprints_of_folder(folder / "keys"), ErrorKind::not_found, "keys"));
    ASSERT_TRUE(is_success(install_keys(alice(), folder / "real", geteuid(), getegid())));
    fs::create_directory_symlink(folder / "real", folder / "keys");
    EXPECT_FALSE(fingerprints_of_folder(folder / "keys"));
    EXPECT_TRUE(is_success(fingerprints_of_folder(folder / "real")));
}

// The identity daemon runs as a user of its own with CAP_CHOWN alone. A child of the test becomes such a process.
class InstallKeysAsDaemon : public testing::Test {
protected:
    void SetUp() override {
        if (geteuid() != 0) GTEST_SKIP() << "needs root, to become another user with one capability";
        ASSERT_EQ(chown(folder_.path().c_str(), daemon_user, daemon_user), 0);
        fs::permissions(folder_.path(), fs::perms(0755));
    }

    static void become_daemon(std::uint64_t capabilities) {
        prctl(PR_SET_KEEPCAPS, 1);
        __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
        const auto low = static_cast<std::uint32_t>(capabilities);
        const __user_cap_data_struct data[2]{{low, low, 0}, {0, 0, 0}};
        if (setgroups(0, nullptr) != 0 || setresgid(daemon_user, daemon_user, daemon_user) != 0 ||
            setresuid(daemon_user, daemon_user, daemon_user) != 0 || syscall(SYS_capset, &header, data) != 0)
            _exit(99);
    }

    static testing::AssertionResult as_daemon(std::uint64_t capabilities, const std::function<Result<void>()>& action) {
        int ends[2];
        if (pipe2(ends, O_CLOEXEC) != 0) return testing::AssertionFailure() << "pipe";
        const Fd read_end(ends[0]);
        Fd write_end(ends[1]);
        const pid_t child = fork();
        if (child == 0) {
            become_daemon(capabilities);
            const auto result = action();
            if (!result) (void)write_all(write_end.get(), as_octets(result.error().message));
            _exit(result ? 0 : 1);
        }
        write_end = Fd();
        std::string message(1024, '\0');
        message.resize(static_cast<std::size_t>(std::max<ssize_t>(0, read(read_end.get(), message.data(), message.size()))));
        int status = 0;
        waitpid(child, &status, 0);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return testing::AssertionSuccess();
        return testing::AssertionFailure() << (WIFEXITED(status) ? WEXITSTATUS(status) : -1) << ": " << message;
    }

    static constexpr std::uint64_t cap_chown = 1 << CAP_CHOWN;
    TemporaryFolder folder_;
    fs::path keys_ = folder_ / "keys";
};

TEST_F(InstallKeysAsDaemon, TheFolderBecomesTorsAndNoLongerOpensToTheDaemon) {
    EXPECT_TRUE(as_daemon(cap_chown, [&]() -> Result<void> {
        TRY(install_keys(alice(), keys_, tor_user, tor_user));
        if (fingerprints_of_folder(keys_)) return fail(ErrorKind::wrong_state, "the daemon can still read the folder");
        return {};
    }));
    EXPECT_EQ(*fingerprints_of_folder(keys_), alice().fingerprints);
    EXPECT_EQ(mode_of(keys_), std::format("40700 {} {}", tor_user, tor_user));
    for (const std::string& name : names_in(keys_)) EXPECT_EQ(mode_of(keys_ / name), std::format("100600 {} {}", tor_user, tor_user));
}

TEST_F(InstallKeysAsDaemon, AFolderOfTorsIsReplacedAndRemoved) {
    EXPECT_TRUE(as_daemon(cap_chown, [&]() { return install_keys(alice(), keys_, tor_user, tor_user); }));
    // What tor may have done to its folder meanwhile.
    write_file(keys_ / "secret_onion_key.old", "x");
    ASSERT_EQ(chown((keys_ / "secret_onion_key.old").c_str(), tor_user, tor_user), 0);
    fs::permissions(keys_ / "secret_onion_key.old", fs::perms::none);
    fs::create_symlink("/etc/passwd", keys_ / "link");
    fs::permissions(keys_, fs::perms(0500));
    const Fd still_open = *open_file(AT_FDCWD, keys_ / key_file::master_secret, O_RDONLY);

    EXPECT_TRUE(as_daemon(cap_chown, [&]() { return install_keys(bob(), keys_, tor_user, tor_user); }));
    EXPECT_EQ(*fingerprints_of_folder(keys_), bob().fingerprints);
    std::string old(96, 'x');
    EXPECT_EQ(pread(still_open.get(), old.data(), old.size(), 0), 96);
    EXPECT_EQ(old, std::string(96, '\0'));

    EXPECT_TRUE(as_daemon(cap_chown, [&]() { return remove_keys(keys_); }));
    EXPECT_TRUE(fs::is_empty(folder_.path()));
}

TEST_F(InstallKeysAsDaemon, WithoutTheCapabilityItFailsAndLeavesWhatWasThere) {
    const auto install = [&]() { return install_keys(alice(), keys_, tor_user, tor_user); };
    const auto refused = as_daemon(0, install);
    EXPECT_FALSE(refused);
    EXPECT_THAT(refused.message(), testing::HasSubstr("CAP_CHOWN is needed"));
    EXPECT_TRUE(fs::is_empty(folder_.path()));

    EXPECT_TRUE(as_daemon(cap_chown, install));
    EXPECT_FALSE(as_daemon(0, [&]() { return install_keys(bob(), keys_, tor_user, tor_user); }));
    EXPECT_EQ(*fingerprints_of_folder(keys_), alice().fingerprints);
    EXPECT_FALSE(as_daemon(0, [&]() { return remove_keys(keys_); }));
    EXPECT_EQ(*fingerprints_of_folder(keys_), alice().fingerprints);
}

// As tor@NAME.service does it: tor starts as root and becomes the user that the folder was given to.
TEST_F(InstallKeysAsDaemon, TorBecomesTheFoldersUserAndRefusesAFolderOfAnother) {
    const passwd* nobody = getpwnam("nobody");
    ASSERT_NE(nobody, nullptr);
    fs::create_directory(folder_ / "data");
    ASSERT_EQ(chown((folder_ / "data").c_str(), nobody->pw_uid, nobody->pw_gid), 0);
    write_file(
        folder_ / "defaults",
        defaults_torrc(
            {.paths = {.user = "nobody", .data_directory = folder_ / "data", .key_directory = keys_, .runtime_directory = folder_.path()},
             .max_mem_in_queues_mib = 256}));
    write_file(folder_ / "torrc", "ORPort 9001\nNickname alice\nContactInfo none\nDisableNetwork 1\n");
    const auto start_tor = [&]() {
        return *run({{tor_program, "--list-fingerprint", "--hush", "--defaults-torrc", folder_ / "defaults", "-f", folder_ / "torrc"},
                     {},
                     "",
                     std::chrono::seconds(60)});
    };

    ASSERT_TRUE(as_daemon(cap_chown, [&]() { return install_keys(alice(), keys_, nobody->pw_uid, nobody->pw_gid); }));
    const Outcome accepted = start_tor();
    EXPECT_EQ(accepted.exit_status, 0) << accepted.standard_output;
    EXPECT_EQ(contents(folder_ / "data/fingerprint"), "alice " + alice().fingerprints.rsa_hex() + "\n");
    EXPECT_EQ(contents(folder_ / "data/fingerprint-ed25519"), "alice " + alice().fingerprints.ed25519_base64() + "\n");

    ASSERT_TRUE(as_daemon(cap_chown, [&]() { return install_keys(alice(), keys_, tor_user, tor_user); }));
    const Outcome refused = start_tor();
    EXPECT_NE(refused.exit_status, 0);
    EXPECT_THAT(refused.standard_output, testing::HasSubstr(keys_.native()));
    EXPECT_EQ(*read_directory(keys_), alice().files);
}

TEST_F(InstallKeysAsDaemon, TorMakesKeysForTheDaemonToo) {
    EXPECT_TRUE(as_daemon(0, [&]() -> Result<void> {
        TRY(create_keys(tor_program, folder_.path()));
        return {};
    }));
    EXPECT_TRUE(fs::is_empty(folder_.path()));
}

}  // namespace
}  // namespace lethe
