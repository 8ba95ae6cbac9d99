#pragma once

#include "lethectl/update.hpp"

namespace lethe::ctl {

/// Opens files that are to lie beside a release under the names that they have. A wrong one is exit_refused; the same name twice, also
/// among those that are dropped, is exit_usage.
Outcome<std::map<std::string, Fd>> files_beside(const std::vector<std::string>& paths, const std::vector<std::string>& dropped);

/// Opens what the command line offers: FILE, and what the options say. The records are FILE.pcrlock, without its .efi, when that is there
/// and no option names them. Errors are those of files_beside.
Outcome<OfferedRelease> offered_release(const Invocation& invocation);

}  // namespace lethe::ctl
