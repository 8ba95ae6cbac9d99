#include <gtest/gtest.h>

#include "image/release.hpp"

namespace lethe {
namespace {

TEST(ReleaseName, IsReadAndWrittenWithTheTriesThatAreLeft) {
    for (const auto& [file, name] : {std::pair<std::string, ReleaseName>{"lethe_0.1.0.efi", {.version = "0.1.0"}},
                                     {"lethe_1.2~rc1-3.efi", {.version = "1.2~rc1-3"}},
                                     {"lethe_2+3.efi", {.version = "2", .tries = BootTries{3, 0}}},
                                     {"lethe_2+0-3.efi", {.version = "2", .tries = BootTries{0, 3}}}}) {
        EXPECT_EQ(parse_release_name(file), name) << file;
        EXPECT_EQ(name.file(), file);
    }
}

TEST(ReleaseName, IsNoneOfAnotherFile) {
    for (const char* file : {"lethe_.efi", "lethe_x1.efi", "lethe_1.efi.extra.d", "linux_1.efi", "lethe_1_2.efi", "lethe_1+.efi",
                             "lethe_1+x.efi", "lethe_1+3-.efi", "lethe_1+3-1-1.efi", "lethe_1+3+2.efi", "lethe_1+99999999999.efi",
                             "lethe_.ef", ".efi", "", "lethe_1\n.efi", "lethe_1 .efi"})
        EXPECT_FALSE(parse_release_name(file)) << file;
}

}  // namespace
}  // namespace lethe
