// Power that goes at every instant of a snapshot: afterwards the newest or the one before it is read, and the next one is written.
#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <set>

#include "borrowed_tpm.hpp"
#include "snapshots_machine.hpp"

namespace lethe {
namespace {

using Before = std::function<void(const std::string& what)>;

class CutCounter final : public NvCounter {
public:
    CutCounter(std::unique_ptr<NvCounter> counter, Before before) : counter_(std::move(counter)), before_(std::move(before)) {}
    Result<std::uint64_t> read() override { return counter_->read(); }
    Result<void> increment() override {
        before_("increment the counter");
        return counter_->increment();
    }

private:
    std::unique_ptr<NvCounter> counter_;
    Before before_;
};

/// A TPM that power can leave: there is a place before each command that changes it.
class CutCounterTpm final : public BorrowedTpm {
public:
    CutCounterTpm(CopiedTpm& tpm, Before before) : BorrowedTpm(tpm), fake_(tpm), before_(std::move(before)) {}

    Result<void> nv_undefine(std::uint32_t handle) override {
        before_("undefine the counter");
        return tpm_.nv_undefine(handle);
    }
    Result<void> counter_define(std::uint32_t handle, const Secret& authorisation) override {
        before_("define the counter");
        fake_.define_without_increment(handle, authorisation);
        before_("increment the new counter");
        TRY(fake_.nv_undefine(handle));
        return fake_.counter_define(handle, authorisation);
    }
    Result<std::unique_ptr<NvCounter>> counter_open(std::uint32_t handle, const Secret& authorisation) override {
        before_("open the counter");
        return std::make_unique<CutCounter>(TRY(tpm_.counter_open(handle, authorisation)), before_);
    }

private:
    CopiedTpm& fake_;
    Before before_;
};

struct SnapshotMoment {
    SnapshotMachine state;
    std::string next;  ///< what would have come
};

using Work = std::function<void(SnapshotRun&)>;

/// The moments of what a daemon does after its start, and the one after it.
std::vector<SnapshotMoment> record(SnapshotMachine& machine, const Work& work) {
    std::vector<SnapshotMoment> moments;
    const Before before = [&](const std::string& what) { moments.push_back({machine, what}); };
    CutCounterTpm tpm(machine.tpm, before);
    SnapshotRun run(machine.medium, tpm, before);
    moments.clear();
    work(run);
    before("the end");
    return moments;
}

std::string random_text(std::size_t octets) { return to_hex(Secret::random(octets).expose()); }
Texts some_texts(std::size_t octets = 900) { return {{"a", random_text(octets)}, {"b", random_text(octets)}}; }

std::mt19937 seeded() {
    const char* const given = std::getenv("LETHE_CUTS_SEED");
    const auto seed = given != nullptr ? static_cast<unsigned>(std::strtoul(given, nullptr, 10)) : std::random_device()();
    std::cout << "seed " << seed << " (LETHE_CUTS_SEED takes it again)\n";
    return std::mt19937(seed);
}

// All of them where there is time (tools/soak).
std::size_t most_media() {
    const char* const cuts = std::getenv("LETHE_CUTS");
    return cuts != nullptr && std::string_view(cuts) == "all" ? 1 << 16 : 1000;
}

/// What may be read after a cut.
struct Expectation {
    std::vector<Texts> one_of;
    std::set<ErrorKind> or_refused = {};  ///< that nothing is there
    bool may_lack = false;  ///< relays: there was no snapshot before, or there shall be none after; each that is there is of one of them
    bool resets = false;    ///< the operator gives `reset` again
};

class SnapshotCuts : public testing::Test {
protected:
    /// Cuts the work at every moment. Returns the states that were looked at: all that a cut can leave, unless there are very many.
    std::size_t cut(const SnapshotMachine& prepared, const Work& work, const Expectation& expectation) {
        SnapshotMachine machine = prepared;
        std::size_t states = 0;
        for (const auto& moment : record(machine, work)) {
            for (Medium& medium : moment.state.medium.after_cut(most_media(), random)) {
                SCOPED_TRACE(std::format("cut before: {};{}", moment.next, medium.story()));
                const SnapshotMachine left{std::move(medium), moment.state.tpm};
                expect_goes_on(left, expectation, true);
                expect_goes_on(left, expectation, false);
                if (random() % 64 == 0) cut_again(left, expectation);
                ++states;
                if (testing::Test::HasFailure()) return states;
            }
        }
        std::cout << states << " states\n";
        return states;
    }

    // Power comes back, and goes again while the daemon starts.
    void cut_again(const SnapshotMachine& left, Expectation expectation) {
        SnapshotMachine machine = left;
        const Texts next = some_texts();
        expectation.one_of.push_back(next);
        const auto moments = record(machine, [&](SnapshotRun& run) {
            (void)run->read();
            (void)run->write(states_of(next));
        });
        for (const auto& moment : moments) {
            for (Medium& medium : moment.state.medium.after_cut(20, random)) {
                SCOPED_TRACE(std::format("and again before: {};{}", moment.next, medium.story()));
                expect_goes_on({std::move(medium), moment.state.tpm}, expectation, true);
            }
        }
    }

    static std::uint64_t expect_read(SnapshotRun& run, const Expectation& expectation) {
        const auto snapshot = run->read();
        if (!snapshot) {
            EXPECT_TRUE(expectation.or_refused.contains(snapshot.error().kind)) << snapshot.error().message;
            return 0;
        }
        const Texts texts = texts_of(*snapshot);
        if (!expectation.may_lack) {
            EXPECT_TRUE(std::ranges::contains(expectation.one_of, texts)) << "another snapshot was read";
        }
        // What is damaged in one slot is taken from the other: of a snapshot that is being erased and the next one that is being written.
        for (const auto& [relay, text] : texts) {
            const auto is_it = [&](const Texts& one) { return one.contains(relay) && one.at(relay) == text; };
            EXPECT_TRUE(std::ranges::any_of(expectation.one_of, is_it)) << "another state of " << relay << " was read";
        }
        EXPECT_TRUE(snapshot->damaged.empty() || expectation.may_lack);
        return snapshot->generation;
    }

    /// @param reads  the daemon reads before it writes.
    static void expect_goes_on(SnapshotMachine machine, const Expectation& expectation, bool reads) {
        const Texts next = some_texts();
        SnapshotRun run(machine);
        const std::uint64_t number = reads ? expect_read(run, expectation) : 0;
        if (expectation.resets) {
            const auto reset = run->reset();
            EXPECT_TRUE(reset) << reset.error().message;
        }
        const auto written = run->write(states_of(next));
        ASSERT_TRUE(written) << written.error().message;
        EXPECT_GT(*written, number);
        EXPECT_EQ(texts_of(SnapshotRun(machine)->read().value()), next);
    }

    std::mt19937 random = seeded();
};

// The first one makes the counter and a file, the second the other file; from the third on slots are written over.
TEST_F(SnapshotCuts, AWrite) {
    SnapshotMachine machine;
    Texts last;
    for (int before = 0; before < 4; ++before) {
        SCOPED_TRACE(std::format("after {} snapshots", before));
        const Texts next = some_texts();
        Expectation expectation{.one_of = {last, next}};
        if (before == 0) expectation = {.one_of = {next}, .or_refused = {ErrorKind::not_found, ErrorKind::corrupt}, .may_lack = true};
        const Work write = [&](SnapshotRun& run) { EXPECT_TRUE(run->write(states_of(next))); };
        EXPECT_GT(cut(machine, write, expectation), 100U);
        ASSERT_TRUE(SnapshotRun(machine)->write(states_of(next)));
        last = next;
    }
}

TEST_F(SnapshotCuts, AWriteThatMakesTheFileLonger) {
    SnapshotMachine machine;
    const Texts last = some_texts(200);
    Texts next = some_texts(200);
    for (int i = 0; i < 2; ++i) ASSERT_TRUE(SnapshotRun(machine)->write(states_of(last)));
    next["a"] += random_text(3600);
    const Work write = [&](SnapshotRun& run) { EXPECT_TRUE(run->write(states_of(next))); };
    EXPECT_GT(cut(machine, write, {.one_of = {last, next}}), 100U);
}

TEST_F(SnapshotCuts, TwoWritesOfOneDaemon) {
    SnapshotMachine machine;
    const Texts last = some_texts(), one = some_texts(), two = some_texts();
    ASSERT_TRUE(SnapshotRun(machine)->write(states_of(last)));
    const Work writes = [&](SnapshotRun& run) {
        EXPECT_TRUE(run->write(states_of(one)));
        EXPECT_TRUE(run->write(states_of(two)));
    };
    EXPECT_GT(cut(machine, writes, {.one_of = {last, one, two}}), 200U);
}

TEST_F(SnapshotCuts, AReadOfASnapshotThatWasNotCounted) {
    SnapshotMachine machine;
    const Texts last = some_texts(), next = some_texts();
    ASSERT_TRUE(SnapshotRun(machine)->write(states_of(last)));
    const CopiedTpm before = machine.tpm;
    ASSERT_TRUE(SnapshotRun(machine)->write(states_of(next)));
    machine.tpm = before;
    const Work read = [&](SnapshotRun& run) { EXPECT_EQ(texts_of(run->read().value()), next); };
    EXPECT_GE(cut(machine, read, {.one_of = {next}}), 3U);
}

TEST_F(SnapshotCuts, AnErasure) {
    SnapshotMachine machine;
    const Texts last = some_texts();
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(SnapshotRun(machine)->write(states_of(last)));
    const Work erase = [&](SnapshotRun& run) { EXPECT_TRUE(run->erase()); };
    EXPECT_GT(cut(machine, erase, {.one_of = {last}, .or_refused = {ErrorKind::not_found, ErrorKind::corrupt}, .may_lack = true}), 30U);
}

TEST_F(SnapshotCuts, AReset) {
    SnapshotMachine machine;
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(SnapshotRun(machine)->write(states_of(some_texts())));
    ASSERT_TRUE(machine.tpm.nv_undefine(counter_index_handle));
    const Work reset = [&](SnapshotRun& run) { EXPECT_TRUE(run->reset()); };
    // What is written after it is a first snapshot again, with none before it.
    const Expectation expectation{
        .one_of = {}, .or_refused = {ErrorKind::not_found, ErrorKind::corrupt, ErrorKind::rollback}, .may_lack = true, .resets = true};
    EXPECT_GT(cut(machine, reset, expectation), 30U);
}

}  // namespace
}  // namespace lethe
