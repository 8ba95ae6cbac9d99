#pragma once

#include <filesystem>

#include "image/signature.hpp"

namespace lethe {

/// Whose releases are taken.
struct ReleaseTrust {
    std::vector<Octets> certificates;  ///< X.509, DER
    SignatureLists revoked;
};

/// With Secure Boot what the firmware itself would start: db without dbx. Without it the release key that is a part of the image.
///
/// @param efivars      where efivarfs is mounted.
/// @param release_key  an X.509 certificate, DER.
/// @error wrong_state  there is no such certificate.
/// @error corrupt      db or dbx does not parse.
Result<ReleaseTrust> read_trust(bool secure_boot, const std::filesystem::path& efivars, const std::filesystem::path& release_key);

}  // namespace lethe
