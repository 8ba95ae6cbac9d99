#include "thawed_machine.hpp"

#include <algorithm>
#include <array>

#include "pcrlock/policy_file.hpp"
#include "vault/nv_disk.hpp"

namespace lethe {

namespace fs = std::filesystem;

std::vector<std::string> frozen_machines() {
    std::vector<std::string> names;
    for (const auto& entry : fs::recursive_directory_iterator(LETHE_FROZEN)) {
        if (entry.path().filename() == "manifest.json") names.push_back(fs::relative(entry.path().parent_path(), LETHE_FROZEN));
    }
    std::ranges::sort(names);
    return names;
}

std::vector<std::string> newest_machines(bool in_tpm) {
    const auto generation_of = [](const std::string& name) { return std::stoi(name); };
    auto names = frozen_machines();
    const int newest = generation_of(std::ranges::max(names, {}, generation_of));
    std::erase_if(names, [&](const auto& name) {
        return generation_of(name) != newest || FrozenMachine::read(std::filesystem::path(LETHE_FROZEN) / name).in_tpm != in_tpm;
    });
    return names;
}

std::string test_name(const testing::TestParamInfo<std::string>& machine) {
    std::string name = machine.param;
    std::ranges::replace_if(name, [](char c) { return !std::isalnum(static_cast<unsigned char>(c)); }, '_');
    return "Generation" + name;
}

ThawedMachine::ThawedMachine(const std::string& name) : manifest_(FrozenMachine::read(fs::path(LETHE_FROZEN) / name)) {
    fs::copy(fs::path(LETHE_FROZEN) / name, path(), fs::copy_options::recursive);
    decompress_state(path() / "tpm.zst", path() / "tpm");
    tpm_.emplace(path() / "tpm");
    tpm_->power_cycle();
}

std::unique_ptr<Disk> ThawedMachine::disk() {
    if (manifest_.in_tpm) return std::make_unique<NvDisk>(opener_of(*tpm_)().value());
    return open_folder_disk(path() / "store").value();
}

void ThawedMachine::measure(const std::vector<Measurement>& events) {
    for (const auto& [pcr, digest] : events) tpm_->extend(pcr, digest);
}

VaultKey ThawedMachine::open(const Store& store) {
    measure(manifest_.extended);
    std::vector<PcrPolicy> policies;
    const auto files = read_policy_files(store).value();
    for (const auto& file : files) policies.push_back(file.policy);
    return open_vault(*tpm_, store, policies).value();
}

std::unique_ptr<IdentityService> ThawedMachine::start(KeyPlace& place) {
    auto service = std::make_unique<IdentityService>(store_opener(), opener_of(*tpm_), place);
    service->restore();
    return service;
}

std::set<std::string> ThawedMachine::objects() {
    std::set<std::string> objects;
    const auto files = disk()->names().value();
    for (const auto& file : files) {
        if (file.ends_with(".a") || file.ends_with(".b")) objects.insert(file.substr(0, file.size() - 2));
    }
    return objects;
}

void ThawedMachine::change(const std::string& object) {
    constexpr std::size_t behind_header = 100;
    const auto disk = this->disk();
    for (const auto& slot : {object + ".a", object + ".b"}) {
        auto octets = disk->read(slot);
        if (!octets) continue;
        octets->at(behind_header) ^= 1;
        disk->write(slot, *octets).value();
    }
}

Result<VaultKey> vault_key_from_box(const Store& store, const std::string& secret) {
    const auto record = TRY(read_vault_record(store));
    if (!record.recovery) return fail(ErrorKind::not_found, "the record has no recovery box");
    return unbox_vault_key(*record.recovery, TRY(parse_recovery_secret(Secret::copy_of(as_octets(secret)))), record.handles());
}

}  // namespace lethe
