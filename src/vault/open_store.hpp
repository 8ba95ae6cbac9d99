#pragma once

#include <functional>

#include "tpm/tpm.hpp"
#include "vault/store.hpp"

namespace lethe {

/// Where the machine's store lies: as it was configured, or `automatic`.
enum class StoreChoice { automatic, folder, tpm };

struct OpenedStore {
    Store store;
    bool in_tpm;  ///< it holds the keyring in place of one object for each identity (ObjectKind::keyring)
};

/// Whether what lies in the folder is gone after a reboot: tmpfs, ramfs, or an overlay, whose upper layer is one of those.
/// @error not_found  no such folder.
Result<bool> is_volatile_folder(const std::filesystem::path& folder);

using OpenTpm = std::function<Result<std::unique_ptr<Tpm>>()>;
using IsVolatile = std::function<Result<bool>(const std::filesystem::path&)>;

/// Opens the store, and makes none: one in the TPM takes room there only when the first object is written.
///
/// `automatic` takes the store in the TPM when there is one; else the folder when it is there and not volatile; else a store in the TPM. A
/// machine whose disk is missing at one boot comes to the last of these and finds no vault: enrolment refuses to make another, because the
/// TPM holds the policy of the first (HandleSet::policy).
///
/// @param open_tpm  called at most once, and not for `folder`; the store keeps that Tpm for as long as it lives.
/// @error not_found    `folder`, and there is none: its file system is not mounted.
/// @error wrong_state  `folder`, and it is volatile; or NV indices that are not Lethe's are in the way.
Result<OpenedStore> open_store(StoreChoice choice, const std::filesystem::path& folder, const OpenTpm& open_tpm,
                               const IsVolatile& is_volatile = is_volatile_folder);

}  // namespace lethe
