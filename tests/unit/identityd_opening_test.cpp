// A boot opens the vault once.
#include "identity_machine.hpp"
#include "measure/measurement.hpp"
#include "pcrlock/open_vault.hpp"

namespace lethe {
namespace {

Digest word_after(const Digest& value, std::string_view word) { return extended(value, sha256(as_octets(word))); }

// Its policy holds PCR 12 as lock_opening() has it made.
struct ClosingMachine : Machine {
    ClosingMachine() {
        const Digest credential = digest_of(0xc1), empty{};
        tpm.extend(pcr::kernel_config, credential);
        auto policy = read_policy_files(store()).value().front().policy;
        policy.push_back({pcr::kernel_config, {extended(empty, credential), extended(word_after(empty, opened_word), credential)}});
        tpm.authorize(policy_index_handle, policy);
        Store present = store();
        EXPECT_TRUE(present.write_framed({ObjectKind::policy, ""}, as_octets(policy_json(policy))));
        EXPECT_TRUE(Anchor(present, false, tpm, open_vault_of(present, tpm).value()).make(std::chrono::sys_seconds{}));
    }
    Store store() { return Store::open(folder.path()).value(); }
    bool opens() { return open_vault_of(store(), tpm).has_value(); }
};

struct OpeningDaemon {
    explicit OpeningDaemon(ClosingMachine& machine, std::vector<VaultKeys> kept = {})
        : service(
              folder_store(machine.folder.path()), [&] { return Result<std::unique_ptr<Tpm>>(std::make_unique<BorrowedTpm>(machine.tpm)); },
              place) {
        service.open_once(
            [&](std::string_view word) -> Result<void> {
                if (!records) return fail(ErrorKind::tpm_unavailable, "nobody records");
                machine.tpm.extend(pcr::kernel_config, sha256(as_octets(word)));
                return {};
            },
            [&](const VaultKeys& in_force, const VaultKeys* next) -> Result<void> {
                if (!keeps) return fail(ErrorKind::io, "nobody keeps");
                this->kept.clear();
                this->kept.push_back(in_force.copy());
                if (next) this->kept.push_back(next->copy());
                return {};
            },
            std::move(kept));
    }
    FakeKeyPlace place;
    std::vector<VaultKeys> kept;
    bool records = true, keeps = true;
    IdentityService service;
};

TEST(Opening, ClosesTheVaultForTheRestOfTheBoot) {
    ClosingMachine machine;
    ASSERT_TRUE(machine.opens());
    OpeningDaemon daemon(machine);
    daemon.service.restore();
    EXPECT_EQ(daemon.service.vault().state, VaultState::open);
    EXPECT_EQ(daemon.place.manifests.size(), 2U);
    EXPECT_FALSE(machine.opens());
}

TEST(Opening, IsNotNeededAgainInTheSameBoot) {
    ClosingMachine machine;
    OpeningDaemon first(machine);
    first.service.restore();
    first.service.restore();
    EXPECT_EQ(first.service.vault().state, VaultState::open);
    ASSERT_EQ(first.kept.size(), 1U);
    OpeningDaemon second(machine, std::move(first.kept));
    second.service.restore();
    EXPECT_EQ(second.service.vault().state, VaultState::open);
    EXPECT_EQ(second.place.manifests, first.place.manifests);
}

TEST(Opening, OfADaemonThatHasKeptNothingFindsTheVaultClosed) {
    ClosingMachine machine;
    OpeningDaemon(machine).service.restore();
    OpeningDaemon second(machine);
    second.service.restore();
    EXPECT_EQ(second.service.vault().state, VaultState::shut);
    EXPECT_TRUE(second.place.manifests.empty());
}

TEST(Opening, ThatCannotBeRecordedGivesNothing) {
    ClosingMachine machine;
    OpeningDaemon daemon(machine);
    daemon.records = false;
    daemon.service.restore();
    EXPECT_EQ(daemon.service.vault().state, VaultState::shut);
    EXPECT_EQ(daemon.service.vault().reason->kind, ErrorKind::tpm_unavailable);
    EXPECT_TRUE(daemon.place.manifests.empty());
    EXPECT_FALSE(daemon.service.policy_keys());
    EXPECT_FALSE(daemon.service.state_keys());
    daemon.records = true;
    daemon.service.restore();
    EXPECT_EQ(daemon.service.vault().state, VaultState::open);
    EXPECT_FALSE(machine.opens());
}

TEST(Opening, ThatWasKeptAndNotRecordedIsRecordedByTheNextStart) {
    ClosingMachine machine;
    OpeningDaemon first(machine);
    first.records = false;
    first.service.restore();
    ASSERT_TRUE(!first.kept.empty() && machine.opens());
    OpeningDaemon second(machine, std::move(first.kept));
    second.service.restore();
    EXPECT_EQ(second.service.vault().state, VaultState::open);
    EXPECT_FALSE(machine.opens());
}

TEST(Opening, WithoutAPlaceToKeepTheKeysLeavesTheVaultAsItIs) {
    ClosingMachine machine;
    OpeningDaemon daemon(machine);
    daemon.keeps = false;
    daemon.service.restore();
    EXPECT_EQ(daemon.service.vault().state, VaultState::shut);
    EXPECT_TRUE(machine.opens());
}

TEST(Opening, GivesTheOthersWhatTheyNeedAndNoMore) {
    ClosingMachine machine;
    OpeningDaemon daemon(machine);
    daemon.service.restore();
    const VaultKeys& all = daemon.kept.front();
    const VaultKeys state = VaultKeys::decode(daemon.service.state_keys().value().encode()).value();
    EXPECT_EQ(state.kind_key(ObjectKind::state), all.kind_key(ObjectKind::state));
    EXPECT_EQ(state.kind_key(ObjectKind::minimal), all.kind_key(ObjectKind::minimal));
    EXPECT_EQ(state.counter_authorisation(), all.counter_authorisation());
    EXPECT_DEATH((void)state.kind_key(ObjectKind::identity), "");
    EXPECT_EQ(daemon.service.policy_keys().value().pin, all.policy_keys().pin);
}

// systemd-pcrlock alone has the PIN of that policy, sealed to the policy itself.
TEST(Opening, OfAVaultThatAnEarlierReleaseHasMadeIsNotClosed) {
    ClosingMachine machine;
    machine.forget_ledger();
    OpeningDaemon daemon(machine);
    daemon.service.restore();
    EXPECT_EQ(daemon.service.vault().state, VaultState::open);
    EXPECT_TRUE(daemon.service.store_standing().taken_over);
    EXPECT_TRUE(machine.opens());
    ASSERT_TRUE(set_recovery_key(daemon.service, machine.tpm, machine.store(), std::nullopt)) << "what gives it a key of its own";
    EXPECT_FALSE(machine.opens());
    EXPECT_EQ(daemon.service.vault().state, VaultState::open);
}

TEST(VaultKeysTest, OfOthersOctetsAreNone) {
    ClosingMachine machine;
    OpeningDaemon daemon(machine);
    daemon.service.restore();
    const Secret octets = daemon.kept.front().encode();
    EXPECT_TRUE(VaultKeys::decode(octets));
    EXPECT_EQ(VaultKeys::decode(octets.prefix(octets.size() - 1)).error().kind, ErrorKind::corrupt);
    Secret other = Secret::copy_of(octets.expose());
    other.expose_mutable()[0] = 4;  // a set of NV indices that there is not
    EXPECT_EQ(VaultKeys::decode(other).error().kind, ErrorKind::corrupt);
    other.expose_mutable()[0] = octets.expose()[0];
    other.expose_mutable()[1] ^= 1;
    EXPECT_EQ(VaultKeys::decode(other).error().kind, ErrorKind::corrupt);
    EXPECT_EQ(VaultKeys::decode(Secret()).error().kind, ErrorKind::corrupt);
}

}  // namespace
}  // namespace lethe
