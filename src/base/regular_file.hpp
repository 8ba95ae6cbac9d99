#pragma once

#include "base/file.hpp"

namespace lethe {

// What the readers of whole files begin with.

/// Opens a regular file for reading, and nothing else, without waiting. @error not_found, corrupt, io
Result<Fd> open_regular(int directory, const std::filesystem::path& path);

/// Reads until the end or until `buffer` is full. @return the number of octets. @error io, with the path
Result<std::size_t> read_up_to(int fd, std::span<std::uint8_t> buffer, const std::filesystem::path& path);

/// The same from `offset` on, whatever the file's position. `what` names it in messages. @error io
Result<std::size_t> read_at(int fd, std::size_t offset, std::span<std::uint8_t> buffer, std::string_view what);

}  // namespace lethe
