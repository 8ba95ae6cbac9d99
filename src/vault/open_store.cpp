#include "vault/open_store.hpp"

#include <linux/magic.h>
#include <sys/vfs.h>

#include <cerrno>

#include "base/file.hpp"
#include "vault/nv_disk.hpp"

namespace lethe {

namespace {

Result<OpenedStore> open_folder(const std::filesystem::path& folder) { return OpenedStore{TRY(Store::open(folder)), false}; }

OpenedStore store_in(std::unique_ptr<NvDisk> disk) { return {Store(std::move(disk)), true}; }

/// Whether a store in this folder would be there after a reboot.
Result<bool> is_lasting(const std::filesystem::path& folder, const IsVolatile& is_volatile) {
    const auto found = is_volatile(folder);
    if (found) return !*found;
    if (found.error().kind == ErrorKind::not_found) return false;
    return std::unexpected(found.error());
}

}  // namespace

Result<bool> is_volatile_folder(const std::filesystem::path& folder) {
    struct statfs status{};
    if (statfs(folder.c_str(), &status) != 0) {
        if (errno == ENOENT) return fail(ErrorKind::not_found, "there is no folder {}; is its file system mounted?", folder.native());
        return fail_errno(errno, folder.native());
    }
    return status.f_type == TMPFS_MAGIC || status.f_type == RAMFS_MAGIC || status.f_type == OVERLAYFS_SUPER_MAGIC;
}

Result<OpenedStore> open_store(StoreChoice choice, const std::filesystem::path& folder, const OpenTpm& open_tpm,
                               const IsVolatile& is_volatile) {
    if (choice == StoreChoice::folder) {
        if (TRY(is_volatile(folder)))
            return fail(ErrorKind::wrong_state,
                        "the store's folder {} lies in memory and would be gone after a reboot; mount its file system there, or keep the "
                        "store in the TPM",
                        folder.native());
        return open_folder(folder);
    }
    auto disk = std::make_unique<NvDisk>(TRY(open_tpm()), folder);
    if (choice == StoreChoice::tpm) return store_in(std::move(disk));
    const auto made = disk->is_made();
    if (!made && made.error().kind != ErrorKind::wrong_state) return in_context(made.error(), "cannot see whether the store is in the TPM");
    if (made.value_or(false)) return store_in(std::move(disk));
    if (TRY(is_lasting(folder, is_volatile))) return open_folder(folder);
    if (!made) return std::unexpected(made.error());
    return store_in(std::move(disk));
}

}  // namespace lethe
