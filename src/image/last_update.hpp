#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace lethe {

/// What is written down, in the store's folder, of a release that was tried and not kept: for after the boot that goes back. A hint for
/// people: nothing authenticates it, and all that it decides is when a release that only lacked the network is tried again, which is as if
/// it were staged for the first time.
class LastUpdate {
public:
    explicit LastUpdate(std::filesystem::path file) : file_(std::move(file)) {}

    /// Of a release whose trial failed for want of the network alone.
    struct NetworkWait {
        unsigned trials = 0;                            ///< that failed so, and were counted when the machine had fallen back
        std::optional<std::chrono::sys_seconds> since;  ///< when the last one was counted; not set by the trial itself
        bool operator==(const NetworkWait&) const = default;
    };
    struct Note {
        std::string version;
        std::string reason;                       ///< one line
        std::optional<NetworkWait> network = {};  ///< set when nothing else was wrong
    };
    /// What is written down. Nothing when it is not whole: two lines, each with its end, and a third one about the network where it failed
    /// for that alone. Control characters become spaces; a third line that is not one is ignored.
    static std::optional<Note> parse(std::string_view text);
    /// Nothing where there is none, or none that is whole.
    std::optional<Note> read() const;
    /// In the place of the one before; 1 KiB at most, a reason that is longer is cut. @error io
    Result<void> write(const Note& note) const;
    /// What a trial that is not healthy notes. The trials before it, which this file tells of, stay counted when only the network was
    /// missing again.
    Note of_trial(const std::string& version, const std::string& reason, bool network_alone) const;
    /// Nothing to do when there is none. @error io
    Result<void> remove() const;

private:
    std::filesystem::path file_;
};

}  // namespace lethe
