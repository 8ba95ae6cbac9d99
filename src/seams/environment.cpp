#include <cstdlib>
#include <utility>

#include "base/test_seam.hpp"

namespace lethe {

namespace {

const char* variable_of(TestSeam seam) {
    switch (seam) {
        case TestSeam::block_devices:
            return "LETHE_BLOCK";
        case TestSeam::consoles:
            return "LETHE_CONSOLES";
        case TestSeam::credentials:
            return "LETHE_CREDSTORE";
        case TestSeam::efivars:
            return "LETHE_EFIVARS";
        case TestSeam::esp:
            return "LETHE_ESP";
        case TestSeam::instances:
            return "LETHE_INSTANCES";
        case TestSeam::pcrlock:
            return "LETHE_PCRLOCK";
        case TestSeam::relay_user:
            return "LETHE_RELAY_USER";
        case TestSeam::runtime:
            return "LETHE_RUNTIME";
        case TestSeam::state:
            return "LETHE_STATE";
        case TestSeam::store:
            return "LETHE_STORE";
        case TestSeam::tcti:
            return "LETHE_TCTI";
        case TestSeam::units:
            return "LETHE_UNITS";
    }
    std::unreachable();
}

}  // namespace

std::optional<std::string> test_seam(TestSeam seam) {
    const char* const given = std::getenv(variable_of(seam));
    return given ? std::optional<std::string>(given) : std::nullopt;
}

}  // namespace lethe
