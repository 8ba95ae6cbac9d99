#include "image/trust.hpp"

#include "base/file.hpp"
#include "image/efi_variable.hpp"

namespace lethe {
namespace {

constexpr std::size_t variable_limit_octets = 1 << 20;
constexpr std::size_t certificate_limit_octets = 1 << 16;

// A variable that is not there holds nothing.
Result<SignatureLists> read_lists(const std::filesystem::path& efivars, std::string_view name) {
    const auto octets = read_efi_variable(efivars, name, security_vendor, variable_limit_octets);
    if (!octets && octets.error().kind == ErrorKind::not_found) return SignatureLists{};
    if (!octets) return std::unexpected(octets.error());
    auto lists = parse_signature_lists(*octets);
    if (!lists) return in_context(lists.error(), std::format("EFI variable {}", name));
    return lists;
}

}  // namespace

Result<ReleaseTrust> read_trust(bool secure_boot, const std::filesystem::path& efivars, const std::filesystem::path& release_key) {
    ReleaseTrust trust;
    if (secure_boot) {
        trust.certificates = TRY(read_lists(efivars, "db")).certificates;
        trust.revoked = TRY(read_lists(efivars, "dbx"));
        if (trust.certificates.empty())
            return fail(ErrorKind::wrong_state, "Secure Boot is on, and db has no certificate to check a release with");
        return trust;
    }
    auto key = read_file(release_key, certificate_limit_octets);
    if (!key && key.error().kind == ErrorKind::not_found)
        return fail(ErrorKind::wrong_state, "{} is not there: this image has no key to check a release with; turn Secure Boot on",
                    release_key.native());
    trust.certificates.push_back(TRY(std::move(key)));
    return trust;
}

}  // namespace lethe
