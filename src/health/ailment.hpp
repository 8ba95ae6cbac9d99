#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "bus/identities.hpp"
#include "bus/systemd.hpp"
#include "vault/configuration.hpp"

namespace lethe {

/// Why a machine, or a relay on it, is not healthy.
struct Ailment {
    std::string reason;
    bool is_lasting = false;  ///< no waiting helps
    bool is_network = false;  ///< whoever holds up the machine's traffic can cause it: it says nothing against the release
};

/// What tor says, by the keys of GETINFO.
using TorAnswers = std::map<std::string, std::string>;

// What is wrong, as far as it is known: each of these touches nothing and asks nobody.

std::optional<Ailment> keys_ailment(const RelayIdentity& relay);
std::optional<Ailment> unit_ailment(const std::string& unit, const systemd::UnitState& state);

/// What tor has to be asked. Nothing when no answer is needed.
/// @param fingerprint  the sealed one, 40 upper-case hexadecimal digits.
std::vector<std::string> tor_questions(HealthNeeds needs, const std::string& fingerprint);
/// @param answers  to tor_questions() of the same.
/// @param booted   when the machine was.
std::optional<Ailment> tor_ailment(const TorAnswers& answers, HealthNeeds needs, const std::string& fingerprint,
                                   std::chrono::sys_seconds booted);

}  // namespace lethe
