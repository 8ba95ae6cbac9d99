#include "tpm_fault.hpp"

#include <tss2/tss2_tpm2_types.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <random>

namespace lethe {

namespace {

// The size in a response's header: after the tag (TPM 2.0 Part 1, 18).
void claim_size(std::span<std::uint8_t> response, std::uint32_t size) {
    for (std::size_t i = 0; i < 4; ++i) response[2 + i] = static_cast<std::uint8_t>(size >> (24 - 8 * i));
}

bool uses_a_session(std::uint32_t code) {
    return std::ranges::contains(std::array<std::uint32_t, 7>{TPM2_CC_Create, TPM2_CC_Load, TPM2_CC_Unseal, TPM2_CC_PolicyPCR,
                                                              TPM2_CC_PolicyOR, TPM2_CC_PolicyAuthorizeNV, TPM2_CC_FlushContext},
                                 code);
}

const std::vector<TpmFault>& faults() {
    using enum ErrorKind;
    static const std::vector<TpmFault> all{
        {.name = "lockout", .answer = TPM2_RC_LOCKOUT, .errors = {tpm_locked_out}},
        {.name = "NV full",
         .answer = TPM2_RC_NV_SPACE,
         .errors = {wrong_state},
         .hits = [](std::uint32_t code) { return code == TPM2_CC_NV_DefineSpace || code == TPM2_CC_EvictControl; },
         .hits_few = true},
        {.name = "busy once", .answer = TPM2_RC_RETRY},
        {.name = "lost session", .answer = TPM2_RC_REFERENCE_S0, .errors = {tpm_unavailable}, .hits = uses_a_session},
        {.name = "lost handle", .answer = TPM2_RC_HANDLE, .errors = {tpm_unavailable}, .hits = uses_a_session},
        {.name = "failure mode", .answer = TPM2_RC_FAILURE, .errors = {tpm_unavailable}},
        {.name = "too short", .tamper = [](std::span<std::uint8_t> response) { claim_size(response, 9); }, .errors = {tpm_unavailable}},
        {.name = "longer than it is",
         .tamper = [](std::span<std::uint8_t> response) { claim_size(response, static_cast<std::uint32_t>(response.size() + 7)); },
         .errors = {tpm_unavailable}},
        {.name = "transport", .answer = TSS2_TCTI_RC_IO_ERROR, .errors = {tpm_unavailable}},
        {.name = "transport for good", .answer = TSS2_TCTI_RC_IO_ERROR, .errors = {tpm_unavailable}, .lasts = true},
    };
    return all;
}

// Those whose answer says what is to be flushed: when it is lost, only the kernel's resource manager knows.
bool makes_a_handle(std::uint32_t code) {
    return std::ranges::contains(std::array<std::uint32_t, 3>{TPM2_CC_StartAuthSession, TPM2_CC_Load, TPM2_CC_CreatePrimary}, code);
}

std::mt19937 seeded() {
    const char* const given = std::getenv("LETHE_CUTS_SEED");
    const auto seed = given != nullptr ? static_cast<unsigned>(std::strtoul(given, nullptr, 10)) : std::random_device()();
    std::cout << "seed " << seed << " (LETHE_CUTS_SEED takes it again)\n";
    return std::mt19937(seed);
}

bool takes_all() {
    const char* const cuts = std::getenv("LETHE_CUTS");
    return cuts != nullptr && std::string_view(cuts) == "all";
}

class Faulter {
public:
    explicit Faulter(const FaultedOperation& operation) : operation_(operation) {
        FaultMachine first(operation.in_tpm);
        operation.prepare(first);
        const auto lies = first.put_away();
        std::filesystem::copy(lies, prepared_.path(), std::filesystem::copy_options::recursive);
        run_clean();
    }

    std::size_t everywhere() {
        constexpr std::size_t sample = 30;
        const std::size_t total = commands_.size() * faults().size();
        for (const TpmFault& fault : faults()) {
            std::set<std::uint32_t> met;
            for (std::size_t i = 0; i < commands_.size(); ++i) {
                const bool is_new = met.insert(commands_[i]).second && fault.lasts;
                if (!fault.hits(commands_[i])) continue;
                if (is_new || fault.hits_few || takes_all() || random_() % total < sample) run({&fault}, {i});
            }
        }
        std::cout << operation_.name << ": " << commands_.size() << " commands, " << count_ << " faults\n";
        return count_;
    }

    std::size_t in_pairs(std::size_t samples) {
        const auto &once = faults().front(), &for_good = faults().back();
        const std::size_t all = commands_.size() * commands_.size() / 2;
        for (std::size_t one = 0; one < commands_.size(); ++one) {
            for (std::size_t other = one + 1; other < commands_.size(); ++other) {
                if (takes_all() || random_() % all < samples) run({&once, &for_good}, {one, other});
            }
        }
        std::cout << operation_.name << ": " << count_ << " pairs of faults\n";
        return count_;
    }

private:
    void run_clean() {
        FaultMachine clean(operation_.in_tpm, &prepared_.path());
        clean.start_daemon();
        clean.tpm().traffic().forget();
        const auto done = operation_.run(clean);
        EXPECT_TRUE(done) << done.error().message;
        commands_ = clean.tpm().traffic().command_codes();
        operation_.expect_done(clean);
        handles_ = clean.handles();
    }

    // Fails the commands with these numbers, each with the fault at its place.
    static void arm(FaultMachine& machine, const std::vector<const TpmFault*>& faults, const std::vector<std::size_t>& failing) {
        auto& traffic = machine.tpm().traffic();
        traffic.forget();
        const auto fault_at = [=](std::size_t number) -> const TpmFault* {
            for (std::size_t i = 0; i < failing.size(); ++i)
                if (number == failing[i] || (faults[i]->lasts && number > failing[i])) return faults[i];
            return nullptr;
        };
        traffic.before = [&traffic, fault_at](std::uint32_t) -> std::optional<std::uint32_t> {
            const auto* const fault = fault_at(traffic.exchanges().size());
            return fault != nullptr ? fault->answer : std::nullopt;
        };
        traffic.tamper = [&traffic, fault_at](std::uint32_t, std::span<std::uint8_t> response) {
            const auto* const fault = fault_at(traffic.exchanges().size() - 1);
            if (fault != nullptr && fault->tamper) fault->tamper(response);
        };
    }

    void run(const std::vector<const TpmFault*>& faults, const std::vector<std::size_t>& failing) {
        std::string trace = operation_.name;
        for (std::size_t i = 0; i < failing.size(); ++i)
            trace += std::format("; {} at command {} of {}", faults[i]->name, failing[i] + 1, commands_.size());
        if (failing.front() < commands_.size()) trace += std::format(" ({:#x})", commands_[failing.front()]);
        SCOPED_TRACE(trace);
        FaultMachine machine(operation_.in_tpm, &prepared_.path());
        machine.start_daemon();
        arm(machine, faults, failing);
        const auto done = operation_.run(machine);
        machine.tpm().traffic().before = nullptr;
        machine.tpm().traffic().tamper = nullptr;
        ++count_;
        const auto is_expected = [&](const TpmFault* fault) { return fault->errors.contains(done.error().kind); };
        EXPECT_TRUE(done || std::ranges::any_of(faults, is_expected))
            << "kind " << static_cast<int>(done.error().kind) << ": " << done.error().message;
        expect_nothing_left(machine, *faults.front(), failing.front(), faults.back()->lasts);
        machine.flush();
        if (!done) operation_.expect_failed(machine);

        const auto again = operation_.run(machine);
        EXPECT_TRUE(again || operation_.when_done.contains(again.error().kind)) << again.error().message;
        operation_.expect_done(machine);
        EXPECT_EQ(as_of_one_set(machine.handles()), as_of_one_set(handles_));
    }

    // What was done before it is done again has taken the other set.
    static std::vector<std::uint32_t> as_of_one_set(std::vector<std::uint32_t> handles) {
        std::ranges::replace(handles, second_handles.policy, first_handles.policy);
        std::ranges::replace(handles, second_handles.snapshots, first_handles.snapshots);
        std::ranges::replace(handles, second_handles.anchor, first_handles.anchor);
        std::ranges::sort(handles);
        return handles;
    }

    void expect_nothing_left(FaultMachine& machine, const TpmFault& fault, std::size_t failing, bool lasts) const {
        const std::uint32_t code = commands_[failing];
        const bool lost = fault.tamper && makes_a_handle(code);
        const bool kept = code == TPM2_CC_FlushContext && fault.answer;
        // Without a TPM nothing can be flushed; the kernel's resource manager does it.
        if (!lasts) {
            EXPECT_LE(machine.tpm().leftovers(), lost || kept ? 1U : 0U);
        }
        for (const auto handle : machine.handles()) EXPECT_TRUE(std::ranges::contains(handles_or_before(), handle)) << handle;
    }
    std::vector<std::uint32_t> handles_or_before() const {
        auto handles = handles_;
        handles.insert(handles.end(), {policy_index_handle, store_index_handles[0], store_index_handles[1], store_index_handles[2],
                                       counter_index_handle, anchor_index_handle, enrolling_index_handle, second_handles.policy,
                                       second_handles.snapshots, second_handles.anchor});
        return handles;
    }

    const FaultedOperation& operation_;
    TemporaryFolder prepared_;
    std::vector<std::uint32_t> commands_, handles_;  ///< of a clean run
    std::mt19937 random_ = seeded();
    std::size_t count_ = 0;
};

}  // namespace

std::size_t fail_everywhere(const FaultedOperation& operation) { return Faulter(operation).everywhere(); }
std::size_t fail_in_pairs(const FaultedOperation& operation, std::size_t samples) { return Faulter(operation).in_pairs(samples); }

}  // namespace lethe
