#pragma once

#include "base/secret.hpp"
#include "lethectl/command.hpp"

namespace lethe::ctl {

/// The passphrase that the options --passphrase and --passphrase-file ask for; nothing when neither is given.
/// @param twice  a new one, which is typed a second time.
Outcome<std::optional<Secret>> passphrase_of(const Invocation& invocation, bool twice);

/// The text of the recovery key's secret half that --key names; nothing when it is not given.
Outcome<std::optional<Secret>> recovery_key_of(const Invocation& invocation);

}  // namespace lethe::ctl
