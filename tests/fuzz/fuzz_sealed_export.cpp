// An export file: as it is, and as one that is sealed and then damaged.

#include "fuzz.hpp"
#include "vault/object.hpp"
#include "vault/sealed_export.hpp"

using namespace lethe;
using fuzz::parsed;
using fuzz::require;

static void damage_one(const RecoveryKeyPair& pair, OctetView octets, std::size_t place, std::uint8_t change) {
    const Secret payload = Secret::copy_of(octets);
    auto file = seal_export("alice", payload, pair.public_key);
    if (!parsed(file, {ErrorKind::invalid_argument})) return;
    const auto whole = open_export(*file, pair.secret_key);
    require(whole && whole->relay == "alice" && whole->payload == payload, "what is exported comes back");
    (*file)[place % file->size()] ^= change;
    require(parsed(open_export(*file, pair.secret_key), {ErrorKind::corrupt, ErrorKind::invalid_argument}) == (change == 0),
            "a changed octet is noticed");
    (*file)[place % file->size()] ^= change;
    file->resize(place % file->size());
    require(!parsed(open_export(*file, pair.secret_key)), "a file that is cut is noticed");
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const RecoveryKeyPair pair = make_recovery_key();
    if (const auto header = read_export_header({data, size}); parsed(header))
        require(check_relay_name(header->relay) && header->recipient.has_value() == (header->protection == ExportProtection::recipient),
                "a header names a relay and what opens it");
    // Not under a passphrase: that costs the memory and the time that the file asks for.
    require(!parsed(open_export({data, size}, pair.secret_key), {ErrorKind::corrupt, ErrorKind::invalid_argument}),
            "nobody seals to a key unknown");
    fuzz::Input input(data, size);
    const std::size_t place = input.number(2);
    const std::uint8_t change = input.u8();
    damage_one(pair, input.rest(), place, change);
    return 0;
}
