#include <array>
#include <cstdlib>
#include <ctime>

#include "base/secret.hpp"
#include "base/test_seam.hpp"
#include "bus/identities.hpp"
#include "bus/kept_keys.hpp"
#include "relay/clock.hpp"
#include "stated/bus_objects.hpp"
#include "stated/triggers.hpp"
#include "tpm/patient_tpm.hpp"

using namespace lethe;

// The unit sets RUNTIME_DIRECTORY.
static StatePlaceSettings settings() {
    StatePlaceSettings settings;
    if (const char* path = std::getenv("RUNTIME_DIRECTORY")) settings.paths.runtime = path;
    settings.identity.runtime = test_seam_or(TestSeam::runtime, settings.identity.runtime);
    settings.instances = test_seam_or(TestSeam::instances, settings.instances);
    settings.fixed_user = test_seam_or(TestSeam::relay_user, "");
    return settings;
}

static Result<OpenedStore> open_store_here() { return open_machine_store(open_machine_tpm); }

static std::chrono::sys_seconds now() { return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()); }

static std::chrono::seconds uptime() {
    timespec time{};
    ::clock_gettime(CLOCK_BOOTTIME, &time);
    return std::chrono::seconds(time.tv_sec);
}

// lethe-identityd has them. Where it is away, what it gave before serves for a restart of this daemon.
static Result<VaultKeys> read_keys(KeptKeys& kept) {
    const auto given = read_state_keys();
    if (!given && kept.before().size() == 1) return VaultKeys::decode(kept.before().front());
    if (!given) return std::unexpected(given.error());
    TRY(kept.keep_only(std::array{&*given}));
    return VaultKeys::decode(*given);
}

static Result<void> run() {
    TRY(lock_down_process());
    const auto configuration = TRY(read_configuration());
    const auto places = settings();
    MachineStatePlace place(places);
    KeptKeys kept = TRY(KeptKeys::receive());
    StateService service(
        open_store_here, open_machine_tpm, [&] { return read_keys(kept); }, place, configuration,
        Budget(places.paths.runtime / "spent", configuration.snapshots_per_day), now, uptime, [] { return SystemClock().synchronised(); });
    std::unique_ptr<Triggers> triggers;
    TRY(serve(state_bus_name, [&](sdbus::IConnection& connection, sd_event* loop) -> Result<std::unique_ptr<BusObjects>> {
        service.restore();
        auto objects = publish_state(connection, service);
        triggers =
            TRY(Triggers::watch(loop, {places.instances, places.identity.key_folder("").parent_path()}, configuration.snapshot_interval,
                                [&published = *objects](SnapshotCause cause) { published.snapshot(cause); }));
        return objects;
    }));
    // What tor has written last: it has ended before this service is stopped.
    if (service.may_give()) TRY(service.snapshot(SnapshotCause::stop));
    return {};
}

int main() { return exit_status(run()); }
