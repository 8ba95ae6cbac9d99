#include "pcrlock/policy_file.hpp"

#include <algorithm>
#include <ranges>
#include <set>

#include "pcrlock/json.hpp"
#include "tpm/policy.hpp"

namespace lethe {

namespace {

constexpr std::size_t limit_octets = 64 * 1024;
constexpr std::size_t limit_values = 8;  // TPM2_PolicyOR takes no more, and systemd doesn't nest them
constexpr std::uint32_t first_nv_index = 0x01000000;
constexpr std::uint32_t last_nv_index = 0x01ffffff;

Result<PolicyFile> parse(std::string_view text) {
    const nlohmann::json document = TRY(parse_json(text, limit_octets));
    if (const std::string bank = TRY(json_text(document, "pcrBank")); bank != "sha256")
        return fail(ErrorKind::corrupt, "the PCR bank is not sha256");
    PolicyFile file{TRY(json_policy(*TRY(json_array(document, "pcrValues")), limit_values)), 0, std::string(text)};
    if (file.policy.empty()) return fail(ErrorKind::corrupt, "no PCR in it, so it would admit every boot");
    file.nv_handle = TRY(json_number(document, "nvIndex", last_nv_index));
    if (file.nv_handle < first_nv_index) return fail(ErrorKind::corrupt, "{:#x} is not an NV index", file.nv_handle);
    // Not used here; without them systemd-pcrlock does not take the file.
    for (const char* blob : {"nvHandle", "nvPublic", "srkHandle", "pinPublic", "pinPrivate"})
        if (TRY(from_base64(TRY(json_text(document, blob)))).empty()) return fail(ErrorKind::corrupt, "\"{}\" is empty", blob);
    return file;
}

}  // namespace

Result<PolicyFile> parse_policy_file(std::string_view json) {
    auto file = parse(json);
    if (!file) return in_context(file.error(), "not a policy file of systemd-pcrlock");
    return file;
}

Result<PolicyFile> with_policy(const PolicyFile& file, const PcrPolicy& policy) {
    nlohmann::json document = TRY(parse_json(file.json, limit_octets));
    document["pcrValues"] = to_json(policy);
    return parse_policy_file(document.dump());
}

Result<std::vector<PolicyFile>> read_policy_files(const Store& store) {
    std::vector<PolicyFile> files;
    for (const ObjectVersion& version : TRY(store.read_framed({ObjectKind::policy, ""})))
        if (auto file = parse_policy_file(as_text(version.payload.expose()))) {
            file->generation = version.generation;
            files.push_back(std::move(*file));
        }
    if (files.empty())
        return fail(ErrorKind::not_found, "the store holds no policy file that is whole: put policy.a and policy.b back from a copy");
    return files;
}

namespace {}  // namespace

Result<PolicyFile> confirmed_policy_file(Tpm& tpm, const std::vector<PolicyFile>& files, std::uint32_t index) {
    const Octets content = TRY(tpm.nv_read(index));
    for (const PolicyFile& file : files) {
        if (file.nv_handle == index && TRY(is_in_force(file.policy, content))) return file;
    }
    return fail(ErrorKind::rollback,
                "no policy file in the store is the one that the TPM enforces: an older one was put back, or the newest was lost. "
                "Put back the newest policy.a and policy.b");
}

}  // namespace lethe
