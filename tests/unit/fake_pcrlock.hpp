#pragma once

#include <algorithm>
#include <functional>
#include <set>

#include "fake_tpm.hpp"
#include "pcrlock/program.hpp"
#include "tpm/policy.hpp"

namespace lethe {

inline Digest digest_of(std::uint8_t octet) {
    Digest digest;
    digest.fill(octet);
    return digest;
}

/// What firmwares measure when Secure Boot is on: taken from their logs.
inline Digest secure_boot_is_on() {
    Digest digest;
    std::ranges::copy(from_hex("ccfc4bb32888a345bc8aeadaba552b627d99348c767681ab3141f5b01e40a40e").value(), digest.begin());
    return digest;
}

/// Where such a file has its own PIN.
constexpr std::string_view policy_pin_blob = R"("pinPrivate":"AN4=")";

/// A policy file as systemd-pcrlock 257 writes it; the blobs stand for what only systemd reads.
inline std::string policy_json(const PcrPolicy& policy, std::uint32_t nv_handle = policy_index_handle) {
    std::string values;
    for (const AdmittedPcr& admitted : policy) {
        std::string digests;
        for (const Digest& digest : admitted.values) digests += (digests.empty() ? "\"" : ",\"") + to_hex(digest) + "\"";
        values += std::format("{}{{\"pcr\":{},\"values\":[{}]}}", values.empty() ? "" : ",", admitted.pcr, digests);
    }
    return std::format(
        R"({{"pcrBank":"sha256","pcrValues":[{}],"nvIndex":{},"nvHandle":"AYABAA==","nvPublic":"AC4=","srkHandle":"gQAAAQ==","pinPublic":"AE4=","pinPrivate":"AN4="}})"
        "\n",
        values, nv_handle);
}

/// systemd-pcrlock on a machine that booted one UKI completely accounted for: it predicts what the TPM holds, and for PCR 11 the phase
/// before, too. What a test wants otherwise it sets.
class FakePcrlock : public Pcrlock {
public:
    explicit FakePcrlock(FakeTpm& tpm) : tpm_(tpm) {
        log_.events = {{.pcr = 7,
                        .digest = secure_boot_is_on(),
                        .firmware = true,
                        .type = "efi-variable-driver-config",
                        .component = "240-secureboot-policy",
                        .description = "SecureBoot"},
                       {.pcr = 4,
                        .digest = digest_of(0x41),
                        .firmware = true,
                        .type = "efi-action",
                        .component = "350-action-efi-application",
                        .description = "Calling"},
                       {.pcr = 4,
                        .digest = uki_[0].digest,
                        .firmware = true,
                        .type = "efi-boot-services-application",
                        .component = "",
                        .description = "File: lethe.efi"},
                       {.pcr = 11, .digest = uki_[1].digest, .firmware = true, .type = "ipl", .component = "", .description = ".linux"}};
        for (unsigned pcr = 0; pcr < 24; ++pcr) log_.pcrs[pcr] = {true, true, true};
    }

    std::function<void(std::string_view verb)> before = [](std::string_view) {};  ///< may throw
    std::function<Result<void>(std::string_view verb)> refuse = [](std::string_view) -> Result<void> { return {}; };
    std::set<unsigned> left_out;  ///< silently, as the real one does
    bool lies_about_nv = false;   ///< the NV index gets another digest than the file says
    EventLog log_;
    std::vector<Record> uki_{{4, digest_of(0x42)}, {11, digest_of(0x43)}};
    std::optional<std::string> file_;
    std::map<std::string, std::vector<Record>> components_;

    Result<EventLog> log() override {
        TRY(step("log"));
        return log_;
    }
    Result<PcrPolicy> predict(std::span<const unsigned> pcrs) override {
        TRY(step("predict"));
        return prediction(pcrs);
    }
    Result<void> make_policy(std::span<const unsigned> pcrs, const PolicyKeys& keys) override {
        TRY(step("make-policy"));
        const PcrPolicy policy = prediction(pcrs);
        if (tpm_.nv_index(keys.index)) return fail(ErrorKind::io, "NV index already allocated");
        tpm_.authorize(keys.index, lies_about_nv ? PcrPolicy{{4, {digest_of(0xee)}}} : policy);
        TRY(step("make-policy between NV and file"));
        file_ = policy_json(policy, keys.index);
        return {};
    }
    Result<PolicyFile> policy_file() override {
        TRY(step("policy_file"));
        if (!file_) return fail(ErrorKind::not_found, "no policy file");
        return parse_policy_file(*file_);
    }
    Result<void> write_policy_file(std::string_view json) override {
        TRY(step("write_policy_file"));
        file_ = json;
        return {};
    }
    Result<void> remove_policy_file() override {
        TRY(step("remove_policy_file"));
        file_.reset();
        return {};
    }
    Result<std::vector<Record>> measure(Measurable what, const std::filesystem::path&) override {
        TRY(step("measure"));
        if (what == Measurable::uki) return uki_;
        return std::vector<Record>{{what == Measurable::pe_image ? 4u : 7u, digest_of(0x77)}};
    }
    Result<void> lock_firmware() override { return step("lock_firmware"); }
    Result<void> write_component(const std::string& component, const std::string& variant, std::span<const Record> records) override {
        TRY(step("write_component"));
        components_[component + "/" + variant] = {records.begin(), records.end()};
        return {};
    }
    Result<void> clear_component(const std::string& component) override {
        TRY(step("clear_component"));
        std::erase_if(components_, [&](const auto& entry) { return entry.first.starts_with(component + "/"); });
        return {};
    }

private:
    Result<void> step(std::string_view verb) {
        before(verb);
        return refuse(verb);
    }
    PcrPolicy prediction(std::span<const unsigned> pcrs) {
        PcrPolicy policy;
        const PcrValues present = *tpm_.read_pcrs(pcrs);
        for (const auto& [pcr, value] : present) {
            if (left_out.contains(pcr)) continue;
            policy.push_back({pcr, {value}});
            if (pcr == 11) policy.back().values.insert(policy.back().values.begin(), digest_of(0x11));
        }
        return policy;
    }

    FakeTpm& tpm_;
};

}  // namespace lethe
