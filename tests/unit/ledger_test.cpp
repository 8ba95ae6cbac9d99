#include "vault/ledger.hpp"

#include <gtest/gtest.h>

#include "vault/keyring_stamp.hpp"

namespace lethe {
namespace {

ObjectDigest digest(std::uint8_t octet) {
    ObjectDigest digest;
    digest.fill(octet);
    return digest;
}

Ledger example() {
    Ledger ledger{.enrolled = std::chrono::sys_days(std::chrono::year(2026) / 11 / 30), .taken_over = true};
    ledger.entries[{ObjectKind::vault, ""}] = {.current = digest(1)};
    ledger.entries[{ObjectKind::relays, ""}] = {.current = digest(2), .changes = true, .next = digest(3)};
    ledger.entries[{ObjectKind::identity, "a"}] = {.current = digest(4), .changes = true, .next = {}};
    ledger.entries[{ObjectKind::identity, "b"}] = {.current = {}, .changes = true, .next = digest(5)};
    return ledger;
}

TEST(Ledger, RoundTripsAndEveryPartOfItIsCorrupt) {
    const Secret payload = encode_ledger(example());
    EXPECT_EQ(*decode_ledger(payload), example());
    EXPECT_EQ(*decode_ledger(encode_ledger(Ledger{})), Ledger{});
    for (std::size_t length = 0; length < payload.size(); ++length)
        EXPECT_EQ(decode_ledger(payload.prefix(length)).error().kind, ErrorKind::corrupt) << length;
}

TEST(Ledger, AnEntryThatCannotBeIsCorrupt) {
    const auto refused = [](const Ledger& ledger) {
        const auto decoded = decode_ledger(encode_ledger(ledger));
        return !decoded && decoded.error().kind == ErrorKind::corrupt;
    };
    for (const ObjectId& id : {ObjectId{ObjectKind::state, ""}, ObjectId{ObjectKind::policy, ""}, ObjectId{ObjectKind::enrolling, ""},
                               ObjectId{ObjectKind::ledger, ""}, ObjectId{ObjectKind::keyring, ""}, ObjectId{ObjectKind::identity, ""},
                               ObjectId{ObjectKind::identity, "../a"}, ObjectId{ObjectKind::relays, "a"}}) {
        Ledger ledger;
        ledger.entries[id] = {.current = digest(1)};
        EXPECT_TRUE(refused(ledger)) << static_cast<int>(id.kind) << " " << id.name;
    }
    Ledger empty;
    empty.entries[{ObjectKind::vault, ""}] = {};
    EXPECT_TRUE(refused(empty));
    empty.entries[{ObjectKind::vault, ""}].changes = true;
    EXPECT_TRUE(refused(empty)) << "a change from nothing to nothing";
}

TEST(Ledger, AdmitsWhatIsAndWhatMayBeAndNothingElse) {
    const Ledger::Entry settled{.current = digest(1)}, changing{.current = digest(1), .changes = true, .next = digest(2)},
        erased{.current = digest(1), .changes = true, .next = {}};
    EXPECT_TRUE(settled.admits(digest(1)));
    EXPECT_FALSE(settled.admits(digest(2)) || settled.admits(std::nullopt));
    EXPECT_TRUE(changing.admits(digest(1)) && changing.admits(digest(2)));
    EXPECT_FALSE(changing.admits(digest(3)) || changing.admits(std::nullopt));
    EXPECT_TRUE(erased.admits(digest(1)) && erased.admits(std::nullopt));
}

TEST(KeyringStamp, ComesBackAndTakesThePlaceOfAnEarlierOne) {
    const Secret payload = Secret::copy_of(std::array<std::uint8_t, 4>{unstamped_keyring_version, 0, 0, 7});
    EXPECT_FALSE(stamp_of_keyring(payload));
    EXPECT_FALSE(stamp_of_keyring(Secret()));
    const KeyringStamp first{std::chrono::sys_days(std::chrono::year(2026) / 11 / 30), false}, second{first.enrolled, true};
    const Secret stamped = stamped_keyring(payload, first);
    EXPECT_EQ(stamped.size(), payload.size() + 4);
    EXPECT_EQ(stamp_of_keyring(stamped), first);
    EXPECT_EQ(stamp_of_keyring(stamped_keyring(stamped, second)), second);
    EXPECT_EQ(stamped_keyring(stamped, second).size(), stamped.size());
    EXPECT_FALSE(stamp_of_keyring(stamped.prefix(4)));
}

}  // namespace
}  // namespace lethe
