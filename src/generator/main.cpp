// lethe-generator NORMAL EARLY LATE: a systemd generator. For each relay with a torrc among the credentials that the initrd has put into
// /run/credstore it makes multi-user.target start tor@NAME.service, and lethe-identityd.service wait for the relay's user.

#include <cstdlib>
#include <filesystem>
#include <print>

#include "vault/object.hpp"

namespace fs = std::filesystem;

static constexpr std::string_view prefix = "lethe.torrc.";

static void want(const fs::path& folder, std::string_view wanting, std::string_view unit_template, std::string_view name) {
    const auto at = unit_template.find('@') + 1;
    const auto unit = std::format("{}{}{}", unit_template.substr(0, at), name, unit_template.substr(at));
    const auto wants = folder / std::format("{}.wants", wanting);
    fs::create_directories(wants);
    std::error_code error;
    fs::create_symlink(fs::path("/usr/lib/systemd/system") / unit_template, wants / unit, error);
    if (error && error != std::errc::file_exists) std::println(stderr, "<3>{}: {}", (wants / unit).native(), error.message());
}

int main(int count, char** values) try {
    if (count < 2) {
        std::println(stderr, "usage: lethe-generator NORMAL [EARLY LATE]");
        return 2;
    }
    const char* credentials = std::getenv("LETHE_CREDSTORE");  // for tests
    std::error_code none;
    for (const auto& entry : fs::directory_iterator(credentials ? credentials : "/run/credstore", none)) {
        const std::string file = entry.path().filename();
        if (!file.starts_with(prefix)) continue;
        const auto name = file.substr(prefix.size());
        if (const auto checked = lethe::check_relay_name(name); !checked) {
            std::println(stderr, "<3>credential {}: {}", file, checked.error().message);
            continue;
        }
        want(values[1], "multi-user.target", "tor@.service", name);
        want(values[1], "lethe-identityd.service", "lethe-relay-user@.service", name);
    }
} catch (const std::exception& error) {
    std::println(stderr, "<3>lethe-generator: {}", error.what());
    return 1;
}
