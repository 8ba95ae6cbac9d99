#pragma once

#include <optional>
#include <string>

namespace lethe {

/// The parts of a machine for which a test may put something of its own.
enum class TestSeam {
    block_devices,
    consoles,
    credentials,
    efivars,
    esp,
    instances,
    pcrlock,
    relay_user,
    runtime,
    state,
    store,
    tcti,
    units
};

/// What a test has put in the place of a part of the machine. What is installed is linked with seams/none.cpp and answers with nothing,
/// since whoever can set its environment could choose what it reads; the tests' own programs are linked with seams/environment.cpp.
std::optional<std::string> test_seam(TestSeam seam);

/// The same as what to use: `usual` where no test has put anything.
inline std::string test_seam_or(TestSeam seam, std::string usual) { return test_seam(seam).value_or(std::move(usual)); }

}  // namespace lethe
