#include <fcntl.h>

#include <format>

#include "base/file.hpp"
#include "lethectl/client.hpp"
#include "lethectl/run_enroll.hpp"
#include "lethectl/secrets.hpp"
#include "vault/sealed_export.hpp"

namespace lethe::ctl {
namespace {

std::unexpected<Failure> usage(std::string message) { return std::unexpected(Failure{exit_usage, std::move(message), {}}); }

// The vault of the store on this machine, sealed to this TPM and this boot.
Outcome<int> recover_store(const Invocation& invocation) {
    const auto key = invocation.option("key"), fingerprint = invocation.option("fingerprint");
    if (!invocation.arguments.empty() || !key || !fingerprint)
        return usage("--store takes no file, but --key FILE and --fingerprint FINGERPRINT of one of its relays");
    if (invocation.has("foreign")) return usage("--foreign goes with an export file");
    std::vector<std::string> arguments{"--recover", *key, "--fingerprint", *fingerprint};
    if (const auto generation = invocation.option("generation")) arguments.insert(arguments.end(), {"--generation", *generation});
    if (invocation.has("insecure-boot")) arguments.push_back("--insecure-boot");
    const auto status = run_enroll(arguments);
    if (!status || *status != exit_ok) return status;
    return identity_reload({.json = invocation.json, .arguments = {}});
}

// What opens the export: as its header says, from the option that names it or from the terminal.
Outcome<Secret> opener_of(const Invocation& invocation, OctetView file) {
    const auto header = read_export_header(file);
    if (!header) return std::unexpected(to_failure(header.error()));
    if (header->protection == ExportProtection::recipient) {
        auto key = recovery_key_of(invocation);
        if (!key) return std::unexpected(key.error());
        if (!*key)
            return usage(std::format("this export is sealed to {}: give --key FILE with its secret half",
                                     encode_recovery_public(*header->recipient)));
        return std::move(**key);
    }
    auto asked = invocation;
    if (!asked.has("passphrase-file")) asked.options.emplace("passphrase", "");
    auto passphrase = passphrase_of(asked, false);
    if (!passphrase) return std::unexpected(passphrase.error());
    return std::move(**passphrase);
}

}  // namespace

Outcome<int> identity_recover(const Invocation& invocation) {
    if (invocation.has("store")) return recover_store(invocation);
    for (const char* option : {"insecure-boot", "generation"})
        if (invocation.has(option)) return usage(std::format("--{} goes with --store", option));
    if (invocation.arguments.empty()) return usage("name an export file, or --store");
    const auto fingerprint = invocation.option("fingerprint");
    if (!fingerprint)
        return usage(
            "give --fingerprint FINGERPRINT, the relay's as you know it: anyone who has the public recovery key can make an export");
    const auto file = read_file(invocation.arguments[0], export_limit_octets);
    if (!file) return std::unexpected(to_failure(file.error()));
    const auto secret = opener_of(invocation, *file);
    if (!secret) return std::unexpected(secret.error());
    const auto replace = invocation.option("replace");
    const auto name = recover_relay(*file, *secret, *fingerprint, invocation.option("name"), replace, invocation.has("foreign"));
    if (!name) return std::unexpected(name.error());
    if (replace) {
        if (const auto refreshed = refresh_tor(*name, *replace); !refreshed) return std::unexpected(refreshed.error());
    }
    return identity_show({.json = invocation.json, .arguments = {*name}});
}

}  // namespace lethe::ctl
