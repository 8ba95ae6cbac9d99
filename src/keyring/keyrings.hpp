#pragma once

#include "keyring/keyring.hpp"

namespace lethe {

// The two forms of a keyring; open_keyring() chooses.

std::unique_ptr<Keyring> object_keyring(Store& store, const VaultKeys& key);
std::unique_ptr<Keyring> compact_keyring(Store& store, const VaultKeys& key);

}  // namespace lethe
