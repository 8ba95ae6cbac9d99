#include <ranges>

#include "opened_machine.hpp"
#include "tor/minimal_state.hpp"
#include "tor/state_payload.hpp"
#include "vault/minimal_states.hpp"
#include "vault/snapshots.hpp"

// As generations_test.cpp, for the relays' state.
namespace lethe {
namespace {

// But for the parts' lengths, which zstd decides.
void expect_todays_snapshot(Opened& opened, const std::string& file) {
    const auto key = opened.key.kind_key(ObjectKind::state);
    const auto slot = opened.machine.disk()->read(file).value();
    const auto directory = open_snapshot_directory(key, slot).value();
    RelayStates states;
    for (const auto& name : directory.parts | std::views::keys) {
        auto state = open_snapshot_part(key, directory, name, slot).value();
        EXPECT_EQ(encode_state_payload(decode_state_payload(state, payload_limit_octets).value()), state) << name;
        states.emplace(name, std::move(state));
    }
    const auto today = encode_snapshot(key, directory.generation, states).value();
    const auto payload = [&](OctetView snapshot) { return decrypt_object(key, {ObjectKind::state, ""}, snapshot).value().payload; };
    EXPECT_EQ(first_u16(payload(slot).expose()), first_u16(payload(today).expose()));
    EXPECT_EQ(payload(slot).size(), payload(today).size());
    EXPECT_EQ(head_of(slot), head_of(today));
    const auto parts = open_snapshot_directory(key, today).value().parts;
    for (const auto& [name, part] : directory.parts)
        EXPECT_EQ(head_of(OctetView(slot).subspan(part.offset)), head_of(OctetView(today).subspan(parts.at(name).offset))) << name;
}

// The newest of the minimal states, as the TPM has it.
struct MinimalIndex {
    explicit MinimalIndex(Opened& opened) {
        const auto area = opened.machine.tpm().nv_area(minimal_index_of(opened.machine.tpm())).value();
        form = {area.octets, area.plain};
        const auto octets = opened.machine.tpm().nv_read(minimal_index_of(opened.machine.tpm())).value();
        const auto key = opened.key.kind_key(ObjectKind::minimal);
        std::uint64_t newest = 0;
        for (const std::size_t at : {0uz, octets.size() / 2}) {
            const auto object = OctetReader(OctetView(octets).subspan(at)).sized16().value();
            const auto version = decrypt_object(key, {ObjectKind::minimal, ""}, object);
            if (!version || version->generation < newest) continue;
            newest = version->generation;
            head = head_of(object);
            const auto payload = version->payload.expose();
            number = OctetReader(payload).u64().value();
            behind_number = {payload.begin() + sizeof(std::uint64_t), payload.end()};
        }
    }
    std::pair<std::uint16_t, bool> form;  ///< its size, and whether it has the usual attributes
    Octets head, behind_number;
    std::uint64_t number;
};

// Writes the same into a new index. @return the number that it had.
std::uint64_t expect_todays_minimal_states(Opened& opened) {
    const bool in_tpm = opened.machine.manifest().in_tpm;
    const MinimalIndex before(opened);
    MinimalStates states(opened.machine.tpm(), opened.key, in_tpm);
    const auto relays = states.read().value();
    for (const auto& [name, octets] : relays) {
        const auto fingerprint = from_hex(opened.machine.manifest().relays.at(name).fingerprint).value();
        const auto state = OctetView(octets).subspan(8);
        EXPECT_TRUE(std::ranges::equal(OctetView(octets).first(8), OctetView(fingerprint).first(8))) << name;
        EXPECT_EQ(to_hex(encode_minimal_state(decode_minimal_state(state).value())), to_hex(state)) << name;
    }
    states.reset().value();
    states.write(relays).value();
    const MinimalIndex after(opened);
    EXPECT_EQ(before.form, after.form);
    EXPECT_EQ(before.head, after.head);
    EXPECT_EQ(to_hex(before.behind_number), to_hex(after.behind_number));
    EXPECT_EQ(relays.size(), opened.machine.manifest().states.size());
    return before.number;
}

// Attributes, policy and algorithm of the counter.
Octets counter_name(Opened& opened) { return opened.machine.tpm().nv_index(opened.key.handles().snapshots).value().name; }

TEST(NewestGeneration, ItsStateOnADiskIsWhatThisReleaseWrites) {
    for (const auto& name : newest_machines(false)) {
        Opened opened(name);
        expect_todays_snapshot(opened, "state.a");
        expect_todays_snapshot(opened, "state.b");
        EXPECT_EQ(expect_todays_minimal_states(opened), 0u) << "there are snapshots to be numbered";
        const auto counter = counter_name(opened);
        auto snapshots = Snapshots::open(opened.store.disk(), opened.machine.tpm(), opened.key).value();
        snapshots.reset().value();
        snapshots.write({}).value();
        EXPECT_EQ(counter_name(opened), counter);
    }
}

TEST(NewestGeneration, ItsStateInATpmIsWhatThisReleaseWrites) {
    unsigned with_state = 0;
    for (const auto& name : newest_machines(true)) {
        Opened opened(name);
        if (opened.machine.manifest().states.empty()) continue;
        ++with_state;
        const auto counter = counter_name(opened);
        EXPECT_NE(expect_todays_minimal_states(opened), 0u);
        EXPECT_EQ(counter_name(opened), counter);
    }
    EXPECT_NE(with_state, 0u);
}

}  // namespace
}  // namespace lethe
