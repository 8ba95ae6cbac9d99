#include <fcntl.h>
#include <sys/file.h>

#include <iostream>

#include "base/file.hpp"
#include "base/printable.hpp"
#include "enroll/enroll.hpp"
#include "enroll/options.hpp"
#include "enroll/reenroll.hpp"
#include "tpm/patient_tpm.hpp"
#include "vault/configuration.hpp"
#include "vault/configured_relays.hpp"

namespace {

using namespace lethe;

void say(std::string_view line) { std::cerr << printable(line) << std::endl; }

// A second enrolment would take the first one's mark for that of one that was cut, and undo it.
Result<Fd> be_the_only_one(const std::filesystem::path& folder) {
    std::error_code error;
    std::filesystem::create_directories(folder, error);
    Fd directory = TRY(open_file(AT_FDCWD, folder, O_RDONLY | O_DIRECTORY));
    if (flock(directory.get(), LOCK_EX | LOCK_NB) != 0)
        return fail(ErrorKind::wrong_state, "another enrolment is running: wait for its end");
    return directory;
}

Result<RecoverySecretKey> read_recovery_key(const std::filesystem::path& file) {
    return parse_recovery_secret(TRY(read_secret_file(AT_FDCWD, file, 1024)));
}

Result<Enrolment> recover(const EnrolmentPorts& ports, const EnrolmentOptions& options) {
    auto key = TRY(read_recovery_key(options.recovery_key));
    TRY(reenroll(ports,
                 {std::move(key), options.fingerprint, options.request.extra_pcrs, options.request.insecure_boot, options.generation}));
    return Enrolment::made;
}

Result<Enrolment> run(EnrolmentOptions& options) {
    TRY(lock_down_process());
    SystemdPcrlock::Paths paths;
    const Fd lock = TRY(be_the_only_one(paths.scratch));
    auto [store, in_tpm] = TRY(open_configured_store(options.store, open_machine_tpm));
    const auto tpm = TRY(open_machine_tpm());
    SystemdPcrlock pcrlock(paths);
    const EnrolmentPorts ports{*tpm, store, in_tpm, pcrlock, [] { return find_booted_image(); }, say};
    if (!options.recovery_key.empty()) return recover(ports, options);
    const ConfiguredRelays relays = configured_relays(credential_folders);
    for (const std::string& name : relays.refused) say(std::format("lethe.torrc.{} is left out: that cannot be a relay's name", name));
    options.request.relays.insert(options.request.relays.end(), relays.names.begin(), relays.names.end());
    return enroll(ports, options.request);
}

int report(const Error& error) {
    say("lethe-enroll: " + error.message);
    return exit_status(error);
}

}  // namespace

int main(int argc, char* argv[]) {
    auto options = parse_enrolment_options(std::span<const char* const>(argv, static_cast<std::size_t>(argc)));
    if (!options) return report(options.error());
    if (options->help) {
        std::cout << enrolment_help;
        return exit_done;
    }
    const auto enrolment = run(*options);
    if (!enrolment) return report(enrolment.error());
    if (*enrolment == Enrolment::made) return exit_done;
    say("this machine is enrolled already");
    return options->if_needed ? exit_done : exit_enrolled_already;
}
