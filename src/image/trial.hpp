#pragma once

#include <filesystem>

#include "image/booted_image.hpp"

namespace lethe {

/// Whether the running release is tried after an update: this boot was counted, by the boot loader or after it by lethe-updated, and nobody
/// has kept the release since, so that its file still has tries in its name. False for one that has none left when there is no release to
/// fall back to.
///
/// @param efivars  where efivarfs is mounted.
/// @param image    what find_booted_image() says.
/// @error wrong_state, corrupt  this boot was counted, and the image is not known: nothing says that it was kept.
/// Source: systemd-bless-boot.service(8); UAPI.1, Boot Loader Specification, "Boot counting".
Result<bool> on_trial(const std::filesystem::path& efivars, const Result<BootedImage>& image);
Result<bool> on_trial();

}  // namespace lethe
