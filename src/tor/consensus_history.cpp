#include "tor/consensus_history.hpp"

#include <algorithm>
#include <cmath>

namespace lethe {

namespace {

constexpr double discount = 0.95;
constexpr WeightedTime discount_interval = std::chrono::hours(12);

double whole_intervals(WeightedTime time) { return std::floor(time / discount_interval); }

AuthorityHistory discounted(AuthorityHistory history, double times) {
    const double factor = std::pow(discount, times);
    history.run_length *= factor;
    history.runs *= factor;
    history.uptime *= factor;
    history.known *= factor;
    return history;
}

// tor takes a run that ended before it began off what was there.
AuthorityHistory ended(AuthorityHistory history, WeightedTime run) {
    constexpr WeightedTime none{};
    history.run_length = std::max(none, history.run_length + run);
    history.runs += 1;
    history.uptime = std::max(none, history.uptime + run);
    history.known += std::max(none, run);
    history.run = none;
    return history;
}

bool only_the_address_counts(const Outage& outage) { return outage.address_changes && outage.length < 2 * test_interval; }

}  // namespace

WeightedTime mean_time_between_failures(const AuthorityHistory& history) { return (history.run_length + history.run) / (history.runs + 1); }

double fractional_uptime(const AuthorityHistory& history) {
    const WeightedTime known = time_known(history);
    return known > WeightedTime{} ? (history.uptime + history.run) / known : 0;
}

WeightedTime time_known(const AuthorityHistory& history) { return history.known + history.run; }

AuthorityHistory after_run(AuthorityHistory history, WeightedTime more) {
    history.run += more;
    return discounted(history, whole_intervals(more));
}

Counting counting(const Outage& outage) {
    if (outage.address_changes || outage.length >= 2 * test_interval) return Counting::always;
    return outage.length >= test_interval ? Counting::maybe : Counting::never;
}

// So many tests fall into it, or one less. The first of them is where the outage is said to begin.
WeightedTime counted_length(const Outage& outage) {
    if (only_the_address_counts(outage)) return address_change_penalty;
    if (counting(outage) == Counting::never) return {};
    return test_interval * (outage.length / test_interval + 1);
}

AuthorityHistory after_counted(AuthorityHistory history, WeightedTime length) {
    history = discounted(ended(history, history.run), 1 + whole_intervals(length));
    history.known += length;
    return history;
}

AuthorityHistory after_outage(AuthorityHistory history, const Outage& outage) {
    if (counting(outage) == Counting::never) return history;
    // The relay was reached until now, and is said to have been gone before.
    if (only_the_address_counts(outage)) history.run -= address_change_penalty;
    return after_counted(history, counted_length(outage));
}

}  // namespace lethe
