// Each TPM command of each verb failed once: the error is right, nothing is left behind, no snapshot is lost, and the next verb works.
#include <tss2/tss2_tpm2_types.h>

#include <algorithm>
#include <iostream>
#include <set>

#include "counting_tcti.hpp"
#include "snapshots_machine.hpp"
#include "software_tpm.hpp"

namespace lethe {
namespace {

struct Fault {
    std::string name;
    std::optional<std::uint32_t> answer;  ///< in place of the TPM's; none: the response is spoiled after the TPM has done its work
    ErrorKind error;
    bool passes = false;  ///< the verb may succeed all the same
    bool lasts = false;
};

const std::vector<Fault>& faults() {
    using enum ErrorKind;
    static const std::vector<Fault> all{{"lockout", TPM2_RC_LOCKOUT, tpm_locked_out},
                                        {"busy once", TPM2_RC_RETRY, tpm_unavailable, true},
                                        {"spares its memory once", TPM2_RC_NV_RATE, tpm_unavailable, true},
                                        {"lost session", TPM2_RC_REFERENCE_S0, tpm_unavailable, true},
                                        {"failure mode", TPM2_RC_FAILURE, tpm_unavailable},
                                        {"lost answer", std::nullopt, tpm_unavailable},
                                        {"transport", TSS2_TCTI_RC_IO_ERROR, tpm_unavailable},
                                        {"transport for good", TSS2_TCTI_RC_IO_ERROR, tpm_unavailable, false, true}};
    return all;
}

const Texts last{{"a", "last of a"}}, next{{"a", "next of a"}}, after{{"a", "after"}};
using Verb = std::function<Result<void>(SnapshotRun&)>;
Result<void> without_value(const auto& result) {
    if (!result) return std::unexpected(result.error());
    return {};
}

class SnapshotFaults : public testing::Test {
protected:
    SnapshotFaults() { EXPECT_TRUE(tpm.storage_root()); }
    ~SnapshotFaults() override { EXPECT_EQ(tpm.leftovers(), 0U); }

    void forget_all() {
        (void)tpm.nv_undefine(counter_index_handle);
        medium = Medium();
    }
    /// Whatever has happened before, there is a snapshot now.
    void written() {
        const auto done = SnapshotRun(medium, tpm)->write(states_of(last));
        EXPECT_TRUE(done) << done.error().message;
    }

    /// @param looks  the daemon has looked around before the verb.
    void fail_each(const std::function<void()>& prepare, bool looks, const Verb& verb, const std::function<void(bool done)>& expect) {
        std::vector<std::uint32_t> codes;
        prepare();
        run_once(looks, verb, [&] { codes = tpm.traffic().command_codes(); });
        std::size_t count = 0;
        for (const Fault& fault : faults()) {
            for (std::size_t failing = 0; failing < codes.size(); ++failing) {
                // When the answer that names a session is lost, only the kernel's resource manager knows of it.
                if (!fault.answer && codes[failing] == TPM2_CC_StartAuthSession) continue;
                SCOPED_TRACE(std::format("{} at command {} of {} ({:#x})", fault.name, failing + 1, codes.size(), codes[failing]));
                prepare();
                arm_ = [&] { arm(fault, failing); };
                const auto done = run_once(looks, verb, [&] { disarm(); });
                arm_ = [] {};
                EXPECT_TRUE(done || done.error().kind == fault.error) << done.error().message;
                EXPECT_TRUE(!done || fault.passes) << "nobody has noticed";
                if (fault.lasts) tpm.power_cycle();  // without a TPM nothing can be flushed; the kernel's resource manager does it
                EXPECT_EQ(tpm.leftovers(), 0U);
                expect(done.has_value());
                ++count;
            }
        }
        std::cout << codes.size() << " commands, " << count << " faults\n";
    }

    Result<void> run_once(bool looks, const Verb& verb, const std::function<void()>& at_end) {
        SnapshotRun run(medium, tpm);
        if (looks) {
            EXPECT_TRUE(run->read());
        }
        tpm.traffic().forget();
        arm_();
        auto done = verb(run);
        at_end();
        return done;
    }

    void arm(const Fault& fault, std::size_t failing) {
        CountingTcti& traffic = tpm.traffic();
        traffic.before = [&traffic, &fault, failing](std::uint32_t) {
            const std::size_t number = traffic.exchanges().size();
            return number == failing || (fault.lasts && number > failing) ? fault.answer : std::nullopt;
        };
        if (fault.answer) return;
        traffic.tamper = [&traffic, failing](std::uint32_t, std::span<std::uint8_t> response) {
            if (traffic.exchanges().size() - 1 == failing) response[5] = 9;  // a size that no response has
        };
    }
    void disarm() {
        tpm.traffic().before = nullptr;
        tpm.traffic().tamper = nullptr;
    }

    void expect_one_of(const std::set<Texts>& texts) {
        const auto snapshot = SnapshotRun(medium, tpm)->read();
        ASSERT_TRUE(snapshot) << snapshot.error().message;
        EXPECT_TRUE(texts.contains(texts_of(*snapshot)));
    }
    void expect_write() {
        const auto written = SnapshotRun(medium, tpm)->write(states_of(after));
        ASSERT_TRUE(written) << written.error().message;
        expect_one_of({after});
    }

    SoftwareTpm tpm;
    Medium medium;
    std::function<void()> arm_ = [] {};
};

TEST_F(SnapshotFaults, TheFirstWrite) {
    fail_each([&] { forget_all(); }, false, [](SnapshotRun& run) { return without_value(run->write(states_of(next))); },
              [&](bool done) {
                  if (done) expect_one_of({next});
                  expect_write();
              });
}

TEST_F(SnapshotFaults, AWriteOfADaemonThatHasJustStarted) {
    fail_each([&] { written(); }, false, [](SnapshotRun& run) { return without_value(run->write(states_of(next))); },
              [&](bool done) {
                  done ? expect_one_of({next}) : expect_one_of({last, next});
                  expect_write();
              });
}

TEST_F(SnapshotFaults, AWriteOfADaemonThatRuns) {
    fail_each([&] { written(); }, true, [](SnapshotRun& run) { return without_value(run->write(states_of(next))); },
              [&](bool done) {
                  done ? expect_one_of({next}) : expect_one_of({last, next});
                  expect_write();
              });
}

TEST_F(SnapshotFaults, ARead) {
    fail_each([&] { written(); }, false, [](SnapshotRun& run) { return without_value(run->read()); },
              [&](bool) {
                  expect_one_of({last});
                  expect_write();
              });
}

TEST_F(SnapshotFaults, AReadOfASnapshotThatWasNotCounted) {
    const auto uncounted = [&] {
        written();
        SnapshotRun run(medium, tpm);
        EXPECT_TRUE(run->read());
        tpm.traffic().before = [](std::uint32_t code) {
            return code == TPM2_CC_NV_Increment ? std::optional<std::uint32_t>(TPM2_RC_FAILURE) : std::nullopt;
        };
        EXPECT_FALSE(run->write(states_of(next)));
        tpm.traffic().before = nullptr;
    };
    fail_each(
        uncounted, false, [](SnapshotRun& run) { return without_value(run->read()); },
        [&](bool) {
            expect_one_of({next});
            expect_write();
        });
}

TEST_F(SnapshotFaults, AReset) {
    fail_each([&] { written(); }, false, [](SnapshotRun& run) { return run->reset(); },
              [&](bool) {
                  const auto kind = SnapshotRun(medium, tpm)->read().error().kind;
                  EXPECT_TRUE(kind == ErrorKind::not_found || kind == ErrorKind::corrupt);
                  EXPECT_TRUE(SnapshotRun(medium, tpm)->reset());
                  expect_write();
              });
}

// A write through one daemon that goes on: after a failure it looks around by itself.
TEST_F(SnapshotFaults, ADaemonThatGoesOnNeverUsesANumberTwice) {
    written();
    SnapshotRun run(medium, tpm);
    std::set<std::uint64_t> numbers;
    for (const Fault& fault : faults()) {
        SCOPED_TRACE(fault.name);
        tpm.traffic().forget();
        arm(fault, 0);
        EXPECT_EQ(run->write(states_of(next)).has_value(), fault.passes);
        disarm();
        if (fault.lasts) tpm.power_cycle();
        const auto number = run->write(states_of(after));
        ASSERT_TRUE(number) << number.error().message;
        EXPECT_TRUE(numbers.empty() || *number > *numbers.rbegin());
        numbers.insert(*number);
        expect_one_of({after});
    }
}

}  // namespace
}  // namespace lethe
