// What a power cut can make of a Medium.
#include <algorithm>
#include <array>
#include <cstdlib>
#include <iostream>
#include <ranges>
#include <set>

#include "recorded_disk.hpp"

namespace lethe {

namespace {

OctetView sector_of(const Octets& octets, std::size_t sector) {
    const std::size_t from = std::min(octets.size(), sector * Medium::sector_octets);
    return OctetView(octets).subspan(from, std::min(Medium::sector_octets, octets.size() - from));
}

void put_sector(Octets& octets, std::size_t sector, OctetView content) {
    const std::size_t from = sector * Medium::sector_octets;
    if (from >= octets.size()) return;
    std::ranges::copy(content.first(std::min(content.size(), octets.size() - from)), octets.begin() + static_cast<std::ptrdiff_t>(from));
}

Octets garbage() {
    Octets octets(Medium::sector_octets);
    for (std::size_t i = 0; i < octets.size(); ++i) octets[i] = static_cast<std::uint8_t>(0xa5 ^ (i * 37));
    return octets;
}

}  // namespace

// What there is to choose: 0 is as before, the last as after.
struct Medium::Digit {
    enum class What { name, length, sector, garbage } what;
    std::size_t radix;
    std::string name;                      ///< for a name
    int file = none;                       ///< for the others
    std::size_t at = 0;                    ///< which sector
    std::vector<std::size_t> values = {};  ///< lengths; which versions of a sector differ; which sectors can be garbage
};

void Medium::add_digits(std::vector<Digit>& digits, int number, const File& file) {
    std::vector<std::size_t> lengths;
    if (!file.named) lengths.push_back(0);
    for (const auto& version : file.versions)
        if (!std::ranges::contains(lengths, version.size())) lengths.push_back(version.size());
    digits.push_back({Digit::What::length, lengths.size(), {}, number, 0, lengths});
    std::vector<std::size_t> changed;
    const std::size_t sectors = (std::ranges::max(lengths) + sector_octets - 1) / sector_octets;
    for (std::size_t sector = 0; sector < sectors; ++sector) {
        std::vector<std::size_t> distinct;
        for (std::size_t version = 0; version < file.versions.size(); ++version) {
            const auto is_same = [&](std::size_t other) {
                return std::ranges::equal(sector_of(file.versions[other], sector), sector_of(file.versions[version], sector));
            };
            if (std::ranges::none_of(distinct, is_same)) distinct.push_back(version);
        }
        if (distinct.size() == 1) continue;
        changed.push_back(sector);
        digits.push_back({Digit::What::sector, distinct.size(), {}, number, sector, distinct});
    }
    digits.push_back({Digit::What::garbage, changed.size() + 1, {}, number, 0, changed});
}

std::vector<Medium::Digit> Medium::digits() const {
    std::vector<Digit> digits;
    std::set<int> reachable;
    for (const auto& [name, history] : names_) {
        reachable.insert(history.begin(), history.end());
        if (history.size() > 1) digits.push_back({Digit::What::name, history.size(), name});
    }
    for (const auto& [number, file] : files_)
        if (reachable.contains(number) && (file.versions.size() > 1 || !file.named)) add_digits(digits, number, file);
    return digits;
}

// Names and lengths as before or as after; of the sectors a regular part; no garbage.
std::vector<Medium::Choice> Medium::corners(const std::vector<Digit>& digits) {
    using Part = bool (*)(std::size_t at, std::size_t count);
    constexpr std::array<Part, 6> parts{
        [](std::size_t, std::size_t) { return true; },
        [](std::size_t, std::size_t) { return false; },
        [](std::size_t at, std::size_t count) { return at < count / 2; },
        [](std::size_t at, std::size_t count) { return at >= count / 2; },
        [](std::size_t at, std::size_t) { return at % 2 == 0; },
        [](std::size_t at, std::size_t) { return at % 2 == 1; },
    };
    const auto count = static_cast<std::size_t>(std::ranges::count(digits, Digit::What::sector, &Digit::what));
    std::vector<Choice> choices;
    for (const bool named : {true, false}) {
        for (const Part part : parts) {
            Choice choice;
            std::size_t at = 0;
            for (const Digit& digit : digits) {
                const bool after = digit.what == Digit::What::sector ? part(at++, count) : digit.what != Digit::What::garbage && named;
                choice.push_back(after ? digit.radix - 1 : 0);
            }
            choices.push_back(std::move(choice));
        }
    }
    return choices;
}

std::vector<Medium::Choice> Medium::choices(const std::vector<Digit>& digits, std::size_t most, std::mt19937& random) {
    double total = 1;
    for (const Digit& digit : digits) total *= static_cast<double>(digit.radix);
    if (total > static_cast<double>(most)) {
        auto choices = corners(digits);
        while (choices.size() < most)
            choices.push_back(digits | std::views::transform([&](const Digit& digit) { return random() % digit.radix; }) |
                              std::ranges::to<std::vector<std::size_t>>());
        return choices;
    }
    std::vector<Choice> choices{Choice(digits.size(), 0)};
    for (std::size_t i = 0; i < digits.size(); ++i) {
        for (std::size_t left = choices.size(), from = 0; from < left; ++from) {
            for (std::size_t value = 1; value < digits[i].radix; ++value) {
                choices.push_back(choices[from]);
                choices.back()[i] = value;
            }
        }
    }
    return choices;
}

Medium Medium::settled(const std::vector<Digit>& digits, const Choice& choice) const {
    Medium after = *this;
    for (auto& file : after.files_ | std::views::values) file.versions = {file.versions.back()};
    for (const auto& [digit, value] : std::views::zip(digits, choice)) {
        if (digit.what == Digit::What::name) {
            auto& history = after.names_.at(digit.name);
            history.push_back(history[value]);
            after.story_ += std::format(" {}:{}", digit.name, history.back() == none ? "absent" : "present");
            continue;
        }
        Octets& content = after.files_.at(digit.file).versions.back();
        if (digit.what == Digit::What::length) {
            content.resize(digit.values[value]);
            after.story_ += std::format(" length={} sectors=", content.size());
        } else if (digit.what == Digit::What::sector) {
            const OctetView part = sector_of(files_.at(digit.file).versions[digit.values[value]], digit.at);
            Octets sector(part.begin(), part.end());
            sector.resize(sector_octets);
            put_sector(content, digit.at, sector);
            after.story_ += std::to_string(value);
        } else if (value > 0) {
            put_sector(content, digit.values[value - 1], garbage());
            after.story_ += std::format(" garbage={}", digit.values[value - 1]);
        }
    }
    after.sync_names();
    return after;
}

std::vector<Medium> Medium::after_cut(std::size_t most, std::mt19937& random) const {
    const auto open = digits();
    std::vector<Medium> media;
    std::set<std::map<std::string, Octets>> seen;
    for (const Choice& choice : choices(open, most, random)) {
        Medium medium = settled(open, choice);
        std::map<std::string, Octets> contents;
        for (const auto& name : medium.names()) contents[name] = *medium.read(name);
        if (seen.insert(std::move(contents)).second) media.push_back(std::move(medium));
    }
    return media;
}

std::mt19937 seeded_cuts() {
    const char* const given = std::getenv("LETHE_CUTS_SEED");
    const auto seed = given != nullptr ? static_cast<unsigned>(std::strtoul(given, nullptr, 10)) : std::random_device()();
    std::cout << "seed " << seed << " (LETHE_CUTS_SEED takes it again)\n";
    return std::mt19937(seed);
}

std::size_t most_media(std::size_t in_short) {
    const char* const cuts = std::getenv("LETHE_CUTS");
    return cuts != nullptr && std::string_view(cuts) == "all" ? 1 << 16 : in_short;
}

}  // namespace lethe
