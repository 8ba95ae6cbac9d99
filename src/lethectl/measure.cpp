#include <algorithm>
#include <format>
#include <iostream>
#include <nlohmann/json.hpp>

#include "base/file.hpp"
#include "base/printable.hpp"
#include "image/boot_reading.hpp"
#include "lethectl/command.hpp"
#include "lethectl/output.hpp"
#include "measure/replay.hpp"
#include "measure/tcg_log.hpp"

namespace lethe::ctl {
namespace {

constexpr std::array shown_pcrs{pcr::boot_loader_code, pcr::secure_boot_policy, pcr::kernel_initrd,
                                pcr::kernel_boot,      pcr::kernel_config,      pcr::sysexts};
constexpr std::size_t log_limit_octets = 16 << 20;

std::unexpected<Failure> usage(std::string message) { return std::unexpected(Failure{exit_usage, std::move(message), {}}); }

Outcome<Bank> bank_asked(const Invocation& invocation) {
    const auto name = invocation.option("bank").value_or("sha256");
    if (const auto bank = bank_named(name)) return *bank;
    return usage(std::format("there is no bank {}; the banks are sha1, sha256, sha384 and sha512", name));
}

Outcome<bool> secure_boot_asked(const Invocation& invocation) {
    const auto word = invocation.option("secure-boot").value_or("off");
    if (word != "on" && word != "off") return usage(std::format("--secure-boot is on or off, not {}", word));
    return word == "on";
}

BootPaths paths_asked(const Invocation& invocation) {
    BootPaths paths{.uki = invocation.arguments[0]};
    paths.loader = invocation.option("loader");
    paths.beside = invocation.option("extra-d");
    if (!paths.beside) paths.beside = folder_beside(paths.uki);
    paths.global_credentials = invocation.option("credentials");
    paths.global_addons = invocation.option("addons");
    return paths;
}

// What the firmware of one machine says about Secure Boot, which no file of a release tells.
Result<std::vector<Measurement>> of_firmware(const std::string& event_log, Bank bank) {
    const auto log = parse_tcg_log(TRY(read_file(event_log, log_limit_octets)));
    if (!log) return in_context(log.error(), event_log);
    auto all = TRY(measurements(*log, bank));
    std::erase_if(all, [](const Measurement& measurement) { return measurement.pcr != pcr::secure_boot_policy; });
    return all;
}

struct Predicted {
    std::vector<MeasuredEvent> events;
    PcrBank values;
    bool has_firmware;

    bool has(unsigned number) const { return number != pcr::secure_boot_policy || has_firmware; }
};

Result<Predicted> predict(const Invocation& invocation, Bank bank, bool secure_boot, const std::string& phase) {
    const std::array banks{bank};
    auto phases = TRY(predict_phases(phase, banks));
    const auto reading = TRY(BootReading::read(paths_asked(invocation)));
    auto [start, release] = TRY(predict_boot(reading.files(), {.secure_boot = secure_boot}, banks));
    Predicted predicted{std::move(start), {}, false};
    std::ranges::move(release, std::back_inserter(predicted.events));
    std::ranges::move(phases, std::back_inserter(predicted.events));
    std::vector<Measurement> all;
    if (const auto log = invocation.option("event-log")) {
        all = TRY(of_firmware(*log, bank));
        predicted.has_firmware = true;
    }
    for (const auto& event : predicted.events) all.push_back(TRY(measurement_in(bank, event.pcr, event.digests)));
    predicted.values = TRY(replay(bank, all));
    return predicted;
}

nlohmann::ordered_json json_of(const Predicted& predicted, Bank bank, const std::string& phase) {
    nlohmann::ordered_json pcrs = nlohmann::ordered_json::object();
    for (const unsigned number : shown_pcrs)
        if (predicted.has(number)) pcrs[std::to_string(number)] = to_hex(predicted.values[number].view());
    auto events = nlohmann::ordered_json::array();
    for (const auto& event : predicted.events)
        events.push_back({{"pcr", event.pcr}, {"event", printable(event.what)}, {"digest", to_hex(event.digests.at(bank).view())}});
    return {{"bank", name_of(bank)}, {"phase", phase}, {"pcrs", pcrs}, {"events", events}};
}

std::string text_of(const Predicted& predicted, Bank bank) {
    std::vector<std::vector<Cell>> rows{{{"PCR", Tone::strong}, {std::string(name_of(bank)), Tone::strong}}};
    for (const unsigned number : shown_pcrs)
        rows.push_back({{std::to_string(number)},
                        predicted.has(number) ? Cell{to_hex(predicted.values[number].view())}
                                              : Cell{"- (the machine's own: --event-log FILE)", Tone::faint}});
    return table(rows);
}

}  // namespace

Outcome<int> measure(const Invocation& invocation) {
    const auto bank = bank_asked(invocation);
    if (!bank) return std::unexpected(bank.error());
    const auto secure_boot = secure_boot_asked(invocation);
    if (!secure_boot) return std::unexpected(secure_boot.error());
    const auto phase = invocation.option("phase").value_or("ready");
    const auto predicted = predict(invocation, *bank, *secure_boot, phase);
    if (!predicted) {
        const auto& [kind, message] = predicted.error();
        return std::unexpected(Failure{kind == ErrorKind::invalid_argument ? exit_usage : exit_failed, message, {}});
    }
    if (invocation.json) std::cout << json_of(*predicted, *bank, phase).dump(2) << "\n";
    else std::cout << text_of(*predicted, *bank);
    return exit_ok;
}

}  // namespace lethe::ctl
