#include "image/trust.hpp"

#include "base/file.hpp"

namespace lethe {
namespace {

constexpr std::string_view security_vendor = "d719b2cb-3d3a-4596-a3bc-dad00e67656f";
constexpr std::size_t variable_limit_octets = 1 << 20;
constexpr std::size_t certificate_limit_octets = 1 << 16;
constexpr std::size_t attributes_octets = 4;  // efivarfs puts them before the content

// A variable that is not there holds nothing.
Result<SignatureLists> read_lists(const std::filesystem::path& efivars, std::string_view name) {
    const auto octets = read_file(efivars / std::format("{}-{}", name, security_vendor), variable_limit_octets);
    if (!octets && octets.error().kind == ErrorKind::not_found) return SignatureLists{};
    if (!octets) return std::unexpected(octets.error());
    if (octets->size() < attributes_octets) return fail(ErrorKind::corrupt, "EFI variable {} is cut short", name);
    auto lists = parse_signature_lists(OctetView(*octets).subspan(attributes_octets));
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
