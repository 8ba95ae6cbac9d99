#pragma once

namespace lethe {

/// How much of a relay's keys is checked.
enum class Scrutiny {
    whole,   ///< everything: for keys that come from outside
    sealed,  ///< everything but that the primes are primes, which costs more than the rest: for what an authenticated object held
};

}  // namespace lethe
