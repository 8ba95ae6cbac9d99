#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "measure/cpio.hpp"
#include "measure/uki.hpp"

namespace lethe {

/// An addon that the stub loads: a PE image with sections but no kernel. Borrows the octets.
struct Addon {
    std::string name;
    PeImage image;
    std::vector<UkiSection> sections;
    bool fits = true;  ///< the stub takes its sections; else it loads the image, which is measured, and goes on without
};

/// Whether the stub looks at a file of this name as an addon.
bool is_addon(std::string_view name);

/// The addons among these files, in the order in which the stub loads them: by name.
///
/// @param uname  the UKI's .uname up to a NUL, when it has one: an addon for another kernel does not fit.
/// @error corrupt  one that is not a PE image: a firmware would not load it, and the stub would go on without.
/// Source: systemd 257, src/boot/stub.c, load_addons().
Result<std::vector<Addon>> find_addons(std::span<const CpioFile> files, std::optional<std::string_view> uname);

}  // namespace lethe
