#include "relay/clock.hpp"

#include <unistd.h>

#include <thread>

#include "tor/state_payload.hpp"

namespace lethe {

std::chrono::sys_seconds SystemClock::now() { return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()); }
bool SystemClock::synchronised() { return ::access(mark.c_str(), F_OK) == 0; }
void SystemClock::wait(std::chrono::seconds time) { std::this_thread::sleep_for(time); }

namespace {

// What is still wrong with the clock; nothing when tor may rely on it.
std::optional<std::string> missing(Clock& clock, const ClockRules& rules) {
    if (rules.synchronised && !clock.synchronised())
        return std::format("{}; see `timedatectl timesync-status`, or set WaitForClock=no in lethe.conf", no_time_server);
    if (rules.not_before && clock.now() < *rules.not_before)
        return std::format("the clock says {:%F %T} UTC, and this relay's state was written at {:%T UTC on %F}; set the clock", clock.now(),
                           *rules.not_before);
    return std::nullopt;
}

}  // namespace

Result<ClockVerdict> wait_for_clock(Clock& clock, const ClockRules& rules, const std::function<void(const std::string&)>& tell) {
    constexpr std::chrono::seconds step{1};
    // Counted in steps: the clock itself may jump meanwhile.
    for (std::chrono::seconds waited{0};; waited += step) {
        const auto what = missing(clock, rules);
        if (!what) return ClockVerdict::right;
        if (rules.not_before && clock.synchronised() && clock.now() < *rules.not_before - clock_tolerance)
            return ClockVerdict::state_is_ahead;
        if (waited >= rules.timeout) return fail(ErrorKind::wrong_state, "waited {} s: {}", rules.timeout.count(), *what);
        tell(*what);
        clock.wait(step);
    }
}

}  // namespace lethe
