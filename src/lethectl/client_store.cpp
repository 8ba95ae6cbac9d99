#include "lethectl/client_call.hpp"
#include "lethectl/store.hpp"

namespace lethe::ctl {

Outcome<StoreState> read_store() {
    return call(identity_service, [](sdbus::IConnection& connection) {
        const Properties properties =
            proxy(connection, identity_service)->getAllProperties().onInterface(identity_service.manager_interface());
        StoreState store{.generation = value<std::uint64_t>(properties, "Generation"),
                         .counted = value<std::uint64_t>(properties, "CountedGeneration"),
                         .enrolled = value<std::uint64_t>(properties, "Enrolled"),
                         .taken_over = value<bool>(properties, "TakenOver"),
                         .earlier_key = value<bool>(properties, "EarlierVaultKey"),
                         .reason = value<std::string>(properties, "StoreReason")};
        const auto objects = value<std::vector<sdbus::Struct<std::string, std::string>>>(properties, "StoreObjects");
        for (const auto& object : objects) store.objects.emplace_back(std::get<0>(object), std::get<1>(object));
        return store;
    });
}

Outcome<bool> renew_earlier_key() {
    struct Vault {
        bool earlier_key;
        std::string recovery_key, recovery_reason;
    };
    const auto vault = call(identity_service, [](sdbus::IConnection& connection) {
        const Properties properties =
            proxy(connection, identity_service)->getAllProperties().onInterface(identity_service.manager_interface());
        return Vault{value<bool>(properties, "EarlierVaultKey"), value<std::string>(properties, "RecoveryKey"),
                     value<std::string>(properties, "RecoveryReason")};
    });
    // A service that is away says so elsewhere, and the next boot asks again.
    if (!vault || !vault->earlier_key) return false;
    if (!vault->recovery_reason.empty())  // it may be set and not readable, which is not to become "none"
        return std::unexpected(Failure{exit_person, "recovery key: " + vault->recovery_reason, {}});
    return set_recovery_key(vault->recovery_key).transform([] { return true; });
}

Outcome<void> accept_store(std::uint64_t generation) {
    return call(identity_service, [&](sdbus::IConnection& connection) {
        proxy(connection, identity_service)
            ->callMethod("AcceptStore")
            .onInterface(identity_service.manager_interface())
            .withArguments(generation);
    });
}

}  // namespace lethe::ctl
