#pragma once

#include <chrono>
#include <functional>

#include "tpm/tpm.hpp"

namespace lethe {

/// Time as it passes while a program waits.
class Waiting {
public:
    virtual ~Waiting() = default;
    virtual std::chrono::milliseconds now() = 0;  ///< from any beginning; never goes back
    virtual void pause(std::chrono::milliseconds time) = 0;
};

/// Opens a TPM for a program that starts with the machine. Early in the boot the device may not be there yet, or udev may not have given it
/// its group: both are tpm_unavailable for a while. The first opening waits for it, for half a minute at most; a later one does not, as
/// what is missing then is not on its way.
class PatientTpm {
public:
    using Open = std::function<Result<std::unique_ptr<Tpm>>()>;
    static constexpr std::chrono::milliseconds limit{30'000};

    /// @param waiting  borrowed; the machine's own time without it.
    explicit PatientTpm(Open open, Waiting* waiting = nullptr);

    /// @error as `open`; tpm_unavailable says how long it was waited.
    Result<std::unique_ptr<Tpm>> open();

private:
    Open open_;
    Waiting* waiting_;
    bool patient_ = true;
};

/// The machine's TPM, default_tcti(), by one PatientTpm for the whole process.
Result<std::unique_ptr<Tpm>> open_machine_tpm();

}  // namespace lethe
