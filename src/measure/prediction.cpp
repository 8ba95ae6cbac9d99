#include "measure/prediction.hpp"

#include <algorithm>
#include <future>

#include "measure/addon.hpp"
#include "measure/combined_initrd.hpp"
#include "measure/command_line.hpp"

namespace lethe {
namespace {

// What each UKI has of its own for the initrd, in the stub's order.
struct OwnFile {
    std::string_view section;
    const char* name;
};
constexpr std::array own_files{OwnFile{".pcrsig", "tpm2-pcr-signature.json"}, OwnFile{".pcrpkey", "tpm2-pcr-public-key.pem"},
                               OwnFile{".osrel", "os-release"}, OwnFile{".profile", "profile"}};

// The octets that the firmware or the stub has of a section, in `buffer` where the file has not all of them.
OctetView in_memory(const UkiSection& section, Octets& buffer) {
    if (section.zeros == 0) return section.octets;
    buffer.assign(section.octets.begin(), section.octets.end());
    buffer.resize(buffer.size() + section.zeros);
    return buffer;
}

class Predictor {
public:
    Predictor(const BootFiles& files, const BootConditions& conditions, std::span<const Bank> banks)
        : files_(files), conditions_(conditions), banks_(banks), hashed_initrd_(banks) {}

    Result<PredictedEvents> predict() {
        uki_digests_ = std::async(std::launch::async, [&] { return authenticode(files_.uki, banks_); });
        std::vector<MeasuredEvent> start{measured(pcr::boot_loader_code, std::string(calling), as_octets(calling), banks_),
                                         measured(pcr::boot_loader_code, "separator", separator, banks_)};
        if (files_.loader) start.push_back({pcr::boot_loader_code, "boot loader", authenticode(*files_.loader, banks_)});
        TRY(start_stub());
        TRY(add_archives());
        TRY(start_kernel());
        events_.insert(events_.begin(), {pcr::boot_loader_code, "UKI", uki_digests_.get()});
        return PredictedEvents{std::move(start), std::move(events_)};
    }

private:
    static constexpr std::string_view calling = "Calling EFI Application from Boot Option";
    static constexpr std::array<std::uint8_t, 4> separator{};

    void add(MeasuredEvent event) { events_.push_back(std::move(event)); }
    void add(std::optional<MeasuredEvent> event) {
        if (event) add(*std::move(event));
    }
    const UkiSection* section(std::string_view name) const { return find_section(sections_, name); }

    Result<void> start_stub() {
        sections_ = TRY(uki_sections(files_.uki, {.profile = conditions_.profile}));
        if (!conditions_.secure_boot) TRY(hash_kernel());
        add(measured_profile(conditions_.profile, banks_));
        std::ranges::move(measured_sections(sections_, banks_, &hashed_initrd_), std::back_inserter(events_));
        TRY(load_addons(files_.global_addons));
        TRY(load_addons(files_.beside));
        std::vector<std::string_view> lines;
        for (const Addon& addon : addons_)
            if (const auto* line = find_section(addon.sections, ".cmdline")) lines.push_back(text_of(*line));
        const std::u16string added = joined_addons(lines);
        add(measured_command_line(added, "command line of addons", banks_));
        if (const auto* own = section(".cmdline")) command_line_ = cleaned_command_line(stub_text(text_of(*own)));
        if (!added.empty()) command_line_ = command_line_.value_or(u"").empty() ? added : *command_line_ + u' ' + added;
        return {};
    }

    // With Secure Boot the stub vouches for the kernel itself, and the firmware does not see it.
    Result<void> hash_kernel() {
        auto kernel = parse_pe(in_memory(*section(".linux"), kernel_buffer_));
        if (!kernel) return in_context(kernel.error(), "the kernel in the UKI");
        kernel_digests_ = std::async(std::launch::async, [this, kernel = *std::move(kernel)] { return authenticode(kernel, banks_); });
        return {};
    }

    Result<void> load_addons(std::span<const CpioFile> files) {
        const UkiSection* const uname = section(".uname");
        for (Addon& addon : TRY(find_addons(files, uname ? std::optional(text_of(*uname)) : std::nullopt))) {
            add({pcr::boot_loader_code, addon.name, authenticode(addon.image, banks_)});
            if (addon.fits) addons_.push_back(std::move(addon));
        }
        return {};
    }

    Result<void> add_archives() {
        TRY(add_archive(cpio_credentials, files_.beside));
        TRY(add_archive(cpio_global_credentials, files_.global_credentials));
        TRY(add_archive(cpio_sysext, files_.beside));
        TRY(add_archive(cpio_confext, files_.beside));
        return {};
    }

    Result<void> add_archive(const CpioTarget& target, std::span<const CpioFile> files) {
        std::vector<CpioFile> taken;
        std::ranges::copy_if(files, std::back_inserter(taken), [&](const CpioFile& file) { return is_taken(target, file.name); });
        if (taken.empty()) return {};
        archives_.push_back(TRY(cpio_archive(target, taken)));
        add(measured(target.pcr, std::string(target.what), archives_.back(), banks_));
        return {};
    }

    Result<CombinedInitrd> combined_initrd() {
        CombinedInitrd initrd;
        // The kernel takes the first microcode that it finds.
        for (auto addon = addons_.rbegin(); addon != addons_.rend(); ++addon) add_of_addon(*addon, ".ucode", initrd);
        initrd.add(section(".ucode"));
        initrd.add(section(".initrd"));
        for (Octets& archive : archives_) initrd.add(std::move(archive));
        for (const auto& [name, file] : own_files) {
            Octets buffer;
            if (const auto* own = section(name))
                initrd.add(TRY(cpio_archive(cpio_own, std::array{CpioFile{file, in_memory(*own, buffer)}})));
        }
        for (const Addon& addon : addons_) add_of_addon(addon, ".initrd", initrd);
        return initrd;
    }

    void add_of_addon(const Addon& addon, std::string_view name, CombinedInitrd& initrd) {
        const UkiSection* const found = find_section(addon.sections, name);
        if (!found) return;
        Octets buffer;
        add(measured(pcr::kernel_config, std::format("{} of {}", name, addon.name), in_memory(*found, buffer), banks_));
        initrd.add(found);
    }

    Result<void> start_kernel() {
        const CombinedInitrd initrd = TRY(combined_initrd());
        if (kernel_digests_.valid()) add({pcr::boot_loader_code, "kernel", kernel_digests_.get()});
        if (command_line_) add(measured(pcr::kernel_initrd, "command line", load_options(*command_line_), banks_));
        if (!initrd.empty()) add({pcr::kernel_initrd, "initrd", initrd.hash(banks_, section(".initrd"), hashed_initrd_)});
        return {};
    }

    const BootFiles& files_;
    const BootConditions& conditions_;
    std::span<const Bank> banks_;
    std::vector<MeasuredEvent> events_;
    std::vector<UkiSection> sections_;
    std::vector<Addon> addons_;  ///< that fit
    std::vector<Octets> archives_;
    BankHashes hashed_initrd_;
    std::optional<std::u16string> command_line_;
    Octets kernel_buffer_;
    // The larger part of the work, beside the rest. Last: they end before what they read.
    std::future<BankDigests> uki_digests_, kernel_digests_;
};

}  // namespace

Result<PredictedEvents> predict_boot(const BootFiles& files, const BootConditions& conditions, std::span<const Bank> banks) {
    return Predictor(files, conditions, banks).predict();
}

Result<std::vector<MeasuredEvent>> predict_phases(std::string_view last, std::span<const Bank> banks) {
    std::vector<MeasuredEvent> events;
    if (last.empty()) return events;
    for (const std::string_view phase : boot_phases) {
        events.push_back(measured_phase(phase, banks));
        if (phase == last) return events;
    }
    return fail(ErrorKind::invalid_argument,
                "there is no phase {}; they are enter-initrd, leave-initrd, sysinit, ready, shutdown and final", last);
}

}  // namespace lethe
