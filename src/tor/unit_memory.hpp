#pragma once

#include <cstdint>
#include <filesystem>

#include "base/result.hpp"

namespace lethe {

/// The memory that one relay's unit may use.
struct UnitMemory {
    std::uint64_t usable_octets;  ///< the least of every cgroup limit above the unit and its share of the memory that is available
    std::uint64_t total_octets;   ///< the machine's
};

/// usable = min(memory.max and memory.high of the unit's cgroup and of each one above it, MemAvailable / relays).
/// A cgroup that does not exist yet (the unit has not started) sets no limit. MemAvailable already leaves out what tmpfs and the image
/// hold.
///
/// @param cgroup_root  "/sys/fs/cgroup".
/// @param unit_cgroup  relative to it, "system.slice/system-tor.slice/tor@NAME.service".
/// @param meminfo      "/proc/meminfo".
/// @param relays       how many relays share the machine; at least 1.
/// @error invalid_argument, corrupt, io
Result<UnitMemory> memory_for_unit(const std::filesystem::path& cgroup_root, const std::filesystem::path& unit_cgroup,
                                   const std::filesystem::path& meminfo, unsigned relays);

/// The cgroup of this process, relative to the root: in an ExecStartPre= it is the unit's own.
/// @param membership  "/proc/self/cgroup". @error corrupt, io
Result<std::filesystem::path> own_cgroup(const std::filesystem::path& membership);

/// The value for MaxMemInQueues, in whole MiB: tor's own rule (0.4 of 8 GiB or more, else 0.75, at most 8 GiB) applied to what the unit may
/// use; never more than the same rule gives for the whole machine, never less than the 64 MiB that tor insists on.
/// Source: tor 0.4.9, app/config/config.c, compute_real_max_mem_in_queues.
std::uint64_t max_mem_in_queues_mib(const UnitMemory& memory);

}  // namespace lethe
