#include "fake_tpm.hpp"

#include <algorithm>

#include "tpm/policy.hpp"

namespace lethe {

namespace {

constexpr std::size_t most_sealed_octets = 128;

Octets random_octets(std::size_t count) {
    const Secret random = Secret::random(count);
    return {random.expose().begin(), random.expose().end()};
}

Octets name_of(OctetView what) { return authorized_policy_content(sha256(what)); }  // TPMT_HA too: the algorithm and the digest

TpmReference reference(std::uint32_t handle, const Octets& name) { return {OctetWriter().u32(handle).sized16(name).take(), name}; }

/// Whether the reference is this one; another one is `wrong_state`, and what is no reference is `corrupt`.
Result<void> check_reference(const TpmReference& given, std::uint8_t handle_type, const Octets& present_name) {
    OctetReader reader(given.serialized);
    const std::uint32_t handle = TRY(reader.u32());
    const OctetView name = TRY(reader.sized16());
    TRY(reader.end());
    if (handle >> 24 != handle_type || name.size() != 34 || !std::ranges::equal(name, given.name))
        return fail(ErrorKind::corrupt, "the reference is damaged; restore the vault record");
    if (given.name != present_name) return fail(ErrorKind::wrong_state, "the object at {:#x} is not the one that was pinned", handle);
    return {};
}

}  // namespace

FakeTpm::FakeTpm() : seed_(random_octets(32)) { power_cycle(); }

void FakeTpm::extend(unsigned pcr, const Digest& digest) { pcrs_.at(pcr) = extended(pcrs_.at(pcr), digest); }

void FakeTpm::power_cycle() {
    for (unsigned pcr = 0; pcr < 24; ++pcr) pcrs_[pcr] = Digest{};
}

void FakeTpm::define_index(std::uint32_t handle) { indices_.insert_or_assign(handle, Index{random_octets(32), std::nullopt}); }

void FakeTpm::write_index(std::uint32_t handle, OctetView content) { indices_.at(handle).content = Octets(content.begin(), content.end()); }

void FakeTpm::authorize(std::uint32_t handle, const PcrPolicy& policy) {
    if (!indices_.contains(handle)) define_index(handle);
    write_index(handle, authorized_policy_content(pcrlock_policy(policy).value()));
}

Octets FakeTpm::root_name() const { return name_of(OctetWriter().raw(seed_).u32(storage_root_handle).octets()); }

Octets FakeTpm::index_name(std::uint32_t handle, const Index& index) {
    return name_of(OctetWriter().u32(handle).u8(index.content.has_value()).raw(index.auth_policy).octets());
}

Result<PcrValues> FakeTpm::read_pcrs(std::span<const unsigned> pcrs) {
    if (failure_) return std::unexpected(*failure_);
    PcrValues values;
    for (const unsigned pcr : pcrs) {
        if (pcr >= 24) return fail(ErrorKind::invalid_argument, "there is no PCR {}", pcr);
        values[pcr] = pcrs_.at(pcr);
    }
    return values;
}

Result<TpmReference> FakeTpm::storage_root() {
    if (failure_) return std::unexpected(*failure_);
    return reference(storage_root_handle, root_name());
}

Result<TpmReference> FakeTpm::nv_index(std::uint32_t handle) {
    if (failure_) return std::unexpected(*failure_);
    if (handle >> 24 != 0x01) return fail(ErrorKind::invalid_argument, "{:#x} is not the handle of an NV index", handle);
    const auto index = indices_.find(handle);
    if (index == indices_.end()) return fail(ErrorKind::not_found, "there is no NV index {:#x}", handle);
    return reference(handle, index_name(handle, index->second));
}

Result<Octets> FakeTpm::nv_read(std::uint32_t handle) {
    TRY(nv_index(handle));
    const Index& index = indices_.at(handle);
    if (!index.content) return fail(ErrorKind::wrong_state, "the NV index {:#x} has never been written", handle);
    return *index.content;
}

Result<void> FakeTpm::nv_undefine(std::uint32_t handle) {
    TRY(nv_index(handle));
    indices_.erase(handle);
    return {};
}

Result<SealedObject> FakeTpm::seal(const TpmReference& root, const Secret& secret, const Digest& policy) {
    if (failure_) return std::unexpected(*failure_);
    if (secret.empty() || secret.size() > most_sealed_octets)
        return fail(ErrorKind::invalid_argument, "a TPM seals 1 to {} octets, not {}", most_sealed_octets, secret.size());
    TRY(check_reference(root, 0x81, root_name()));
    SealedObject object{OctetWriter().sized16(policy).take(), OctetWriter().sized16(random_octets(32)).take()};
    sealed_.emplace(OctetWriter().raw(object.public_area).raw(object.private_area).take(), Secret::copy_of(secret.expose()));
    return object;
}

Result<Secret> FakeTpm::unseal(const TpmReference& root, const TpmReference& index, const SealedObject& object, const PcrPolicy& policy) {
    if (failure_) return std::unexpected(*failure_);
    const Digest digest = TRY(pcrlock_policy(policy));
    TRY(check_reference(root, 0x81, root_name()));
    const auto secret = sealed_.find(OctetWriter().raw(object.public_area).raw(object.private_area).take());
    if (secret == sealed_.end()) return fail(ErrorKind::corrupt, "the sealed object does not load; restore the vault record");

    const std::uint32_t handle = index.serialized.size() < 4 ? 0 : OctetReader(index.serialized).u32().value();
    const auto present = indices_.find(handle);
    TRY(check_reference(index, 0x01, present == indices_.end() ? Octets() : index_name(handle, present->second)));
    if (object.public_area != OctetWriter().sized16(policy_authorize_nv(index.name)).octets())
        return fail(ErrorKind::policy_mismatch, "the object is sealed to another NV index than {:#x}", handle);
    const std::vector<unsigned> refused = refused_pcrs(policy, pcrs_);
    if (!refused.empty()) return fail(ErrorKind::policy_mismatch, "{}; boot a release that is admitted", in_words(refused));
    if (present->second.content != authorized_policy_content(digest))
        return fail(ErrorKind::policy_mismatch, "the policy is not the one that the NV index {:#x} holds", handle);
    return Secret::copy_of(secret->second.expose());
}

}  // namespace lethe
