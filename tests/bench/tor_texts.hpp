#pragma once

#include <chrono>
#include <cstdint>
#include <random>
#include <string>

namespace lethe {

/// A state file as a relay's tor writes it, filled up to a size with guards that are all others. What changes between two versions is what
/// changes in tor's: the times and the histories. One seed gives one text.
class TorState {
public:
    explicit TorState(std::size_t octets);
    std::string at(std::chrono::sys_seconds when) const;

private:
    std::string guards_;
};

/// `cached-microdesc-consensus` and `cached-microdescs` with one entry after the other for random relays: it compresses as little as tor's.
std::string cached_consensus(std::size_t octets);
std::string cached_microdescs(std::size_t octets);

}  // namespace lethe
