// What a boot of hostile files would measure. The input is the conditions, then the UKI and, as long as there is something left, a file's
// place and contents.

#include <algorithm>

#include "fuzz.hpp"
#include "measure/prediction.hpp"

using namespace lethe;
using fuzz::require;

constexpr std::array banks{Bank::sha256};
constexpr std::array measured_pcrs{pcr::boot_loader_code, pcr::kernel_initrd, pcr::kernel_boot, pcr::kernel_config, pcr::sysexts};
constexpr std::array names{"a.cred", "a.raw", "a.confext.raw", "a.addon.efi", "A.CRED", "b.addon.efi", "b.txt", ".cred"};

static std::vector<MeasuredEvent> all(const PredictedEvents& predicted) {
    auto events = predicted.start;
    events.insert(events.end(), predicted.release.begin(), predicted.release.end());
    return events;
}

static std::size_t count(const std::vector<MeasuredEvent>& events, unsigned number) {
    return static_cast<std::size_t>(std::ranges::count(events, number, &MeasuredEvent::pcr));
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::Input input(data, size);
    const std::uint8_t flags = input.u8();
    const BootConditions conditions{.secure_boot = (flags & 1) != 0, .profile = unsigned{flags} >> 1 & 3};
    const auto uki = parse_pe(input.part());
    if (!fuzz::parsed(uki)) return 0;
    BootFiles files{.uki = *uki};
    while (!input.empty() && files.beside.size() + files.global_credentials.size() + files.global_addons.size() < 8) {
        const std::uint8_t place = input.u8();
        auto& folder = place & 0x40 ? files.global_credentials : place & 0x80 ? files.global_addons : files.beside;
        folder.push_back({names[place % names.size()], input.part()});
    }
    const auto predicted = predict_boot(files, conditions, banks);
    if (!fuzz::parsed(predicted, {ErrorKind::corrupt, ErrorKind::not_found, ErrorKind::invalid_argument})) return 0;
    const auto events = all(*predicted);
    for (const MeasuredEvent& event : events) {
        require(std::ranges::contains(measured_pcrs, event.pcr), "an event is in one of the PCRs that are predicted");
        require(event.digests.size() == 1, "an event has a digest of the bank");
    }
    require(count(events, pcr::boot_loader_code) >= (conditions.secure_boot ? 3U : 4U), "the image is measured, and its kernel");
    require(count(events, pcr::kernel_boot) >= 2, "the sections are measured");
    const auto again = predict_boot(files, conditions, banks);
    require(again && all(*again) == events, "a prediction is the same every time");
    return 0;
}
