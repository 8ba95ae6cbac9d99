#include "vault/recovery_key.hpp"

#include <fcntl.h>

#include <format>
#include <iostream>
#include <nlohmann/json.hpp>

#include "base/file.hpp"
#include "base/secret_writer.hpp"
#include "lethectl/client.hpp"

namespace lethe::ctl {

Outcome<int> recovery_key_new(const Invocation& invocation) {
    const auto& file = invocation.arguments[0];
    const auto pair = make_recovery_key();
    const auto secret = encode_recovery_secret(pair.secret_key);
    const Secret line = SecretWriter(secret.size() + 1).raw(secret.expose()).u8('\n').take();
    if (const auto written = write_new_file(AT_FDCWD, file, line.expose(), 0600); !written)
        return std::unexpected(to_failure(written.error()));
    const auto text = encode_recovery_public(pair.public_key);
    if (invocation.json) {
        std::cout << nlohmann::ordered_json{{"recovery_key", text}, {"secret_file", file}}.dump(2) << "\n";
        return exit_ok;
    }
    std::cout << text << "\n";
    std::cerr << std::format(
        "{} holds the secret half: keep it offline, and not on a relay. Whoever has it opens every export and every store sealed to this "
        "key.\n"
        "On each relay: lethectl recovery-key set {}\n",
        file, text);
    return exit_ok;
}

Outcome<int> recovery_key_set(const Invocation& invocation) {
    // Said here, too, so that a mistyped key is an error of usage even where no service runs.
    const auto key = parse_recovery_public(invocation.arguments[0]);
    if (!key) return std::unexpected(to_failure(key.error()));
    if (const auto set = set_recovery_key(encode_recovery_public(*key)); !set) return std::unexpected(set.error());
    return recovery_key_show({.json = invocation.json, .arguments = {}});
}

Outcome<int> recovery_key_show(const Invocation& invocation) {
    const auto all = read_identities();
    if (!all) return std::unexpected(all.error());
    const auto& [state, reason, error_name, version, key, trouble] = all->vault;
    if (state != "open") return std::unexpected(Failure{exit_person, reason, error_name});
    if (invocation.json) std::cout << nlohmann::ordered_json{{"recovery_key", key}, {"reason", trouble}}.dump(2) << "\n";
    else std::cout << (key.empty() ? "none is set: `lethectl recovery-key new` makes one, `recovery-key set` sets it" : key) << "\n";
    if (!trouble.empty()) std::cerr << "lethectl: " << trouble << "\n";
    return trouble.empty() ? exit_ok : exit_person;
}

Outcome<int> recovery_key_remove(const Invocation& invocation) {
    if (const auto set = set_recovery_key(""); !set) return std::unexpected(set.error());
    return recovery_key_show({.json = invocation.json, .arguments = {}});
}

}  // namespace lethe::ctl
