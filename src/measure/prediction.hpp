#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "measure/cpio.hpp"
#include "measure/measured_event.hpp"
#include "measure/pe.hpp"

namespace lethe {

/// What lies on the ESP for one boot. Borrows all octets.
struct BootFiles {
    std::optional<PeImage> loader = {};  ///< systemd-boot; none when the firmware starts the UKI itself
    PeImage uki;
    /// In UKI.extra.d/: credentials, extensions, addons. What the stub does not take is left alone.
    std::vector<CpioFile> beside = {};
    std::vector<CpioFile> global_credentials = {};  ///< in /loader/credentials/
    std::vector<CpioFile> global_addons = {};       ///< in /loader/addons/
};

/// How the machine boots them.
struct BootConditions {
    bool secure_boot = false;
    unsigned profile = 0;
};

/// What a boot extends, in the order of the event logs.
struct PredictedEvents {
    std::vector<MeasuredEvent> start;    ///< into PCR 4, before the UKI: the firmware's call, the separator, the loader
    std::vector<MeasuredEvent> release;  ///< into PCRs 4, 9, 11, 12 and 13: the UKI and all that comes with it
};

/// What a boot of these files extends before the first phase. Nothing is given by the boot loader's menu, SMBIOS or a device tree of the
/// machine's choice: such a boot measures something else, and is not the one that was predicted. Some firmware extends more into PCR 4
/// before it starts a boot loader, which only its own log tells.
///
/// Hashes each octet as often as the machine does but for the initrd, whose hash in PCR 11 is gone on with for PCR 9; whole images in
/// threads of their own.
///
/// @param banks  at least one.
/// @error corrupt           an image or an addon is not one that the stub boots.
/// @error not_found         the UKI has no such profile.
/// @error invalid_argument  two files of one name.
/// Source: systemd 257, src/boot/stub.c, run(); Linux 6.12, drivers/firmware/efi/libstub/efi-stub-helper.c, efi_measure_tagged_event().
Result<PredictedEvents> predict_boot(const BootFiles& files, const BootConditions& conditions, std::span<const Bank> banks);

/// The events of the phases up to and with this one. @error invalid_argument  there is no such phase; an empty word is none of them.
Result<std::vector<MeasuredEvent>> predict_phases(std::string_view last, std::span<const Bank> banks);

}  // namespace lethe
