#pragma once

#include <systemd/sd-event.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/result.hpp"
#include "stated/budget.hpp"

namespace lethe {

/// Says when a snapshot is due: when tor has replaced its state file or an onion key, and every so often. Several changes within two
/// seconds are one.
class Triggers {
public:
    struct Folders {
        std::filesystem::path instances;  ///< in which each relay's tor has its data folder
        std::filesystem::path keys;       ///< in which each relay has its key folder
    };

    /// @param loop  is borrowed, and runs `due`.
    /// Folders that are not there yet are looked for again whenever anything else happens.
    /// @error io
    static Result<std::unique_ptr<Triggers>> watch(sd_event* loop, Folders folders, std::chrono::seconds interval,
                                                   std::function<void(SnapshotCause)> due);
    ~Triggers();
    Triggers(const Triggers&) = delete;

private:
    Triggers(sd_event* loop, Folders folders, std::chrono::seconds interval, std::function<void(SnapshotCause)> due)
        : loop_(loop), folders_(std::move(folders)), interval_(interval), due_(std::move(due)) {}

    struct Unref {
        void operator()(sd_event_source* source) const { sd_event_source_disable_unref(source); }
    };
    using Source = std::unique_ptr<sd_event_source, Unref>;

    Result<void> start();
    Result<Source> add_folder(const std::filesystem::path& folder, std::uint32_t events);
    void look_for_relays();
    void changed(std::uint64_t settle_us);
    Result<void> set_timer();
    static int on_event(sd_event_source* source, const inotify_event* event, void* self);
    static int on_settled(sd_event_source* source, std::uint64_t time, void* self);
    static int on_timer(sd_event_source* source, std::uint64_t time, void* self);

    sd_event* loop_;
    Folders folders_;
    std::chrono::seconds interval_;
    std::function<void(SnapshotCause)> due_;
    std::map<std::filesystem::path, Source> watched_;
    Source settled_, timer_;
};

}  // namespace lethe
