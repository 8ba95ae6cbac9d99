#include "updated/candidate.hpp"

#include <algorithm>
#include <charconv>
#include <ranges>

#include "image/version.hpp"
#include "pcrlock/predicted_release.hpp"

namespace lethe {
namespace {

constexpr std::array banks{Bank::sha256};

std::string next_configuration(const std::string& version) {
    const auto image = image_version(version);
    unsigned number = 0;
    if (image.size() < version.size()) std::from_chars(version.data() + image.size() + 1, version.data() + version.size(), number);
    return std::format("{}^{}", image, number + 1);
}

Result<BesideFiles> files_beside(const BootFiles& running, const BesideFiles& files, const std::vector<std::string>& drop) {
    BesideFiles beside;
    for (const CpioFile& file : running.beside) beside[file.name] = Octets(file.octets.begin(), file.octets.end());
    for (const std::string& name : drop)
        if (beside.erase(name) == 0)
            return fail(ErrorKind::invalid_argument, "{} does not lie beside the running release: there is nothing to drop", name);
    for (const auto& [name, octets] : files) {
        TRY(check_beside_name(name));
        beside[name] = octets;
    }
    return beside;
}

std::vector<CpioFile> borrowed(const BesideFiles& beside) {
    std::vector<CpioFile> files;
    for (const auto& [name, octets] : beside) files.push_back({name, octets});
    return files;
}

Result<Candidate> candidate(ReleaseName name, bool secure_boot, BootFiles files, BesideFiles beside) {
    files.beside = borrowed(beside);
    Candidate made{.name = std::move(name), .image = files.uki.octets, .beside = {}, .events = {}, .records = {}};
    auto events = predict_boot(files, {.secure_boot = secure_boot}, banks);
    if (!events) return in_context(events.error(), std::format("release {}", made.name.version));
    made.events = std::move(*events);
    made.records = TRY(release_records(made.events));
    made.beside = std::move(beside);
    return made;
}

Result<void> check_version(const ReleaseImage& offered, const ReleaseImage& running, bool allow_downgrade) {
    const auto order = compare_versions(offered.version, running.version);
    if (order == 0)
        return fail(ErrorKind::already_exists, "release {} runs already; for other files beside it use `lethectl update configure`",
                    offered.version);
    if (order < 0 && !allow_downgrade)
        return fail(ErrorKind::rollback,
                    "release {} is older than {}, which runs: what has been mended since would be open again; --allow-downgrade takes it "
                    "all the same",
                    offered.version, running.version);
    if (running.profile == "production" && offered.profile != "production")
        return fail(ErrorKind::policy_mismatch, "release {} is of the profile \"{}\", which lets people in where production does not",
                    offered.version, offered.profile);
    return {};
}

// PCR 7 holds the certificate that the running image was checked with, and what another one would make of it is not predicted.
Result<void> check_signer(const ReleaseImage& offered, const ReleaseImage& running, const ReleaseTrust& trust, bool secure_boot) {
    const auto signer = verify_signature(offered.pe, trust.certificates, trust.revoked);
    if (!signer) {
        const bool unsigned_image = signer.error().kind == ErrorKind::not_found;
        return in_context({unsigned_image ? ErrorKind::policy_mismatch : signer.error().kind, signer.error().message},
                          std::format("release {}", offered.version));
    }
    if (secure_boot && *signer != TRY(verify_signature(running.pe, trust.certificates, trust.revoked)))
        return fail(ErrorKind::policy_mismatch,
                    "release {} is signed with another key of db than the running one, so that PCR 7 would change in a way that is not "
                    "predicted: sign it with the same key",
                    offered.version);
    return {};
}

// The release alone: what a machine adds is not known to who has made it.
Result<void> check_records(const ReleaseImage& offered, OctetView octets) {
    const auto records = parse_component(as_text(octets));
    if (!records) return in_context(records.error(), "the release's records");
    const BootFiles alone{.loader = {}, .uki = offered.pe, .beside = {}, .global_credentials = {}, .global_addons = {}};
    PredictedEvents events = TRY(predict_boot(alone, {.secure_boot = true}, banks));
    std::ranges::move(TRY(predict_phases(opening_phases.back(), banks)), std::back_inserter(events.release));
    const auto predicted = TRY(release_records(events));
    const auto of = [](const std::vector<Record>& all, unsigned pcr) {
        return all | std::views::filter([=](const Record& record) { return record.pcr == pcr; }) | std::ranges::to<std::vector>();
    };
    for (const unsigned pcr : {unsigned{pcr::boot_loader_code}, unsigned{pcr::kernel_boot}})
        if (of(*records, pcr) != of(predicted, pcr))
            return fail(ErrorKind::policy_mismatch,
                        "release {} says of itself that it measures something else into PCR {} than is predicted here: its systemd is not "
                        "one that this release knows, or the records are another release's",
                        offered.version, pcr);
    return {};
}

}  // namespace

Result<void> check_secure_boot(const RunningRelease& running, OctetView file) {
    const ReleaseImage image = TRY(read_release_image(file));
    if (running.secure_boot || image.profile == "debug") return {};
    return fail(ErrorKind::wrong_state, "release {} is for production, and is not kept on a machine without Secure Boot: {}", image.version,
                way_to_secure_boot(SecureBoot::off));
}

Result<Candidate> offered_release(const RunningRelease& release, const BootReading& running, const ReleaseTrust& trust, OctetView file,
                                  const StageOptions& options) {
    const ReleaseImage offered = TRY(read_release_image(file));
    const ReleaseImage present = TRY(read_release_image(running.files().uki.octets));
    TRY(check_signer(offered, present, trust, release.secure_boot));
    TRY(check_version(offered, present, options.allow_downgrade));
    TRY(check_stub(offered));
    if (options.records) TRY(check_records(offered, *options.records));
    BootFiles files = running.files();
    files.uki = offered.pe;
    return candidate({offered.version, BootTries{boots_to_try, 0}}, release.secure_boot, std::move(files),
                     TRY(files_beside(running.files(), options.beside, options.drop)));
}

Result<Candidate> other_configuration(const RunningRelease& release, const BootReading& running, const BesideFiles& files,
                                      const std::vector<std::string>& drop) {
    TRY(check_secure_boot(release, running.files().uki.octets));
    auto beside = TRY(files_beside(running.files(), files, drop));
    const auto is_there = [&](const CpioFile& file) {
        const auto found = beside.find(file.name);
        return found != beside.end() && std::ranges::equal(found->second, file.octets);
    };
    if (beside.size() == running.files().beside.size() && std::ranges::all_of(running.files().beside, is_there))
        return fail(ErrorKind::invalid_argument, "these files lie beside the running release already: nothing would change");
    return candidate({next_configuration(release.name.version), BootTries{boots_to_try, 0}}, release.secure_boot, running.files(),
                     std::move(beside));
}

Result<Candidate> stored_release(const ReleaseName& name, bool secure_boot, const BootFiles& files) {
    return candidate(name, secure_boot, files, TRY(files_beside(files, {}, {})));
}

bool is_running(const ReleaseName& stored, const RunningRelease& running) {
    return stored.version == running.name.version || is_same_on_fat(stored.file(), running.file);
}

std::string_view image_version(std::string_view version) {
    const auto caret = version.rfind('^');
    const auto number = caret == version.npos ? std::string_view() : version.substr(caret + 1);
    return number.empty() || number.find_first_not_of("0123456789") != number.npos ? version : version.substr(0, caret);
}

bool goes_first(const ReleaseName& release, const ReleaseName& running) {
    return compare_versions(image_version(release.version), image_version(running.version)) > 0;
}

}  // namespace lethe
