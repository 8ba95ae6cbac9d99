#include "update_machine.hpp"

#include <fcntl.h>

#include "base/file.hpp"
#include "image/releases.hpp"
#include "measure/measurement.hpp"
#include "pcrlock/open_vault.hpp"
#include "pcrlock/opened_boot.hpp"
#include "pcrlock/running_boot.hpp"
#include "tpm/policy.hpp"

namespace lethe {

namespace {

namespace fs = std::filesystem;

const fs::path root = "/efi";
const fs::path loader = root / "EFI/systemd/systemd-bootx64.efi";
constexpr std::size_t note_limit_octets = 1 << 12;
constexpr std::array banks{Bank::sha256};

std::string name_of(const fs::path& file) { return file.lexically_relative(root); }

void put_file(const fs::path& file, OctetView octets) {
    fs::create_directories(file.parent_path());
    if (!write_new_file(AT_FDCWD, file, octets, 0644)) throw std::runtime_error("no room for " + file.native());
}

}  // namespace

BootingMachine::BootingMachine(UpdateState given) : state(std::move(given)) {
    if (state.note) put_file(folder_ / "last-update", *state.note);
}

std::vector<UpdateState> UpdateMoment::after_cut(std::size_t most, std::mt19937& random) const {
    std::vector<UpdateState> states;
    for (Medium& medium : state.medium.after_cut(most, random)) {
        states.push_back(state);
        states.back().medium = std::move(medium);
        if (random() % 4 == 0) states.back().note.reset();  // nothing is decided by it
    }
    return states;
}

BootingMachine::Running::Running(BootingMachine& machine, ReleaseName release, bool counted)
    : release(std::move(release)),
      booted_as(this->release.file()),
      counted(counted),
      pcrlock({.tpm = machine.state.tpm,
               .index_pin = machine.state.index_pin,
               .events = events,
               .read = [&machine](const fs::path& file) { return machine.read_file(file); },
               .before = [&machine](const std::string& what) { machine.before(what); },
               .refuse = [&machine](const std::string& verb) { return machine.refuse("systemd-pcrlock: " + verb); }}),
      service(machine.ports(pcrlock)) {}

void BootingMachine::before(const std::string& what) {
    if (timeline_ == nullptr) return;
    keep_note();
    timeline_->push_back({state, what});
}

void BootingMachine::keep_note() {
    auto note = lethe::read_file(folder_ / "last-update", note_limit_octets);
    state.note = note ? std::optional(std::move(*note)) : std::nullopt;
}

void BootingMachine::forget_note() {
    EXPECT_TRUE(last_update().remove());
    keep_note();
}

std::vector<UpdateMoment> BootingMachine::record(const std::function<void()>& what) {
    std::vector<UpdateMoment> moments;
    timeline_ = &moments;
    what();
    before("the end");
    timeline_ = nullptr;
    return moments;
}

Store BootingMachine::store() {
    auto folder = std::make_unique<RecordedFolder>(state.medium, "", [this](const std::string& what) { before(what); });
    return Store(std::make_unique<RefusingDisk>(std::move(folder), refuse));
}

std::vector<std::string> BootingMachine::images() const {
    std::vector<std::string> names;
    const std::string folder = RecordedEsp::folder;
    for (const std::string& name : state.medium.names())
        if (name.starts_with(folder) && !name.substr(folder.size()).contains('/')) names.push_back(name.substr(folder.size()));
    return names;
}

Result<Octets> BootingMachine::read_file(const fs::path& file) const { return state.medium.read(name_of(file)); }

// The file, or its namesake with other tries left, as find_booted_image() looks for it.
Result<BootedImage> BootingMachine::booted_image() const {
    const auto found = [&](const std::string& file) {
        return BootedImage{.secure_boot = state.secure_boot,
                           .uki = root / RecordedEsp::folder / file,
                           .loader = loader,
                           .booted_as = running_->booted_as,
                           .counted = running_->counted};
    };
    if (state.medium.exists(RecordedEsp::folder + running_->booted_as)) return found(running_->booted_as);
    for (const std::string& file : images())
        if (const auto name = parse_release_name(file); name && name->version == running_->release.version) return found(file);
    // By the log of the boot.
    for (const std::string& file : images())
        if (state.medium.read(RecordedEsp::folder + file) == running_->image) return found(file);
    return fail(ErrorKind::io, "what was booted is on no ESP");
}

void BootingMachine::look_at_name() {
    if (const auto image = booted_image())
        if (const auto name = parse_release_name(image->uki->filename().native())) running_->release = *name;
}

Result<BootReading> BootingMachine::read_boot(const BootedImage& image) const {
    const TemporaryFolder copy;
    const fs::path uki = copy / name_of(*image.uki), beside = folder_beside(uki);
    put_file(uki, TRY(read_file(*image.uki)));
    put_file(copy / name_of(loader), TRY(read_file(loader)));
    const std::string folder = name_of(folder_beside(*image.uki)) + "/";
    for (const std::string& name : state.medium.names())
        if (name.starts_with(folder)) put_file(beside / name.substr(folder.size()), *state.medium.read(name));
    return BootReading::read({.uki = uki, .loader = copy / name_of(loader), .beside = beside});
}

UpdatePorts BootingMachine::ports(Pcrlock& pcrlock) {
    const Refuse ask = [this](const std::string& verb) { return refuse(verb); };
    const auto tell = [this](const std::string& what) { before(what); };
    return {.open_tpm = [=, this]() -> Result<std::unique_ptr<Tpm>> { return std::make_unique<RefusingTpm>(state.tpm, ask); },
            .open_store = [=, this]() -> Result<OpenedStore> {
                TRY(ask("open the store"));
                return OpenedStore{store(), false};
            },
            .open_esp = [=, this]() -> Result<std::unique_ptr<Esp>> {
                TRY(ask("open the ESP"));
                auto esp = std::make_unique<RecordedEsp>(state.medium, state.one_shot, tell);
                esp->read_only = &read_only;
                return std::make_unique<RefusingEsp>(std::move(esp), ask);
            },
            .pcrlock = pcrlock,
            .policy_keys = [this] { return policy_keys(); },
            .booted_image = [=, this]() -> Result<BootedImage> {
                TRY(ask("find what was booted"));
                return seems_booted ? *seems_booted : booted_image();
            },
            .read_image = [=, this](const BootedImage& image) -> Result<Octets> {
                TRY(ask("read the running image"));
                return read_file(*image.uki);
            },
            .read_boot = [=, this](const BootedImage& image) -> Result<BootReading> {
                TRY(ask("read the files of a boot"));
                return read_boot(image);
            },
            .trust = [](bool) -> Result<ReleaseTrust> { return ReleaseTrust{{certificate_of("release"), certificate_of("another")}, {}}; },
            .boot_complete = [this]() -> Result<bool> { return running_->complete; },
            .clean_variables = [this]() -> Result<std::vector<std::string>> { return std::exchange(left_variables, {}); },
            .last_update = last_update(),
            .now = [this] { return now; },
            .progress = [](std::string_view, unsigned) {}};
}

Result<PolicyKeys> BootingMachine::policy_keys() const {
    if (!running_->vault) return fail(ErrorKind::wrong_state, "the vault is shut");
    return running_->vault->policy_keys();
}

// lethe-identityd, when it starts.
void BootingMachine::open_vault() {
    const Store opened = kept_store();
    const auto files = read_policy_files(opened);
    if (!files) return;
    auto key = open_vault_with(opened, state.tpm, *files);
    if (!key) return;
    running_->vault = std::move(*key);
    if (!closes()) return;
    running_->before_opening = state.tpm.read_pcrs(std::array{unsigned{pcr::kernel_config}})->at(pcr::kernel_config);
    const auto in_force = confirmed_policy_file(state.tpm, *files, policy_index_of(opened).value());
    const auto closed = close_opening(state.tpm, &in_force->policy, [this](std::string_view word) -> Result<void> {
        running_->extend(log_event(measured(pcr::kernel_config, std::string(word), as_octets(word), banks), false), *this);
        return {};
    });
    EXPECT_TRUE(closed) << closed.error().message;
}

Store BootingMachine::kept_store() {
    return Store(std::make_unique<RecordedFolder>(state.medium, "", [](const std::string&) {}));
}

std::optional<Digest> BootingMachine::vault() {
    CopiedTpm tpm = state.tpm;
    if (running_ && running_->before_opening) tpm.set_pcr(pcr::kernel_config, *running_->before_opening);
    const auto key = open_vault_of(kept_store(), tpm);
    if (!key) return std::nullopt;
    return sha256(key->kind_key(ObjectKind::identity).expose());
}

Digest BootingMachine::before_opening(unsigned pcr) {
    if (pcr == pcr::kernel_config && running_->before_opening) return *running_->before_opening;
    return state.tpm.read_pcrs(std::array{pcr})->at(pcr);
}

bool BootingMachine::opens_again() { return open_vault_of(kept_store(), state.tpm).has_value(); }

const Octets& BootingMachine::built(ReleaseSpec release) const {
    if (!state.secure_boot) release.profile = "debug";
    return built_release(release);
}

void BootingMachine::put(const ReleaseSpec& release, const BesideFiles& beside) {
    RecordedEsp esp(state.medium, state.one_shot, [](const std::string&) {});
    Releases releases(esp);
    ASSERT_TRUE(releases.write({release.version}, built(release), beside));
    ASSERT_TRUE(releases.complete({release.version}, built(release)));
}

void BootingMachine::enroll() {
    auto pcrs = required_pcrs(state.secure_boot, {});
    if (enrolled_by_an_earlier_release) std::erase(pcrs, 2u);
    if (enrolled_without_secure_boot) std::erase(pcrs, 7u);
    ASSERT_TRUE(lock_running_boot(pcrlock(), booted_image().value(), pcrs));
    if (enrolled_by_an_earlier_release) {
        ASSERT_TRUE(unlock_opening(pcrlock()));
    }
    VaultKey key = VaultKey::random();
    const auto made = pcrlock().make_policy(pcrs, key.policy_keys());
    ASSERT_TRUE(made) << made.error().message;
    Store kept = store();
    ASSERT_TRUE(kept.write_framed({ObjectKind::policy, ""}, as_octets(*pcrlock().file)));
    const auto vault = seal_vault_key(state.tpm, policy_index_handle, std::move(key));
    ASSERT_TRUE(vault && store_vault(kept, vault->record));
    state.vault = this->vault();
    ASSERT_TRUE(state.vault);
}

void BootingMachine::install(const BesideFiles& beside) {
    state.medium.write(name_of(loader), built_loader());
    state.medium.sync(name_of(loader));
    state.medium.sync_names();
    put({.version = "1"}, beside);
    ASSERT_TRUE(boot());
    enroll();
    ASSERT_TRUE(boot());
    ASSERT_TRUE(opened);
    ASSERT_TRUE(committed) << committed.error().message;
}

StageOptions downgrading() {
    StageOptions options;
    options.allow_downgrade = true;
    return options;
}

StageOptions with_beside(BesideFiles files) {
    StageOptions options;
    options.beside = std::move(files);
    return options;
}

StageOptions without(std::vector<std::string> files) {
    StageOptions options;
    options.drop = std::move(files);
    return options;
}

StageOptions with_records(Octets records) {
    StageOptions options;
    options.records = std::move(records);
    return options;
}

}  // namespace lethe
