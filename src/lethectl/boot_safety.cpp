#include "lethectl/boot_safety.hpp"

#include "lethectl/client_call.hpp"
#include "lethectl/output.hpp"

namespace lethe::ctl {

Outcome<BootSafety> read_boot_safety() {
    return call(identity_service, [](sdbus::IConnection& connection) {
        const Properties properties =
            proxy(connection, identity_service)->getAllProperties().onInterface(identity_service.manager_interface());
        return BootSafety{.secure_boot = value<std::string>(properties, "SecureBoot"),
                          .insecure = value<std::string>(properties, "Insecure"),
                          .insecure_advice = value<std::string>(properties, "InsecureAdvice"),
                          .warnings = value<std::vector<std::string>>(properties, "BootWarnings")};
    });
}

std::string boot_safety_text(const BootSafety& boot) {
    std::string text;
    if (!boot.insecure.empty()) text += in_tone(Tone::bad, "Insecure: " + boot.insecure) + "\n";
    if (!boot.insecure_advice.empty()) text += in_tone(Tone::bad, "  " + boot.insecure_advice) + "\n";
    for (const auto& warning : boot.warnings) text += in_tone(Tone::bad, "Warning: " + warning) + "\n";
    return text;
}

}  // namespace lethe::ctl
