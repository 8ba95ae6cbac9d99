#include <iostream>

#include "enroll/restore.hpp"
#include "tpm/patient_tpm.hpp"
#include "vault/configuration.hpp"

// lethe-policy-restore [STORE]: run at each boot, before anything that uses systemd-pcrlock.
int main(int argc, char* argv[]) {
    using namespace lethe;
    const auto opened = open_configured_store(argc > 1 ? argv[1] : "/var/lib/lethe", open_machine_tpm);
    const auto restored = opened.and_then([&](const OpenedStore& opened) -> Result<Restoration> {
        const auto tpm = TRY(open_machine_tpm());
        return restore_policy(*tpm, opened.store, "/var/lib/systemd/pcrlock.json");
    });
    if (!restored) std::cerr << "lethe-policy-restore: " << restored.error().message << std::endl;
    else if (*restored == Restoration::not_enrolled)
        std::cerr << "this machine is not enrolled: there is no policy to put back" << std::endl;
    else std::cerr << "the policy that the TPM confirms is in /var/lib/systemd/pcrlock.json" << std::endl;
    return restored ? EXIT_SUCCESS : EXIT_FAILURE;
}
