// What comes over D-Bus, and what happens to the machine meanwhile: calls of the identity service in any order, with any names, restarts,
// boots that are not admitted, damaged slots. An identity keeps its fingerprints unless a call that names it changes them.

#include <algorithm>
#include <fstream>

#include "../unit/borrowed_tpm.hpp"
#include "../unit/earlier_vault.hpp"
#include "../unit/temporary_folder.hpp"
#include "fuzz.hpp"
#include "identity_doubles.hpp"
#include "identityd/service.hpp"

using namespace lethe;
using fuzz::parsed;
using fuzz::require;

namespace {

constexpr std::string_view policy_json =
    R"({"pcrBank":"sha256","pcrValues":[{"pcr":11,"values":["0000000000000000000000000000000000000000000000000000000000000000"]}],)"
    R"("nvIndex":25166080,"nvHandle":"AYABAA==","nvPublic":"AC4=","srkHandle":"gQAAAQ==","pinPublic":"AE4=","pinPrivate":"AN4="})";

class Machine {
public:
    Machine() {
        tpm_.authorize(policy_index_handle, {{11, {Digest{}}}});
        auto store = Store::open(folder_.path()).value();
        const auto vault = seal_earlier_vault(tpm_, policy_index_handle).value();
        store.write_framed({ObjectKind::policy, ""}, as_octets(policy_json)).value();
        store_vault(store, vault.record).value();
        restart();
    }

    void step(fuzz::Input& input) {
        switch (input.u8() % 13) {
            case 0:
                service_->restore();
                break;
            case 1:
                create(read_name(input));
                break;
            case 2:
                verify(read_name(input));
                break;
            case 3:
                damage(read_name(input), input);
                break;
            case 4:
                tpm_.set_pcr(11, Digest{input.u8()});
                break;
            case 5:
                restart();
                break;
            case 6:
                place_.is_refusing = !place_.is_refusing;
                break;
            case 7:
                place_.made = input.u8() % 3;
                break;
            case 8:
                import(read_name(input), input);
                break;
            case 9:
                forget(read_name(input), input);
                break;
            case 10:
                set_recovery_key(input.u8() & 1);
                break;
            case 11:
                export_relay(read_name(input));
                break;
            case 12:
                recover(read_name(input), input);
                break;
        }
        check();
    }

private:
    static std::string read_name(fuzz::Input& input) {
        const std::uint8_t number = input.u8();
        return number < 4 ? std::string(1, static_cast<char>('a' + number)) : std::string(input.text());
    }
    // The fingerprint that a call spells out: the relay's, none, or any text.
    std::optional<std::string> read_fingerprint(const std::string& name, fuzz::Input& input) {
        const std::uint8_t form = input.u8() % 3;
        if (form == 0) return std::nullopt;
        if (form == 1 && known_.contains(name)) return known_.at(name).rsa_hex();
        return std::string(input.text());
    }

    void restart() {
        const auto open_store = [&] {
            return Store::open(folder_.path()).transform([](Store&& store) { return OpenedStore{std::move(store), false}; });
        };
        service_.emplace(open_store, [&] { return Result<std::unique_ptr<Tpm>>(std::make_unique<BorrowedTpm>(tpm_)); }, place_);
        service_->restore();
    }
    void create(const std::string& name) {
        const bool was_there = known_.contains(name);
        if (changed(service_->create_relay(name), ErrorKind::already_exists)) require(!was_there, "a new relay is new");
    }
    void verify(const std::string& name) {
        if (!check_relay_name(name)) return;  // this method is one of a relay's object
        parsed(service_->verify(name), {ErrorKind::not_found, ErrorKind::wrong_state, ErrorKind::corrupt});
    }
    void import(const std::string& name, fuzz::Input& input) {
        KeyFiles files = fuzz::files_of(input.u8() & 1 ? "alice" : "bob");
        if (const auto left_out = input.u8(); left_out < files.size()) files.erase(std::next(files.begin(), left_out));
        admitted(name, read_fingerprint(name, input),
                 [&](const auto& replaces) { return service_->import_relay(name, std::move(files), replaces); });
    }
    void recover(const std::string& name, fuzz::Input& input) {
        Octets file = export_;
        const std::size_t place = input.number(2);
        if (const std::uint8_t change = input.u8(); !file.empty()) file[place % file.size()] ^= change;
        const Secret secret = encode_recovery_secret(recovery_key_.secret_key);
        const auto expected = input.u8() % 4 == 0 ? std::string(input.text()) : exported_fingerprint_;
        admitted(name, read_fingerprint(name, input), [&](const auto& replaces) {
            return service_->recover_relay(file, secret, expected, name, replaces).transform([&](const auto& relay) {
                require(relay == name, "the name is ours");
            });
        });
    }
    void forget(const std::string& name, fuzz::Input& input) {
        if (changed(service_->forget_relay(name, read_fingerprint(name, input).value_or("none")), ErrorKind::not_found)) {
            require(!service_->relays().contains(name) && !place_.manifests.contains(name), "what is forgotten is gone");
            known_.erase(name);
        }
    }
    void set_recovery_key(bool is_set) {
        const auto key = is_set ? std::optional(recovery_key_.public_key) : std::nullopt;
        const auto keys = service_->begin_rekeying();
        if (!parsed(keys, {ErrorKind::wrong_state, ErrorKind::corrupt, ErrorKind::policy_mismatch, ErrorKind::rollback})) return;
        tpm_.authorize(keys->index, {{11, {Digest{}}}});
        std::string json(policy_json);
        json.replace(json.find("25166080"), 8, std::to_string(keys->index));
        parsed(service_->set_recovery_key(key, json, *keys),
               {ErrorKind::wrong_state, ErrorKind::corrupt, ErrorKind::policy_mismatch, ErrorKind::rollback});
    }
    void export_relay(const std::string& name) {
        auto file = service_->export_relay(name, std::nullopt);
        if (parsed(file, {ErrorKind::invalid_argument, ErrorKind::not_found, ErrorKind::wrong_state, ErrorKind::corrupt}))
            std::tie(export_, exported_fingerprint_) = std::pair(std::move(*file), service_->relays().at(name).fingerprint);
    }

    template <class Change>
    void admitted(const std::string& name, const std::optional<std::string>& replaces, const Change& change) {
        const bool was_there = known_.contains(name);
        const auto result = change(replaces);
        if (changed(result, ErrorKind::already_exists))
            require(!was_there || replaces, "an identity is replaced only by somebody who spells its fingerprint");
        // With `io` the keys are in the store, and could not be installed.
        if (replaces && (result || result.error().kind == ErrorKind::io)) known_.erase(name);
    }
    bool changed(const Result<void>& result, ErrorKind also) {
        return parsed(result, {ErrorKind::invalid_argument, ErrorKind::wrong_state, ErrorKind::corrupt, ErrorKind::io, also});
    }
    void damage(const std::string& name, fuzz::Input& input) {
        if (!check_relay_name(name)) return;
        const auto file = folder_ / ("identity-" + name + (input.u8() & 1 ? ".a" : ".b"));
        const std::size_t place = input.number(2);
        const std::uint8_t change = input.u8();
        auto octets = read_file(file, 1 << 20);
        if (!octets) return;
        (*octets)[place % octets->size()] ^= change;
        std::ofstream(file, std::ios::binary) << as_text(*octets);
    }
    void check() {
        for (const auto& [name, relay] : service_->relays()) {
            require(check_relay_name(name) && relay.name == name, "a relay has a relay's name");
            require(relay.state != RelayState::installed || relay.fingerprints, "what is installed has fingerprints");
            if (!relay.fingerprints) continue;
            require(known_.emplace(name, *relay.fingerprints).first->second == *relay.fingerprints, "an identity keeps its fingerprints");
        }
        for (const auto& [name, manifest] : place_.manifests)
            require(!known_.contains(name) || manifest_of(known_.at(name)) == manifest, "no other keys reach tor");
    }

    TemporaryFolder folder_;
    FakeTpm tpm_;
    fuzz::FakeKeyPlace place_;
    std::optional<IdentityService> service_;
    std::map<std::string, Fingerprints> known_;
    RecoveryKeyPair recovery_key_ = make_recovery_key();
    Octets export_;
    std::string exported_fingerprint_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    constexpr unsigned most_steps = 24;
    fuzz::Input input(data, size);
    Machine machine;
    for (unsigned steps = 0; steps < most_steps && !input.empty(); ++steps) machine.step(input);
    return 0;
}
