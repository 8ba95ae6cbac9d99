#include "relay/gate.hpp"

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

}  // namespace

Result<void> check_installed_keys(const RuntimePaths& paths, const std::string& relay) {
    const auto manifest = TRY(read_manifest(paths.manifest(relay)));
    const auto found = fingerprints_of_folder(paths.key_folder(relay));
    if (!found) return fail(ErrorKind::corrupt, "{}; restart the machine to have the keys installed again", found.error().message);
    if (manifest_of(*found) != manifest) {
        return fail(ErrorKind::corrupt,
                    "the key folder holds {}, and the sealed identity is {}; restart the machine to have it installed again",
                    found->rsa_hex(), manifest.fingerprint);
    }
    return {};
}

Result<void> write_defaults(const RuntimePaths& paths, const std::string& relay, const TorFiles& files, const MemorySources& sources) {
    const auto torrc = read_file(files.torrc, 1 << 20);
    if (!torrc) return in_context(torrc.error(), "torrc");
    if (const auto checked = check_operator_torrc(as_text(*torrc)); !checked) return in_context(checked.error(), "torrc");
    const auto cgroup = TRY(own_cgroup(sources.membership));
    const auto memory = TRY(memory_for_unit(sources.cgroup_root, cgroup, sources.meminfo, count_relays(paths)));
    auto places = relay_paths(relay, paths.key_folder("").parent_path());
    // systemd starts tor as the relay's user, without the rights that changing to it would need; an empty value is tor's default.
    places.user.clear();
    return replace_file(files.defaults, as_octets(defaults_torrc(places, max_mem_in_queues_mib(memory))), 0644);
}

}  // namespace lethe
