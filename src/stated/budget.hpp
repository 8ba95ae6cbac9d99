#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace lethe {

/// Why a snapshot is taken. What is only convenient leaves a quarter of the day's budget to what is not.
enum class SnapshotCause { change, timer, stop, request };

/// How many snapshots may still be taken in the 24 hours that end now: each wears a counter in the TPM. Kept in a file on tmpfs, so that a
/// service that is started again and again does not begin anew.
///
/// A snapshot has the state of all relays and is charged to one whose state has changed. Of what is only convenient each relay has the same
/// share, so that one whose tor writes something new all the time takes none from the others.
class Budget {
public:
    /// @param file  of which the folder exists.
    Budget(std::filesystem::path file, unsigned per_day) : file_(std::move(file)), per_day_(per_day) {}

    unsigned per_day() const { return per_day_; }
    unsigned left(std::chrono::sys_seconds now) const;

    /// The relay to which a snapshot is charged: of those that have changed the one with the most left of its share. "" for one that is
    /// more than convenient, which is nobody's; nothing when there may be none.
    /// @param relays  how many relays share.
    std::optional<std::string> payer(SnapshotCause cause, std::chrono::sys_seconds now, const std::set<std::string>& changed,
                                     std::size_t relays) const;
    /// Counts one. @error io
    Result<void> spend(std::chrono::sys_seconds now, const std::string& payer);

private:
    struct Snapshot {
        std::chrono::sys_seconds time;
        std::string payer;
    };
    std::vector<Snapshot> spent(std::chrono::sys_seconds now) const;

    std::filesystem::path file_;
    unsigned per_day_;
};

}  // namespace lethe
