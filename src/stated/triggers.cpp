#include "stated/triggers.hpp"

#include <sys/inotify.h>

#include "tor/state_payload.hpp"

namespace lethe {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t second_us = 1'000'000;
constexpr std::uint64_t settle_us = 2 * second_us;  // tor replaces several keys one after the other
// A folder may come and go with its relay; links are not followed into other folders.
constexpr std::uint32_t folder_events = IN_CREATE | IN_DELETE | IN_MOVED_TO | IN_ONLYDIR | IN_DONT_FOLLOW;
constexpr std::uint32_t file_events = IN_MOVED_TO | IN_ONLYDIR | IN_DONT_FOLLOW;

bool is_of_a_snapshot(std::string_view name) { return name == state_file_name || name.starts_with("secret_onion_key"); }

}  // namespace

Triggers::~Triggers() = default;

Result<std::unique_ptr<Triggers>> Triggers::watch(sd_event* loop, Folders folders, std::chrono::seconds interval,
                                                  std::function<void(SnapshotCause)> due) {
    std::unique_ptr<Triggers> triggers(new Triggers(loop, std::move(folders), interval, std::move(due)));
    TRY(triggers->start());
    return triggers;
}

Result<Triggers::Source> Triggers::add_folder(const fs::path& folder, std::uint32_t events) {
    sd_event_source* source = nullptr;
    if (const int r = sd_event_add_inotify(loop_, &source, folder.c_str(), events, on_event, this); r < 0)
        return fail_errno(-r, folder.native());
    return Source(source);
}

Result<void> Triggers::start() {
    look_for_relays();
    return set_timer();
}

// The folders above may not be there yet. A folder that is made anew has a watch that says nothing any more: it is put in the place of the
// former one.
void Triggers::look_for_relays() {
    for (const auto& parent : {folders_.instances, folders_.keys}) {
        if (auto source = watched_.contains(parent) ? Source{} : add_folder(parent, folder_events).value_or(Source{}))
            watched_[parent] = std::move(source);
        std::error_code error;
        for (const auto& entry : fs::directory_iterator(parent, error))
            if (auto source = add_folder(entry.path(), file_events)) watched_[entry.path()] = std::move(*source);
    }
}

int Triggers::on_event(sd_event_source*, const inotify_event* event, void* self) {
    auto& triggers = *static_cast<Triggers*>(self);
    const std::string_view name = event->len > 0 ? event->name : "";
    // What was lost of the queue may have been a state file's.
    if ((event->mask & IN_Q_OVERFLOW) != 0 || is_of_a_snapshot(name)) triggers.changed(settle_us);
    // A new relay's folder, whose tor may start any moment. Not at once: a source may not be replaced while it is served.
    // When one goes, its relay may have been forgotten; its objects go after its keys.
    if ((event->mask & IN_ISDIR) != 0) triggers.changed((event->mask & IN_DELETE) != 0 ? settle_us : 0);
    return 0;
}

void Triggers::changed(std::uint64_t settle_us) {
    if (settled_ && settle_us > 0) return;
    sd_event_source* source = nullptr;
    if (sd_event_add_time_relative(loop_, &source, CLOCK_MONOTONIC, settle_us, 0, on_settled, this) >= 0) settled_.reset(source);
}

int Triggers::on_settled(sd_event_source*, std::uint64_t, void* self) {
    auto& triggers = *static_cast<Triggers*>(self);
    triggers.settled_.reset();
    triggers.look_for_relays();
    triggers.due_(SnapshotCause::change);
    return 0;
}

Result<void> Triggers::set_timer() {
    sd_event_source* source = nullptr;
    const auto us = static_cast<std::uint64_t>(interval_.count()) * second_us;
    if (const int r = sd_event_add_time_relative(loop_, &source, CLOCK_MONOTONIC, us, 0, on_timer, this); r < 0)
        return fail_errno(-r, "timer");
    timer_.reset(source);
    return {};
}

int Triggers::on_timer(sd_event_source*, std::uint64_t, void* self) {
    auto& triggers = *static_cast<Triggers*>(self);
    triggers.look_for_relays();
    triggers.due_(SnapshotCause::timer);
    return triggers.set_timer() ? 0 : -EIO;
}

}  // namespace lethe
