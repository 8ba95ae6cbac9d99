#include "tor/key_folder.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "base/file.hpp"
#include "base/process.hpp"
#include "tor/wipe.hpp"

namespace lethe {

namespace {

constexpr std::size_t fingerprint_limit_octets = 256;

Result<Fd> open_directory(const std::filesystem::path& path) { return open_file(AT_FDCWD, path, O_RDONLY | O_DIRECTORY); }

// A directory of its own name in `parent`, wiped at the end of its life at the latest.
class ScratchDirectory {
public:
    static Result<ScratchDirectory> create(const std::filesystem::path& parent) {
        Fd opened = TRY(open_directory(parent));
        std::string path = parent / "new-keys-XXXXXX";
        if (mkdtemp(path.data()) == nullptr) return fail_errno(errno, path);
        return ScratchDirectory(std::move(opened), path);
    }
    ScratchDirectory(ScratchDirectory&&) = default;
    ~ScratchDirectory() {
        if (parent_) (void)wipe();  // on the way out of a failure, which is what gets reported
    }

    const std::filesystem::path& path() const { return path_; }
    Result<void> wipe() { return wipe_tree(std::exchange(parent_, Fd()).get(), path_.filename()); }

private:
    ScratchDirectory(Fd parent, std::filesystem::path path) : parent_(std::move(parent)), path_(std::move(path)) {}

    Fd parent_;
    std::filesystem::path path_;
};

// Both configuration files are ones that do not exist, so that nothing of the machine's own configuration reaches this run.
Result<void> run_tor(const std::filesystem::path& tor, const std::filesystem::path& directory) {
    const Command command{{tor, "--list-fingerprint", "--hush", "--defaults-torrc", directory / "no-defaults", "--ignore-missing-torrc",
                           "-f", directory / "no-torrc", "--DataDirectory", directory / "data", "--ORPort", "9001", "--DisableNetwork", "1",
                           "--PublishServerDescriptor", "0", "--ContactInfo", "none"},
                          {"HOME=/nonexistent"},
                          "",
                          std::chrono::seconds(60)};
    const auto outcome = run(command);
    if (!outcome) return fail(ErrorKind::io, "{}", outcome.error().message);  // a program that is not there is no missing key
    if (outcome->exit_status == 0) return {};
    const std::string& said = outcome->standard_output.empty() ? outcome->standard_error : outcome->standard_output;
    return fail(ErrorKind::io, "{} made no keys (exit status {}): {}", tor.native(), outcome->exit_status, last_line(said));
}

// The file is "NICKNAME FINGERPRINT\n".
Result<void> expect_fingerprint(int directory, const char* file, const std::string& fingerprint) {
    const Octets octets = TRY(read_file(directory, file, fingerprint_limit_octets));
    if (!as_text(octets).ends_with(" " + fingerprint + "\n"))
        return fail(ErrorKind::corrupt, "tor's file {} disagrees with the fingerprint {} of the keys that it made", file, fingerprint);
    return {};
}

Result<KeySet> read_new_keys(const std::filesystem::path& data) {
    const Fd data_directory = TRY(open_directory(data));
    const Fd key_directory = TRY(open_file(data_directory.get(), "keys", O_RDONLY | O_DIRECTORY));
    KeySet keys = TRY(parse_key_files(TRY(read_key_directory(key_directory.get()))));
    TRY(expect_fingerprint(data_directory.get(), "fingerprint", keys.fingerprints.rsa_hex()));
    TRY(expect_fingerprint(data_directory.get(), "fingerprint-ed25519", keys.fingerprints.ed25519_base64()));
    return keys;
}

std::string unfinished_name(const std::filesystem::path& folder) { return std::format(".{}.new", folder.filename().native()); }

Result<void> give_to(int directory, const std::string& name, uid_t owner, gid_t group) {
    if (owner == geteuid() && group == getegid()) return {};
    if (fchownat(directory, name.c_str(), owner, group, AT_SYMLINK_NOFOLLOW) != 0)
        return fail_errno(errno, std::format("{} cannot be given to user {} (CAP_CHOWN is needed)", name, owner));
    return {};
}

// The files change hands first and the directory last: once the directory is another user's, it cannot be entered.
Result<void> fill_folder(const KeyFiles& files, int parent, const std::string& name, uid_t owner, gid_t group) {
    if (mkdirat(parent, name.c_str(), 0700) != 0) return fail_errno(errno, name);
    const Fd directory = TRY(open_file(parent, name, O_RDONLY | O_DIRECTORY));
    // Modes are set once more: the umask may have taken bits away, and a set-group-id parent may have added one.
    if (fchmod(directory.get(), 0700) != 0) return fail_errno(errno, name);
    for (const auto& [file, octets] : files) {
        TRY(write_new_file(directory.get(), file, octets.expose(), 0600));
        if (fchmodat(directory.get(), file.c_str(), 0600, 0) != 0) return fail_errno(errno, file);
        TRY(give_to(directory.get(), file, owner, group));
    }
    return give_to(parent, name, owner, group);
}

}  // namespace

Result<KeySet> create_keys(const std::filesystem::path& tor, const std::filesystem::path& scratch) {
    ScratchDirectory directory = TRY(ScratchDirectory::create(scratch));
    TRY(run_tor(tor, directory.path()));
    auto keys = read_new_keys(directory.path() / "data");
    if (!keys) return fail(ErrorKind::corrupt, "the keys that {} made cannot be used: {}", tor.native(), keys.error().message);
    TRY(directory.wipe());
    return keys;
}

Result<void> install_keys(const KeySet& keys, const std::filesystem::path& folder, uid_t owner, gid_t group) {
    return install_files(keys.files, folder, owner, group);
}

Result<void> install_files(const KeyFiles& files, const std::filesystem::path& folder, uid_t owner, gid_t group) {
    const Fd parent = TRY(open_directory(folder.parent_path()));
    const std::string unfinished = unfinished_name(folder);
    TRY(wipe_tree(parent.get(), unfinished));  // left by a process that died
    auto installed = fill_folder(files, parent.get(), unfinished, owner, group);
    if (installed) installed = wipe_tree(parent.get(), folder.filename());
    if (installed && renameat(parent.get(), unfinished.c_str(), parent.get(), folder.filename().c_str()) != 0)
        installed = fail_errno(errno, "rename");
    if (installed) return {};
    (void)wipe_tree(parent.get(), unfinished);
    return in_context(std::move(installed).error(), folder.native());
}

Result<void> remove_keys(const std::filesystem::path& folder) {
    const Fd parent = TRY(open_directory(folder.parent_path()));
    TRY(wipe_tree(parent.get(), unfinished_name(folder)));
    return wipe_tree(parent.get(), folder.filename());
}

Result<KeySet> read_key_folder(const std::filesystem::path& folder) {
    const Fd directory = TRY(open_directory(folder));
    return parse_key_files(TRY(read_key_directory(directory.get())), Scrutiny::sealed);
}

}  // namespace lethe
