#include "tor_texts.hpp"

#include <format>

#include "tor/state_file.hpp"

namespace lethe {

namespace {

using Random = std::mt19937_64;

constexpr std::string_view hexadecimal = "0123456789ABCDEF";
constexpr std::string_view base64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

std::string letters(Random& random, std::string_view alphabet, std::size_t count) {
    std::string text;
    while (text.size() < count) text += alphabet[random() % alphabet.size()];
    return text;
}

std::string nickname(Random& random) { return letters(random, base64.substr(0, 62), 4 + random() % 12); }
double fraction(Random& random) { return static_cast<double>(random() % 100'000'000) / 1e6; }

std::string guard(Random& random, std::size_t number) {
    const std::chrono::sys_seconds sampled(std::chrono::seconds(1'770'000'000 + random() % 9'000'000));
    return std::format(
        "Guard in=default rsa_id={} nickname={} sampled_on={:%FT%T} sampled_idx={} sampled_by=0.4.9.15 listed=1 pb_circ_attempts={:f} "
        "pb_circ_successes={:f} pb_successful_circuits_closed={:f}\n",
        letters(random, hexadecimal, 40), nickname(random), sampled, number, fraction(random), fraction(random), fraction(random));
}

std::string histories(Random& random, std::chrono::sys_seconds when) {
    std::string text;
    for (const Traffic traffic :
         {Traffic::read, Traffic::write, Traffic::ipv6_read, Traffic::ipv6_write, Traffic::directory_read, Traffic::directory_write}) {
        BandwidthHistory history{.ends = std::chrono::floor<std::chrono::days>(when) + std::chrono::days(1),
                                 .interval = std::chrono::days(1)};
        for (int i = 0; i < 6; ++i) {
            history.values.push_back(random() % 900'000'000'000);
            history.maxima.push_back(random() % 50'000'000);
        }
        text += history_lines(traffic, history);
    }
    return text;
}

// A relay of the consensus. Its addresses, digests and weights have the form of the real ones, and are none of anybody's.
std::string consensus_entry(Random& random) {
    return std::format(
        "r {} {} 2026-05-01 {:02}:{:02}:{:02} 10.{}.{}.{} {} 0\nm {}\ns Fast Guard HSDir Running Stable V2Dir Valid\nv Tor "
        "0.4.9.{}\nw Bandwidth={}\n",
        nickname(random), letters(random, base64, 27), random() % 24, random() % 60, random() % 60, random() % 256, random() % 256,
        random() % 256, random() % 65'536, letters(random, base64, 43), random() % 16, random() % 100'000);
}

std::string microdescriptor(Random& random) {
    std::string rsa = "MIGJAoGBA" + letters(random, base64, 171) + "AgMBAAE=";
    rsa.insert(128, "\n").insert(64, "\n");
    return std::format(
        "@last-listed 2026-05-01 {:02}:00:00\nonion-key\n-----BEGIN RSA PUBLIC KEY-----\n{}\n-----END RSA PUBLIC "
        "KEY-----\nntor-onion-key {}\nid ed25519 {}\n",
        random() % 24, rsa, letters(random, base64, 43), letters(random, base64, 43));
}

std::string filled(std::size_t octets, std::string (*entry)(Random&)) {
    Random random(1);
    std::string text;
    while (text.size() < octets) text += entry(random);
    return text;
}

}  // namespace

TorState::TorState(std::size_t octets) {
    Random random(1);
    const std::size_t rest = at({}).size();
    for (std::size_t i = 0; rest + guards_.size() < octets; ++i) guards_ += guard(random, i);
}

std::string TorState::at(std::chrono::sys_seconds when) const {
    Random random(static_cast<std::uint64_t>(when.time_since_epoch().count()));
    return std::format(
        "# Tor state file last generated on {0} local time\n# Other times below are in UTC\n# You *do not* need to edit this "
        "file.\n\n{1}{2}LastRotatedOnionKey {0}\nLastWritten {0}\nTorVersion Tor 0.4.9.15\nDormant 0\n",
        state_time(when), guards_, histories(random, when));
}

std::string cached_consensus(std::size_t octets) { return filled(octets, consensus_entry); }
std::string cached_microdescs(std::size_t octets) { return filled(octets, microdescriptor); }

}  // namespace lethe
