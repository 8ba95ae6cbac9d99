#pragma once

#include <fcntl.h>

#include <gtest/gtest.h>

#include <map>

#include "base/file.hpp"
#include "base/process.hpp"
#include "temporary_folder.hpp"
#include "tor/key_folder.hpp"
#include "tor/key_names.hpp"
#include "tor/rsa_key.hpp"

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

/// Alice's or Bob's files as an operator brings them who keeps the master key offline: without the master secret and the onion keys.
inline KeyFiles offline_files(const KeySet& keys) {
    KeyFiles files = copy_of(keys.files);
    for (const std::string& name : {key_file::master_secret, key_file::onion, key_file::onion_ntor}) files.erase(name);
    return files;
}

/// Both files of a family key, made by the real tor once for each name.
inline const KeyFiles& family_files(const std::string& name) {
    static std::map<std::string, KeyFiles> families;
    if (const auto found = families.find(name); found != families.end()) return found->second;
    const TemporaryFolder folder;
    const auto none = folder / "none";
    const auto made = run({{tor_program, "--hush", "--ignore-missing-torrc", "-f", none, "--defaults-torrc", none, "--DataDirectory",
                            folder / "data", "--keygen-family", folder / name},
                           {},
                           "",
                           std::chrono::seconds(60)});
    if (!made || made->exit_status != 0) throw std::runtime_error("tor --keygen-family");
    KeyFiles files;
    for (const std::string_view suffix : {family_secret_suffix, family_public_suffix}) {
        const std::string file = name + std::string(suffix);
        files.emplace(file, read_secret_file(AT_FDCWD, folder / file, key_file_limit_octets).value());
    }
    return families.emplace(name, std::move(files)).first->second;
}

/// The id that tor wrote beside the family's secret.
inline std::string family_id_of(const std::string& name) {
    return std::string(as_text(family_files(name).at(name + std::string(family_public_suffix)).expose()).substr(0, 43));
}

// A key whose numbers belong together in all but that they are primes: odd, of 512 bits, and in all likelihood composite; another pair when
// e has no inverse for this one.
inline Secret rsa_key_of_no_primes() {
    Result<Secret> pem = fail(ErrorKind::corrupt, "not made yet");
    while (!pem || check_rsa_key(pem->expose(), Scrutiny::whole)) {
        Secret numbers = Secret::random(128);
        for (const std::size_t start : {0, 64}) {
            numbers.expose_mutable()[start] |= 0xc0;
            numbers.expose_mutable()[start + 63] |= 1;
        }
        pem = rsa_key_of_primes(numbers.expose(), PrivateExponent::of_product);
    }
    return std::move(*pem);
}

inline void replace(KeyFiles& files, const std::string& name, OctetView octets) { files.insert_or_assign(name, Secret::copy_of(octets)); }
inline void replace(KeyFiles& files, const std::string& name, std::string_view text) { replace(files, name, as_octets(text)); }

inline void add(KeyFiles& files, const KeyFiles& more) {
    for (const auto& [name, octets] : more) files.insert_or_assign(name, Secret::copy_of(octets.expose()));
}

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
