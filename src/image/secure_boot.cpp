#include "image/secure_boot.hpp"

#include <optional>

#include "image/efi_variable.hpp"

namespace lethe {

namespace {

// A variable of one octet, 0 or 1, that the firmware makes anew in each boot. Nothing where there is none.
Result<std::optional<bool>> read_flag(const std::filesystem::path& efivars, std::string_view name) {
    const auto variable = read_whole_efi_variable(efivars, name, global_vendor);
    if (!variable && variable.error().kind == ErrorKind::not_found) return std::nullopt;
    const auto [attributes, content] = TRY(variable);
    if (attributes != volatile_attributes || content.size() != 1 || content.front() > 1)
        return fail(ErrorKind::corrupt, "EFI variable {} is not as a firmware makes it, so whether Secure Boot is on cannot be told", name);
    return content.front() == 1;
}

}  // namespace

std::string_view name_of(SecureBoot state) {
    switch (state) {
        case SecureBoot::off:
            return "off";
        case SecureBoot::setup:
            return "setup";
        case SecureBoot::on:
            return "on";
    }
    std::unreachable();
}

Result<SecureBoot> read_secure_boot(const std::filesystem::path& efivars) {
    const auto secure_boot = TRY(read_flag(efivars, "SecureBoot"));
    const auto setup_mode = TRY(read_flag(efivars, "SetupMode"));
    if (setup_mode.value_or(false)) return SecureBoot::setup;
    return secure_boot.value_or(false) && setup_mode ? SecureBoot::on : SecureBoot::off;
}

std::string_view way_to_secure_boot(SecureBoot state) {
    if (state == SecureBoot::setup)
        return "boot this disk again, and systemd-boot enrols the keys in loader/keys/auto by itself (on metal, if this disk was prepared "
               "for that); if this message comes back, enrol these files in the firmware's settings";
    return "put the firmware into setup mode (clear its platform key in its settings) and boot this disk, and systemd-boot enrols the keys "
           "in loader/keys/auto by itself (on metal, if this disk was prepared for that) and reboots";
}

Result<void> require_secure_boot(SecureBoot state) {
    if (state == SecureBoot::on) return {};
    return fail(ErrorKind::wrong_state, "Secure Boot is {}, and a machine is enrolled only with Secure Boot on: {}",
                state == SecureBoot::setup ? "in setup mode" : "off", way_to_secure_boot(state));
}

}  // namespace lethe
