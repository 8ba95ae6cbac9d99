#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace lethe {

/// What is written down, in the store's folder, of a release that was tried and not kept: for after the boot that goes back. A hint for
/// people: nothing authenticates it, and nothing is decided by it.
class LastUpdate {
public:
    explicit LastUpdate(std::filesystem::path file) : file_(std::move(file)) {}

    struct Note {
        std::string version;
        std::string reason;  ///< one line
    };
    /// What is written down. Nothing when it is not whole: two lines, each with its end. Control characters become spaces.
    static std::optional<Note> parse(std::string_view text);
    /// Nothing where there is none, or none that is whole.
    std::optional<Note> read() const;
    /// In the place of the one before; 1 KiB at most, what is longer is cut. @error io
    Result<void> write(std::string_view version, std::string_view reason) const;
    /// Nothing to do when there is none. @error io
    Result<void> remove() const;

private:
    std::filesystem::path file_;
};

}  // namespace lethe
