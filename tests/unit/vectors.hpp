#pragma once

#include <cstdlib>
#include <filesystem>

#include "base/file.hpp"

namespace lethe {

/// Data files made elsewhere. They are no part of the project: a test that finds none beside the checkout is skipped. LETHE_VECTORS names
/// another place for them.
inline std::filesystem::path vectors() {
    const char* const given = std::getenv("LETHE_VECTORS");
    return given ? given : LETHE_TEST_VECTORS;
}

inline Octets read_vector(const std::filesystem::path& file) { return read_file(file, 1 << 20).value(); }

}  // namespace lethe

/// For the first line of a test that needs a folder of them.
#define SKIP_WITHOUT(folder) \
    if (!std::filesystem::exists(folder)) GTEST_SKIP() << "there is no " << (folder) << " beside the checkout"
