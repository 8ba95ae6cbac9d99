#pragma once

#include <optional>
#include <string>
#include <vector>

#include "image/secure_boot.hpp"

namespace lethe {

/// What somebody who can write to the disk, or attach something to the machine, can do to it because signatures are not checked or because
/// the policy does not hold that they are. Both empty when nothing is wrong.
struct Insecurity {
    std::string what;
    std::string advice;  ///< what to do
    bool operator==(const Insecurity&) const = default;
};

/// @param policy  the PCRs that the policy in force holds; nothing while the vault is not open.
Insecurity insecurity(SecureBoot secure_boot, const std::optional<std::vector<unsigned>>& policy);

}  // namespace lethe
