// How the machine boots: the boot loader, what is measured, and what runs then.
#include <algorithm>

#include "image/release_image.hpp"
#include "image/releases.hpp"
#include "image/version.hpp"
#include "measure/measurement.hpp"
#include "update_machine.hpp"

namespace lethe {

namespace {

constexpr std::array banks{Bank::sha256};
constexpr int most_boots = 4;
constexpr unsigned external_code = 2;  // PCR of what a disk or a card adds to the firmware

struct Entry {
    ReleaseName name;
    std::string version;  ///< of its os-release

    std::string id() const { return ReleaseName{name.version}.file(); }
    bool is_exhausted() const { return name.tries && name.tries->left == 0; }
};

// Source: systemd 257, src/boot/boot.c, boot_entry_compare(); all of Lethe's have one sort key.
bool goes_before(const Entry& left, const Entry& right) {
    if (left.is_exhausted() != right.is_exhausted()) return right.is_exhausted();
    if (const auto order = compare_versions(left.version, right.version); order != 0) return order > 0;
    if (const auto order = compare_versions(left.id(), right.id()); order != 0) return order > 0;
    if (!left.name.tries || !right.name.tries) return false;
    if (left.name.tries->left != right.name.tries->left) return left.name.tries->left > right.name.tries->left;
    return left.name.tries->done < right.name.tries->done;
}

}  // namespace

std::optional<ReleaseName> BootingMachine::chosen_entry() {
    std::vector<Entry> entries;
    for (const std::string& file : state.medium.names()) {
        const std::string name = file.substr(file.rfind('/') + 1);
        const auto release = parse_release_name(name);
        if (!file.starts_with(RecordedEsp::folder) || name.size() + std::string_view(RecordedEsp::folder).size() != file.size()) continue;
        const Octets octets = *state.medium.read(file);
        if (!release || !begins_as_image(octets)) continue;
        const auto image = read_release_image(octets);
        EXPECT_TRUE(image) << file << " is torn, and the boot loader lists it: " << image.error().message;
        if (image) entries.push_back({*release, image->version});
    }
    const std::string wanted = state.one_shot;
    if (!wanted.empty()) {
        before("the boot loader takes the entry that was set for this boot");
        state.one_shot.clear();
    }
    const auto set = std::ranges::find(entries, wanted, &Entry::id);
    if (set != entries.end()) return set->name;
    std::ranges::sort(entries, goes_before);
    return entries.empty() ? std::nullopt : std::optional(entries.front().name);
}

bool BootingMachine::rename(const ReleaseName& from, const ReleaseName& to) {
    if (read_only.contains(from.file())) return false;
    RecordedEsp esp(state.medium, state.one_shot, [this](const std::string& what) { before(what); });
    return esp.rename(from.file(), to.file()).has_value();
}

// Source: systemd 257, src/boot/boot.c, boot_entry_bump_counters(): the try is counted before the image is started; where the file cannot
// be renamed it is started even so.
std::optional<ReleaseName> BootingMachine::load_entry(bool& counted) {
    auto entry = chosen_entry();
    if (!entry || !entry->tries) return entry;
    ReleaseName next = *entry;
    next.tries = BootTries{entry->tries->left - std::min(entry->tries->left, 1U), entry->tries->done + 1};
    counted = rename(*entry, next);
    return counted ? next : entry;
}

void BootingMachine::Running::extend(LogEvent event, BootingMachine& machine) {
    machine.state.tpm.extend(event.pcr, event.digest);
    events.push_back(std::move(event));
}

void BootingMachine::measure_boot() {
    const BootReading reading = read_boot(booted_image().value()).value();
    running_->image = read_file(*booted_image()->uki).value();
    const auto predicted = predict_boot(reading.files(), {.secure_boot = state.secure_boot}, banks);
    ASSERT_TRUE(predicted) << predicted.error().message;
    if (state.secure_boot)
        for (const LogEvent& event : secure_boot_events()) running_->extend(event, *this);
    if (adds_a_driver) running_->extend(log_event(measured(external_code, "a driver", as_octets("a driver"), banks), true), *this);
    for (const MeasuredEvent& event : predicted->start) {
        if (returns_from_an_entry && event.what == "boot loader")
            running_->extend(log_event(measured(pcr::boot_loader_code, "Returning", as_octets("Returning"), banks), true), *this);
        LogEvent logged = log_event(event, true);
        if (event.what == "Calling EFI Application from Boot Option") logged.type = "efi-action";
        running_->extend(std::move(logged), *this);
    }
    for (const MeasuredEvent& event : predicted->release) running_->extend(log_event(event, true), *this);
}

void BootingMachine::reach(std::string_view phase) {
    LogEvent event = log_event(measured_phase(phase, banks), false);
    event.component = phase;
    running_->extend(std::move(event), *this);
}

// image/trial.hpp
bool BootingMachine::on_trial() const {
    const auto& tries = running_->release.tries;
    const auto is_fallback = [&](const std::string& file) {
        const auto other = parse_release_name(file);
        return other && *other != running_->release && (!other->tries || other->tries->left > 0);
    };
    return tries && (tries->left > 0 || std::ranges::any_of(images(), is_fallback));
}

// @return false when it reboots.
bool BootingMachine::run_services() {
    opened = state.vault && vault() == state.vault;
    open_vault();
    EXPECT_TRUE(!closes() || !opens_again()) << "the vault opens twice in a boot";
    service().settle();
    look_at_name();
    keep_note();
    if ((state.vault && !opened) || unhealthy.contains(version()) || offline.contains(version())) {
        if (!on_trial()) return true;
        before("the health check notes why");
        const bool network_alone = (!state.vault || opened) && !unhealthy.contains(version());
        EXPECT_TRUE(last_update().write(last_update().of_trial(version(), "relay a: no circuit", network_alone)));
        keep_note();
        return false;
    }
    running_->complete = true;
    reach("ready");
    opened = opened && vault() == state.vault;
    committed = service().commit();
    look_at_name();
    keep_note();
    return true;
}

bool BootingMachine::boot() {
    running_.reset();
    opened = false;
    committed = {};
    state.tpm.power_cycle();
    bool counted = false;
    const auto entry = load_entry(counted);
    EXPECT_TRUE(entry) << "there is nothing to boot";
    if (!entry) throw std::runtime_error("nothing to boot");
    running_ = std::make_unique<Running>(*this, *entry, counted);
    measure_boot();
    for (const char* phase : {"enter-initrd", "leave-initrd", "sysinit"}) reach(phase);
    return run_services();
}

void BootingMachine::boot_until_it_stays() {
    for (int boots = 1; !boot(); ++boots) ASSERT_LT(boots, most_boots) << "the machine goes on rebooting";
}

}  // namespace lethe
