#include "tor/consensus_cost.hpp"

#include <algorithm>
#include <cmath>

namespace lethe {

namespace {

using Reason = std::optional<std::string>;

// Three tests in a row fail for an outage to be counted; so often, in the sum of twelve hours and all that came before them.
constexpr double most_runs = std::chrono::hours(12) / WeightedTime(3 * test_interval) / (1 - 0.95);

std::string in_days(WeightedTime time) { return std::format("{:.4g} d", time / std::chrono::days(1)); }

std::string in_kilobytes(std::uint64_t octets_per_second) { return std::format("{} kB/s", octets_per_second / 1000); }

AuthorityHistory worst_history(std::chrono::seconds run) { return after_run({.runs = most_runs}, run); }

ConsensusFigures figures_of(const AuthorityHistory& history) {
    return {mean_time_between_failures(history), fractional_uptime(history), time_known(history)};
}

// One relay and one outage, and what each flag is lost to.
class Loss {
public:
    Loss(const RelayStanding& standing, const Outage& outage)
        : standing_(standing),
          counting_(counting(outage)),
          before_(standing.history.value_or(worst_history(standing.run.value_or(std::chrono::seconds(0))))),
          after_(after_outage(before_, outage)) {}

    Reason stable() const {
        const WeightedTime wanted = standing_.thresholds.stable_mtbf, left = mean_time_between_failures(after_);
        if (counting_ == Counting::never || left >= wanted) return {};
        if (!standing_.history) return "how often it was out of reach before is not known";
        return std::format("MTBF goes from {} to {}, and {} are wanted", in_days(mean_time_between_failures(before_)), in_days(left),
                           in_days(wanted));
    }

    Reason fast() const { return bandwidth(standing_.thresholds.fast_octets_per_second); }

    Reason guard() const {
        if (stable()) return "it goes with Stable";
        if (const Reason lost = bandwidth(standing_.thresholds.guard_octets_per_second)) return lost;
        if (counting_ == Counting::never) return {};
        if (!standing_.history) return "its fractional uptime is not known";
        const double wanted = standing_.thresholds.guard_wfu, left = fractional_uptime(after_);
        if (left < wanted)
            return std::format("WFU goes from {:.4f} to {:.4f}, and {:.4f} are wanted", fractional_uptime(before_), left, wanted);
        if (time_known(after_) >= standing_.thresholds.guard_time_known) return {};
        return std::format("the time known goes from {} to {}, and {} are wanted", in_days(time_known(before_)),
                           in_days(time_known(after_)), in_days(standing_.thresholds.guard_time_known));
    }

    Reason hsdir() const {
        if (counting_ != Counting::never) return "it takes 96 h without a counted outage";
        if (fast()) return "it goes with Fast";
        if (standing_.hsdir_outlives_restarts.value_or(false)) return {};
        return "authorities with a tor before 0.4.9.15 want 96 h without a restart";
    }

    ConsensusFigures before() const { return standing_.history ? figures_of(before_) : ConsensusFigures{}; }
    ConsensusFigures after() const { return standing_.history ? figures_of(after_) : ConsensusFigures{}; }

private:
    Reason bandwidth(std::uint64_t wanted) const {
        if (standing_.keeps_bandwidth) return {};
        const auto now = standing_.octets_per_second.transform([](auto rate) { return " in the place of " + in_kilobytes(rate); });
        return std::format("it starts without its bandwidth history and announces almost nothing{}, and {} are wanted", now.value_or(""),
                           in_kilobytes(wanted));
    }

    const RelayStanding& standing_;
    Counting counting_;
    AuthorityHistory before_, after_;
};

// "HSDir of a and b (why)"; each flag and reason once.
std::string flags_at_risk(std::span<const RelayStanding> standings, const Outage& outage) {
    std::vector<std::pair<FlagRisk, std::string>> of;
    for (const auto& standing : standings) {
        for (const auto& risk : cost_of(standing, outage).at_risk) {
            const auto same = std::ranges::find(of, risk, &std::pair<FlagRisk, std::string>::first);
            if (same == of.end()) of.emplace_back(risk, standing.name);
            else same->second += " and " + standing.name;
        }
    }
    std::string text;
    for (const auto& [risk, names] : of) text += std::format("{}{} of {} ({})", text.empty() ? "" : ", ", risk.flag, names, risk.why);
    return text;
}

std::size_t count_at_risk(std::span<const RelayStanding> standings, const Outage& outage, std::chrono::seconds wait) {
    std::size_t count = 0;
    for (const auto& standing : standings) count += cost_of(later(standing, wait), outage).at_risk.size();
    return count;
}

// The first wait with the fewest flags at risk.
std::chrono::seconds best_wait(std::span<const RelayStanding> standings, const Outage& outage) {
    std::chrono::seconds best{0};
    std::size_t fewest = count_at_risk(standings, outage, best);
    for (std::chrono::seconds wait = best; wait <= advised_wait_limit && fewest > 0; wait += std::chrono::hours(12)) {
        const std::size_t count = count_at_risk(standings, outage, wait);
        if (count >= fewest) continue;
        best = wait;
        fewest = count;
    }
    return best;
}

}  // namespace

RelayStanding later(RelayStanding standing, std::chrono::seconds more) {
    if (standing.history) standing.history = after_run(*standing.history, more);
    standing.run = standing.run.value_or(std::chrono::seconds(0)) + more;
    return standing;
}

ConsensusCost cost_of(const RelayStanding& standing, const Outage& outage) {
    const Loss loss(standing, outage);
    ConsensusCost cost{counting(outage), loss.before(), loss.after(), {}};
    const auto look_at = [&](std::string_view flag, const Reason& why) {
        const bool is_held = !standing.flags || std::ranges::contains(*standing.flags, flag);
        if (is_held && why) cost.at_risk.push_back({std::string(flag), *why});
    };
    look_at("Stable", loss.stable());
    look_at("Guard", loss.guard());
    look_at("HSDir", loss.hsdir());
    look_at("Fast", loss.fast());
    return cost;
}

std::string in_words(const ConsensusCost& cost) {
    std::string text;
    for (const auto& risk : cost.at_risk) text += std::format("{}{}: {}", text.empty() ? "" : "; ", risk.flag, risk.why);
    if (!text.empty()) return text;
    return cost.counting == Counting::never ? "authorities do not count an outage of under 1280 s"
                                            : "the figures stay above what is wanted";
}

RebootAdvice advise(std::span<const RelayStanding> standings, const Outage& outage, std::chrono::sys_seconds now) {
    const std::string costs = flags_at_risk(standings, outage);
    if (costs.empty())
        return {{},
                counting(outage) == Counting::never ? "authorities do not count an outage of under 1280 s" : "no relay loses a flag by it"};
    const std::chrono::seconds wait = best_wait(standings, outage);
    if (wait == std::chrono::seconds(0))
        return {{}, std::format("no later time in the next {} costs less than {}", in_days(advised_wait_limit), costs)};
    std::vector<RelayStanding> then;
    for (const auto& standing : standings) then.push_back(later(standing, wait));
    const std::string left = flags_at_risk(then, outage);
    return {now + wait, std::format("a reboot now puts at risk {}; in {} {}", costs, in_days(wait),
                                    left.empty() ? "no relay loses a flag by it" : "no more than " + left)};
}

}  // namespace lethe
