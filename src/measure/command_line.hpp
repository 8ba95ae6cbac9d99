#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "measure/measured_event.hpp"

namespace lethe {

/// A text as the stub converts it: up to the first NUL, and without the characters that are no UTF-8 or take more than 16 bits.
/// Source: systemd 257, src/boot/efi-string.c, xstrn8_to_16().
std::u16string stub_text(std::string_view utf8);

/// A command line as the stub cleans it: control characters are spaces, and there are none at either end.
/// Source: systemd 257, src/boot/util.c, mangle_stub_cmdline().
std::u16string cleaned_command_line(std::u16string_view line);

/// The one command line that the addons add, joined with spaces. In the stub's order: the addons of the loader's folder, then those beside
/// the UKI, each folder's sorted by name.
std::u16string joined_addons(std::span<const std::string_view> command_lines);

/// UTF-16LE with a terminating NUL, which is what the stub and the kernel hash.
Octets load_options(std::u16string_view line);

/// What the stub, or the boot loader, extends into PCR 12 for a command line that is not the UKI's own; nothing for an empty one.
std::optional<MeasuredEvent> measured_command_line(std::u16string_view line, std::string what, std::span<const Bank> banks);

/// What the stub extends into PCR 12 for the profile it was told to boot; nothing for profile 0.
std::optional<MeasuredEvent> measured_profile(unsigned profile, std::span<const Bank> banks);

}  // namespace lethe
