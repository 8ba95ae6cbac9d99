#pragma once

#include <array>
#include <string>

#include "base/disk.hpp"

namespace lethe {

/// No slot is larger: of all objects `state` has the most to hold.
constexpr std::size_t slot_limit_octets = disk_file_limit_octets;

/// The files of an object: NAME.a and NAME.b.
std::array<std::string, 2> slot_files(const std::string& stem);

/// How many octets a slot has on this disk: a multiple of its blocks.
std::size_t slot_octets(const Disk& disk, std::size_t octets);

/// Writes a slot, syncs it, and reads it back.
/// @error io  it reads back otherwise.
Result<void> write_slot(Disk& disk, const std::string& file, OctetView octets);

/// The same, with zeros over what the file has behind them: nothing that was there before is left.
Result<void> write_over_slot(Disk& disk, const std::string& file, OctetView octets);

/// Overwrites slots with zeros, one after the other, syncs, and removes them. Nothing to do for those that do not exist.
Result<void> wipe_slots(Disk& disk, const std::array<std::string, 2>& files);

}  // namespace lethe
