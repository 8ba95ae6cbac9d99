#pragma once

#include <chrono>
#include <filesystem>
#include <vector>

#include "base/result.hpp"

namespace lethe {

/// Why a snapshot is taken. What is only convenient leaves a quarter of the day's budget to what is not.
enum class SnapshotCause { change, timer, stop, request };

/// How many snapshots may still be taken in the 24 hours that end now: each wears a counter in the TPM. Kept in a file on tmpfs, so that a
/// service that is started again and again does not begin anew.
class Budget {
public:
    /// @param file  of which the folder exists.
    Budget(std::filesystem::path file, unsigned per_day) : file_(std::move(file)), per_day_(per_day) {}

    unsigned per_day() const { return per_day_; }
    unsigned left(std::chrono::sys_seconds now) const;
    bool allows(SnapshotCause cause, std::chrono::sys_seconds now) const;
    /// Counts one. @error io
    Result<void> spend(std::chrono::sys_seconds now);

private:
    std::vector<std::chrono::sys_seconds> spent(std::chrono::sys_seconds now) const;

    std::filesystem::path file_;
    unsigned per_day_;
};

}  // namespace lethe
