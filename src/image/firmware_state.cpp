#include "image/firmware_state.hpp"

#include <array>
#include <utility>

#include "image/efi_variable.hpp"

namespace lethe {

namespace {

struct SteeringVariable {
    std::string_view name;
    std::string_view use;
};

constexpr std::array steering_variables{
    SteeringVariable{"SystemdOptions", "is a second kernel command line, which nothing measures"},
    SteeringVariable{"HibernateLocation", "names a memory image to resume from"},
    SteeringVariable{"FactoryReset", "asks for the disk to be erased"},
};

bool is_set(const std::filesystem::path& efivars, std::string_view name) {
    const auto value = read_efi_variable(efivars, name, systemd_vendor);
    return value || value.error().kind != ErrorKind::not_found;
}

}  // namespace

FirmwareState read_firmware_state(const std::filesystem::path& efivars) {
    FirmwareState state;
    if (const auto secure_boot = read_secure_boot(efivars)) state.secure_boot = *secure_boot;
    else state.warnings.push_back(secure_boot.error().message);
    for (const auto& [name, use] : steering_variables)
        if (is_set(efivars, name))
            state.warnings.push_back(std::format(
                "the EFI variable {0}-{1} is set: it {2}. It has no effect on this image, but Lethe never sets it: find out who "
                "did, and delete it (reset the firmware's settings, or in another system: chattr -i and rm its file in efivarfs)",
                name, systemd_vendor, use));
    return state;
}

}  // namespace lethe
