#include "vault/vault.hpp"

#include <sodium.h>

#include <algorithm>
#include <ranges>

#include "base/secret_writer.hpp"
#include "tpm/policy.hpp"

namespace lethe {

namespace {

constexpr std::uint16_t record_version = 2;
constexpr std::size_t public_key_octets = crypto_box_PUBLICKEYBYTES;
const ObjectId vault_id{ObjectKind::vault, ""};

// What is sealed: the key, and that its store is numbered.
constexpr std::uint8_t counted = 1;
constexpr std::size_t sealed_octets = crypto_kdf_KEYBYTES + 1;

// What a person can do when this TPM does not open the vault for good. The record is not authenticated: a hint is all that it gives.
std::string way_out(const VaultRecord& record) {
    if (record.recovery)
        return std::format("bring the identities back with `lethectl identity recover --store` and the secret half of {}",
                           encode_recovery_public(record.recovery->recipient));
    return "the store has no recovery key: bring the identities back from their exports with `lethectl identity recover`";
}

// None of the policies opened the vault. What the one in force was refused for is why; otherwise that one is not in the store.
Error explain_refusals(Tpm& tpm, const VaultRecord& record, const std::vector<PcrPolicy>& policies, const std::vector<Error>& refusals) {
    auto content = tpm.nv_read(record.handles().policy);
    if (!content) return content.error();
    for (const auto& [policy, refusal] : std::views::zip(policies, refusals)) {
        const auto matches = is_in_force(policy, *content);
        if (matches && *matches) return refusal;
    }
    return {ErrorKind::rollback,
            "no policy file in the store is the one that the TPM enforces: an older one was put back, or the newest was lost. "
            "Put back the newest policy.a and policy.b; failing that, " +
                way_out(record)};
}

Result<Octets> read_octets(OctetReader& reader) {
    const OctetView view = TRY(reader.sized16());
    return Octets(view.begin(), view.end());
}

Result<std::optional<RecoveryBox>> read_recovery(OctetReader& reader) {
    const auto present = TRY(reader.u8());
    if (present == 0) return std::nullopt;
    const auto recipient = RecoveryPublicKey::from(TRY(reader.take(public_key_octets)));
    Octets box = TRY(read_octets(reader));
    if (present != 1 || !recipient || box.size() != key_box_octets) return fail(ErrorKind::corrupt, "the recovery box in it cannot be");
    return RecoveryBox{*recipient, std::move(box)};
}

}  // namespace

VaultKey VaultKey::random(const HandleSet& handles) { return VaultKey(Secret::random(crypto_kdf_KEYBYTES), handles); }

HandleSet VaultRecord::handles() const {
    const auto handle = OctetReader(index.serialized).u32();  // what ESYS_TR's serialisation begins with
    return handle && *handle == second_handles.policy ? second_handles : first_handles;
}

RecoveryBox box_vault_key(const VaultKey& key, const RecoveryPublicKey& recipient) {
    return {recipient, box_key(BoxedKey::vault, key.key_, recipient)};
}

Result<VaultKey> unbox_vault_key(const RecoveryBox& box, const RecoverySecretKey& secret_key, const HandleSet& handles) {
    auto key = unbox_key(BoxedKey::vault, box.box, secret_key);
    if (key) return VaultKey(std::move(*key), handles);  // whatever recipient the record names: that may have been changed
    if (const RecoveryPublicKey own = public_key_of(secret_key); own != box.recipient)
        return fail(ErrorKind::invalid_argument, "the vault of this store is sealed to {}; the secret key that was given belongs to {}",
                    encode_recovery_public(box.recipient), encode_recovery_public(own));
    return in_context(key.error(), "the vault's recovery box is not whole, put the store back from a copy");
}

Octets encode_vault_record(const VaultRecord& record) {
    OctetWriter writer;
    writer.u16(record_version).sized16(record.sealed.public_area).sized16(record.sealed.private_area);
    for (const TpmReference* reference : {&record.root, &record.index}) writer.sized16(reference->serialized).sized16(reference->name);
    writer.u8(record.recovery ? 1 : 0);
    if (record.recovery) writer.raw(record.recovery->recipient.octets()).sized16(record.recovery->box);
    return writer.take();
}

Result<VaultRecord> decode_vault_record(OctetView octets) {
    OctetReader reader(octets);
    const auto version = TRY(reader.u16());
    if (version < 1 || version > record_version)
        return fail(ErrorKind::corrupt, "vault record version {} is not known to this release", version);
    VaultRecord record;
    record.sealed.public_area = TRY(read_octets(reader));
    record.sealed.private_area = TRY(read_octets(reader));
    for (TpmReference* reference : {&record.root, &record.index}) {
        reference->serialized = TRY(read_octets(reader));
        reference->name = TRY(read_octets(reader));
    }
    if (version >= 2) record.recovery = TRY(read_recovery(reader));
    TRY(reader.end());
    return record;
}

Result<VaultRecord> read_vault_record(const Store& store) {
    for (const ObjectVersion& version : TRY(store.read_framed(vault_id))) {
        auto record = decode_vault_record(version.payload.expose());
        if (record) return record;
    }
    if (TRY(store.exists(vault_id)))
        return fail(ErrorKind::corrupt,
                    "the vault record is damaged in both slots: put the store back from a copy, or bring the identities back from their "
                    "exports with `lethectl identity recover`");
    return fail(ErrorKind::wrong_state, "this machine is not enrolled: there is no vault in the store. Run `lethectl enroll`");
}

Result<std::uint32_t> policy_index_of(const Store& store) { return TRY(read_vault_record(store)).handles().policy; }

Result<NewVault> seal_vault_key(Tpm& tpm, std::uint32_t nv_handle, VaultKey key) {
    VaultRecord record;
    record.root = TRY(tpm.storage_root());
    record.index = TRY(tpm.nv_index(nv_handle));
    Secret octets = SecretWriter(sealed_octets).raw(key.key_.expose()).u8(counted).take();
    record.sealed = TRY(tpm.seal(record.root, octets, policy_authorize_nv(record.index.name)));
    key.is_counted_ = true;
    return NewVault{std::move(record), std::move(key)};
}

Result<void> store_vault(Store& store, const VaultRecord& record) {
    if (TRY(store.exists(vault_id))) return fail(ErrorKind::already_exists, "the store has a vault already; it is never overwritten");
    return replace_vault(store, record);
}

Result<void> replace_vault(Store& store, const VaultRecord& record) {
    TRY(store.write_framed(vault_id, encode_vault_record(record)));
    return {};
}

// Earlier releases sealed the key alone.
Result<VaultKey> unsealed_vault_key(const Secret& octets, const HandleSet& handles) {
    const OctetView view = octets.expose();
    const bool is_counted = view.size() == sealed_octets && view.back() == counted;
    if (!is_counted && view.size() != crypto_kdf_KEYBYTES)
        return fail(ErrorKind::corrupt, "the vault holds {} octets that are not a vault key of this release or an earlier one",
                    view.size());
    VaultKey key(Secret::copy_of(view.first(crypto_kdf_KEYBYTES)), handles);
    key.is_counted_ = is_counted;
    return key;
}

Result<VaultKey> open_vault(Tpm& tpm, const Store& store, const std::vector<PcrPolicy>& policies) {
    const VaultRecord record = TRY(read_vault_record(store));
    if (policies.empty())
        return fail(ErrorKind::corrupt, "the store holds no policy file that parses: put policy.a and policy.b back from a copy");
    std::vector<Error> refusals;
    for (const PcrPolicy& policy : policies) {
        auto key = tpm.unseal(record.root, record.index, record.sealed, policy);
        if (key) return unsealed_vault_key(*key, record.handles());
        if (key.error().kind == ErrorKind::wrong_state) return fail(ErrorKind::wrong_state, "{}; {}", key.error().message, way_out(record));
        if (key.error().kind != ErrorKind::policy_mismatch) return std::unexpected(key.error());
        refusals.push_back(key.error());
    }
    return std::unexpected(explain_refusals(tpm, record, policies, refusals));
}

}  // namespace lethe
