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

// Laid out as Esys_TR_Serialize does it: handle, name, kind, public area.
TpmReference reference(std::uint32_t handle, const Octets& name) {
    return {OctetWriter().u32(handle).sized16(name).u32(handle >> 24 == 0x01 ? 2 : 1).sized16(name).take(), name};
}

/// Whether the reference is this one; another one is `wrong_state`, and what is no reference is `corrupt`.
Result<void> check_reference(const TpmReference& given, std::uint8_t handle_type, const Octets& present_name) {
    OctetReader reader(given.serialized);
    const std::uint32_t handle = TRY(reader.u32());
    const OctetView name = TRY(reader.sized16());
    TRY(reader.u32());
    TRY(reader.sized16());
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

void FakeTpm::define_index(std::uint32_t handle) { indices_.insert_or_assign(handle, Index{random_octets(32), 34, std::nullopt, {}}); }

void FakeTpm::write_index(std::uint32_t handle, OctetView content) { indices_.at(handle).content = Octets(content.begin(), content.end()); }

void FakeTpm::authorize(std::uint32_t handle, const PcrPolicy& policy) {
    if (!indices_.contains(handle)) define_index(handle);
    write_index(handle, authorized_policy_content(pcrlock_policy(policy).value()));
}

Octets FakeTpm::root_name() const { return name_of(OctetWriter().raw(seed_).u32(storage_root_handle).octets()); }

Octets FakeTpm::index_name(std::uint32_t handle, const Index& index) {
    return name_of(
        OctetWriter().u32(handle).u8(index.content.has_value()).u16(index.octets).raw(index.auth_policy).u8(index.counts()).octets());
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

Result<FakeTpm::Index*> FakeTpm::present_index(std::uint32_t handle) {
    if (failure_) return std::unexpected(*failure_);
    if (handle >> 24 != 0x01) return fail(ErrorKind::invalid_argument, "{:#x} is not the handle of an NV index", handle);
    const auto index = indices_.find(handle);
    if (index == indices_.end()) return fail(ErrorKind::not_found, "there is no NV index {:#x}", handle);
    return &index->second;
}

Result<void> FakeTpm::authorize_owner() const {
    if (owner_password_.empty()) return {};
    return fail(ErrorKind::wrong_state, "the TPM's owner hierarchy has a password");
}

Result<FakeTpm::Index*> FakeTpm::owned_index(std::uint32_t handle) {
    Index* const index = TRY(present_index(handle));
    TRY(authorize_owner());
    return index;
}

Result<TpmReference> FakeTpm::nv_index(std::uint32_t handle) { return reference(handle, index_name(handle, *TRY(present_index(handle)))); }

Result<NvArea> FakeTpm::nv_area(std::uint32_t handle) {
    const Index& index = *TRY(present_index(handle));
    return NvArea{index.octets, index.plain(), index.content.has_value()};
}

Result<NvLimits> FakeTpm::nv_limits() {
    if (failure_) return std::unexpected(*failure_);
    return limits_;
}

Result<void> FakeTpm::nv_define(std::uint32_t handle, std::uint16_t octets) {
    if (present_index(handle)) return fail(ErrorKind::already_exists, "there is an NV index {:#x} already", handle);
    if (const auto absent = present_index(handle); absent.error().kind != ErrorKind::not_found) return std::unexpected(absent.error());
    TRY(authorize_owner());
    if (octets == 0 || octets > limits_.index_octets) return fail(ErrorKind::invalid_argument, "no NV index has {} octets", octets);
    std::size_t used = 0;
    for (const auto& [_, index] : indices_) used += index.octets;
    if (used + octets > room_octets_) return fail(ErrorKind::wrong_state, "the TPM has no room for {} octets; use tpm2_nvundefine", octets);
    indices_.emplace(handle, Index{{}, octets, std::nullopt, {}});
    return {};
}

Result<void> FakeTpm::nv_undefine(std::uint32_t handle) {
    const Index& index = *TRY(owned_index(handle));
    if (index.counts() && index.content) highest_count_ = std::max(highest_count_, value_of(index));
    indices_.erase(handle);
    return {};
}

Result<void> FakeTpm::nv_write(std::uint32_t handle, std::uint16_t offset, OctetView octets) {
    Index& index = *TRY(owned_index(handle));
    if (!index.plain()) return fail(ErrorKind::wrong_state, "the NV index {:#x} does not admit the owner", handle);
    if (octets.empty() || offset + octets.size() > index.octets)
        return fail(ErrorKind::invalid_argument, "{} octets from {} are no part of the NV index {:#x}", octets.size(), offset, handle);
    if (!index.content) index.content = Octets(index.octets, 0xff);
    std::ranges::copy(octets, index.content->begin() + offset);
    return {};
}

Result<Octets> FakeTpm::nv_read(std::uint32_t handle) { return nv_read(handle, 0, TRY(present_index(handle))->octets); }

Result<Octets> FakeTpm::nv_read(std::uint32_t handle, std::uint16_t offset, std::uint16_t count) {
    const Index& index = *TRY(owned_index(handle));
    if (count == 0) return fail(ErrorKind::invalid_argument, "no octets of the NV index {:#x}", handle);
    if (index.counts()) return fail(ErrorKind::wrong_state, "the NV index {:#x} does not admit the owner", handle);
    if (!index.content) return fail(ErrorKind::wrong_state, "the NV index {:#x} has never been written", handle);
    if (offset + count > index.octets)
        return fail(ErrorKind::invalid_argument, "{} octets from {} are no part of the NV index {:#x}", count, offset, handle);
    const OctetView part = OctetView(*index.content).subspan(offset, count);
    return Octets(part.begin(), part.end());
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
