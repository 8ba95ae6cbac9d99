#pragma once

#include <cstdint>
#include <string>

namespace lethe {

/// Types of events of the firmware's log that Lethe itself looks at. Source: TCG PC Client Platform Firmware Profile, section 10, "Event
/// Types".
namespace event_type {
inline constexpr std::uint32_t no_action = 0x00000003;
inline constexpr std::uint32_t separator = 0x00000004;
inline constexpr std::uint32_t ipl = 0x0000000d;
inline constexpr std::uint32_t efi_boot_services_application = 0x80000003;
}  // namespace event_type

/// "EV_SEPARATOR", or "0x00000014" for a type that the profile does not name.
std::string name_of_event_type(std::uint32_t type);

}  // namespace lethe
