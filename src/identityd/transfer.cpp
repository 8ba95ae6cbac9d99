#include "identityd/service.hpp"
#include "vault/sealed_export.hpp"

namespace lethe {

Result<Octets> IdentityService::export_relay(const std::string& name, const std::optional<Secret>& passphrase) const {
    TRY(check_relay_name(name));
    const auto& keyring = *TRY(open_keyring());
    if (!passphrase && !recovery_key_)
        return fail(
            ErrorKind::wrong_state,
            "no recovery key is set, and keys are never exported in clear: set one with `lethectl recovery-key set`, or give a passphrase");
    const auto payload = encode_identity(TRY(keyring.read(name)).keys);
    return passphrase ? seal_export_with_passphrase(name, payload, *passphrase) : seal_export(name, payload, *recovery_key_);
}

Result<std::string> IdentityService::recover_relay(OctetView file, const Secret& secret, const std::optional<std::string>& name,
                                                   const std::optional<std::string>& replaces) {
    TRY(open_keyring());
    const auto header = TRY(read_export_header(file));
    const bool sealed_to_key = header.protection == ExportProtection::recipient;
    auto opened = TRY(sealed_to_key ? open_export(file, TRY(parse_recovery_secret(secret))) : open_export(file, secret));
    const auto relay = name.value_or(opened.relay);
    TRY(check_relay_name(relay));
    // Whoever has the public key can make an export: these keys are looked at like any that a person brings.
    auto keys = TRY(decode_identity(opened.payload));
    TRY(admit(relay, TRY(parse_key_files(std::move(keys.files), Scrutiny::whole)), replaces));
    return relay;
}

}  // namespace lethe
