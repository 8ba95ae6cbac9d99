#include <fcntl.h>

#include <filesystem>
#include <format>
#include <iostream>
#include <nlohmann/json.hpp>

#include "base/file.hpp"
#include "lethectl/client.hpp"
#include "lethectl/secrets.hpp"
#include "vault/sealed_export.hpp"

namespace lethe::ctl {

Outcome<int> identity_export(const Invocation& invocation) {
    const auto &name = invocation.arguments[0], &file = invocation.arguments[1];
    // Before a person types a passphrase for nothing.
    if (std::filesystem::exists(std::filesystem::symlink_status(file)))
        return std::unexpected(Failure{exit_refused, std::format("{} exists, and is not overwritten", file), {}});
    const auto passphrase = passphrase_of(invocation, true);
    if (!passphrase) return std::unexpected(passphrase.error());
    const auto sealed = export_relay(name, *passphrase);
    if (!sealed) return std::unexpected(sealed.error());
    const auto written =
        read_export_header(*sealed).and_then([&](const ExportHeader&) { return write_new_file(AT_FDCWD, file, *sealed, 0600); });
    if (!written) return std::unexpected(to_failure(written.error()));
    const auto how = *passphrase ? "the passphrase" : "the recovery key's secret half";
    if (invocation.json) std::cout << nlohmann::ordered_json{{"name", name}, {"file", file}, {"octets", sealed->size()}}.dump(2) << "\n";
    else std::cout << std::format("{}: the keys of {}, which {} opens\n", file, name, how);
    return exit_ok;
}

}  // namespace lethe::ctl
