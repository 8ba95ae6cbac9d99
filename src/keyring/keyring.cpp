#include "keyring/keyring.hpp"

#include <array>

#include "keyring/keyrings.hpp"

namespace lethe {

namespace {

constexpr std::array list_kinds{ObjectKind::relays, ObjectKind::recovery, ObjectKind::keyring};

}  // namespace

std::unique_ptr<Keyring> open_keyring(Store& store, bool in_tpm, const VaultKeys& key) {
    return in_tpm ? compact_keyring(store, key) : object_keyring(store, key);
}

Result<bool> has_lists(const Store& store) {
    for (const auto kind : list_kinds) {
        if (TRY(store.exists({kind, ""}))) return true;
    }
    return false;
}

Result<void> erase_lists(Store& store) {
    for (const auto kind : list_kinds) TRY(store.erase({kind, ""}));
    return {};
}

}  // namespace lethe
