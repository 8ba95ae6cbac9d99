// What a tor says of its own relay, and a consensus. The input is the entry, the uptime, the time of the consensus, and the consensus.

#include <algorithm>

#include "fuzz.hpp"
#include "tor/own_figures.hpp"

using namespace lethe;
using fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    constexpr std::chrono::sys_seconds now = std::chrono::sys_days(std::chrono::year(2026) / 11 / 22);
    fuzz::Input input(data, size);
    const OwnAnswers answers{input.text(), input.text(), input.text()};
    const std::string_view consensus = as_text(input.rest());
    const auto standing = own_standing("alice", "00112233445566778899aabbccddeeff00112233", answers, now);
    if (fuzz::parsed(standing)) {
        require(!standing->history, "a relay does not know its history");
        require(!answers.valid_after.empty() || !standing->flags, "no flags are known without a consensus");
        require(!answers.entry->empty() || !standing->flags || standing->flags->empty(), "a relay without an entry holds no flags");
        (void)cost_of(*standing, {std::chrono::hours(1)});
    }
    const auto outlives = authorities_let_hsdir_outlive_restarts(consensus);
    require(!outlives || consensus.contains("Authority"), "it is the authorities' versions that count");
    return 0;
}
