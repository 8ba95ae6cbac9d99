// Runs in the initrd: takes Lethe's credentials from where systemd-stub has put (and measured) those of the ESP. The UKI's own come first.
#include <array>
#include <iostream>

#include "credentials/credentials.hpp"

int main() {
    const std::array<std::filesystem::path, 2> sources{"/.extra/credentials", "/.extra/global_credentials"};
    const auto report = lethe::import_credentials(sources, "/run/credstore");
    if (!report) {
        std::cerr << report.error().message << "\n";
        return 1;
    }
    for (const auto& name : report->imported) std::cerr << "taken: " << name << "\n";
    for (const auto& line : report->ignored) std::cerr << "ignored: " << line << "\n";
    return 0;
}
