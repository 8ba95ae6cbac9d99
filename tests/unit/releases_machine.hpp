#pragma once

#include <gtest/gtest.h>

#include "image/releases.hpp"
#include "recorded_esp.hpp"

namespace lethe {

/// An image as far as its place on the ESP goes: three sectors and a piece, other ones for each seed.
inline Octets image_of(unsigned seed, std::size_t octets = 1600) {
    Octets image(octets);
    std::mt19937 random(seed);
    for (auto& octet : image) octet = static_cast<std::uint8_t>(random());
    image[0] = 'M', image[1] = 'Z';
    return image;
}

inline Octets some_octets(std::string_view text) { return {as_octets(text).begin(), as_octets(text).end()}; }

/// What is on an ESP, but for the store: a value.
using EspFiles = std::map<std::string, Octets>;

inline EspFiles files_of(const Medium& medium) {
    EspFiles files;
    for (const auto& name : medium.names()) files[name] = *medium.read(name);
    return files;
}

/// A recorded ESP and the releases on it. Borrows the medium.
class RecordedReleases {
public:
    explicit RecordedReleases(
        Medium& medium, RecordedDisk::Before before = [](const std::string&) {})
        : esp_(medium, one_shot_, std::move(before)), releases_(esp_) {}

    Releases* operator->() { return &releases_; }
    RecordedEsp& esp() { return esp_; }

    /// Writes and completes a release.
    void put(const std::string& file, OctetView image, const BesideFiles& beside = {}) {
        const auto name = parse_release_name(file).value();
        const auto written = releases_.write(name, image, beside);
        ASSERT_TRUE(written) << written.error().message;
        const auto completed = releases_.complete(name, image);
        ASSERT_TRUE(completed) << completed.error().message;
    }

private:
    std::string one_shot_;
    RecordedEsp esp_;
    Releases releases_;
};

}  // namespace lethe
