#include "stated/moment.hpp"

#include "tor/state_payload.hpp"

namespace lethe {

bool Moment::shows_to_be_ahead(std::chrono::sys_seconds time) const { return synchronised && time > now + clock_tolerance; }

bool goes_on(std::chrono::sys_seconds before, std::chrono::sys_seconds now, std::optional<std::chrono::seconds> since,
             std::chrono::seconds uptime) {
    const auto passed = uptime - since.value_or(std::chrono::seconds(0));
    return now >= before - clock_tolerance && now <= before + passed + clock_tolerance;
}

}  // namespace lethe
