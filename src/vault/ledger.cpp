#include "vault/ledger.hpp"

#include <sodium.h>

#include <algorithm>

namespace lethe {

namespace {

constexpr std::uint16_t ledger_version = 1;
constexpr std::int64_t year_9999 = 253370764800;

enum Flags : std::uint8_t { was_taken_over = 1, was_rekeyed = 2 };
enum Holds : std::uint8_t { holds_current = 1, has_change = 2, holds_next = 4 };

std::unexpected<Error> impossible() { return fail(ErrorKind::corrupt, "the ledger holds an entry that cannot be"); }

Result<ObjectDigest> take_digest(OctetReader& reader) {
    ObjectDigest digest;
    std::ranges::copy(TRY(reader.take(digest.size())), digest.begin());
    return digest;
}

Result<ObjectId> take_id(OctetReader& reader) {
    const ObjectKind kind{TRY(reader.u8())};
    ObjectId id{kind, std::string(as_text(TRY(reader.take(TRY(reader.u8())))))};
    const bool is_named = kind == ObjectKind::identity;
    if (!is_in_ledger(kind) || is_named != check_relay_name(id.name).has_value() || is_named == id.name.empty()) return impossible();
    return id;
}

Result<Ledger::Entry> take_entry(OctetReader& reader) {
    const auto holds = TRY(reader.u8());
    if (holds == 0 || holds > (holds_current | has_change | holds_next) || ((holds & holds_next) != 0 && (holds & has_change) == 0))
        return impossible();
    Ledger::Entry entry{.current = {}, .changes = (holds & has_change) != 0};
    if (holds & holds_current) entry.current = TRY(take_digest(reader));
    if (holds & holds_next) entry.next = TRY(take_digest(reader));
    if (!entry.current && !entry.next) return impossible();
    return entry;
}

}  // namespace

bool is_in_ledger(ObjectKind kind) {
    using enum ObjectKind;
    return kind == vault || kind == relays || kind == identity || kind == recovery;
}

ObjectDigest digest_of_payload(OctetView payload) {
    ObjectDigest digest;
    crypto_generichash(digest.data(), digest.size(), payload.data(), payload.size(), nullptr, 0);
    return digest;
}

Secret encode_ledger(const Ledger& ledger) {
    OctetWriter writer;
    writer.u16(ledger_version)
        .u64(static_cast<std::uint64_t>(ledger.enrolled.time_since_epoch().count()))
        .u8(static_cast<std::uint8_t>((ledger.taken_over ? was_taken_over : 0) | (ledger.rekeyed ? was_rekeyed : 0)))
        .u16(static_cast<std::uint16_t>(ledger.entries.size()));
    for (const auto& [id, entry] : ledger.entries) {
        writer.u8(static_cast<std::uint8_t>(id.kind)).u8(static_cast<std::uint8_t>(id.name.size())).raw(as_octets(id.name));
        writer.u8(static_cast<std::uint8_t>((entry.current ? holds_current : 0) | (entry.changes ? has_change : 0) |
                                            (entry.next ? holds_next : 0)));
        if (entry.current) writer.raw(*entry.current);
        if (entry.next) writer.raw(*entry.next);
    }
    return Secret::copy_of(writer.octets());
}

Result<Ledger> decode_ledger(const Secret& payload) {
    OctetReader reader(payload.expose());
    if (const auto version = TRY(reader.u16()); version != ledger_version)
        return fail(ErrorKind::corrupt, "ledger version {} is not known to this release", version);
    const auto enrolled = TRY(reader.u64());
    const auto flags = TRY(reader.u8());
    if (enrolled >= year_9999 || flags > (was_taken_over | was_rekeyed) || flags == was_rekeyed) return impossible();
    Ledger ledger{.enrolled = std::chrono::sys_seconds(std::chrono::seconds(enrolled)),
                  .taken_over = (flags & was_taken_over) != 0,
                  .rekeyed = (flags & was_rekeyed) != 0};
    for (auto left = TRY(reader.u16()); left > 0; --left) {
        auto id = TRY(take_id(reader));
        if (!ledger.entries.empty() && id <= ledger.entries.rbegin()->first) return impossible();
        const auto entry = TRY(take_entry(reader));
        ledger.entries.emplace(std::move(id), entry);
    }
    TRY(reader.end());
    return ledger;
}

}  // namespace lethe
