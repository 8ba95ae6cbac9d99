#include "lethectl/overview.hpp"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "lethectl/state_text.hpp"
#include "lethectl/store_text.hpp"

namespace lethe::ctl {
namespace {

using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

const std::string fingerprint(40, 'A');
constexpr std::chrono::sys_seconds now{std::chrono::seconds{1'763'763'300}};

StateKeeper keeper(const std::string& state, const std::string& reason = "") {
    return {.state = state, .reason = reason, .error_name = "", .generation = 8, .snapshots_per_day = 48, .budget_left = 40};
}

RelayLine line(const std::string& name) {
    RelayLine line;
    line.relay.name = name;
    line.relay.state = "installed";
    line.relay.fingerprint = fingerprint;
    line.relay.has_master_key = true;
    line.tor.active = "active";
    line.state = {.name = name, .source = "snapshot", .reason = "", .generation = 7, .restored_bandwidth = 3'200'000};
    return line;
}

// A machine on which all is well, with one relay.
Overview well() {
    Overview overview{.now = now, .vault = {}, .keeper = keeper("open"), .lines = {line("a")}};
    overview.vault.state = "open";
    overview.vault.version = "1.2.3";
    return overview;
}

std::string last_line(const std::string& text) { return text.substr(text.rfind('\n', text.size() - 2) + 1); }

TEST(Overview, ShowsIdentityAndStateInOneLineARelay) {
    auto overview = well();
    overview.lines.push_back(line("b"));
    overview.lines[1].state = {.name = "b", .source = "nothing", .reason = ""};
    EXPECT_EQ(overview.text(), "Vault: open  (Lethe 1.2.3)\n●  a  " + fingerprint + "  keys installed  tor active  state 3.2 MB/s\n●  b  " +
                                   fingerprint + "  keys installed  tor active  state new\n");
    EXPECT_TRUE(overview.good());
}

TEST(Overview, ShowsTheGenerationOfTheStoreAndWhatIsWrongWithIt) {
    auto overview = well();
    overview.store = {.generation = 12, .counted = 12, .enrolled = 1'763'763'300};
    EXPECT_THAT(overview.text(), HasSubstr("\nStore: generation 12, enrolled 2025-11-21 22:15 UTC\n"));
    EXPECT_TRUE(overview.good());
    overview.store.taken_over = true;
    EXPECT_THAT(overview.text(), HasSubstr("taken over from an earlier release 2025-11-21"));
    overview.store.reason = "recovery is older";
    EXPECT_THAT(overview.text(), HasSubstr("  recovery is older\n"));
    EXPECT_FALSE(overview.good());
    EXPECT_EQ(nlohmann::json::parse(overview.json())["store"]["generation"], 12);
}

TEST(Overview, SaysOnceThatTheVaultKeyIsOfAnEarlierRelease) {
    auto overview = well();
    overview.store.earlier_key = true;
    EXPECT_THAT(overview.text(), HasSubstr("\nStore: of an earlier release, and taken over when"));
    EXPECT_TRUE(overview.good()) << "on trial, nothing can be done about it";
    overview.store = {.generation = 1, .counted = 1, .enrolled = 1'763'763'300, .taken_over = true, .earlier_key = true};
    EXPECT_THAT(overview.text(),
                AllOf(HasSubstr("2025-11-21 22:15 UTC, with its vault key\n"), HasSubstr("`lethectl update commit` makes a new key")));
    EXPECT_FALSE(overview.good());
    EXPECT_THAT(std::string(nlohmann::json::parse(overview.json())["store"]["reason"]), HasSubstr("keep an old release admitted"));
}

TEST(Store, SaysWhenTheTpmHasCountedFurtherOrNotAtAll) {
    EXPECT_EQ(store_line({}), "generation not known");
    EXPECT_EQ(store_line({.generation = 3, .counted = 7}), "generation 3, and the TPM has counted 7");
    EXPECT_EQ(store_line({.generation = 3, .counted = 0}), "generation 3, which the TPM does not count");
    const auto text = store_text({.generation = 3, .counted = 3, .objects = {{"identity-a", "older"}, {"vault", "current"}}});
    EXPECT_THAT(text, HasSubstr("identity-a  older\n"));
    EXPECT_THAT(text, HasSubstr("vault       current\n"));
}

TEST(Overview, LinesOfTheLongestNameAreNarrowerThanAConsole) {
    auto overview = well();
    overview.lines = {line(std::string(19, 'n'))};
    overview.lines[0].state = {.name = "n", .source = "minimal", .reason = "", .restored_bandwidth = 123'400'000};
    overview.lines[0].tor.active = "deactivating";
    EXPECT_LE(last_line(overview.text()).size(), 140u);
}

TEST(Overview, LostStateNeedsAPersonAndSaysWhyInItsLine) {
    auto overview = well();
    overview.lines[0].state = {.name = "a", .source = "nothing", .reason = "no slot is whole"};
    EXPECT_THAT(overview.text(), HasSubstr("state lost  no slot is whole\n"));
    EXPECT_FALSE(overview.good());
}

TEST(Overview, ANoteAboutStateThatIsThereNeedsNobody) {
    auto overview = well();
    overview.lines[0].state.source = "previous";
    overview.lines[0].state.reason = "the newest is damaged";
    EXPECT_THAT(overview.text(), HasSubstr("state 3.2 MB/s  the newest is damaged\n"));
    EXPECT_TRUE(overview.good());
}

TEST(Overview, TheReasonForTheKeysComesFirst) {
    auto overview = well();
    overview.lines[0].state = {.name = "a", .source = "nothing", .reason = "no slot is whole"};
    overview.lines[0].relay.state = "damaged";
    overview.lines[0].relay.reason = "no copy is whole";
    EXPECT_THAT(overview.text(), ContainsRegex("keys damaged .*state lost  no copy is whole"));
    EXPECT_THAT(overview.text(), Not(HasSubstr("no slot is whole")));
    overview.lines[0].relay.state = "installed";
    overview.lines[0].tor = {.active = "failed", .text = "the torrc has KeyDirectory"};
    overview.lines[0].relay.reason = "";
    EXPECT_THAT(overview.text(), HasSubstr("the torrc has KeyDirectory\n"));
}

TEST(Overview, TheReasonForARedDotComesBeforeANote) {
    auto overview = well();
    overview.lines[0].relay.reason = "a copy was damaged";
    EXPECT_THAT(overview.text(), HasSubstr("state 3.2 MB/s  a copy was damaged\n"));
    overview.lines[0].state.reason = "the newest is damaged";
    EXPECT_THAT(overview.text(), HasSubstr("state 3.2 MB/s  a copy was damaged\n"));
    overview.lines[0].state = {.name = "a", .source = "nothing", .reason = "no slot is whole"};
    EXPECT_THAT(overview.text(), HasSubstr("state lost  no slot is whole\n"));
}

TEST(Overview, ARefusedStoreIsSaidOnceBelowTheRelays) {
    auto overview = well();
    overview.keeper = keeper("refused", "an older store was put back");
    overview.lines[0].state = {.name = "a", .source = "nothing", .reason = "an older store was put back"};
    EXPECT_THAT(overview.text(), testing::EndsWith("state lost\n  state refused: an older store was put back\n"));
    EXPECT_FALSE(overview.good());
}

TEST(Overview, SnapshotsThatCannotBeTakenNeedAPerson) {
    auto overview = well();
    overview.keeper.reason = "the disk is full";
    EXPECT_EQ(last_line(overview.text()), "  state open: the disk is full\n");
    EXPECT_FALSE(overview.good());
}

TEST(Overview, WithoutTheStateServiceTheIdentityIsShownAndAPersonNeeded) {
    const auto away = states_or_unknown(std::unexpected(Failure{exit_person, "lethe-stated is not running", "org.example.Away"}));
    auto overview = well();
    overview.keeper = away.keeper;
    overview.lines[0].state = state_of(away, "a");
    EXPECT_THAT(overview.text(), ContainsRegex(fingerprint + "  keys installed  tor active  state unknown\n"));
    EXPECT_EQ(last_line(overview.text()), "  state unknown: lethe-stated is not running\n");
    EXPECT_FALSE(overview.good());
    const auto json = nlohmann::json::parse(overview.json());
    EXPECT_EQ(json["state"]["state"], "unknown");
    EXPECT_EQ(json["state"]["error"], "org.example.Away");
    EXPECT_EQ(json["relays"][0]["state_source"], "unknown");
}

TEST(Overview, AShutVaultIsTheOnlyReasonThatIsGiven) {
    auto overview = well();
    overview.vault.state = "shut";
    overview.vault.reason = "PCR 11 is another";
    overview.keeper = keeper("shut", "the vault is shut");
    overview.lines[0].relay.state = "shut";
    EXPECT_THAT(overview.text(), HasSubstr("Vault: shut  (Lethe 1.2.3)\n  PCR 11 is another\n"));
    EXPECT_THAT(last_line(overview.text()), testing::EndsWith("tor active\n"));
    EXPECT_FALSE(overview.good());
}

TEST(Overview, APolicyThatDoesNotAdmitThisBootIsSaidOnce) {
    Overview overview = well();
    auto& updates = overview.updates.emplace();
    updates.policy_state = "mismatch";
    updates.reason = "the policy does not admit this boot";
    EXPECT_THAT(overview.text(), HasSubstr("update mismatch: the policy does not admit this boot"));
    overview.vault.state = "shut";
    overview.vault.reason = "PCR 11 is another";
    EXPECT_THAT(overview.text(), Not(HasSubstr("update")));
    EXPECT_FALSE(overview.good());
}

TEST(Overview, AnEndedSigningKeyWhoseMasterKeyIsOfflineNeedsAPerson) {
    auto overview = well();
    auto& relay = overview.lines[0].relay;
    relay.has_master_key = false;
    const auto ends = [&](std::chrono::seconds from_now) {
        relay.signing_key_expires = static_cast<std::uint64_t>((now + from_now).time_since_epoch().count());
        return std::pair(overview.good(), overview.text().contains("its signing key ends"));
    };
    EXPECT_EQ(ends(std::chrono::days(16)), std::pair(true, false));
    EXPECT_EQ(ends(std::chrono::days(14)), std::pair(true, true));
    EXPECT_EQ(ends(std::chrono::seconds(-1)), std::pair(false, true));
}

TEST(Overview, AnInsecureBootIsSaidRightBelowTheVaultAndNeedsAPerson) {
    auto overview = well();
    overview.boot.secure_boot = "off";
    overview.boot.insecure = "Secure Boot is off: anyone can start a driver.";
    overview.boot.insecure_advice = "Turn it on.";
    EXPECT_THAT(overview.text(),
                HasSubstr("Vault: open  (Lethe 1.2.3)\nInsecure: Secure Boot is off: anyone can start a driver.\n  Turn it on.\n●  a"));
    EXPECT_FALSE(overview.good());
    const auto json = nlohmann::json::parse(overview.json());
    EXPECT_EQ(json["secure_boot"], "off");
    EXPECT_EQ(json["insecure"], overview.boot.insecure);
    EXPECT_EQ(json["insecure_advice"], "Turn it on.");
}

TEST(Overview, AVariableThatSomebodySetNeedsAPerson) {
    auto overview = well();
    EXPECT_EQ(nlohmann::json::parse(overview.json())["boot_warnings"], nlohmann::json::array());
    overview.boot.warnings = {"the EFI variable SystemdOptions is set"};
    EXPECT_THAT(overview.text(), HasSubstr("Warning: the EFI variable SystemdOptions is set\n"));
    EXPECT_FALSE(overview.good());
    EXPECT_EQ(nlohmann::json::parse(overview.json())["boot_warnings"].size(), 1u);
}

TEST(Overview, JsonHasIdentityAndStateOfEachRelay) {
    const auto json = nlohmann::json::parse(well().json());
    EXPECT_EQ(json["vault"]["state"], "open");
    EXPECT_EQ(json["state"], (nlohmann::json{{"state", "open"}, {"error", ""}, {"reason", ""}, {"generation", 8}, {"budget_left", 40}}));
    const auto& relay = json["relays"][0];
    EXPECT_EQ(relay["fingerprint"], fingerprint);
    EXPECT_EQ(relay["tor"], "active");
    EXPECT_EQ(relay["state"], "installed");
    EXPECT_EQ(relay["state_source"], "snapshot");
    EXPECT_EQ(relay["state_reason"], "");
    EXPECT_EQ(relay["state_generation"], 7);
    EXPECT_EQ(relay["restored_bandwidth"], 3'200'000);
}

}  // namespace
}  // namespace lethe::ctl
