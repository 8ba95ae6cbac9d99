#pragma once

#include <gtest/gtest.h>

#include "temporary_folder.hpp"
#include "tor/key_folder.hpp"

namespace lethe {

inline const std::filesystem::path tor_program = "/usr/bin/tor";

inline KeyFiles copy_of(const KeyFiles& files) {
    KeyFiles copy;
    for (const auto& [name, octets] : files) copy.emplace(name, Secret::copy_of(octets.expose()));
    return copy;
}

// Keys are made when the tests run, by the real tor; none are kept in git. Two relays, so that their files can be swapped.
inline const KeySet& keys_of_relay(int number) {
    static const auto make = [] {
        const TemporaryFolder scratch;
        auto keys = create_keys(tor_program, scratch.path());
        if (!keys) throw std::runtime_error(keys.error().message);
        return std::move(*keys);
    };
    static const KeySet relays[2] = {make(), make()};
    return relays[number];
}

inline const KeySet& alice() { return keys_of_relay(0); }
inline const KeySet& bob() { return keys_of_relay(1); }

template <class T>
testing::AssertionResult is_error(const Result<T>& result, ErrorKind kind, std::string_view words) {
    if (result) return testing::AssertionFailure() << "succeeded";
    if (result.error().kind != kind) return testing::AssertionFailure() << "another kind of error: " << result.error().message;
    if (!result.error().message.contains(words))
        return testing::AssertionFailure() << "does not say \"" << words << "\": " << result.error().message;
    return testing::AssertionSuccess();
}

template <class T>
testing::AssertionResult is_success(const Result<T>& result) {
    if (!result) return testing::AssertionFailure() << result.error().message;
    return testing::AssertionSuccess();
}

}  // namespace lethe
