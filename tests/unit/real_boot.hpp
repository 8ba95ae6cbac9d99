#pragma once

#include <algorithm>
#include <string>

#include "base/file.hpp"
#include "pcrlock/component.hpp"
#include "pcrlock/policy_file.hpp"

namespace lethe {

/// What systemd-pcrlock and a TPM made of one boot (data/README.md).
struct RealBootData {
    static std::string read(const char* file) {
        return std::string(as_text(read_file(std::filesystem::path(LETHE_TEST_DATA) / file, 1 << 20).value()));
    }

    EventLog log = parse_event_log(read("pcrlock-log.json")).value();
    std::vector<Record> uki = parse_component(read("pcrlock-uki.json")).value();
    PolicyFile file = parse_policy_file(read("pcrlock-policy.json")).value();

    const AdmittedPcr& admitted(unsigned pcr) const { return *std::ranges::find(file.policy, pcr, &AdmittedPcr::pcr); }
};

}  // namespace lethe
