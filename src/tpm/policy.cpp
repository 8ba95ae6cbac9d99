#include "tpm/policy.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <cstdlib>

namespace lethe {

namespace {

// TPM 2.0 Part 2, 6.5.2 (TPM_CC) and 6.3 (TPM_ALG_ID). Spelled out, so that the calculators depend on no TPM library.
constexpr std::uint32_t cc_policy_or = 0x00000171;
constexpr std::uint32_t cc_policy_pcr = 0x0000017F;
constexpr std::uint32_t cc_policy_authorize_nv = 0x00000192;
constexpr std::uint16_t alg_sha256 = 0x000B;

constexpr unsigned pcr_count = 24;
constexpr std::size_t most_branches = 8;  // TPML_DIGEST holds no more

}  // namespace

Digest sha256(OctetView octets) {
    Digest digest;
    std::size_t size = digest.size();
    if (EVP_Q_digest(nullptr, "SHA256", nullptr, octets.data(), octets.size(), digest.data(), &size) != 1) std::abort();
    return digest;
}

Digest extended(const Digest& pcr, const Digest& digest) { return sha256(OctetWriter().raw(pcr).raw(digest).octets()); }

Octets pcr_selection(std::span<const unsigned> pcrs) {
    std::array<std::uint8_t, pcr_count / 8> bitmap{};
    for (const unsigned pcr : pcrs) bitmap.at(pcr / 8) |= 1U << (pcr % 8);
    return OctetWriter().u32(1).u16(alg_sha256).u8(bitmap.size()).raw(bitmap).take();
}

// 23.7: policyDigest := H(policyDigest || TPM_CC_PolicyPCR || pcrs || digestTPM), digestTPM over the values in ascending order.
Digest policy_pcr(const Digest& before, const PcrValues& values) {
    std::vector<unsigned> pcrs;
    OctetWriter concatenated;
    for (const auto& [pcr, value] : values) {
        pcrs.push_back(pcr);
        concatenated.raw(value);
    }
    return sha256(OctetWriter().raw(before).u32(cc_policy_pcr).raw(pcr_selection(pcrs)).raw(sha256(concatenated.octets())).octets());
}

// 23.6: policyDigest is set to zeros first, so that what led to the branch no longer counts.
Result<Digest> policy_or(std::span<const Digest> branches) {
    if (branches.size() < 2 || branches.size() > most_branches)
        return fail(ErrorKind::invalid_argument, "PolicyOR takes 2 to {} branches, not {}", most_branches, branches.size());
    OctetWriter data;
    data.raw(Digest{}).u32(cc_policy_or);
    for (const Digest& branch : branches) data.raw(branch);
    return sha256(data.octets());
}

// 23.22: reset to zeros, then H(policyDigest || TPM_CC_PolicyAuthorizeNV || nvIndex->Name).
Digest policy_authorize_nv(OctetView nv_name) {
    return sha256(OctetWriter().raw(Digest{}).u32(cc_policy_authorize_nv).raw(nv_name).octets());
}

std::vector<Digest> policy_pcr_branches(const Digest& before, const AdmittedPcr& pcr) {
    std::vector<Digest> branches;
    for (const Digest& value : pcr.values) branches.push_back(policy_pcr(before, {{pcr.pcr, value}}));
    return branches;
}

Result<PcrPolicy> evaluation_order(const PcrPolicy& policy) {
    if (policy.empty()) return fail(ErrorKind::invalid_argument, "the policy names no PCR; make it anew with systemd-pcrlock");
    PcrPolicy ordered;
    for (const AdmittedPcr& given : policy) {
        if (given.pcr >= pcr_count) return fail(ErrorKind::invalid_argument, "the policy names PCR {}, and there are 24 only", given.pcr);
        AdmittedPcr& pcr = ordered.emplace_back(given.pcr);
        for (const Digest& value : given.values) {
            if (std::ranges::contains(pcr.values, value)) continue;
            if (pcr.values.size() == most_branches)
                return fail(ErrorKind::invalid_argument, "the policy has more than {} values for PCR {}; admit fewer releases",
                            most_branches, given.pcr);
            pcr.values.push_back(value);
        }
        if (pcr.values.empty()) return fail(ErrorKind::invalid_argument, "the policy admits no value of PCR {}", given.pcr);
    }
    std::ranges::sort(ordered, {}, &AdmittedPcr::pcr);
    const auto twice = std::ranges::adjacent_find(ordered, {}, &AdmittedPcr::pcr);
    if (twice != ordered.end()) return fail(ErrorKind::invalid_argument, "the policy names PCR {} twice", twice->pcr);
    return ordered;
}

// The commands of one session, in a boot with these values, each of which is admitted.
static Result<Digest> walk(const PcrPolicy& ordered, const PcrValues& values) {
    PcrValues single;
    for (const AdmittedPcr& pcr : ordered)
        if (pcr.values.size() == 1) single.emplace(pcr.pcr, values.at(pcr.pcr));
    Digest digest{};
    if (!single.empty()) digest = policy_pcr(digest, single);
    for (const AdmittedPcr& pcr : ordered) {
        if (pcr.values.size() == 1) continue;
        const auto branches = policy_pcr_branches(digest, pcr);
        if (!std::ranges::contains(branches, policy_pcr(digest, {{pcr.pcr, values.at(pcr.pcr)}})))
            return fail(ErrorKind::policy_mismatch, "PolicyOR has no branch for what PCR {} holds", pcr.pcr);
        digest = TRY(policy_or(branches));
    }
    return digest;
}

Result<bool> admit_the_same(const PcrPolicy& left, const PcrPolicy& right) {
    PcrPolicy sorted_left = TRY(evaluation_order(left));
    PcrPolicy sorted_right = TRY(evaluation_order(right));
    for (PcrPolicy* policy : {&sorted_left, &sorted_right})
        for (AdmittedPcr& pcr : *policy) std::ranges::sort(pcr.values);
    return sorted_left == sorted_right;
}

Result<Digest> pcrlock_policy(const PcrPolicy& policy) {
    const PcrPolicy ordered = TRY(evaluation_order(policy));
    PcrValues first;
    for (const AdmittedPcr& pcr : ordered) first.emplace(pcr.pcr, pcr.values.front());
    return walk(ordered, first);
}

Result<Digest> session_policy(const PcrPolicy& policy, const PcrValues& values) {
    const PcrPolicy ordered = TRY(evaluation_order(policy));
    const auto refused = refused_pcrs(ordered, values);
    if (!refused.empty()) return fail(ErrorKind::policy_mismatch, "{}", in_words(refused));
    return walk(ordered, values);
}

Octets authorized_policy_content(const Digest& policy) { return OctetWriter().u16(alg_sha256).raw(policy).take(); }

Result<bool> is_in_force(const PcrPolicy& policy, OctetView content) {
    return std::ranges::equal(content, authorized_policy_content(TRY(pcrlock_policy(policy))));
}

std::vector<unsigned> refused_pcrs(const PcrPolicy& policy, const PcrValues& present) {
    std::vector<unsigned> refused;
    for (const AdmittedPcr& pcr : policy) {
        const auto value = present.find(pcr.pcr);
        if (value == present.end() || !std::ranges::contains(pcr.values, value->second)) refused.push_back(pcr.pcr);
    }
    return refused;
}

std::string in_words(const std::vector<unsigned>& refused) {
    if (refused.size() == 1) return std::format("PCR {} has a value that the policy does not admit", refused.front());
    std::string list;
    for (const unsigned pcr : refused) list += std::format("{}{}", list.empty() ? "" : pcr == refused.back() ? " and " : ", ", pcr);
    return std::format("PCRs {} have values that the policy does not admit", list);
}

}  // namespace lethe
