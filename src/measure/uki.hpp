#pragma once

#include <array>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "measure/measured_event.hpp"
#include "measure/pe.hpp"

namespace lethe {

/// A section as the stub finds it in memory: what the file has of it, then zeros up to VirtualSize. Borrows the image's octets.
struct UkiSection {
    std::string_view name;
    OctetView octets;
    std::size_t zeros = 0;
};

/// What the machine and its boot loader choose among the sections of an image.
struct UkiChoice {
    unsigned profile = 0;  ///< 0 is there even when the image has no .profile
    std::optional<std::size_t> device_tree =
        {};  ///< the .dtbauto that fits the machine, counted from 0 in base and profile; none fits a PC
};

/// The sections that systemd-stub 257 uses, in its order: the image's base sections, replaced by those of the profile.
///
/// @error corrupt    no .linux, a section that overlaps another in memory, or zeros beyond what a kernel needs.
/// @error not_found  no such profile, or no such .dtbauto.
/// Source: systemd 257, src/boot/pe.c, pe_locate_profile_sections().
Result<std::vector<UkiSection>> uki_sections(const PeImage& image, UkiChoice choice = {});

/// The same sections of an addon, which has no profiles and no kernel. The stub passes an addon over whose .uname is not the UKI's.
///
/// @error corrupt  a .linux: the stub takes no UKI for an addon; else as above.
Result<std::vector<UkiSection>> addon_sections(const PeImage& image);

/// What a section says, up to the first NUL.
std::string_view text_of(const UkiSection& section);

/// nullptr when there is none.
const UkiSection* find_section(std::span<const UkiSection> sections, std::string_view name);

/// What the stub extends into PCR 11: name with NUL and contents of each section but .pcrsig, in the order of uki_sections().
///
/// @param initrd  when there is one: becomes the hash of the .initrd's contents, to go on with; stays as it is where there is no .initrd.
/// Source: systemd 257, src/boot/stub.c, measure_sections().
std::vector<MeasuredEvent> measured_sections(std::span<const UkiSection> sections, std::span<const Bank> banks,
                                             BankHashes* initrd = nullptr);

/// The words that systemd-pcrextend adds to PCR 11 as the boot goes on, in their order.
inline constexpr std::array<std::string_view, 6> boot_phases{"enter-initrd", "leave-initrd", "sysinit", "ready", "shutdown", "final"};

MeasuredEvent measured_phase(std::string_view phase, std::span<const Bank> banks);

}  // namespace lethe
