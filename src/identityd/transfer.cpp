#include "identityd/fingerprint.hpp"
#include "identityd/service.hpp"
#include "vault/sealed_export.hpp"

namespace lethe {
namespace {

Result<Export> open_export_with(OctetView file, const Secret& secret) {
    if (TRY(read_export_header(file)).protection == ExportProtection::passphrase) return open_export(file, secret);
    return open_export(file, TRY(parse_recovery_secret(secret)));
}

}  // namespace

Result<Octets> IdentityService::export_relay(const std::string& name, const std::optional<Secret>& passphrase) const {
    TRY(check_relay_name(name));
    const auto& keyring = *TRY(open_keyring());
    if (!passphrase && !recovery_key_)
        return fail(
            ErrorKind::wrong_state,
            "no recovery key is set, and keys are never exported in clear: set one with `lethectl recovery-key set`, or give a passphrase");
    const auto payload = encode_identity(TRY(keyring.read(name)).keys);
    const auto* sender = &open_->export_authentication;
    return passphrase ? seal_export_with_passphrase(name, payload, *passphrase, sender)
                      : seal_export(name, payload, *recovery_key_, sender);
}

Result<std::string> IdentityService::recover_relay(OctetView file, const Secret& secret, const std::string& fingerprint,
                                                   const std::optional<std::string>& name, const std::optional<std::string>& replaces,
                                                   ForeignExport foreign) {
    TRY(open_keyring());
    const auto expected = TRY(parse_fingerprint(fingerprint));
    auto opened = TRY(open_export_with(file, secret));
    const auto relay = name.value_or(opened.relay);
    TRY(check_relay_name(relay));
    // These keys are looked at like any that a person brings.
    auto keys = TRY(parse_key_files(TRY(decode_identity(opened.payload)).files, Scrutiny::whole));
    if (keys.fingerprints.rsa != expected)
        return fail(ErrorKind::invalid_argument,
                    "the export has the relay {}, and {} was asked for: somebody else may have made it; nothing was changed",
                    keys.fingerprints.rsa_hex(), Fingerprints{expected, {}}.rsa_hex());
    const bool is_ours = is_sent_by(opened, open_->export_authentication);
    if (!is_ours && foreign == ForeignExport::is_refused)
        return fail(ErrorKind::invalid_argument,
                    "this vault did not make the export, and anyone who has the public recovery key can make one; a fingerprint is of the "
                    "RSA key alone, so nothing was changed. The Ed25519 identity in this export is {}: if that is the relay's as you know "
                    "it, repeat the command with `--foreign`",
                    keys.fingerprints.ed25519_base64());
    TRY(admit(relay, std::move(keys), replaces));
    // A fingerprint is of the RSA key alone.
    if (!is_ours)
        relays_[relay].reason =
            "it came from an export that this vault did not make: compare its Ed25519 identity, too, with the one that you know";
    return relay;
}

}  // namespace lethe
