#include "updated/bus_objects.hpp"

#include <chrono>
#include <print>

#include "base/file.hpp"
#include "base/large_file.hpp"
#include "bus/errors.hpp"
#include "bus/options.hpp"
#include "update_manager_adaptor.hpp"
#include "updated/bus_plan.hpp"

namespace lethe {
namespace {

constexpr std::chrono::minutes failure_stands{1};
constexpr std::size_t keys_limit_octets = 4096;
constexpr std::size_t beside_limit_octets = std::size_t{128} << 20;

using Files = std::map<std::string, sdbus::UnixFd>;

Result<BesideFiles> read_files(const Files& files) {
    BesideFiles read;
    for (const auto& [name, fd] : files) {
        const auto file = TRY(LargeFile::read_descriptor(fd.get(), name, beside_limit_octets));
        read[name] = Octets(file.octets().begin(), file.octets().end());
    }
    return read;
}

Result<StageOptions> read_options(const VariantMap& given) {
    const Options options(given, {"allow-downgrade", "records", "beside", "drop"});
    TRY(options.check());
    StageOptions read;
    read.allow_downgrade = TRY(options.value<bool>("allow-downgrade")).value_or(false);
    if (const auto records = TRY(options.value<sdbus::UnixFd>("records"))) {
        const auto file = TRY(LargeFile::read_descriptor(records->get(), "records", beside_limit_octets));
        read.records = Octets(file.octets().begin(), file.octets().end());
    }
    if (const auto beside = TRY(options.value<Files>("beside"))) read.beside = TRY(read_files(*beside));
    if (auto drop = TRY(options.value<std::vector<std::string>>("drop"))) read.drop = std::move(*drop);
    return read;
}

VariantMap to_variants(const std::optional<RunningRelease>& running) {
    if (!running) return {};
    return {{"version", sdbus::Variant{running->name.version}},
            {"file", sdbus::Variant{running->file}},
            {"secure-boot", sdbus::Variant{running->secure_boot}},
            {"trial", sdbus::Variant{running->trial}}};
}

VariantMap to_variants(const std::optional<StagedRelease>& staged) {
    if (!staged) return {};
    const BootTries tries = staged->name.tries.value_or(BootTries{});
    return {{"version", sdbus::Variant{staged->name.version}},
            {"file", sdbus::Variant{staged->name.file()}},
            {"tries-left", sdbus::Variant{std::uint32_t{tries.left}}},
            {"tries-done", sdbus::Variant{std::uint32_t{tries.done}}},
            {"state", sdbus::Variant{std::string{name_of(staged->state)}}},
            {"trials", sdbus::Variant{std::uint32_t{staged->trials}}},
            {"again", sdbus::Variant{staged->again ? static_cast<std::uint64_t>(staged->again->time_since_epoch().count()) : 0}}};
}

class ManagerObject final : public UpdateObjects,
                            public sdbus::AdaptorInterfaces<org::lethe::Update1::Manager_adaptor, sdbus::Properties_adaptor> {
public:
    ManagerObject(sdbus::IConnection& connection, UpdateService& service, Reboots& reboots)
        : AdaptorInterfaces(connection, sdbus::ObjectPath{update_path}), service_(service), reboots_(reboots) {
        registerAdaptor();
        log_status();
    }
    ~ManagerObject() override { unregisterAdaptor(); }

    void progress(std::string_view step, unsigned percent) override {
        std::println(stderr, "<6>{}", step);
        emitProgress(std::string(step), percent);
    }

private:
    using Manager_adaptor::INTERFACE_NAME;

    // A method that changes something: whatever comes of it, the bus is told how things are now.
    template <std::invocable Change>
    auto change(Change&& change) {
        return answer([&] {
            auto result = change();
            plan_.reset();
            emitPropertiesChangedSignal(INTERFACE_NAME);
            if (!result) std::println(stderr, "<4>{}", result.error().message);
            return result;
        });
    }

    std::string Stage(const sdbus::UnixFd& image, const VariantMap& options) override {
        return change([&] -> Result<std::string> {
            const StageOptions read = TRY(read_options(options));
            const auto file = TRY(LargeFile::read_descriptor(image.get(), "the image", release_limit_octets));
            return service_.stage(file.octets(), read);
        });
    }
    std::string StageConfiguration(const Files& files, const std::vector<std::string>& drop) override {
        return change([&] -> Result<std::string> { return service_.stage_configuration(TRY(read_files(files)), drop); });
    }
    VariantMap Preview(const sdbus::UnixFd& image, const VariantMap& options) override {
        return answer([&] -> Result<VariantMap> {
            const StageOptions read = TRY(read_options(options));
            const auto file = TRY(LargeFile::read_descriptor(image.get(), "the image", release_limit_octets));
            const PlannedUpdate update = TRY(service_.preview(file.octets(), read));
            return to_variants(update, TRY(reboots_.cost()));
        });
    }
    std::string Retry(const bool& at_once) override {
        return change([&] -> Result<std::string> {
            auto version = TRY(service_.retry(at_once));
            if (!at_once && !version.empty()) try_soon(version);
            return version;
        });
    }
    void Abort() override {
        change([&] { return service_.abort(); });
    }
    void Commit() override {
        change([&] { return service_.commit(); });
    }
    sdbus::UnixFd MakePolicyIndex(const sdbus::UnixFd& given) override {
        return answer([&] -> Result<sdbus::UnixFd> {
            const Secret octets = TRY(read_secret_descriptor(given.get(), "the keys of the policy", keys_limit_octets));
            const auto keys = PolicyKeys::decode(octets);
            if (!keys) return fail(ErrorKind::invalid_argument, "{}", keys.error().message);
            const std::string json = TRY(service_.make_policy_index(*keys));
            const auto file = TRY(sealed_memory_file(as_octets(json)));
            return sdbus::UnixFd{file.get()};  // duplicates it
        });
    }
    uint64_t Reboot(const VariantMap& given) override {
        return change([&] -> Result<std::uint64_t> {
            const Options options(given, {"when", "urgent"});
            TRY(options.check());
            const auto at =
                TRY(reboots_.reboot(TRY(options.text("when")).value_or("now"), TRY(options.value<bool>("urgent")).value_or(false)));
            return static_cast<std::uint64_t>(at.time_since_epoch().count());
        });
    }

    VariantMap Running() override { return to_variants(service_.status().running); }
    VariantMap Staged() override { return to_variants(service_.status().staged); }
    std::vector<std::string> Admitted() override { return service_.status().admitted; }
    std::string PolicyState() override { return std::string{name_of(service_.status().policy)}; }
    std::string Reason() override { return service_.status().reason; }
    std::string LastFailure() override { return service_.status().last_failure; }
    VariantMap Plan() override {
        const auto& staged = service_.status().staged;
        if (!staged || staged->state != StagedState::staged) return {};
        const auto now = std::chrono::steady_clock::now();
        if (!plan_ || (!*plan_ && now - planned_ >= failure_stands)) {
            plan_ = [&] -> Result<VariantMap> {
                const PlannedUpdate update = TRY(service_.plan());
                return to_variants(update, TRY(reboots_.cost()));
            }();
            planned_ = now;
        }
        return answer([&] { return *plan_; });
    }
    uint64_t RebootAt() override {
        const auto at = reboots_.scheduled();
        return at ? static_cast<std::uint64_t>(at->time_since_epoch().count()) : 0;
    }
    std::string Version() override { return LETHE_VERSION; }

    // Whoever comes to the machine can do it as well: a reboot that is not possible now leaves the release staged.
    void try_soon(const std::string& version) {
        std::println(stderr, "<4>release {} is tried again: its last trial was healthy in all but the network", version);
        if (const auto at = reboots_.reboot_soon(); !at)
            std::println(stderr, "<4>release {} is staged, and the next boot tries it: {}", version, at.error().message);
    }

    void log_status() const {
        const UpdateStatus& status = service_.status();
        if (!status.reason.empty()) std::println(stderr, "<4>{}", status.reason);
        if (!status.last_failure.empty()) std::println(stderr, "<4>{}", status.last_failure);
    }

    UpdateService& service_;
    Reboots& reboots_;
    // Of the staged release. It takes seconds to find out, and anyone may ask: a failure stands for a while, too.
    std::optional<Result<VariantMap>> plan_;
    std::chrono::steady_clock::time_point planned_;
};

}  // namespace

std::unique_ptr<UpdateObjects> publish_updates(sdbus::IConnection& connection, UpdateService& service, Reboots& reboots) {
    return std::make_unique<ManagerObject>(connection, service, reboots);
}

}  // namespace lethe
