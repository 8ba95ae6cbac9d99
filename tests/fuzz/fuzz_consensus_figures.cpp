// Lines of a vote, as others publish them, and the time of a reboot. The input is an outage and a run, a stats line, a line of thresholds
// and a time.

#include <cmath>

#include "fuzz.hpp"
#include "tor/consensus_cost.hpp"
#include "tor/reboot_window.hpp"

using namespace lethe;
using fuzz::require;

namespace {

void check_history(const AuthorityHistory& history) {
    const double wfu = fractional_uptime(history);
    require(std::isfinite(mean_time_between_failures(history).count()) && mean_time_between_failures(history).count() >= 0,
            "a time between failures is a number");
    require(wfu >= 0 && wfu <= 1 + 1e-9, "a fractional uptime is one");
    require(std::isfinite(time_known(history).count()), "a time is a number");
}

void check_cost(const RelayStanding& standing, const Outage& outage) {
    check_history(*standing.history);
    check_history(after_outage(*standing.history, outage));
    const ConsensusCost cost = cost_of(standing, outage);
    require(!in_words(cost).contains('\n'), "a reason is one line");
    require(outage.length >= test_interval || *cost.before.fractional_uptime == *cost.after.fractional_uptime || outage.address_changes,
            "a short outage costs nothing");
    const std::chrono::sys_seconds now = std::chrono::sys_days(std::chrono::year(2026) / 11 / 22);
    const RebootAdvice advice = advise(std::span(&standing, 1), outage, now);
    require(advice.at == std::chrono::sys_seconds{} || (advice.at > now && advice.at <= now + advised_wait_limit),
            "no advice is to wait long");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::Input input(data, size);
    const Outage outage{std::chrono::seconds(input.number(3)), input.u8() % 2 == 1};
    const std::chrono::seconds run(input.number(4));
    const auto stats = parse_vote_stats(input.text());
    const auto thresholds = parse_flag_thresholds(input.text());
    const bool has_stats = fuzz::parsed(stats), has_thresholds = fuzz::parsed(thresholds);
    if (has_thresholds)
        require(thresholds->stable_mtbf <= FlagThresholds{}.stable_mtbf && thresholds->guard_wfu <= 0.98, "no authority wants more");
    if (has_stats)
        check_cost({.name = "a", .history = history_of(*stats, run), .thresholds = has_thresholds ? *thresholds : FlagThresholds{}},
                   outage);
    const std::chrono::sys_seconds now{run};
    const auto time = parse_reboot_time(as_text(input.rest()), now);
    if (!fuzz::parsed(time, {ErrorKind::invalid_argument})) return 0;
    const auto* at = std::get_if<std::chrono::sys_seconds>(&*time);
    require(!at || *at >= now, "no reboot is planned for the past");
    return 0;
}
