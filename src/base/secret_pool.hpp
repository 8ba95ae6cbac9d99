#pragma once

#include <cstddef>
#include <cstdint>

namespace lethe {

/// Zero octets between guard pages, locked and left out of core dumps (libsodium's sodium_malloc). They end where a guard page begins, so
/// that they have the alignment of their size. A few blocks of one page are kept, wiped, for whoever comes next: to map, lock and guard a
/// page takes ten system calls. Terminates the process when no memory can be locked. May be called from any thread.
std::uint8_t* take_locked_memory(std::size_t size);

/// Wipes memory of take_locked_memory(). Terminates the process when something has written before its beginning.
/// @param size  what was asked for.
void give_locked_memory_back(std::uint8_t* memory, std::size_t size) noexcept;

}  // namespace lethe
