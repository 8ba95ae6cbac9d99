#include "tpm/patient_tpm.hpp"

#include <thread>

#include "tpm/esys_tpm.hpp"

namespace lethe {
namespace {

constexpr std::chrono::milliseconds step{200};

class MachineWaiting final : public Waiting {
public:
    std::chrono::milliseconds now() override {
        return std::chrono::floor<std::chrono::milliseconds>(std::chrono::steady_clock::now().time_since_epoch());
    }
    void pause(std::chrono::milliseconds time) override { std::this_thread::sleep_for(time); }
};

Waiting* machine_waiting() {
    static MachineWaiting waiting;
    return &waiting;
}

}  // namespace

PatientTpm::PatientTpm(Open open, Waiting* waiting) : open_(std::move(open)), waiting_(waiting ? waiting : machine_waiting()) {}

Result<std::unique_ptr<Tpm>> PatientTpm::open() {
    const auto may_come = [](const auto& tpm) { return !tpm && tpm.error().kind == ErrorKind::tpm_unavailable; };
    auto opened = open_();
    if (!std::exchange(patient_, false) || !may_come(opened)) return opened;
    const auto end = waiting_->now() + limit;
    while (may_come(opened) && waiting_->now() < end) {
        waiting_->pause(step);
        opened = open_();
    }
    if (!may_come(opened)) return opened;
    return fail(ErrorKind::tpm_unavailable, "{} (waited {} s for it)", opened.error().message,
                std::chrono::duration_cast<std::chrono::seconds>(limit).count());
}

Result<std::unique_ptr<Tpm>> open_machine_tpm() {
    static PatientTpm machine([] { return open_esys_tpm(default_tcti()); });
    return machine.open();
}

}  // namespace lethe
