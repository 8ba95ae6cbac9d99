#pragma once

#include <string>
#include <vector>

#include "measure/pe.hpp"
#include "measure/uki.hpp"

namespace lethe {

/// What the UKI of a release says about itself. Borrows the octets of the file.
struct ReleaseImage {
    PeImage pe;
    std::string version;  ///< IMAGE_VERSION of its os-release
    std::string profile;  ///< lethe.profile= of its command line: "production", "debug"
    std::string stub;     ///< version of its systemd-stub, such as "257.13-1~deb13u1"
};

/// The systemd whose stub is predicted: others measure other things.
inline constexpr std::string_view predicted_systemd = "257";

/// @error corrupt      not a UKI of Lethe's: no PE image, no stub, or an os-release with another IMAGE_ID or without a version.
Result<ReleaseImage> read_release_image(OctetView file);

/// Whether this code knows what the stub measures. @error policy_mismatch  it is of another systemd than predicted_systemd.
Result<void> check_stub(const ReleaseImage& image);

}  // namespace lethe
