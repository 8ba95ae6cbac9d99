#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "lethectl/overview.hpp"
#include "lethectl/update_properties.hpp"
#include "lethectl/update_text.hpp"

namespace lethe::ctl {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr std::uint64_t now = 1'763'763'300;

Updates running() {
    return {.running = {.version = "1.2", .file = "lethe_1.2.efi", .secure_boot = true},
            .staged = std::nullopt,
            .admitted = {"1.2"},
            .policy_state = "running",
            .reason = "",
            .last_failure = ""};
}

Updates with_staged(const std::string& state) {
    auto updates = running();
    updates.staged = {.version = "2.0", .file = "lethe_2.0+3.efi", .state = state, .tries_left = 3, .tries_done = 0};
    updates.admitted = {"1.2", "2.0"};
    updates.policy_state = "staged";
    return updates;
}

Updates on_trial() {
    auto updates = running();
    updates.running.trial = true;
    updates.policy_state = "trial";
    return updates;
}

Updates in_policy_state(const std::string& state, const std::string& reason = "") {
    auto updates = running();
    updates.policy_state = state;
    updates.reason = reason;
    return updates;
}

Outcome<Updates> not_read(const std::string& error_name) { return std::unexpected(Failure{exit_person, "it is away", error_name}); }

TEST(UpdateTable, HasTheRunningReleaseAndWhatThePolicyAdmits) {
    EXPECT_EQ(updates_text(running(), now),
              "RELEASE  VERSION  FILE           STATE\n"
              "running  1.2      lethe_1.2.efi  kept, Secure Boot on\n"
              "Admitted  1.2\n"
              "Policy    the running release alone opens the vault\n");
}

TEST(UpdateTable, HasTheStagedReleaseAndWhenItIsBooted) {
    auto updates = with_staged("staged");
    updates.reboot_at = now + 3 * 3600;
    EXPECT_EQ(updates_text(updates, now),
              "RELEASE  VERSION  FILE             STATE\n"
              "running  1.2      lethe_1.2.efi    kept, Secure Boot on\n"
              "staged   2.0      lethe_2.0+3.efi  the next boot tries it, 3 tries left\n"
              "Admitted  1.2, 2.0\n"
              "Policy    the running release and the staged one open the vault\n"
              "Reboot    2025-11-22 01:15 UTC, in 3 hours\n");
}

TEST(UpdateText, OfAReleaseThatWaitsForTheNetworkSaysWhyAndUntilWhen) {
    auto updates = with_staged("waiting");
    updates.policy_state = "running";
    updates.staged->trials = 2;
    updates.staged->again = now + 7200;
    updates.last_failure = "release 2.0 was healthy in all but the network";
    EXPECT_THAT(updates_text(updates, now),
                AllOf(HasSubstr("waits for the network after 2 trials\n"), HasSubstr("Staged again  2025-11-22"),
                      HasSubstr("Last failure  release 2.0 was healthy in all but")));
    EXPECT_EQ(update_line(updates, now), "  update waiting: release 2.0 was healthy in all but the network\n");
    updates.reason = "a variable is removed";
    EXPECT_EQ(update_line(updates, now), "  update waiting: release 2.0 was healthy in all but the network; a variable is removed\n");
    updates.policy_state = "wide";
    EXPECT_EQ(update_line(updates, now), "  update wide: a variable is removed\n");
}

TEST(UpdateTable, SaysWhatFailedAndWhatIsWrong) {
    auto updates = with_staged("failed");
    updates.staged->tries_done = 1;
    updates.last_failure = "2.0: tor did not bootstrap";
    updates.reason = "release 2.0 is still on the ESP";
    EXPECT_THAT(updates_text(updates, now),
                AllOf(HasSubstr("failed after 1 try\n"), HasSubstr("Last failure  2.0: tor did not bootstrap\n"),
                      testing::EndsWith("  release 2.0 is still on the ESP\n")));
    EXPECT_THAT(updates_text(with_staged("unfinished"), now), HasSubstr("unfinished: power went while it was staged\n"));
    EXPECT_THAT(updates_text(on_trial(), now), HasSubstr("on trial, Secure Boot on\n"));
}

TEST(UpdateTable, OfAMachineWithoutAnEspIsALine) {
    auto updates = in_policy_state("none");
    updates.running = {};
    updates.admitted = {};
    EXPECT_EQ(updates_text(updates, now), "Policy  this machine has no ESP with releases\n");
}

TEST(UpdateLine, IsEmptyWhenThereIsNothingToKnow) {
    EXPECT_EQ(update_line(running(), now), "");
    EXPECT_EQ(update_line(in_policy_state("none", "it boots from the network"), now), "");
    EXPECT_EQ(update_line(in_policy_state("not-enrolled", "enrol it"), now), "");
}

TEST(UpdateLine, SaysThatOneIsStagedPlannedOrOnTrial) {
    auto updates = with_staged("staged");
    EXPECT_EQ(update_line(updates, now), "  update staged: the next boot tries 2.0\n");
    updates.reboot_at = now + 2 * 3600;
    EXPECT_EQ(update_line(updates, now), "  update staged: the next boot tries 2.0; reboot planned for 2025-11-22 00:15 UTC, in 2 hours\n");
    EXPECT_EQ(update_line(on_trial(), now), "  update on trial: 1.2 is kept when it is found healthy\n");
    updates = running();
    updates.reboot_at = now + 60;
    EXPECT_THAT(update_line(updates, now), testing::StartsWith("  reboot planned for "));
}

TEST(UpdateLine, SaysWhatIsWrongBeforeAnythingElse) {
    EXPECT_EQ(update_line(in_policy_state("mismatch"), now), "  update mismatch: the running release is not in it\n");
    EXPECT_EQ(update_line(in_policy_state("mismatch", "stage it again"), now), "  update mismatch: stage it again\n");
    auto updates = with_staged("failed");
    EXPECT_THAT(update_line(updates, now), AllOf(HasSubstr("2.0 was tried, and the machine went back to 1.2"), HasSubstr("abort")));
    updates.last_failure = "2.0: tor did not bootstrap";
    EXPECT_THAT(update_line(updates, now), testing::StartsWith("  update failed: 2.0: tor did not bootstrap; "));
    updates.staged.reset();
    EXPECT_EQ(update_line(updates, now), "  update failed: 2.0: tor did not bootstrap\n");
    EXPECT_THAT(update_line(with_staged("unfinished"), now), testing::StartsWith("  update unfinished: 2.0 was not staged to the end"));
}

TEST(UpdateTable, SaysWhenAnotherReleaseOpensTheVault) {
    auto updates = in_policy_state("wide", "release 1.1 still opens the vault besides 1.2");
    updates.admitted = {"1.2", "1.1"};
    EXPECT_THAT(updates_text(updates, now), AllOf(HasSubstr("another release opens the vault besides the running one, and must not\n"),
                                                  testing::EndsWith("  release 1.1 still opens the vault besides 1.2\n")));
    EXPECT_EQ(update_line(updates, now), "  update wide: release 1.1 still opens the vault besides 1.2\n");
    updates.reason = "";
    EXPECT_THAT(update_line(updates, now), HasSubstr("another release opens the vault"));
    updates = on_trial();
    updates.admitted = {"1.2"};
    EXPECT_THAT(updates_text(updates, now), HasSubstr("on trial, and alone opens the vault\n"));
}

TEST(Updates, NeedAPersonWhenOneFailedOrThePolicyDoesNotFit) {
    for (const auto& updates :
         {in_policy_state("mismatch"), in_policy_state("wide"), in_policy_state("not-enrolled"),
          in_policy_state("running", "the ESP is full"), with_staged("failed"), with_staged("waiting"), with_staged("unfinished")})
        EXPECT_TRUE(needs_person(updates)) << updates.policy_state;
    auto updates = running();
    updates.last_failure = "2.0: tor did not bootstrap";
    EXPECT_TRUE(needs_person(updates));
}

TEST(Updates, NeedNobodyWhenTheyGoTheirWay) {
    for (const auto& updates : {running(), with_staged("staged"), on_trial(), in_policy_state("none", "it boots from the network")})
        EXPECT_FALSE(needs_person(updates)) << updates.policy_state;
}

TEST(Updates, AreNoTroubleWhereThereIsNoService) {
    for (const char* name : {"org.freedesktop.DBus.Error.ServiceUnknown", "org.freedesktop.DBus.Error.NameHasNoOwner",
                             "org.freedesktop.systemd1.NoSuchUnit", "org.freedesktop.systemd1.UnitMasked"})
        EXPECT_FALSE(updates_or_unknown(not_read(name))) << name;
    EXPECT_EQ(updates_or_unknown(running())->running.version, "1.2");
}

TEST(Updates, AreUnknownWhenTheServiceFailsAndNoTroubleWhileItIsBusy) {
    const auto failed = updates_or_unknown(not_read("org.freedesktop.DBus.Error.Spawn.ChildExited"));
    ASSERT_TRUE(failed);
    EXPECT_EQ(update_line(*failed, now), "  update unknown: it is away\n");
    EXPECT_TRUE(needs_person(*failed));
    const auto busy = updates_or_unknown(not_read("org.freedesktop.DBus.Error.Timeout"));
    ASSERT_TRUE(busy);
    EXPECT_EQ(update_line(*busy, now), "  update unknown: it is away (an update may be under way)\n");
    EXPECT_FALSE(needs_person(*busy));
    const auto stalled = updates_or_unknown(not_read("org.freedesktop.DBus.Error.Timeout"), true);
    ASSERT_TRUE(stalled);
    EXPECT_THAT(update_line(*stalled, now), HasSubstr("lethe-commit.service has failed"));
    EXPECT_TRUE(needs_person(*stalled)) << "a disk that answers nothing holds the old release, and all seems well";
}

TEST(Updates, AreALineOfTheStatusAndTurnItsExit) {
    Overview overview{.now = std::chrono::sys_seconds{std::chrono::seconds{now}},
                      .vault = {},
                      .keeper = {.state = "open", .reason = "", .error_name = ""},
                      .lines = {}};
    overview.vault.state = "open";
    EXPECT_THAT(overview.text(), Not(HasSubstr("update")));
    EXPECT_EQ(nlohmann::json::parse(overview.json())["updates"], nullptr);
    overview.updates = with_staged("staged");
    EXPECT_THAT(overview.text(), testing::EndsWith("  update staged: the next boot tries 2.0\n"));
    EXPECT_TRUE(overview.good());
    overview.updates = with_staged("failed");
    EXPECT_FALSE(overview.good());
    EXPECT_EQ(nlohmann::json::parse(overview.json())["updates"]["staged"]["state"], "failed");
}

TEST(UpdateJson, HasEverythingAndNullForWhatIsNotStaged) {
    auto updates = with_staged("staged");
    updates.reboot_at = now;
    EXPECT_EQ(updates_json(updates), nlohmann::ordered_json::parse(R"({"policy_state": "staged", "error": "", "reason": "",
        "running": {"version": "1.2", "file": "lethe_1.2.efi", "secure_boot": true, "trial": false},
        "staged": {"version": "2.0", "file": "lethe_2.0+3.efi", "state": "staged", "tries_left": 3, "tries_done": 0,
            "trials": 0, "again": 0},
        "admitted": ["1.2", "2.0"], "last_failure": "", "reboot_at": 1763763300})"));
    EXPECT_EQ(updates_json(running())["staged"], nullptr);
    EXPECT_EQ(updates_json(in_policy_state("none"))["policy_state"], "none");
}

TEST(UpdateProperties, AreReadByTheirNames) {
    const std::map<std::string, sdbus::Variant> release{{"version", sdbus::Variant{"2.0"}},
                                                        {"file", sdbus::Variant{"lethe_2.0+3.efi"}},
                                                        {"tries-left", sdbus::Variant{std::uint32_t{2}}},
                                                        {"tries-done", sdbus::Variant{std::uint32_t{1}}},
                                                        {"trial", sdbus::Variant{true}},
                                                        {"secure-boot", sdbus::Variant{true}},
                                                        {"state", sdbus::Variant{"failed"}}};
    const auto updates = to_updates({{sdbus::PropertyName{"Running"}, sdbus::Variant{release}},
                                     {sdbus::PropertyName{"Staged"}, sdbus::Variant{release}},
                                     {sdbus::PropertyName{"Admitted"}, sdbus::Variant{std::vector<std::string>{"1.2"}}},
                                     {sdbus::PropertyName{"PolicyState"}, sdbus::Variant{"trial"}},
                                     {sdbus::PropertyName{"LastFailure"}, sdbus::Variant{"why"}},
                                     {sdbus::PropertyName{"RebootAt"}, sdbus::Variant{now}}});
    EXPECT_EQ(updates_json(updates), nlohmann::ordered_json::parse(R"({"policy_state": "trial", "error": "", "reason": "",
        "running": {"version": "2.0", "file": "lethe_2.0+3.efi", "secure_boot": true, "trial": true},
        "staged": {"version": "2.0", "file": "lethe_2.0+3.efi", "state": "failed", "tries_left": 2, "tries_done": 1, "trials": 0, "again": 0},
        "admitted": ["1.2"], "last_failure": "why", "reboot_at": 1763763300})"));
}

TEST(UpdateProperties, ThatAreMissingOrEmptyAreNothingAndOfAnotherTypeAnError) {
    const auto none = to_updates({{sdbus::PropertyName{"Staged"}, sdbus::Variant{std::map<std::string, sdbus::Variant>{}}}});
    EXPECT_FALSE(none.staged);
    EXPECT_EQ(none.policy_state, "");
    EXPECT_THROW(to_updates({{sdbus::PropertyName{"PolicyState"}, sdbus::Variant{7}}}), sdbus::Error);
}

}  // namespace
}  // namespace lethe::ctl
