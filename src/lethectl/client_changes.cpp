#include <unistd.h>

#include "lethectl/client_call.hpp"

namespace lethe::ctl {
namespace {

using Options = std::map<std::string, sdbus::Variant>;

Options options_of(const std::optional<std::string>& name, const std::optional<std::string>& replace) {
    Options options;
    if (name) options["name"] = sdbus::Variant{*name};
    if (replace) options["replace"] = sdbus::Variant{*replace};
    return options;
}

// Octets as a descriptor that the service can read, which need not be allowed to open any file of ours.
sdbus::UnixFd descriptor_of(OctetView octets) {
    const auto file = sealed_memory_file(octets);
    if (!file) throw sdbus::Error{sdbus::Error::Name{"org.lethe.Error.Io"}, file.error().message};
    return sdbus::UnixFd{file->get()};
}

std::string last_part(const sdbus::ObjectPath& path) { return path.substr(path.rfind('/') + 1); }

}  // namespace

Outcome<void> create_relay(const std::string& name) {
    return call(identity_service, [&](sdbus::IConnection& connection) {
        sdbus::ObjectPath path;
        proxy(connection, identity_service)
            ->callMethod("CreateRelay")
            .onInterface(identity_service.manager_interface())
            .withArguments(name)
            .storeResultsTo(path);
    });
}

Outcome<void> import_relay(const std::string& name, const std::map<std::string, Fd>& files, const std::optional<std::string>& replace) {
    return call(identity_service, [&](sdbus::IConnection& connection) {
        sdbus::ObjectPath path;
        proxy(connection, identity_service)
            ->callMethod("ImportRelay")
            .onInterface(identity_service.manager_interface())
            .withArguments(name, handed_over(files), options_of(std::nullopt, replace))
            .storeResultsTo(path);
    });
}

Outcome<Octets> export_relay(const std::string& name, const std::optional<Secret>& passphrase) {
    sdbus::UnixFd sealed;
    const auto called = call(identity_service, [&](sdbus::IConnection& connection) {
        Options options;
        if (passphrase) options["passphrase"] = sdbus::Variant{descriptor_of(passphrase->expose())};
        proxy(connection, identity_service)
            ->callMethod("ExportRelay")
            .onInterface(identity_service.manager_interface())
            .withArguments(name, options)
            .storeResultsTo(sealed);
    });
    if (!called) return std::unexpected(called.error());
    // Not secret: a file that only the recipient opens.
    const auto octets = read_secret_descriptor(sealed.get(), "the export", 1 << 20);
    if (!octets) return std::unexpected(to_failure(octets.error()));
    return Octets(octets->expose().begin(), octets->expose().end());
}

Outcome<std::string> recover_relay(OctetView file, const Secret& secret, const std::string& fingerprint,
                                   const std::optional<std::string>& name, const std::optional<std::string>& replace, bool foreign) {
    return call(identity_service, [&](sdbus::IConnection& connection) {
        auto options = options_of(name, replace);
        if (foreign) options["foreign"] = sdbus::Variant{true};
        options["fingerprint"] = sdbus::Variant{fingerprint};
        sdbus::ObjectPath path;
        proxy(connection, identity_service)
            ->callMethod("RecoverRelay")
            .onInterface(identity_service.manager_interface())
            .withArguments(descriptor_of(file), descriptor_of(secret.expose()), options)
            .storeResultsTo(path);
        return last_part(path);
    });
}

Outcome<void> forget_relay(const std::string& name, const std::string& fingerprint) {
    return call(identity_service, [&](sdbus::IConnection& connection) {
        proxy(connection, identity_service)
            ->callMethod("ForgetRelay")
            .onInterface(identity_service.manager_interface())
            .withArguments(name, fingerprint);
    });
}

Outcome<void> set_recovery_key(const std::string& key) {
    // lethe-identityd may not run systemd-pcrlock, and neither service may call the other, which may be calling it.
    sdbus::UnixFd keys, policy;
    const auto begun = call(identity_service, [&](sdbus::IConnection& connection) {
        proxy(connection, identity_service)
            ->callMethod("BeginRekeying")
            .onInterface(identity_service.manager_interface())
            .storeResultsTo(keys);
    });
    if (!begun) return begun;
    const auto made = call(update_service, [&](sdbus::IConnection& connection) {
        proxy(connection, update_service)
            ->callMethod("MakePolicyIndex")
            .onInterface(update_service.manager_interface())
            .withArguments(keys)
            .storeResultsTo(policy);
    });
    if (!made) return made;
    return call(identity_service, [&](sdbus::IConnection& connection) {
        proxy(connection, identity_service)
            ->callMethod("SetRecoveryKey")
            .onInterface(identity_service.manager_interface())
            .withArguments(key, policy, keys);
    });
}

Outcome<void> reload() {
    return call(identity_service, [](sdbus::IConnection& connection) {
        proxy(connection, identity_service)->callMethod("Reload").onInterface(identity_service.manager_interface());
    });
}

}  // namespace lethe::ctl
