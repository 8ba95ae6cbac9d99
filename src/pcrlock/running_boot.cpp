#include "pcrlock/running_boot.hpp"

#include <algorithm>
#include <array>
#include <set>

#include "measure/measurement.hpp"
#include "pcrlock/opened_boot.hpp"
#include "tpm/policy.hpp"

namespace lethe {

namespace {

// The numbers put them in the order of the event log, between the firmware's and the phases of the boot.
const std::string secureboot_policy = "240-secureboot-policy";
const std::string firmware_early = "250-firmware-code-early";
const std::string firmware_late = "550-firmware-code-late";
const std::string secureboot_authority = "620-secureboot-authority";
const std::string loader_component = "630-lethe-loader";
const std::string uki_component = "650-lethe-uki";
const std::string generated = "generated";

// Of the variants that match the running boot's log the first one claims its events: the running release's has to come first, since another
// one with fewer files beside it matches as well.
constexpr std::string_view running = "1-", beside_it = "2-";

// The file name of the UKI's variant: the UKI's own, as far as it is harmless.
std::string variant_name(std::string_view place, const std::filesystem::path& uki) {
    std::string name = std::filesystem::path(without_boot_counter(uki.filename())).stem();
    std::ranges::replace_if(name, [](unsigned char c) { return !std::isalnum(c) && c != '.' && c != '_' && c != '-' && c != '~'; }, '_');
    return std::string(place) + name;
}

Result<void> lock_secure_boot(Pcrlock& pcrlock) {
    TRY(pcrlock.write_component(secureboot_policy, generated, TRY(pcrlock.measure(Measurable::secureboot_policy, {}))));
    return pcrlock.write_component(secureboot_authority, generated, TRY(pcrlock.measure(Measurable::secureboot_authority, {})));
}

Result<std::vector<Record>> booted_records(Pcrlock& pcrlock, const BootedImage& image) {
    if (!image.uki) return booted_network_records(TRY(pcrlock.log()));
    const std::vector<Record> uki = TRY(pcrlock.measure(Measurable::uki, *image.uki));
    auto records = booted_uki_records(TRY(pcrlock.log()), uki);
    if (!records) return in_context(records.error(), image.uki->native());
    return records;
}

bool starts_empty(std::span<const Record> records) { return !std::ranges::contains(records, unsigned{pcr::kernel_config}, &Record::pcr); }

// UEFI_VARIABLE_DATA of SecureBoot = 1: the vendor's GUID, the lengths of name and content, the name in UTF-16LE, the content.
// Source: TCG PC Client Platform Firmware Profile 1.05, 10.2.6.
Octets secure_boot_is_on() {
    constexpr std::string_view name = "SecureBoot";
    Octets data{0x61, 0xdf, 0xe4, 0x8b, 0xca, 0x93, 0xd2, 0x11, 0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c};
    for (const std::uint64_t length : {std::uint64_t{name.size()}, std::uint64_t{1}})
        for (int octet = 0; octet < 8; ++octet) data.push_back(static_cast<std::uint8_t>(length >> 8 * octet));
    for (const char letter : name) data.insert(data.end(), {static_cast<std::uint8_t>(letter), 0});
    data.push_back(1);
    return data;
}

}  // namespace

bool measured_secure_boot(const EventLog& log) {
    const auto first = std::ranges::find(log.events, unsigned{pcr::secure_boot_policy}, &LogEvent::pcr);
    return first != log.events.end() && first->firmware && first->digest == sha256(secure_boot_is_on());
}

std::vector<unsigned> required_pcrs(bool secure_boot, std::span<const unsigned> extra) {
    std::set<unsigned> pcrs{4, 11, 12, 13};
    pcrs.insert(secure_boot ? 7 : 2);
    pcrs.insert(extra.begin(), extra.end());
    return {pcrs.begin(), pcrs.end()};
}

Result<std::vector<Record>> lock_running_boot(Pcrlock& pcrlock, const BootedImage& image, std::span<const unsigned> pcrs) {
    TRY(unlock_boots(pcrlock));
    if (image.secure_boot) TRY(lock_secure_boot(pcrlock));
    // Some firmware runs programs of its own before the boot loader, and then PCR 4 needs this too; PCR 2 does where a disk or a card has
    // added to the firmware. Where it fails the gate decides: it names each event that nobody accounts for.
    const auto firmware = pcrlock.lock_firmware();
    if (!firmware && std::ranges::contains(pcrs, 0u)) return std::unexpected(firmware.error());
    if (image.loader) TRY(pcrlock.write_component(loader_component, generated, TRY(pcrlock.measure(Measurable::pe_image, *image.loader))));

    auto records = TRY(booted_records(pcrlock, image));
    TRY(pcrlock.write_component(uki_component, image.uki ? variant_name(running, *image.uki) : "network", records));
    TRY(lock_opening(pcrlock, starts_empty(records)));
    return records;
}

Result<void> lock_release(Pcrlock& pcrlock, const std::filesystem::path& uki, std::span<const Record> records) {
    if (starts_empty(records)) TRY(lock_opening(pcrlock, true));
    return pcrlock.write_component(uki_component, variant_name(beside_it, uki), records);
}

Result<void> unlock_boots(Pcrlock& pcrlock) {
    for (const std::string& component :
         {secureboot_policy, firmware_early, firmware_late, secureboot_authority, loader_component, uki_component})
        TRY(pcrlock.clear_component(component));
    return unlock_opening(pcrlock);
}

}  // namespace lethe
