#include "enroll/restore.hpp"

#include "base/file.hpp"
#include "pcrlock/policy_file.hpp"
#include "vault/vault.hpp"

namespace lethe {

Result<Restoration> restore_policy(Tpm& tpm, const Store& store, const std::filesystem::path& policy_file) {
    if (!TRY(store.exists({ObjectKind::vault, ""}))) return Restoration::not_enrolled;
    const PolicyFile confirmed = TRY(confirmed_policy_file(tpm, TRY(read_policy_files(store)), TRY(policy_index_of(store))));
    std::error_code error;
    std::filesystem::create_directories(policy_file.parent_path(), error);
    if (error) return fail(ErrorKind::io, "{}: {}", policy_file.parent_path().native(), error.message());
    TRY(replace_file(policy_file, as_octets(confirmed.json), 0644));
    return Restoration::done;
}

}  // namespace lethe
