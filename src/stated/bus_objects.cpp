#include "stated/bus_objects.hpp"

#include <print>

#include "bus/errors.hpp"
#include "bus/relay_object.hpp"
#include "state_manager_adaptor.hpp"
#include "state_relay_adaptor.hpp"

namespace lethe {
namespace {

std::uint64_t seconds(std::chrono::sys_seconds time) { return static_cast<std::uint64_t>(time.time_since_epoch().count()); }

class StateRelay final : public RelayObject<org::lethe::State1::Relay_adaptor, StateStatus> {
public:
    StateRelay(sdbus::IConnection& connection, const StateStatus& status)
        : RelayObject(connection, sdbus::ObjectPath{std::string{state_path} + "/relay/" + status.name}, status) {
        announce();
    }

private:
    std::string Name() override { return status_.name; }
    std::string Source() override { return std::string{name_of(status_.source)}; }
    std::string Reason() override { return status_.reason; }
    std::string Trouble() override { return status_.trouble; }
    uint64_t Generation() override { return status_.generation; }
    uint64_t Taken() override { return seconds(status_.taken); }
    uint64_t Size() override { return status_.octets; }
    uint64_t RestoredBandwidth() override { return status_.restored_bandwidth; }
};

class ManagerObject final
    : public StateObjects,
      public sdbus::AdaptorInterfaces<org::lethe::State1::Manager_adaptor, sdbus::Properties_adaptor, sdbus::ObjectManager_adaptor> {
public:
    ManagerObject(sdbus::IConnection& connection, StateService& service)
        : AdaptorInterfaces(connection, sdbus::ObjectPath{state_path}), connection_(connection), service_(service) {
        registerAdaptor();
        announce();
        log_restored();
    }
    ~ManagerObject() override { unregisterAdaptor(); }

    void snapshot(SnapshotCause cause) override {
        const auto before = service_.generation();
        const auto taken = service_.snapshot(cause);
        announce();
        // Said once: a timer that finds the same trouble each hour is not news.
        const std::string trouble = taken ? "" : taken.error().message;
        if (!taken && trouble != trouble_) std::println(stderr, "<4>no snapshot: {}", trouble);
        if (service_.generation() != before) std::println(stderr, "<6>snapshot {}", service_.generation());
        trouble_ = trouble;
    }

private:
    using Manager_adaptor::INTERFACE_NAME;

    // A method that changes something: whatever comes of it, the bus is told how things are now.
    template <std::invocable Change>
    auto change(Change&& change) {
        return answer([&] {
            auto result = change();
            announce();
            return result;
        });
    }

    uint64_t Snapshot() override {
        return change([&] { return service_.snapshot(SnapshotCause::request); });
    }
    void Reload() override {
        change([&] {
            service_.restore();
            log_restored();
            return Result<void>{};
        });
    }
    void Reset() override {
        change([&] { return service_.reset(); });
    }
    std::string State() override { return std::string{name_of(service_.standing())}; }
    std::string Reason() override { return service_.reason() ? service_.reason()->message : ""; }
    std::string ErrorName() override { return service_.reason() ? std::string{error_name(service_.reason()->kind)} : ""; }
    uint64_t Generation() override { return service_.generation(); }
    uint32_t SnapshotsPerDay() override { return service_.per_day(); }
    uint32_t BudgetLeft() override { return service_.budget_left(); }
    std::string MinimalReason() override { return service_.minimal_reason(); }
    std::string Version() override { return LETHE_VERSION; }

    void announce() {
        reconcile(relays_, service_.relays(), connection_);
        emitPropertiesChangedSignal(INTERFACE_NAME);
    }

    void log_restored() const {
        if (const auto& reason = service_.reason())
            std::println(stderr, "<3>snapshots are {}: {}", name_of(service_.standing()), reason->message);
        for (const auto& [name, status] : service_.relays()) {
            const bool good = status.reason.empty();
            std::println(stderr, "<{}>relay {}: state from {}{}{}", good ? 6 : 4, name, name_of(status.source), good ? "" : ": ",
                         status.reason);
        }
    }

    sdbus::IConnection& connection_;
    StateService& service_;
    std::map<std::string, std::unique_ptr<StateRelay>> relays_;
    std::string trouble_;
};

}  // namespace

std::unique_ptr<StateObjects> publish_state(sdbus::IConnection& connection, StateService& service) {
    return std::make_unique<ManagerObject>(connection, service);
}

}  // namespace lethe
