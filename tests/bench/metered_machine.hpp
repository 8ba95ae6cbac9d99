#pragma once

#include <pwd.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iostream>

#include "../unit/earlier_vault.hpp"
#include "../unit/fake_pcrlock.hpp"
#include "../unit/software_tpm.hpp"
#include "../unit/temporary_folder.hpp"
#include "metered_tpm.hpp"
#include "pcrlock/open_vault.hpp"
#include "stated/service.hpp"
#include "tor/key_folder.hpp"
#include "tor/key_names.hpp"
#include "tor_texts.hpp"
#include "tpm/esys_tpm.hpp"
#include "vault/vault.hpp"

namespace lethe {
namespace {

namespace fs = std::filesystem;

void write_text(const fs::path& file, std::string_view text) { std::ofstream(file, std::ios::binary) << text; }

/// One relay's tor on tmpfs, as far as it writes files. Makes its keys with the real one.
class Tor {
public:
    explicit Tor(const fs::path& memory) : memory_(memory), paths_{memory / "lethe"} {
        fs::create_directories(paths_.manifest("").parent_path());
        write_text(paths_.manifest("a"), encode_manifest({}));
        for (const auto& folder : {data(), paths_.key_folder("a")}) fs::create_directories(folder);
    }

    Result<void> make_onion_keys() {
        for (const std::string suffix : {"", ".old"}) {
            const KeySet keys = TRY(create_keys("/usr/bin/tor", memory_));
            for (const std::string& name : {key_file::onion, key_file::onion_ntor})
                write_text(paths_.key_folder("a") / (name + suffix), as_text(keys.files.at(name).expose()));
        }
        return {};
    }
    // tor's proportion: a microdescriptor is two and a half times as long as its relay's entry in the consensus.
    void fill_cache(std::size_t octets) {
        if (octets == 0) return;
        write_text(data() / "cached-microdesc-consensus", cached_consensus(octets * 2 / 7));
        write_text(data() / "cached-microdescs", cached_microdescs(octets * 5 / 7));
    }
    void write_state(const std::string& state) { write_text(data() / "state", state); }

    StatePlaceSettings settings() const {
        return {.paths = {memory_ / "lethe-state"},
                .identity = paths_,
                .instances = memory_ / "instances",
                .fixed_user = ::getpwuid(::getuid())->pw_name};
    }

private:
    fs::path data() const { return memory_ / "instances/a"; }

    fs::path memory_;
    RuntimePaths paths_;
};

/// The machine and its service. What the store and the runtime folders lie on matters: the one on a disk, the others on tmpfs.
struct MeteredMachine {
    fs::path folder;
    SoftwareTpm tpm;
    TemporaryFolder memory{};
    Meter meter{};
    Tor tor{memory.path()};
    MachineStatePlace place{tor.settings()};
    std::chrono::sys_seconds now = std::chrono::sys_days(std::chrono::year(2026) / 5 / 1);
    std::optional<StateService> service{};

    Result<void> start(std::size_t cache_octets) {
        TRY(lock_down_process());
        if (TRY(is_volatile_folder(folder)) || !TRY(is_volatile_folder(memory.path())))
            return fail(ErrorKind::invalid_argument, "STORE has to be on a disk, and $TMPDIR on tmpfs");
        fs::create_directories(tor.settings().paths.runtime);
        const Configuration configuration{.cache_limit_octets = cache_octets};
        const auto open_disk = [&]() -> Result<OpenedStore> {
            return OpenedStore{Store(std::make_unique<MeteredDisk>(TRY(open_folder_disk(folder)), meter)), false};
        };
        service.emplace(
            open_disk,
            [&]() -> Result<std::unique_ptr<Tpm>> { return std::make_unique<MeteredTpm>(esys_tpm_on(tpm.traffic().context()), meter); },
            [&]() -> Result<VaultKeys> { return TRY(open_vault_of(TRY(Store::open(folder)), tpm)).of_state(); }, place, configuration,
            Budget(tor.settings().paths.runtime / "spent", configuration.snapshots_per_day), [&] { return now; },
            [] { return std::chrono::seconds(60); }, [] { return true; });
        return {};
    }

    Result<void> enrol() {
        auto store = TRY(Store::open(folder));
        if (TRY(store.exists({ObjectKind::vault, ""}))) return {};
        const auto values = TRY(tpm.read_pcrs(std::array{4u, 11u}));
        const PcrPolicy policy{{4, {values.at(4)}}, {11, {values.at(11)}}};
        tpm.authorize(policy_index_handle, policy);
        const auto vault = TRY(seal_earlier_vault(tpm, policy_index_handle));
        TRY(store.write_framed({ObjectKind::policy, ""}, as_octets(policy_json(policy))));
        return store_vault(store, vault.record);
    }

    Result<void> restore() {
        service->restore();
        if (service->standing() == StateStanding::open) return {};
        return std::unexpected(*service->reason());
    }

    /// Runs what is measured, and prints what it took.
    template <class Work>
    Result<void> measure(Work work) {
        meter = {};
        tpm.traffic().forget();
        meter.attach(tpm.traffic());
        Taken all;
        TRY(Meter::timed(all, work));
        print(all);
        return {};
    }

private:
    void print(const Taken& all) {
        std::string line;
        const auto add = [&](std::string_view name, std::uint64_t value) { line += std::format(R"("{}":{},)", name, value); };
        const auto add_times = [&](std::string_view name, const Taken& taken) {
            add(std::format("{}_wall", name), static_cast<std::uint64_t>(taken.wall.count()));
            add(std::format("{}_processor", name), static_cast<std::uint64_t>(taken.processor.count()));
        };
        add_times("all", all);
        add_times("sync", meter.syncing);
        add_times("read", meter.reading);
        add_times("verbs", meter.verbs);
        add_times("commands", meter.commands);
        add("writes", meter.writes);
        add("written_octets", meter.written_octets);
        add("syncs", meter.syncs);
        add("reads", meter.reads);
        add("read_octets", meter.read_octets);
        add("commands", tpm.traffic().exchanges().size());
        add("octets", service->relays().at("a").octets);
        line.back() = '}';
        std::cout << "{" << line << "\n";
    }
};

}  // namespace
}  // namespace lethe
