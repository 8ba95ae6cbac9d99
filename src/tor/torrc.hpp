#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace lethe {

/// Where a relay's files are, and as whom its tor runs: Debian's layout of `tor@NAME.service`, with the keys in a folder of their own.
struct RelayPaths {
    std::string user;                         ///< "_tor-NAME"
    std::filesystem::path data_directory;     ///< "/var/lib/tor-instances/NAME", in the image on tmpfs
    std::filesystem::path key_directory;      ///< KEYS_ROOT/NAME, on tmpfs always
    std::filesystem::path runtime_directory;  ///< "/run/tor-instances/NAME"
};

/// @param name       a relay's name, already checked.
/// @param keys_root  the directory of all key folders, which Lethe owns.
RelayPaths relay_paths(std::string_view name, const std::filesystem::path& keys_root);

/// What the defaults torrc says about one relay.
struct DefaultsOptions {
    RelayPaths paths;
    std::uint64_t max_mem_in_queues_mib;
    bool offline_master_key = false;  ///< the key set is without the master secret (KeySet::has_master_secret)
};

/// The text of the defaults torrc (`--defaults-torrc`), which takes the place of Debian's: its sockets and cookie are kept, so that tools
/// find them; the journal gets the log by way of standard output, which needs no syslog socket; there is no SOCKS port, as a relay is no
/// client. Family keys lie in the key directory, which is FamilyKeyDirectory's default. The paths must hold neither '#', '"' nor a newline.
std::string defaults_torrc(const DefaultsOptions& options);

/// Refuses an operator's torrc that would undo what the defaults torrc sets for Lethe's sake (where keys and data are, as whom tor runs),
/// or that asks for what this release cannot do. Everything else is tor's to judge.
///
/// It looks at the first word of each line of the text, which is the only place where tor finds an option's name: '+' and '/' before it,
/// letters of either case and abbreviations (tor takes any prefix of an option) included. It does not follow continued lines, so that it
/// refuses a few harmless ones and never misses an option. An abbreviation of FamilyId is refused as well, so that family_ids_of_torrc
/// finds every one.
///
/// @error invalid_argument  names the line and the option.
/// Source: tor 0.4.9, lib/encoding/confline.c and lib/confmgt/confmgt.c (config_mgr_find_var).
Result<void> check_operator_torrc(std::string_view text);

/// The families that a torrc (one that check_operator_torrc accepts) names with FamilyId, as tor reads it: a name in letters of either
/// case, '+' and '/' before it, quotes, comments, continued lines; padding and white space in an id are dropped. tor does not start when
/// it has no key for one of them.
///
/// @return  the ids (43 base64 characters), sorted, each once.
/// @error invalid_argument  an id that is none, or `*`, which would publish a certificate for every key there is; names the line.
/// Source: tor 0.4.9, app/config/config.c (options_init_family_ids) and feature/relay/routerkeys.c (load_family_id_keys).
Result<std::vector<std::string>> family_ids_of_torrc(std::string_view text);

}  // namespace lethe
