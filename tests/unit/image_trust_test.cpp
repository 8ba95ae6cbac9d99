#include <gtest/gtest.h>

#include "base/file.hpp"
#include "built_pe.hpp"
#include "image/trust.hpp"
#include "temporary_folder.hpp"

namespace lethe {
namespace {

// An EFI_SIGNATURE_LIST with one entry. The types are EFI_CERT_X509_GUID and EFI_CERT_SHA256_GUID, as they lie in memory.
Octets signature_list(std::string_view type_hex, const Octets& entry) {
    Octets list = from_hex(type_hex).value();
    for (const std::size_t number : {28 + 16 + entry.size(), std::size_t{0}, 16 + entry.size()})
        for (unsigned shift = 0; shift < 32; shift += 8) list.push_back(static_cast<std::uint8_t>(number >> shift));
    list.insert(list.end(), 16, 0);
    list.insert(list.end(), entry.begin(), entry.end());
    return list;
}
Octets certificate_list(const Octets& certificate) { return signature_list("a159c0a5e494a74a87b5ab155c2bf072", certificate); }
Octets digest_list(const Octets& digest) { return signature_list("2616c4c14c509240aca941f936934328", digest); }

struct Trust : testing::Test {
    TemporaryFolder efivars;
    std::filesystem::path key = efivars / "release.der";
    const Octets by_vendor = octets_of("the vendor's"), by_release = octets_of("the release's");

    void SetUp() override {
        variable("db", certificate_list(by_vendor));
        ASSERT_TRUE(replace_file(key, by_release, 0644));
    }
    void variable(const std::string& name, const Octets& content, const Octets& attributes = Octets(4, 0x27)) const {
        Octets octets = attributes;
        octets.insert(octets.end(), content.begin(), content.end());
        ASSERT_TRUE(replace_file(efivars / (name + "-d719b2cb-3d3a-4596-a3bc-dad00e67656f"), octets, 0644));
    }
    Result<ReleaseTrust> with_secure_boot() const { return read_trust(true, efivars.path(), key); }
    Result<ReleaseTrust> without() const { return read_trust(false, efivars.path(), key); }
};

TEST_F(Trust, WithSecureBootIsDbAloneWithoutDbx) {
    const Octets revoked(32, 7);
    variable("dbx", digest_list(revoked));
    const auto trust = with_secure_boot();
    ASSERT_TRUE(trust) << trust.error().message;
    EXPECT_EQ(trust->certificates, std::vector<Octets>{by_vendor});
    EXPECT_EQ(trust->revoked.image_digests, std::vector<Octets>{revoked});
    EXPECT_TRUE(trust->revoked.certificates.empty());
}

TEST_F(Trust, WithoutADbxRevokesNothing) {
    const auto trust = with_secure_boot();
    ASSERT_TRUE(trust) << trust.error().message;
    EXPECT_TRUE(trust->revoked.certificates.empty() && trust->revoked.image_digests.empty());
}

TEST_F(Trust, WithSecureBootAndNoCertificateInDbIsNone) {
    variable("db", digest_list(Octets(32, 1)));
    EXPECT_EQ(with_secure_boot().error().kind, ErrorKind::wrong_state);
    variable("db", {});
    EXPECT_EQ(with_secure_boot().error().kind, ErrorKind::wrong_state);
    std::filesystem::remove(efivars / "db-d719b2cb-3d3a-4596-a3bc-dad00e67656f");
    EXPECT_EQ(with_secure_boot().error().kind, ErrorKind::wrong_state) << "the release key does not stand in for db";
}

TEST_F(Trust, InADatabaseThatDoesNotParseIsCorrupt) {
    variable("dbx", octets_of("no list"));
    const auto trust = with_secure_boot();
    ASSERT_FALSE(trust);
    EXPECT_EQ(trust.error().kind, ErrorKind::corrupt);
    EXPECT_TRUE(trust.error().message.contains("EFI variable dbx")) << trust.error().message;
    variable("dbx", {}, Octets(3));
    EXPECT_EQ(with_secure_boot().error().kind, ErrorKind::corrupt);
    variable("dbx", {});
    EXPECT_TRUE(with_secure_boot());
}

TEST_F(Trust, WithoutSecureBootIsTheReleaseKeyAlone) {
    variable("dbx", octets_of("nobody looks at it"));
    const auto trust = without();
    ASSERT_TRUE(trust) << trust.error().message;
    EXPECT_EQ(trust->certificates, std::vector<Octets>{by_release});
    EXPECT_TRUE(trust->revoked.certificates.empty() && trust->revoked.image_digests.empty());
}

TEST_F(Trust, WithoutSecureBootAndWithoutAReleaseKeyIsNone) {
    std::filesystem::remove(key);
    const auto trust = without();
    ASSERT_FALSE(trust);
    EXPECT_EQ(trust.error().kind, ErrorKind::wrong_state);
    EXPECT_TRUE(trust.error().message.contains(key.native())) << trust.error().message;
    ASSERT_TRUE(replace_file(key, Octets((1 << 16) + 1), 0644));
    EXPECT_EQ(without().error().kind, ErrorKind::corrupt);
}

}  // namespace
}  // namespace lethe
