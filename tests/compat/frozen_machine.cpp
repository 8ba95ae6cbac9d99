#include "frozen_machine.hpp"

#include <zstd.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <ranges>
#include <stdexcept>

#include "../unit/counting_tcti.hpp"
#include "base/file.hpp"
#include "tpm/esys_tpm.hpp"
#include "vault/nv_disk.hpp"

namespace lethe {

namespace {

using nlohmann::ordered_json;

constexpr std::size_t state_limit_octets = 1 << 20;

Digest digest_from(const std::string& hex) {
    const Octets octets = from_hex(hex).value();
    Digest digest;
    if (octets.size() != digest.size()) throw std::runtime_error("a digest in the manifest has another length");
    std::ranges::copy(octets, digest.begin());
    return digest;
}

ordered_json to_json(const FrozenRelay& relay) {
    return {{"fingerprint", relay.fingerprint},
            {"ed25519", relay.ed25519},
            {"has_master_key", relay.has_master_key},
            {"family_ids", relay.family_ids}};
}

void write_octets(const std::filesystem::path& path, OctetView octets) {
    std::ofstream(path, std::ios::binary) << as_text(octets) << std::flush;
}

}  // namespace

std::map<std::string, FrozenRelay> frozen_relays(const std::map<std::string, RelayStatus>& relays) {
    std::map<std::string, FrozenRelay> frozen;
    for (const auto& [name, relay] : relays) {
        if (!relay.fingerprints || relay.state != RelayState::installed) continue;
        frozen[name] = {relay.fingerprints->rsa_hex(), relay.fingerprints->ed25519_base64(), relay.has_master_key, relay.family_ids};
    }
    return frozen;
}

FrozenMachine FrozenMachine::read(const std::filesystem::path& folder) {
    const auto json = ordered_json::parse(as_text(read_file(folder / "manifest.json", state_limit_octets).value()));
    FrozenMachine machine;
    machine.in_tpm = json.at("store") == "tpm";
    for (const auto& event : json.at("extended")) machine.extended.push_back({event.at("pcr"), digest_from(event.at("digest"))});
    for (const auto& [pcr, value] : json.at("pcrs").items()) machine.pcrs[static_cast<unsigned>(std::stoul(pcr))] = digest_from(value);
    for (const auto& [name, relay] : json.at("relays").items())
        machine.relays[name] = {relay.at("fingerprint"), relay.at("ed25519"), relay.at("has_master_key"), relay.at("family_ids")};
    machine.recovery_public = json.value("recovery_public", "");
    machine.recovery_secret = json.value("recovery_secret", "");
    for (const auto& file : json.value("exports", ordered_json::array()))
        machine.exports.push_back({file.at("file"), file.at("relay"), file.value("passphrase", "")});
    machine.state_time = std::chrono::sys_seconds(std::chrono::seconds(json.value("state_time", 0ll)));
    machine.states = json.value("states", FrozenStates());
    machine.without_snapshots = json.value("without_snapshots", FrozenStates());
    return machine;
}

void FrozenMachine::write(const std::filesystem::path& folder) const {
    ordered_json json{{"store", in_tpm ? "tpm" : "folder"}};
    for (const auto& [pcr, digest] : extended) json["extended"].push_back({{"pcr", pcr}, {"digest", to_hex(digest)}});
    for (const auto& [pcr, value] : pcrs) json["pcrs"][std::to_string(pcr)] = to_hex(value);
    for (const auto& [name, relay] : relays) json["relays"][name] = to_json(relay);
    if (!recovery_public.empty()) json["recovery_public"] = recovery_public;
    if (!recovery_secret.empty()) json["recovery_secret"] = recovery_secret;
    for (const auto& [file, relay, passphrase] : exports) {
        json["exports"].push_back({{"file", file}, {"relay", relay}});
        if (!passphrase.empty()) json["exports"].back()["passphrase"] = passphrase;
    }
    if (!states.empty()) json["state_time"] = state_time.time_since_epoch().count();
    if (!states.empty()) json["states"] = states;
    if (!without_snapshots.empty()) json["without_snapshots"] = without_snapshots;
    std::ofstream(folder / "manifest.json") << json.dump(2) << "\n";
}

void compress_state(const std::filesystem::path& state, const std::filesystem::path& compressed) {
    const Octets plain = read_file(state, state_limit_octets).value();
    Octets frame(ZSTD_compressBound(plain.size()));
    const std::size_t size = ZSTD_compress(frame.data(), frame.size(), plain.data(), plain.size(), ZSTD_maxCLevel());
    if (ZSTD_isError(size)) throw std::runtime_error("cannot compress the TPM's state");
    write_octets(compressed, OctetView(frame).first(size));
}

void decompress_state(const std::filesystem::path& compressed, const std::filesystem::path& state) {
    const Octets frame = read_file(compressed, state_limit_octets).value();
    Octets plain(state_limit_octets);
    const std::size_t size = ZSTD_decompress(plain.data(), plain.size(), frame.data(), frame.size());
    if (ZSTD_isError(size)) throw std::runtime_error("cannot decompress the TPM's state");
    write_octets(state, OctetView(plain).first(size));
}

IdentityService::StoreOpener store_of(bool in_tpm, const std::filesystem::path& folder, SoftwareTpm& tpm) {
    return [=, &tpm]() -> Result<OpenedStore> {
        if (!in_tpm) return OpenedStore{TRY(Store::open(folder / "store")), false};
        return OpenedStore{Store(std::make_unique<NvDisk>(esys_tpm_on(tpm.traffic().context()))), true};
    };
}

IdentityService::TpmOpener opener_of(SoftwareTpm& tpm) {
    return [&tpm]() -> Result<std::unique_ptr<Tpm>> { return esys_tpm_on(tpm.traffic().context()); };
}

Result<std::filesystem::path> MemoryPlace::install(const std::string& relay, const KeySet& keys) {
    manifests[relay] = manifest_of(keys.fingerprints);
    return "/keys/" + relay;
}

Result<Manifest> MemoryPlace::installed(const std::string& relay) {
    if (!manifests.contains(relay)) return fail(ErrorKind::not_found, "no manifest");
    return manifests[relay];
}

Result<void> MemoryPlace::remove(const std::string& relay) {
    manifests.erase(relay);
    return {};
}

Result<void> MemoryPlace::withdraw_others(const std::set<std::string>& admitted) {
    std::erase_if(manifests, [&](const auto& manifest) { return !admitted.contains(manifest.first); });
    return {};
}

}  // namespace lethe
