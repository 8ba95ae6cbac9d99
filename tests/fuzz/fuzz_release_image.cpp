// The UKI of a release that is offered: what it says of itself, and whether its stub is one that is predicted. The input is the file.

#include <algorithm>

#include "fuzz.hpp"
#include "image/release.hpp"
#include "image/release_image.hpp"
#include "image/version.hpp"

using namespace lethe;
using fuzz::require;

// Whether there is nothing in it that disturbs a terminal.
static bool is_printable(const std::string& text) {
    return std::ranges::none_of(text, [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

static bool is_predicted(const std::string& stub) {
    const std::string_view rest = std::string_view(stub).substr(std::min(stub.size(), predicted_systemd.size()));
    return stub.starts_with(predicted_systemd) && (rest.empty() || rest.front() < '0' || rest.front() > '9');
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto image = read_release_image({data, size});
    if (!fuzz::parsed(image)) return 0;
    require(check_version(image->version).has_value(), "the version is one that a release can have");
    require(parse_release_name(ReleaseName{image->version}.file()) == ReleaseName{image->version}, "its file has the name of this release");
    require(compare_versions(image->version, image->version) == 0, "no release is older than itself");
    require(!image->stub.empty() && is_printable(image->stub) && is_printable(image->profile), "what it says of itself can be shown");
    require(fuzz::parsed(check_stub(*image), {ErrorKind::policy_mismatch}) == is_predicted(image->stub),
            "the stub is of the systemd that is predicted");
    return 0;
}
