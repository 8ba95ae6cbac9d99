#pragma once

#include <compare>
#include <string>

#include "base/octets.hpp"

namespace lethe {

/// What a release is made of that updates look at.
struct ReleaseSpec {
    std::string version;
    std::string profile = "production";
    std::string stub = "257.13-1~deb13u1";
    std::string signer = "release";  ///< empty: nobody

    auto operator<=>(const ReleaseSpec&) const = default;
};

/// A small UKI that the boot loader and the stub take, signed by sbsign. Made once.
const Octets& built_release(const ReleaseSpec& spec);

/// The certificate of a signer, DER; its key is made here.
const Octets& certificate_of(const std::string& signer);

/// A boot loader that is an image, and no more.
const Octets& built_loader();

}  // namespace lethe
