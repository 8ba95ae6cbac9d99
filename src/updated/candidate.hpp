#pragma once

#include "updated/service.hpp"

namespace lethe {

/// How many boots of a release are tried.
inline constexpr unsigned boots_to_try = 3;
/// Whether a boot of this release can be healthy here: without Secure Boot only one of the debug profile is, so that any other would fall
/// back, boot after boot. Nothing is said of who made it.
/// @error wrong_state  it cannot. @error corrupt  it is not a release of Lethe's.
Result<void> check_secure_boot(const RunningRelease& running, OctetView file);

/// A release that is offered, checked: whose it is, whether it may follow the running one, and that this code knows what it measures.
///
/// @param running  the files of the running boot; the release comes with those beside it, as `options` change them.
/// @param file     of the offered UKI; must outlive the candidate.
/// @error as UpdateService::stage()
Result<Candidate> offered_release(const RunningRelease& release, const BootReading& running, const ReleaseTrust& trust, OctetView file,
                                  const StageOptions& options);

/// The running UKI with other files beside it.
/// @error invalid_argument  there is no such file to drop, or a name that the stub takes nothing of; nothing changes.
Result<Candidate> other_configuration(const RunningRelease& release, const BootReading& running, const BesideFiles& files,
                                      const std::vector<std::string>& drop);

/// What lies on the ESP already, as it is. @param files  of its boot; have to outlive the candidate.
Result<Candidate> stored_release(const ReleaseName& name, bool secure_boot, const BootFiles& files);

/// Whether a file with this name is of the running release: by its version, or because it is the running file under another one's name.
bool is_running(const ReleaseName& stored, const RunningRelease& running);

/// The version of the image in one with a configuration of its own: "1.2" of "1.2^3".
std::string_view image_version(std::string_view version);

/// Whether the boot loader starts `release` before `running` of itself: it sorts by the version of the image, and files of one version by
/// name, where "lethe_1^1.efi" comes after "lethe_1.efi".
bool goes_first(const ReleaseName& release, const ReleaseName& running);

}  // namespace lethe
