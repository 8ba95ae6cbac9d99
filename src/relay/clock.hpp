#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <string_view>

#include "base/result.hpp"

namespace lethe {

/// With these words a relay says that it waits for a time server.
inline constexpr std::string_view no_time_server = "no time server has set the clock yet";

/// The machine's clock, as far as tor has to be kept from a wrong one.
class Clock {
public:
    virtual ~Clock() = default;
    virtual std::chrono::sys_seconds now() = 0;
    /// Whether a time server has set it in this boot.
    virtual bool synchronised() = 0;
    virtual void wait(std::chrono::seconds time) = 0;
};

/// Takes systemd-timesyncd's word for it: the file `synchronized` in its folder. Asking the kernel would take the right to set the clock.
class SystemClock final : public Clock {
public:
    std::chrono::sys_seconds now() override;
    bool synchronised() override;
    void wait(std::chrono::seconds time) override;
    std::filesystem::path mark = "/run/systemd/timesync/synchronized";
};

struct ClockRules {
    bool synchronised = true;                              ///< whether a time server must have set it
    std::chrono::seconds timeout;                          ///< how long to wait
    std::optional<std::chrono::sys_seconds> not_before{};  ///< when the state was written that tor is given
};

/// What came of waiting.
enum class ClockVerdict {
    right,
    state_is_ahead,  ///< a time server has set the clock, and the state says that it was written later: it was another clock that was wrong
};

/// Waits until tor may rely on the clock. With one that is behind, tor throws its bandwidth history away; with a wrong one it finds no
/// valid consensus.
///
/// @param tell  is called each second that is waited, with what is waited for.
/// @error wrong_state  the clock is still not right after the timeout; says which of the two is missing.
Result<ClockVerdict> wait_for_clock(Clock& clock, const ClockRules& rules, const std::function<void(const std::string&)>& tell);

}  // namespace lethe
