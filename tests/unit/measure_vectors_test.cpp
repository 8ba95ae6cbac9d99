#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "measure/tcg_log.hpp"
#include "measure/userspace_log.hpp"
#include "vectors.hpp"

// The logs of real and virtual machines, and what others or a TPM said that they add up to.

namespace lethe {
namespace {

namespace fs = std::filesystem;

using ExpectedPcrs = std::map<Bank, std::map<unsigned, std::string>>;

Result<PcrBank> replayed(const TcgLog& log, Bank bank, std::vector<Measurement> further = {}) {
    std::vector<Measurement> all = TRY(measurements(log, bank));
    all.insert(all.end(), further.begin(), further.end());
    return replay(bank, all, log.locality);
}

void expect_pcrs(const Result<PcrBank>& values, const std::map<unsigned, std::string>& expected) {
    ASSERT_TRUE(values) << values.error().message;
    for (const auto& [pcr, value] : expected) EXPECT_EQ(to_hex((*values)[pcr].view()), value) << "PCR " << pcr;
}

// "  sha256:" and, under it, "    0 : 0xHEX", as tpm2-tools prints PCRs.
ExpectedPcrs tpm2_tools_pcrs(const Octets& yaml) {
    ExpectedPcrs expected;
    std::optional<Bank> bank;
    std::istringstream lines{std::string(as_text(yaml))};
    for (std::string line; std::getline(lines, line);) {
        if (const auto start = line.find_first_not_of(' '); start == 2 && line.ends_with(':'))
            bank = bank_named(std::string_view(line).substr(2, line.size() - 3));
        unsigned pcr = 0;
        char hex[129] = "";
        if (!bank || std::sscanf(line.c_str(), " %u : 0x%128[0-9a-fA-F]", &pcr, hex) != 2) continue;
        std::ranges::transform(hex, hex, [](unsigned char c) { return std::tolower(c); });
        expected[*bank][pcr] = hex;
    }
    return expected;
}

TEST(MeasureVectors, LogsOfGoTpmToolsReplayToTheirPcrs) {
    const fs::path folder = vectors() / "google+go-tpm-tools";
    SKIP_WITHOUT(folder);
    const auto cases = nlohmann::json::parse(as_text(read_vector(folder / "expected_pcrs.json")));
    unsigned found = 0;
    for (const auto& [name, entry] : cases.items()) {
        SCOPED_TRACE(name);
        const fs::path file = folder / "internal/test" / name;
        if (!fs::exists(file)) continue;
        ++found;
        const auto log = parse_tcg_log(read_vector(file));
        ASSERT_TRUE(log) << log.error().message;
        for (const auto& [bank, pcrs] : entry["pcrs"].items()) {
            std::map<unsigned, std::string> expected;
            for (const auto& [pcr, value] : pcrs.items()) expected[static_cast<unsigned>(std::stoul(pcr))] = value;
            expect_pcrs(replayed(*log, bank_named(bank).value()), expected);
        }
    }
    EXPECT_GT(found, 0u);
    if (found < cases.size()) std::cout << cases.size() - found << " of the logs are not there\n";
}

TEST(MeasureVectors, LogsOfTpm2ToolsReplayToTheirPcrs) {
    const fs::path folder = vectors() / "tpm2-software+tpm2-tools/test/integration/fixtures";
    SKIP_WITHOUT(folder);
    unsigned found = 0;
    for (const auto& entry : fs::directory_iterator(folder / "event-raw")) {
        SCOPED_TRACE(entry.path().stem());
        ++found;
        const auto log = parse_tcg_log(read_vector(folder / entry.path().stem()));
        ASSERT_TRUE(log) << log.error().message;
        const ExpectedPcrs expected = tpm2_tools_pcrs(read_vector(entry.path()));
        EXPECT_FALSE(expected.empty());
        for (const auto& [bank, pcrs] : expected) expect_pcrs(replayed(*log, bank), pcrs);
    }
    EXPECT_GT(found, 0u);
}

// Its Spec ID event says that it ends where its vendor information begins.
TEST(MeasureVectors, ASpecIdWhoseVendorInformationLiesOutsideIsCorrupt) {
    const fs::path file = vectors() / "tpm2-software+tpm2-tools/test/integration/fixtures/specid-vendordata.bin";
    SKIP_WITHOUT(file);
    EXPECT_EQ(parse_tcg_log(read_vector(file)).error().kind, ErrorKind::corrupt);
}

TEST(MeasureVectors, KeylimesLogsParseAndItsBogusOnesAreCorrupt) {
    const fs::path folder = vectors() / "keylime+keylime/test/data/create-mb-policy";
    SKIP_WITHOUT(folder);
    const auto log = parse_tcg_log(read_vector(folder / "binary_bios_measurements"));
    ASSERT_TRUE(log) << log.error().message;
    EXPECT_EQ(log->locality, StartupLocality::locality_3);
    EXPECT_EQ(log->events.size(), 121u);
    const auto secure_boot = parse_tcg_log(read_vector(folder / "binary_bios_measurements-secureboot"));
    ASSERT_TRUE(secure_boot) << secure_boot.error().message;
    EXPECT_EQ(secure_boot->events.size(), 99u);
    for (const char* name : {"binary_bios_measurements-bogus", "binary_bios_measurements-empty"})
        EXPECT_EQ(parse_tcg_log(read_vector(folder / name)).error().kind, ErrorKind::corrupt) << name;
}

// Firmware, stub and systemd in virtual machines, beside what their TPM held before and after systemd's measurements.
TEST(MeasureVectors, BothLogsOfABootReplayToWhatItsTpmHeld) {
    const fs::path folder = vectors() / "qemu-ovmf-swtpm";
    SKIP_WITHOUT(folder);
    unsigned found = 0;
    for (const auto& entry : fs::directory_iterator(folder)) {
        if (!entry.is_directory()) continue;
        SCOPED_TRACE(entry.path());
        ++found;
        const auto log = parse_tcg_log(read_vector(entry.path() / "binary_bios_measurements"));
        ASSERT_TRUE(log) << log.error().message;
        const auto userspace = parse_userspace_log(as_text(read_vector(entry.path() / "tpm2-measure.log")));
        ASSERT_TRUE(userspace) << userspace.error().message;
        ExpectedPcrs before = tpm2_tools_pcrs(read_vector(entry.path() / "pcrs-before-phase.yaml"));
        ExpectedPcrs after = tpm2_tools_pcrs(read_vector(entry.path() / "pcrs-after-phase.yaml"));
        for (const Bank bank : log->banks) {
            EXPECT_EQ(before[bank].size(), pcr_count);
            before[bank].erase(10);  // the kernel's IMA, which has a log of its own
            after[bank].erase(10);
            expect_pcrs(replayed(*log, bank), before[bank]);
            expect_pcrs(replayed(*log, bank, measurements(*userspace, bank).value()), after[bank]);
        }
    }
    EXPECT_GT(found, 0u);
}

}  // namespace
}  // namespace lethe
