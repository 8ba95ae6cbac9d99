#include "bus/errors.hpp"
#include "lethectl/update_properties.hpp"

namespace lethe::ctl {
namespace {

using Options = std::map<std::string, sdbus::Variant>;

// Long enough for a service that is being started, and short beside an update, during which it may not answer.
constexpr std::chrono::seconds glance{15};

// What was asked for does not fit this machine as it is, which is the service's answer and no trouble of the machine's.
Failure refused(Failure failure) {
    const auto kind = error_kind(failure.error_name);
    if (kind == ErrorKind::wrong_state || kind == ErrorKind::policy_mismatch || kind == ErrorKind::rollback || kind == ErrorKind::corrupt)
        failure.exit_status = exit_refused;
    return failure;
}

// Nothing was offered that the policy could be at odds with: it is at odds with the machine.
Failure refused_unless_policy(Failure failure) {
    return error_kind(failure.error_name) == ErrorKind::policy_mismatch ? failure : refused(failure);
}

// Calls a method of the manager's while the connection's own loop runs, which hears how far the service is.
template <class... Answer, class... Arguments>
Outcome<std::tuple<Answer...>> call_with_progress(const OnProgress& on_progress, const char* method, const Arguments&... arguments) {
    return call(update_service, [&](sdbus::IConnection& connection) {
        const auto interface = update_service.manager_interface();
        std::optional<sdbus::Error> failure;
        std::tuple<Answer...> answer;
        const auto manager = proxy(connection, update_service);
        manager->uponSignal("Progress").onInterface(interface).call([&](const std::string& step, const std::uint32_t& percent) {
            on_progress(step, percent);
        });
        manager->callMethodAsync(method)
            .onInterface(interface)
            .withArguments(arguments...)
            .uponReplyInvoke([&](std::optional<sdbus::Error> error, Answer... values) {
                failure = std::move(error);
                answer = {std::move(values)...};
                connection.leaveEventLoop();
            });
        connection.enterEventLoop();
        if (failure) throw *std::move(failure);
        return answer;
    });
}

Options options_of(const OfferedRelease& release) {
    Options options;
    if (release.allow_downgrade) options["allow-downgrade"] = sdbus::Variant{true};
    if (release.records) options["records"] = sdbus::Variant{sdbus::UnixFd{release.records->get()}};
    if (!release.beside.empty()) options["beside"] = sdbus::Variant{handed_over(release.beside)};
    if (!release.drop.empty()) options["drop"] = sdbus::Variant{release.drop};
    return options;
}

Outcome<Updates> read_from(const Service& service) {
    return call(service, [&](sdbus::IConnection& connection) {
        const auto manager = proxy(connection, service);
        Properties properties;
        for (const char* name : update_properties)
            properties.emplace(name, manager->getProperty(name).onInterface(service.manager_interface()));
        return to_updates(properties);
    });
}

template <class T>
T only(std::tuple<T> answer) {
    return shown(std::get<0>(std::move(answer)));
}
void nothing(std::tuple<>) {}

}  // namespace

Outcome<Updates> read_updates() { return read_from(update_service); }

Outcome<Updates> glance_at_updates() {
    auto service = update_service;
    service.patience = glance;
    return read_from(service);
}

Outcome<std::optional<Plan>> read_plan() {
    return call(update_service, [](sdbus::IConnection& connection) {
        const sdbus::Variant plan = proxy(connection, update_service)->getProperty("Plan").onInterface(update_service.manager_interface());
        return to_plan(plan.get<Options>());
    });
}

Outcome<std::string> stage_release(const OfferedRelease& release, const OnProgress& on_progress) {
    return call_with_progress<std::string>(on_progress, "Stage", sdbus::UnixFd{release.image.get()}, options_of(release))
        .transform(only<std::string>)
        .transform_error(refused);
}

Outcome<std::string> stage_configuration(const std::map<std::string, Fd>& files, const std::vector<std::string>& drop,
                                         const OnProgress& on_progress) {
    return call_with_progress<std::string>(on_progress, "StageConfiguration", handed_over(files), drop)
        .transform(only<std::string>)
        .transform_error(refused);
}

Outcome<Plan> preview_release(const OfferedRelease& release, const OnProgress& on_progress) {
    return call_with_progress<Options>(on_progress, "Preview", sdbus::UnixFd{release.image.get()}, options_of(release))
        .transform([](const std::tuple<Options>& answer) { return to_plan(std::get<0>(answer)).value_or(Plan{}); })
        .transform_error(refused);
}

Outcome<std::string> retry_update(bool at_once, const OnProgress& on_progress) {
    return call_with_progress<std::string>(on_progress, "Retry", at_once).transform(only<std::string>).transform_error(refused);
}

Outcome<void> abort_update(const OnProgress& on_progress) {
    return call_with_progress(on_progress, "Abort").transform(nothing).transform_error(refused_unless_policy);
}

Outcome<void> commit_update(const OnProgress& on_progress) {
    return call_with_progress(on_progress, "Commit").transform(nothing).transform_error(refused_unless_policy);
}

Outcome<std::uint64_t> plan_reboot(const std::optional<std::string>& when, bool urgent) {
    Options options;
    if (when) options["when"] = sdbus::Variant{*when};
    if (urgent) options["urgent"] = sdbus::Variant{true};
    return call(update_service,
                [&](sdbus::IConnection& connection) {
                    std::uint64_t at = 0;
                    proxy(connection, update_service)
                        ->callMethod("Reboot")
                        .onInterface(update_service.manager_interface())
                        .withArguments(options)
                        .storeResultsTo(at);
                    return at;
                })
        .transform_error(refused);
}

}  // namespace lethe::ctl
