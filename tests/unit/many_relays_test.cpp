#include <fcntl.h>
#include <gmock/gmock.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <fstream>

#include "counting_tcti.hpp"
#include "fake_pcrlock.hpp"
#include "identityd/service.hpp"
#include "software_tpm.hpp"
#include "tor_keys.hpp"
#include "tpm/esys_tpm.hpp"

namespace lethe {
namespace {

namespace fs = std::filesystem;

constexpr int relay_count = 64;
constexpr int pool_count = 8;
// A TPM in software answers at once, and one of its own takes tens to hundreds of milliseconds for each command of an opening. This much is
// counted for each, the same for one relay and for many.
constexpr double command_ms = 20;
static_assert(pool_count * pool_count == relay_count);

std::string name_of_relay(int number) { return "relay" + std::to_string(number); }

// Nothing in the files binds an RSA identity to an ed25519 one: of eight sets that tor makes, 64 can be put together.
KeySet keys_of(int number) {
    static const auto pool = [] {
        std::vector<KeySet> made;
        const TemporaryFolder scratch;
        while (made.size() < pool_count) made.push_back(create_keys(tor_program, scratch.path()).value());
        return made;
    }();
    KeyFiles files = copy_of(pool[number / pool_count].files);
    for (const auto& name : {key_file::rsa_identity, key_file::onion})
        replace(files, name, pool[number % pool_count].files.at(name).expose());
    return parse_key_files(std::move(files), Scrutiny::sealed).value();
}

// An enrolled machine with `relays` relays in its store.
struct Enrolled {
    TemporaryFolder folder;
    Secret identity_key;

    Enrolled(SoftwareTpm& tpm, const PcrPolicy& policy, int relays) {
        auto store = Store::open(folder.path()).value();
        const auto vault = seal_new_vault(tpm, policy_index_handle).value();
        identity_key = vault.key.kind_key(ObjectKind::identity);
        store.write_framed({ObjectKind::policy, ""}, as_octets(policy_json(policy))).value();
        const auto keyring = open_keyring(store, false, vault.key);
        Roster roster;
        for (int i = 0; i < relays; ++i) {
            const auto keys = keys_of(i);
            keyring->write(name_of_relay(i), keys).value();
            roster[name_of_relay(i)] = {RelayStage::created, keys.fingerprints.rsa};
        }
        keyring->write_roster(roster).value();
        store_vault(store, vault.record).value();
    }
};

// What a boot does: a daemon that begins, with nothing installed yet.
struct Boot {
    TemporaryFolder runtime;
    MachineKeyPlace place{
        {.paths = {runtime.path()}, .tor = tor_program, .user_prefix = "", .fixed_user = ::getpwuid(::getuid())->pw_name}};
    IdentityService service;

    Boot(SoftwareTpm& tpm, const fs::path& store)
        : service([=] { return Store::open(store).transform([](Store&& opened) { return OpenedStore{std::move(opened), false}; }); },
                  [&tpm]() -> Result<std::unique_ptr<Tpm>> { return esys_tpm_on(tpm.traffic().context()); }, place) {}
    long installed() const {
        return std::ranges::count(service.relays(), RelayState::installed, [](const auto& relay) { return relay.second.state; });
    }
};

struct ManyRelays : testing::Test {
    SoftwareTpm tpm;
    PcrPolicy policy{{11, {tpm.read_pcrs(std::array{11u}).value().at(11)}}};
    void SetUp() override { tpm.authorize(policy_index_handle, policy); }
};

// Processor time, of this process and of the kernel for it: what other processes do does not count.
double milliseconds() {
    timespec time{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_nsec) / 1e6;
}

double median(std::vector<double> values) {
    std::ranges::nth_element(values, values.begin() + values.size() / 2);
    return values[values.size() / 2];
}

void write_synced(int folder, std::string_view name, OctetView octets) {
    const Fd file(::openat(folder, std::string(name).c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    ASSERT_EQ(::write(file.get(), octets.data(), octets.size()), static_cast<ssize_t>(octets.size()));
    ASSERT_EQ(::fsync(file.get()), 0);
}

// The least that can be done with the octets of a relay: read, decrypted, and written to files, with no question asked.
void handle_octets(const Enrolled& machine, const std::string& relay, const fs::path& folder) {
    const auto slot = read_file(machine.folder / ("identity-" + relay + ".a"), 1 << 20).value();
    const auto object = decrypt_object(machine.identity_key, {ObjectKind::identity, relay}, slot).value();
    ASSERT_EQ(::mkdir(folder.c_str(), 0700), 0);
    const Fd directory(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    OctetReader reader(object.payload.expose());
    reader.take(2 + 20 + 32).value();
    for (unsigned left = reader.u16().value(); left > 0; --left) {
        const auto name = as_text(reader.sized16().value());
        write_synced(directory.get(), name, reader.sized16().value());
    }
}

TEST_F(ManyRelays, CostTheTpmWhatOneCosts) {
    const Enrolled one(tpm, policy, 1), many(tpm, policy, relay_count);
    tpm.traffic().forget();
    Boot first(tpm, one.folder.path());
    first.service.restore();
    EXPECT_EQ(first.installed(), 1);
    const auto commands = tpm.traffic().command_codes();
    const auto octets = tpm.traffic().octets();
    EXPECT_EQ(std::ranges::count(commands, TPM2_CC_Unseal), 1);
    tpm.traffic().forget();
    Boot second(tpm, many.folder.path());
    second.service.restore();
    EXPECT_EQ(second.installed(), relay_count);
    EXPECT_EQ(tpm.traffic().command_codes(), commands);
    EXPECT_EQ(tpm.traffic().octets(), octets);
}

TEST_F(ManyRelays, TakeLittleMoreTimeThanOneAndTheirOctets) {
    const Enrolled one(tpm, policy, 1), many(tpm, policy, relay_count);
    std::vector<double> of_one, of_many, of_octets;
    const auto time = [](std::vector<double>& times, auto&& work) {
        const double begin = milliseconds();
        work();
        times.push_back(milliseconds() - begin);
    };
    std::size_t commands = 0;
    for (int repetition = 0; repetition < 9; ++repetition) {
        tpm.traffic().forget();
        Boot first(tpm, one.folder.path()), second(tpm, many.folder.path());
        time(of_one, [&] { first.service.restore(); });
        commands = tpm.traffic().exchanges().size();
        time(of_many, [&] { second.service.restore(); });
        const TemporaryFolder keys;
        time(of_octets, [&] {
            for (int i = 1; i < relay_count; ++i) handle_octets(many, name_of_relay(i), keys / name_of_relay(i));
        });
        ASSERT_EQ(first.installed(), 1);
        ASSERT_EQ(second.installed(), relay_count);
    }
    std::cout << std::format("{} TPM commands; processor time: one relay {:.2f} ms, {} relays {:.2f} ms, the octets of {} {:.2f} ms\n",
                             commands, median(of_one), relay_count, median(of_many), relay_count - 1, median(of_octets));
    const double in_tpm = command_ms * static_cast<double>(commands);
    EXPECT_LE(in_tpm + median(of_many), 1.3 * (in_tpm + median(of_one)) + median(of_octets));
}

TEST_F(ManyRelays, LeaveADamagedOneBehind) {
    const Enrolled many(tpm, policy, relay_count);
    const auto damaged = name_of_relay(17);
    std::fstream(many.folder / ("identity-" + damaged + ".a"), std::ios::in | std::ios::out | std::ios::binary)
        .seekp(200)
        .put('x')
        .put('y');
    Boot boot(tpm, many.folder.path());
    boot.service.restore();
    EXPECT_EQ(boot.installed(), relay_count - 1);
    ASSERT_EQ(boot.service.relays().size(), static_cast<std::size_t>(relay_count));
    for (const auto& [name, relay] : boot.service.relays()) {
        EXPECT_EQ(relay.state, name == damaged ? RelayState::damaged : RelayState::installed) << name << ": " << relay.reason;
        EXPECT_EQ(fs::exists(boot.runtime / "manifest" / name), name != damaged);
    }
    const auto& status = boot.service.relays().at(damaged);
    EXPECT_THAT(status.reason, testing::HasSubstr("identity-" + damaged));
    EXPECT_THAT(status.reason, testing::HasSubstr("lethectl identity recover"));
    EXPECT_EQ(status.fingerprint, keys_of(17).fingerprints.rsa_hex());
}

}  // namespace
}  // namespace lethe
