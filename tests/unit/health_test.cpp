#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "health/health_check.hpp"
#include "relay/clock.hpp"

namespace lethe {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

const std::string sealed(40, 'A'), foreign(40, 'B');
const auto boot_time = std::chrono::sys_days{std::chrono::year{2026} / 11 / 22} + 10h;

TorAnswers answers_of_healthy_tor() {
    return {{"fingerprint", sealed},
            {"status/bootstrap-phase", R"(NOTICE BOOTSTRAP PROGRESS=100 TAG=done SUMMARY="Done")"},
            {"status/enough-dir-info", "1"},
            {"status/circuit-established", "1"},
            {"status/reachability-succeeded/or", "1"},
            {"consensus/valid-after", "2026-11-22 11:00:00"},
            {"ns/id/" + sealed, "r a x y 2026-11-22 10:30:00 192.0.2.1 9001 0\ns Fast Running Stable Valid\nw Bandwidth=20\n"}};
}

// A machine with one healthy relay, unless a test says otherwise. It answers what it was asked for alone.
struct FakeSources final : HealthSources {
    Result<IdentityStatus> status = IdentityStatus{
        .vault = "open",
        .reason = "",
        .relays = {{.name = "a", .state = "installed", .reason = "", .fingerprint = sealed, .family_ids = {}, .signing_key_ends = {}}}};
    std::map<std::string, systemd::UnitState> units{{"tor@a.service", {"active", ""}}, {"tor@b.service", {"active", ""}}};
    bool has_systemd = true;
    Result<SecureBoot> secure_boot_state = SecureBoot::on;
    std::map<std::string, Result<TorAnswers>> tors{{"a", answers_of_healthy_tor()}, {"b", answers_of_healthy_tor()}};
    std::vector<std::chrono::milliseconds> waits;
    std::function<void()> at_each_wait = [] {};

    Result<IdentityStatus> identity() override { return status; }
    Result<systemd::UnitState> unit(const std::string& name) override {
        if (!has_systemd) return fail(ErrorKind::wrong_state, "org.freedesktop.systemd1 is not running");
        return units.contains(name) ? units.at(name) : systemd::UnitState{"inactive", ""};
    }
    Result<TorAnswers> ask_tor(const std::string& relay, std::span<const std::string> keys) override {
        const auto& all = tors.at(relay);
        if (!all) return all;
        TorAnswers asked;
        for (const auto& key : keys) asked[key] = all->at(key);
        return asked;
    }
    Result<SecureBoot> secure_boot() override { return secure_boot_state; }
    std::chrono::sys_seconds booted() override { return boot_time; }
    std::chrono::milliseconds elapsed() override { return elapsed_; }
    void wait(std::chrono::milliseconds most) override {
        waits.push_back(most);
        elapsed_ += most;
        at_each_wait();
    }

    RelayIdentity& relay() { return status->relays.front(); }
    std::string& answer(const std::string& key) { return (*tors.at("a"))[key]; }

private:
    std::chrono::milliseconds elapsed_{0};
};

struct Health : testing::Test {
    FakeSources machine;

    Result<void> wait(HealthNeeds needs = HealthNeeds::consensus) { return HealthCheck(machine, {needs, 60s}).wait(); }
    // What is wrong after waiting for the whole time.
    std::string late(HealthNeeds needs = HealthNeeds::consensus) {
        const auto healthy = wait(needs);
        EXPECT_EQ(machine.elapsed(), 60s);
        return healthy ? "healthy" : healthy.error().message;
    }
    // What is wrong at once.
    std::string lasting(HealthNeeds needs = HealthNeeds::identity) {
        const auto healthy = wait(needs);
        EXPECT_EQ(machine.elapsed(), 0s);
        return healthy ? "healthy" : healthy.error().message;
    }
};

TEST_F(Health, OfAMachineOnWhichAllIsWellIsFoundAtOnce) {
    for (const auto needs : {HealthNeeds::identity, HealthNeeds::bootstrap, HealthNeeds::reachability, HealthNeeds::consensus}) {
        const auto healthy = wait(needs);
        EXPECT_TRUE(healthy) << healthy.error().message;
    }
    EXPECT_EQ(machine.elapsed(), 0s);
}

TEST_F(Health, NeedsAnOpenVaultAndDoesNotWaitForOne) {
    machine.status = IdentityStatus{.vault = "shut", .reason = "the TPM refuses this boot", .relays = {}};
    EXPECT_THAT(lasting(), HasSubstr("the vault is shut: the TPM refuses this boot"));
}

// A trial ends then, and the machine falls back, though the vault is open and every relay runs.
TEST_F(Health, NeedsSecureBootAndDoesNotWaitForIt) {
    machine.secure_boot_state = SecureBoot::off;
    EXPECT_THAT(lasting(), HasSubstr("Secure Boot is off, and no boot of a production release is healthy without it"));
    machine.secure_boot_state = SecureBoot::setup;
    EXPECT_THAT(lasting(), HasSubstr("Secure Boot is in setup mode"));
    machine.secure_boot_state = fail(ErrorKind::corrupt, "EFI variable SecureBoot is not as a firmware makes it");
    EXPECT_THAT(lasting(), HasSubstr("not as a firmware makes it"));
}

TEST_F(Health, DoesWithoutSecureBootWhereTheRulesDo) {
    machine.secure_boot_state = SecureBoot::off;
    EXPECT_TRUE(HealthCheck(machine, {HealthNeeds::consensus, 60s, true}).wait());
    machine.status = IdentityStatus{.vault = "shut", .reason = "the TPM refuses this boot", .relays = {}};
    EXPECT_FALSE(HealthCheck(machine, {HealthNeeds::identity, 60s, true}).wait());
}

TEST_F(Health, NeedsIdentityd) {
    machine.status = fail(ErrorKind::wrong_state, "org.lethe.Identity1 is not running");
    machine.at_each_wait = [this] {
        if (machine.waits.size() == 2) machine.status = IdentityStatus{.vault = "open", .reason = "", .relays = {}};
    };
    EXPECT_TRUE(wait());
    machine.status = fail(ErrorKind::wrong_state, "org.lethe.Identity1 is not running");
    EXPECT_THAT(late(), HasSubstr("org.lethe.Identity1 is not running"));
}

TEST_F(Health, OfAMachineWithoutRelaysIsThatOfItsVault) {
    machine.status->relays.clear();
    EXPECT_TRUE(wait());
    machine.status->vault = "shut";
    EXPECT_FALSE(wait());
}

TEST_F(Health, OfAMachineThatIsNotEnrolledIsGoodUnlessItsEnrolmentFailed) {
    machine.status = IdentityStatus{.vault = "not-enrolled", .reason = "run `lethectl enroll`", .relays = {}};
    EXPECT_TRUE(wait());
    machine.units["lethe-enroll.service"] = {"failed", ""};
    EXPECT_THAT(lasting(), HasSubstr("could not be enrolled"));
    machine.has_systemd = false;
    EXPECT_THAT(late(), HasSubstr("systemd1 is not running"));
}

TEST_F(Health, NeedsInstalledKeys) {
    machine.relay().state = "damaged", machine.relay().reason = "no copy is whole";
    EXPECT_EQ(lasting(), "relay a: its keys are damaged: no copy is whole");
}

TEST_F(Health, WaitsForKeysThatAreStillToBeMade) {
    machine.relay().state = "pending";
    machine.at_each_wait = [this] {
        if (machine.waits.size() == 3) machine.relay().state = "installed";
    };
    EXPECT_TRUE(wait());
    machine.relay().state = "pending", machine.relay().reason = "tor failed";
    EXPECT_THAT(late(), HasSubstr("its keys are pending: tor failed"));
}

TEST_F(Health, DoesNotConcernARelayThatIsNotMeantToBeHere) {
    machine.status->relays.push_back({"c", "unlisted", "", ""});
    EXPECT_TRUE(wait());
}

TEST_F(Health, NeedsARunningTor) {
    machine.units["tor@a.service"] = {"activating", "tor waits: the clock"};
    EXPECT_EQ(late(HealthNeeds::identity), "relay a: tor@a.service is activating: tor waits: the clock");
}

TEST_F(Health, DoesNotWaitForATorThatSystemdHasGivenUp) {
    machine.units["tor@a.service"] = {"failed", "its torrc is refused"};
    EXPECT_EQ(lasting(), "relay a: tor@a.service is failed: its torrc is refused");
}

TEST_F(Health, NeedsSystemdToSayWhatRuns) {
    machine.has_systemd = false;
    EXPECT_THAT(late(HealthNeeds::identity), HasSubstr("systemd1 is not running"));
}

TEST_F(Health, OfAnIdentityAsksTorForNothing) {
    machine.tors.at("a") = fail(ErrorKind::io, "no answer");
    EXPECT_TRUE(wait(HealthNeeds::identity));
    EXPECT_EQ(late(HealthNeeds::bootstrap), "relay a: no answer");
}

TEST_F(Health, NeedsTheSealedFingerprint) {
    machine.answer("fingerprint") = foreign;
    EXPECT_EQ(lasting(HealthNeeds::bootstrap), std::format("relay a: tor has the fingerprint {}, and {} is sealed", foreign, sealed));
    machine.answer("fingerprint") = "";
    EXPECT_THAT(late(HealthNeeds::bootstrap), HasSubstr("no fingerprint yet"));
}

TEST_F(Health, NeedsABootstrappedTor) {
    machine.answer("status/bootstrap-phase") = R"(NOTICE BOOTSTRAP PROGRESS=45 TAG=x SUMMARY="Asking for relay descriptors")";
    EXPECT_EQ(late(HealthNeeds::bootstrap), "relay a: tor has bootstrapped 45 %: Asking for relay descriptors");
}

TEST_F(Health, NeedsCircuitsAndWhatTheyAreBuiltFrom) {
    machine.answer("status/circuit-established") = "0";
    EXPECT_THAT(late(HealthNeeds::bootstrap), HasSubstr("built no circuit"));
    machine.answer("status/enough-dir-info") = "0";
    EXPECT_THAT(wait(HealthNeeds::bootstrap).error().message, HasSubstr("knows too little"));
}

TEST_F(Health, NeedsReachabilityWhenItIsAskedFor) {
    machine.answer("status/reachability-succeeded/or") = "0";
    EXPECT_TRUE(wait(HealthNeeds::bootstrap));
    EXPECT_THAT(late(HealthNeeds::reachability), HasSubstr("ORPort"));
}

TEST_F(Health, NeedsAConsensusThatIsNewerThanTheBoot) {
    for (const char* made : {"2026-11-22 10:00:00", "2026-11-22 09:00:00", "", "soon"}) {
        machine.answer("consensus/valid-after") = made;
        EXPECT_TRUE(wait(HealthNeeds::reachability));
        EXPECT_THAT(wait().error().message, HasSubstr("consensus")) << made;
    }
    machine.answer("consensus/valid-after") = "2026-11-22 10:00:01";
    EXPECT_TRUE(wait());
}

TEST_F(Health, NeedsToBeRunningInThatConsensus) {
    machine.answer("ns/id/" + sealed) = "";
    EXPECT_THAT(late(), HasSubstr("it is not in the consensus"));
    for (const char* entry : {"r a\ns Fast Valid\n", "r Running Running\ns\n", "r a\ns NotRunning\n", "r a\n"}) {
        machine.answer("ns/id/" + sealed) = entry;
        EXPECT_THAT(wait().error().message, HasSubstr("not Running")) << entry;
    }
    machine.answer("ns/id/" + sealed) = "r a\r\ns Running\n";
    EXPECT_TRUE(wait());
}

TEST_F(Health, NeedsEveryRelayAndNamesEachThatIsNotWell) {
    machine.status->relays = {{"a", "installed", "", sealed}, {"b", "installed", "", sealed}};
    EXPECT_TRUE(wait());
    machine.answer("status/circuit-established") = "0";
    machine.tors.at("b") = fail(ErrorKind::not_found, "nobody listens");
    EXPECT_EQ(late(), "relay a: tor has built no circuit; relay b: nobody listens");
}

// What somebody who blocks the traffic of a trial can bring about, and nothing else.
TEST_F(Health, LacksTheNetworkAloneWhenAllElseIsWell) {
    HealthCheck health(machine, {HealthNeeds::consensus, 60s});
    EXPECT_FALSE(health.lacks_network_alone());
    const auto expect = [&](bool network_alone, const std::string& what) {
        EXPECT_FALSE(health.wait()) << what;
        EXPECT_EQ(health.lacks_network_alone(), network_alone) << what;
        machine.tors = {{"a", answers_of_healthy_tor()}, {"b", answers_of_healthy_tor()}};
    };
    for (const auto& [key, value] : std::map<std::string, std::string>{
             {"status/bootstrap-phase", "NOTICE BOOTSTRAP PROGRESS=5"},
             {"status/enough-dir-info", "0"},
             {"status/circuit-established", "0"},
             {"status/reachability-succeeded/or", "0"},
             {"consensus/valid-after", ""},
             {"ns/id/" + sealed, ""},
         }) {
        machine.answer(key) = value;
        expect(true, key);
    }
    machine.units["tor@a.service"] = {"activating", std::format("tor waits: {}; see timedatectl", no_time_server)};
    expect(true, "the clock");
    machine.units["tor@a.service"] = {"activating", "tor waits: the clock says 2020"};
    expect(false, "a clock that is behind the state");
    machine.units["tor@a.service"] = {"failed", std::string(no_time_server)};
    expect(false, "a tor that systemd has given up");
    machine.units["tor@a.service"] = {"active", ""};
    machine.answer("fingerprint") = foreign;
    machine.answer("status/circuit-established") = "0";
    expect(false, "another fingerprint");
    machine.answer("fingerprint") = "";
    expect(false, "no fingerprint");
    machine.tors.at("a") = fail(ErrorKind::io, "no answer");
    expect(false, "a tor that does not answer");
    machine.status->relays.push_back({"b", "installed", "", sealed});
    machine.answer("status/circuit-established") = "0";
    machine.tors.at("b") = fail(ErrorKind::io, "no answer");
    expect(false, "another relay");
    machine.status->relays.pop_back();
    machine.answer("status/circuit-established") = "0";
    machine.relay().state = "damaged";
    expect(false, "damaged keys");
    machine.secure_boot_state = SecureBoot::off;
    expect(false, "Secure Boot");
}

TEST_F(Health, ThatNothingBringsBackIsReportedWithoutWhatIsOnlyLate) {
    machine.status->relays = {{"a", "installed", "", sealed}, {"b", "damaged", "", sealed}};
    machine.answer("status/circuit-established") = "0";
    EXPECT_EQ(lasting(HealthNeeds::bootstrap), "relay b: its keys are damaged");
}

TEST_F(Health, IsLookedForLessAndLessOftenUpToTheDeadline) {
    machine.answer("status/circuit-established") = "0";
    late();
    EXPECT_EQ(machine.waits.front(), 250ms);
    EXPECT_EQ(std::ranges::max(machine.waits), 5s);
    EXPECT_TRUE(std::ranges::is_sorted(machine.waits.begin(), machine.waits.end() - 1));
    EXPECT_LT(machine.waits.back(), 5s);
}

TEST_F(Health, ThatComesAtTheDeadlineStillCounts) {
    machine.answer("status/circuit-established") = "0";
    machine.at_each_wait = [this] {
        if (machine.elapsed() == 60s) machine.answer("status/circuit-established") = "1";
    };
    EXPECT_TRUE(wait());
}

}  // namespace
}  // namespace lethe
