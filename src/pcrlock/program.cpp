#include "pcrlock/program.hpp"

#include <fcntl.h>

#include <utility>

#include "base/file.hpp"
#include "pcrlock/json.hpp"

namespace lethe {

namespace {

constexpr std::size_t prediction_limit_octets = 1 << 20;
constexpr std::size_t prediction_limit_values = 4096;
constexpr std::size_t pin_limit_octets = 128;
constexpr std::size_t policy_file_limit_octets = 64 * 1024;
constexpr int make_policy_attempts = 5;
constexpr std::chrono::seconds time_limit{300};  // a TPM behind a slow bus, an emulated machine

// From after sysinit.target to before shutdown: the phases in which a vault is opened.
const std::string location = "--location=860:940";

std::string pcr_argument(std::span<const unsigned> pcrs) {
    std::string argument = "--pcr=";
    for (unsigned pcr : pcrs) argument += std::format("{}{}", argument.back() == '=' ? "" : "+", pcr);
    return argument;
}

// A phase that begins, or IMA, extends a PCR while a policy session is open. systemd-pcrlock starts unsealing again, not the rest.
bool pcr_changed(std::string_view standard_error) {
    return standard_error.contains("PCR have changed since checked") || standard_error.contains("Stale file handle");
}

// The PIN as a credential, for as long as this lives.
class PinCredential {
public:
    static Result<PinCredential> write(const std::filesystem::path& folder, const Secret& pin) {
        const auto file = folder / "pcrlock.recovery-pin";
        wipe(file);  // of a process that died
        TRY(write_new_file(AT_FDCWD, file, pin.expose(), 0600));
        return PinCredential(file);
    }
    PinCredential(PinCredential&& other) noexcept : file_(std::exchange(other.file_, {})) {}
    PinCredential& operator=(PinCredential&&) = delete;
    ~PinCredential() { wipe(file_); }

private:
    explicit PinCredential(std::filesystem::path file) : file_(std::move(file)) {}
    static void wipe(const std::filesystem::path& file) {
        if (file.empty()) return;
        if (const auto fd = open_file(AT_FDCWD, file, O_WRONLY)) (void)write_all(fd->get(), Octets(pin_limit_octets));
        std::error_code error;
        std::filesystem::remove(file, error);
    }
    std::filesystem::path file_;
};

Result<void> make_folder(const std::filesystem::path& folder) {
    std::error_code error;
    std::filesystem::create_directories(folder, error);
    if (error) return fail(ErrorKind::io, "{}: {}", folder.native(), error.message());
    return {};
}

}  // namespace

Result<Outcome> SystemdPcrlock::call(std::vector<std::string> arguments) {
    const std::string verb = arguments.front();
    arguments.insert(arguments.begin(), paths_.program);
    arguments.push_back("--no-pager");
    Outcome outcome = TRY(run(
        {.arguments = std::move(arguments),
         .environment = {"CREDENTIALS_DIRECTORY=" + (paths_.scratch / "credentials").native(), "LC_ALL=C.UTF-8", "PATH=/usr/sbin:/usr/bin",
                         "SYSTEMD_COLORS=0", "SYSTEMD_LOG_LEVEL=info", "SYSTEMD_LOG_TARGET=console", "SYSTEMD_RELAX_XBOOTLDR_CHECKS=1",
                         "SYSTEMD_TPM2_HASH_ALGORITHMS=sha256", "SYSTEMD_XBOOTLDR_PATH=" + paths_.scratch.native()},
         .standard_input = {},
         .limit = time_limit}));
    if (outcome.exit_status != 0)
        return fail(pcr_changed(outcome.standard_error) ? ErrorKind::policy_mismatch : ErrorKind::io, "systemd-pcrlock {} failed: {}", verb,
                    last_line(outcome.standard_error));
    return outcome;
}

Result<EventLog> SystemdPcrlock::log() {
    const Outcome outcome = TRY(call({"log", "--json=short", location}));
    EventLog log = TRY(parse_event_log(outcome.standard_output));
    log.missing_components = missing_components(outcome.standard_error);
    return log;
}

Result<PcrPolicy> SystemdPcrlock::predict(std::span<const unsigned> pcrs) {
    const Outcome outcome = TRY(call({"predict", "--json=short", location, pcr_argument(pcrs)}));
    const nlohmann::json document = TRY(parse_json(outcome.standard_output, prediction_limit_octets));
    if (document.is_object() && !document.contains("sha256")) return PcrPolicy{};  // every PCR was left out
    return json_policy(*TRY(json_array(document, "sha256")), prediction_limit_values);
}

// --force: without it systemd-pcrlock compares its prediction with the file alone, whatever the index holds.
Result<void> SystemdPcrlock::try_make_policy(std::span<const unsigned> pcrs, std::uint32_t index, const std::string& recovery_pin) {
    Result<void> made;
    for (int attempt = 0; attempt < make_policy_attempts; ++attempt) {
        const auto outcome =
            call({"make-policy", location, pcr_argument(pcrs), std::format("--nv-index={:#x}", index), "--entry-token=literal:lethe",
                  "--force", "--recovery-pin=" + recovery_pin, "--policy=" + paths_.policy.native()});
        made = outcome ? Result<void>() : std::unexpected(outcome.error());
        if (made || made.error().kind != ErrorKind::policy_mismatch) break;
    }
    std::error_code error;
    std::filesystem::remove_all(paths_.scratch / "loader", error);  // the credential for the ESP
    return made;
}

Result<void> SystemdPcrlock::make_policy(std::span<const unsigned> pcrs, const PolicyKeys& keys) {
    const auto credentials = paths_.scratch / "credentials";
    TRY(make_folder(credentials));
    TRY(make_folder(paths_.policy.parent_path()));
    const auto made = [&] -> Result<void> {
        const PinCredential credential = TRY(PinCredential::write(credentials, keys.pin));
        return try_make_policy(pcrs, keys.index, "query");
    }();
    if (made || !policy_file()) return made;
    // An index of an earlier release. When this fails, too, the first reason is the one that matters.
    return try_make_policy(pcrs, keys.index, "hide") ? Result<void>() : made;
}

Result<PolicyFile> SystemdPcrlock::policy_file() {
    const Octets octets = TRY(read_file(paths_.policy, policy_file_limit_octets));
    auto file = parse_policy_file(as_text(octets));
    if (!file) return in_context(file.error(), paths_.policy.native());
    return file;
}

Result<void> SystemdPcrlock::write_policy_file(std::string_view json) {
    TRY(make_folder(paths_.policy.parent_path()));
    return replace_file(paths_.policy, as_octets(json), 0644);
}

Result<void> SystemdPcrlock::remove_policy_file() {
    std::error_code error;
    std::filesystem::remove(paths_.policy, error);
    if (error) return fail(ErrorKind::io, "{}: {}", paths_.policy.native(), error.message());
    return {};
}

Result<std::vector<Record>> SystemdPcrlock::measure(Measurable what, const std::filesystem::path& file) {
    std::vector<std::string> arguments;  // all to standard output: the writes of systemd-pcrlock are not atomic
    switch (what) {
        case Measurable::secureboot_policy:
            arguments = {"lock-secureboot-policy", "--pcrlock=-"};
            break;
        case Measurable::secureboot_authority:
            arguments = {"lock-secureboot-authority", "--pcrlock=-"};
            break;
        case Measurable::pe_image:
            arguments = {"lock-pe", file, "--pcrlock=-"};
            break;
        case Measurable::uki:
            arguments = {"lock-uki", file, "--pcrlock=-"};
            break;
    }
    return parse_component(TRY(call(std::move(arguments))).standard_output);
}

Result<void> SystemdPcrlock::lock_firmware() {
    TRY(call({"lock-firmware-code"}));
    return {};
}

Result<void> SystemdPcrlock::write_component(const std::string& component, const std::string& variant, std::span<const Record> records) {
    const auto folder = paths_.components / (component + ".pcrlock.d");
    TRY(make_folder(folder));
    return replace_file(folder / (variant + ".pcrlock"), as_octets(encode_component(records)), 0644);
}

Result<void> SystemdPcrlock::clear_component(const std::string& component) {
    std::error_code error;
    std::filesystem::remove_all(paths_.components / (component + ".pcrlock.d"), error);
    if (error) return fail(ErrorKind::io, "{}: {}", (paths_.components / component).native(), error.message());
    return {};
}

}  // namespace lethe
