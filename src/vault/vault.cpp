#include "vault/vault.hpp"

#include <sodium.h>

#include <algorithm>

#include "tpm/policy.hpp"

namespace lethe {

namespace {

constexpr std::uint16_t record_version = 1;
const ObjectId vault_id{ObjectKind::vault, ""};

Result<VaultRecord> read_record(const Store& store) {
    for (const ObjectVersion& version : TRY(store.read_framed(vault_id))) {
        auto record = decode_vault_record(version.payload.expose());
        if (record) return record;
    }
    if (TRY(store.exists(vault_id)))
        return fail(ErrorKind::corrupt,
                    "the vault record is damaged in both slots: put the store back from a copy, or recover the identities");
    return fail(ErrorKind::wrong_state, "this machine is not enrolled: there is no vault in the store. Run `lethectl enroll`");
}

// None of the policies opened the vault. When one of them is the policy in force, this boot is what it refuses (`refusal`); otherwise the
// policy in force is not in the store.
Error explain_refusal(Tpm& tpm, const std::vector<PcrPolicy>& policies, Error refusal) {
    auto content = tpm.nv_read(policy_index_handle);
    if (!content) return content.error();
    for (const PcrPolicy& policy : policies) {
        const auto digest = pcrlock_policy(policy);
        if (digest && authorized_policy_content(*digest) == *content) return refusal;
    }
    return {ErrorKind::rollback,
            "no policy file in the store is the one that the TPM enforces: an older one was put back, or the newest was lost. "
            "Put back the newest policy.a and policy.b, or recover"};
}

}  // namespace

Secret VaultKey::kind_key(ObjectKind kind) const {
    Secret key(crypto_kdf_KEYBYTES);
    crypto_kdf_derive_from_key(key.expose_mutable().data(), key.size(), static_cast<std::uint64_t>(kind), "lethe-v1", key_.expose().data());
    return key;
}

Octets encode_vault_record(const VaultRecord& record) {
    OctetWriter writer;
    writer.u16(record_version).sized16(record.sealed.public_area).sized16(record.sealed.private_area);
    for (const TpmReference* reference : {&record.root, &record.index}) writer.sized16(reference->serialized).sized16(reference->name);
    return writer.take();
}

Result<VaultRecord> decode_vault_record(OctetView octets) {
    OctetReader reader(octets);
    if (const auto version = TRY(reader.u16()); version != record_version)
        return fail(ErrorKind::corrupt, "vault record version {} is not known to this release", version);
    const auto field = [&]() -> Result<Octets> {
        const OctetView view = TRY(reader.sized16());
        return Octets(view.begin(), view.end());
    };
    VaultRecord record;
    record.sealed.public_area = TRY(field());
    record.sealed.private_area = TRY(field());
    for (TpmReference* reference : {&record.root, &record.index}) {
        reference->serialized = TRY(field());
        reference->name = TRY(field());
    }
    TRY(reader.end());
    return record;
}

Result<NewVault> seal_new_vault(Tpm& tpm, std::uint32_t nv_handle) {
    VaultRecord record;
    record.root = TRY(tpm.storage_root());
    record.index = TRY(tpm.nv_index(nv_handle));
    Secret key = Secret::random(crypto_kdf_KEYBYTES);
    record.sealed = TRY(tpm.seal(record.root, key, policy_authorize_nv(record.index.name)));
    return NewVault{std::move(record), VaultKey(std::move(key))};
}

Result<void> store_vault(Store& store, const VaultRecord& record) {
    if (TRY(store.exists(vault_id))) return fail(ErrorKind::already_exists, "the store has a vault already; it is never overwritten");
    TRY(store.write_framed(vault_id, encode_vault_record(record)));
    return {};
}

Result<VaultKey> open_vault(Tpm& tpm, const Store& store, const std::vector<PcrPolicy>& policies) {
    const VaultRecord record = TRY(read_record(store));
    if (policies.empty())
        return fail(ErrorKind::corrupt, "the store holds no policy file that parses: put policy.a and policy.b back from a copy");
    Error refusal;
    for (const PcrPolicy& policy : policies) {
        auto key = tpm.unseal(record.root, record.index, record.sealed, policy);
        if (key && key->size() == crypto_kdf_KEYBYTES) return VaultKey(std::move(*key));
        if (key)
            return fail(ErrorKind::corrupt, "the vault holds {} octets where a key of {} is expected", key->size(), crypto_kdf_KEYBYTES);
        if (key.error().kind != ErrorKind::policy_mismatch) return std::unexpected(key.error());
        refusal = key.error();
    }
    return std::unexpected(explain_refusal(tpm, policies, std::move(refusal)));
}

}  // namespace lethe
