#include "pcrlock/policy_in_force.hpp"

#include <algorithm>

#include "pcrlock/json.hpp"
#include "pcrlock/predicted_release.hpp"
#include "tpm/policy.hpp"
#include "vault/slot.hpp"

namespace lethe {
namespace {

const ObjectId policy_id{ObjectKind::policy, ""};
const ObjectId copy_id{ObjectKind::policy_copy, ""};

// A TpmReference is ESYS_TR's serialisation: handle, TPM2B_NAME, type of the resource, and for an NV index its TPM2B_NV_PUBLIC.
// Source: tpm2-tss, esys_mu.c.
constexpr std::size_t handle_octets = 4, resource_type_octets = 4, length_octets = 2;

Result<Octets> public_area_of(const TpmReference& index) {
    OctetReader reader(index.serialized);
    TRY(reader.take(handle_octets));
    TRY(reader.sized16());
    TRY(reader.take(resource_type_octets));
    const OctetView area = TRY(reader.sized16());
    const OctetView whole(area.data() - length_octets, area.size() + length_octets);
    return Octets(whole.begin(), whole.end());
}

// Once its PIN is given, systemd-pcrlock reads of the file what names the index. The blobs of its own PIN may be anything but empty.
// Source: systemd 257, pcrlock.c, make_policy().
Result<PolicyFile> policy_file_from_tpm(Tpm& tpm, std::uint32_t handle) {
    const TpmReference index = TRY(tpm.nv_index(handle));
    const TpmReference root = TRY(tpm.storage_root());
    const std::string no_pin = to_base64(as_octets("none"));
    const nlohmann::json document{{"pcrBank", "sha256"},
                                  {"pcrValues", nlohmann::json::array()},
                                  {"nvIndex", handle},
                                  {"nvHandle", to_base64(index.serialized)},
                                  {"nvPublic", to_base64(TRY(public_area_of(index)))},
                                  {"srkHandle", to_base64(root.serialized)},
                                  {"pinPublic", no_pin},
                                  {"pinPrivate", no_pin}};
    return PolicyFile{{}, handle, document.dump() + "\n"};
}

// The copy, when there is one that is in force.
Result<std::optional<PolicyFile>> confirmed_copy(Tpm& tpm, const Store& store, const PolicyKeys& keys) {
    const auto version = store.read(keys.copy, copy_id);
    if (!version && version.error().kind != ErrorKind::not_found && version.error().kind != ErrorKind::corrupt)
        return std::unexpected(version.error());
    if (!version) return std::nullopt;
    auto file = parse_policy_file(as_text(version->payload.expose()));
    if (!file || file->nv_handle != keys.index) return std::nullopt;
    if (!TRY(is_in_force(file->policy, TRY(tpm.nv_read(file->nv_handle))))) return std::nullopt;
    return std::move(*file);
}

// What lies in the store, when it is in force.
Result<std::optional<PolicyFile>> confirmed_slot(Tpm& tpm, const Store& store, std::uint32_t index) {
    const auto files = read_policy_files(store);
    if (!files && files.error().kind != ErrorKind::not_found) return std::unexpected(files.error());
    if (!files) return std::nullopt;
    auto file = confirmed_policy_file(tpm, *files, index);
    if (file) return std::move(*file);
    if (file.error().kind == ErrorKind::rollback) return std::nullopt;
    return std::unexpected(file.error());
}

// A disk that refuses to write must not keep the policy as it is: what is known of it is enough to write the next one to the TPM.
std::string cannot_write(std::string_view what, const Error& error) {
    return std::format("{} cannot be written to the store: {}; check the file system of the ESP", what, error.message);
}

}  // namespace

Result<std::optional<PolicyFile>> find_policy_slot(Store& store, const PolicyFile& file) {
    for (const std::string& slot : slot_files(file_stem(policy_id)))
        if (TRY(store.disk().exists(slot)) && !store.disk().sync(slot)) return std::nullopt;
    const auto files = read_policy_files(store);
    if (!files && files.error().kind != ErrorKind::not_found) return std::unexpected(files.error());
    if (!files) return std::nullopt;
    const auto found = std::ranges::find_if(
        *files, [&](const PolicyFile& slot) { return slot.nv_handle == file.nv_handle && slot.policy == file.policy; });
    return found == files->end() ? std::nullopt : std::optional(*found);
}

Result<std::uint64_t> write_policy_slot(Store& store, const PolicyFile& file, const PolicyFile& in_force) {
    if (in_force.generation != 0) return store.write_framed_beside(policy_id, as_octets(file.json), in_force.generation);
    // A slot that could not be read before may be there now.
    if (const auto slot = TRY(find_policy_slot(store, file))) return slot->generation;
    // Slots of which none is whole are no reason to keep them: the TPM has confirmed what replaces them.
    if (TRY(store.read_framed(policy_id)).empty()) TRY(store.erase(policy_id));
    return store.write_framed(policy_id, as_octets(file.json));
}

Result<void> write_policy_copy(Store& store, const PolicyKeys& keys, const PolicyFile& file) {
    auto written = store.write(keys.copy, copy_id, Secret::copy_of(as_octets(file.json)));
    if (!written && written.error().kind == ErrorKind::corrupt) {  // it is only a copy
        TRY(store.erase(copy_id));
        written = store.write(keys.copy, copy_id, Secret::copy_of(as_octets(file.json)));
    }
    if (!written) return std::unexpected(written.error());
    return {};
}

Result<void> drop_files_of_other_indices(Tpm& tpm, Store& store, std::uint32_t index) {
    const auto files = TRY(read_policy_files(store));
    if (files.size() == 2 && std::ranges::all_of(files, [&](const auto& file) { return file.nv_handle == index; })) return {};
    const PolicyFile in_force = TRY(confirmed_policy_file(tpm, files, index));
    TRY(store.write_framed_beside(policy_id, as_octets(in_force.json), in_force.generation));
    return {};
}

Result<PolicyFileInForce> repair_policy_file(Tpm& tpm, Store& store, const PolicyKeys& keys) {
    auto slot = TRY(confirmed_slot(tpm, store, keys.index));
    auto copy = TRY(confirmed_copy(tpm, store, keys));
    if (slot && !copy) {
        const auto written = write_policy_copy(store, keys, *slot);
        return PolicyFileInForce{std::move(*slot), written ? "" : cannot_write("the encrypted copy of the policy file", written.error())};
    }
    if (slot && slot->json == copy->json) return PolicyFileInForce{std::move(*slot), {}};
    // The other slot may have the file that comes next, which a disk that then refuses to write would not give back.
    if (copy && slot && !admits_one_release(slot->policy)) {
        copy->generation = slot->generation;
        return PolicyFileInForce{
            std::move(*copy), "the policy file in the store had been changed; its encrypted copy stands for it until the policy changes"};
    }
    if (copy) {
        const auto written = write_policy_slot(store, *copy, slot.value_or(*copy));
        copy->generation = written ? *written : slot ? slot->generation : 0;
        std::string what = slot ? "the policy file in the store had been changed"
                                : "the policy file in the store was lost or had been replaced by an older one";
        what += written ? ", and was put back from its encrypted copy" : "; " + cannot_write("its encrypted copy", written.error());
        return PolicyFileInForce{std::move(*copy), std::move(what)};
    }
    return PolicyFileInForce{
        TRY(policy_file_from_tpm(tpm, keys.index)),
        "the policy file in force was lost with its copy; the policy is written again for the running release, without PCRs that "
        "`--pcr` had added: enrol again to have them back"};
}

}  // namespace lethe
