#pragma once

namespace lethe {

/// How much of a relay's keys is checked.
enum class Scrutiny {
    whole,   ///< everything: for keys that come from outside
    sealed,  ///< everything but that the primes are primes, which costs more than the rest: for what has lain in memory since
    /// That every file parses and the public halves agree, and no arithmetic on curves: for what comes out of an authenticated object, into
    /// which it went after it was looked at as a whole. What is installed of it is looked at once more (`sealed`) before tor starts.
    authentic,
};

}  // namespace lethe
