#include "relay/gate.hpp"

#include <algorithm>
#include <chrono>

#include "base/file.hpp"
#include "tor/key_folder.hpp"
#include "tor/torrc.hpp"
#include "tor/unit_memory.hpp"

namespace lethe {
namespace {

// The relays that share the machine's memory: those that are admitted.
unsigned count_relays(const RuntimePaths& paths) {
    std::error_code error;
    const std::filesystem::directory_iterator manifests(paths.manifest("").parent_path(), error);
    return std::max<unsigned>(1, static_cast<unsigned>(std::distance(begin(manifests), end(manifests))));
}

// tor, without the master secret, ends at once when the certificate has ended.
Result<void> check_signing_key(const KeySet& keys, const std::string& relay, std::int64_t now) {
    constexpr std::int64_t margin_s = 60;  // of which tor needs a second or two until it looks
    if (keys.has_master_secret || keys.signing_key_expires > now + margin_s) return {};
    return fail(ErrorKind::wrong_state,
                "its signing key is valid until {:%F %H:%M} UTC, and its master key is kept offline: make a new signing key there "
                "(`tor --keygen`), and bring it with `lethectl identity import {} DIR --replace {}`",
                std::chrono::sys_seconds(std::chrono::seconds(keys.signing_key_expires)), relay, keys.fingerprints.rsa_hex());
}

// tor ends at once when it has no key for a family that its torrc names.
Result<void> check_families(std::string_view torrc, const InstalledKeys& keys) {
    for (const std::string& id : TRY(family_ids_of_torrc(torrc)))
        if (!std::ranges::contains(keys.family_ids, id))
            return fail(ErrorKind::invalid_argument,
                        "FamilyId {} has no key among this relay's: import the family key, or take the line out", id);
    return {};
}

}  // namespace

Result<void> check_pinned(const RuntimePaths& paths, const std::string& relay, const PinnedFingerprints& pinned) {
    const auto found = pinned.find(relay);
    if (found == pinned.end()) return {};
    const auto manifest = TRY(read_manifest(paths.manifest(relay)));
    const std::string wanted = Fingerprints{found->second, {}}.rsa_hex();
    if (manifest.fingerprint == wanted) return {};
    return fail(ErrorKind::wrong_state,
                "lethe.conf pins it to {}, and the sealed identity is {}; bring the keys that belong to it, or "
                "change Fingerprint= in lethe.conf",
                wanted, manifest.fingerprint);
}

Result<InstalledKeys> check_installed_keys(const RuntimePaths& paths, const std::string& relay, std::int64_t now) {
    const auto manifest = TRY(read_manifest(paths.manifest(relay)));
    const auto found = read_key_folder(paths.key_folder(relay));
    if (!found) return fail(ErrorKind::corrupt, "{}; restart the machine to have the keys installed again", found.error().message);
    if (manifest_of(found->fingerprints) != manifest) {
        return fail(ErrorKind::corrupt,
                    "the key folder holds {}, and the sealed identity is {}; restart the machine to have it installed again",
                    found->fingerprints.rsa_hex(), manifest.fingerprint);
    }
    TRY(check_signing_key(*found, relay, now));
    return InstalledKeys{found->has_master_secret, found->family_ids};
}

Result<void> write_defaults(const RuntimePaths& paths, const std::string& relay, const InstalledKeys& keys, const TorFiles& files,
                            const MemorySources& sources) {
    const auto torrc = read_file(files.torrc, 1 << 20);
    if (!torrc) return in_context(torrc.error(), "torrc");
    if (const auto checked = check_operator_torrc(as_text(*torrc)); !checked) return in_context(checked.error(), "torrc");
    if (const auto checked = check_families(as_text(*torrc), keys); !checked) return in_context(checked.error(), "torrc");
    const auto cgroup = TRY(own_cgroup(sources.membership));
    const auto memory = TRY(memory_for_unit(sources.cgroup_root, cgroup, sources.meminfo, count_relays(paths)));
    auto places = relay_paths(relay, paths.key_folder("").parent_path());
    // systemd starts tor as the relay's user, without the rights that changing to it would need; an empty value is tor's default.
    places.user.clear();
    const auto text = defaults_torrc(
        {.paths = places, .max_mem_in_queues_mib = max_mem_in_queues_mib(memory), .offline_master_key = !keys.has_master_secret});
    return replace_file(files.defaults, as_octets(text), 0644);
}

}  // namespace lethe
