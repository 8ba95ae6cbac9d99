#pragma once

#include "updated/ports.hpp"

namespace lethe {

/// A file in the store's folder.
class StoredFailureNote final : public FailureNote {
public:
    explicit StoredFailureNote(std::filesystem::path file) : file_(std::move(file)) {}
    std::optional<std::string> read() override;
    Result<void> write(std::string_view note) override;
    Result<void> remove() override;

private:
    std::filesystem::path file_;
};

// Where things are on a machine; the variables LETHE_... in the environment are for tests.

std::filesystem::path failure_note_path();
SystemdPcrlock::Paths pcrlock_paths();

/// The ports of the machine that this runs on. Borrows the first two.
UpdatePorts machine_ports(Pcrlock& pcrlock, FailureNote& note, std::function<void(std::string_view, unsigned)> progress);

}  // namespace lethe
