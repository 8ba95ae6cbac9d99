#pragma once

#include <random>
#include <span>

#include "base/octets.hpp"

namespace lethe::fuzz {

/// A changed copy of one of the seeds: a few bit flips, cuts, doubled blocks, boundary values, pieces of other seeds. At most 64 KiB.
Octets mutant(std::span<const Octets> seeds, std::mt19937_64& random);

}  // namespace lethe::fuzz
