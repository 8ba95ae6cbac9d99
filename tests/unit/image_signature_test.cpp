// Signatures as sbsign makes them, of systemd's stub, with keys that are made here.
#include <gtest/gtest.h>

#include <algorithm>

#include "base/file.hpp"
#include "base/process.hpp"
#include "built_pe.hpp"
#include "image/signature.hpp"
#include "temporary_folder.hpp"

namespace lethe {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t limit = 1 << 20;

void call(std::vector<std::string> arguments) {
    const auto outcome = run({.arguments = std::move(arguments)});
    ASSERT_TRUE(outcome) << outcome.error().message;
    ASSERT_EQ(outcome->exit_status, 0) << outcome->standard_error;
}

Octets little_endian(std::uint32_t value) {
    return {static_cast<std::uint8_t>(value), static_cast<std::uint8_t>(value >> 8), static_cast<std::uint8_t>(value >> 16),
            static_cast<std::uint8_t>(value >> 24)};
}

Octets operator+(Octets left, const Octets& right) {
    left.insert(left.end(), right.begin(), right.end());
    return left;
}

struct Signature : testing::Test {
    static inline TemporaryFolder folder;
    static inline std::map<std::string, Octets> certificates;  ///< DER
    static inline Octets by_release, by_both;

    static void make_key(const std::string& name) {
        const std::string base = (folder / name).native();
        call({"/usr/bin/openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=" + name, "-keyout",
              base + ".key", "-out", base + ".pem"});
        call({"/usr/bin/openssl", "x509", "-in", base + ".pem", "-outform", "DER", "-out", base + ".der"});
        certificates[name] = read_file(base + ".der", limit).value();
    }
    static Octets sign(const std::string& name, const fs::path& file) {
        const std::string base = (folder / name).native(), signed_file = (folder / ("signed-" + name)).native();
        call({"/usr/bin/sbsign", "--key", base + ".key", "--cert", base + ".pem", "--output", signed_file, file.native()});
        return read_file(signed_file, limit).value();
    }
    static void SetUpTestSuite() {
        for (const char* name : {"release", "other"}) make_key(name);
        by_release = sign("release", "/usr/lib/systemd/boot/efi/linuxx64.efi.stub");
        by_both = sign("other", folder / "signed-release");
    }

    static Result<Octets> verified(const Octets& image, const std::vector<std::string>& trusted, const SignatureLists& revoked = {}) {
        std::vector<Octets> ders;
        for (const auto& name : trusted) ders.push_back(certificates.at(name));
        return verify_signature(TRY(parse_pe(image)), ders, revoked);
    }
    static void expect_refused(const Result<Octets>& verified, ErrorKind kind, std::string_view words) {
        ASSERT_FALSE(verified);
        EXPECT_EQ(verified.error().kind, kind) << verified.error().message;
        EXPECT_TRUE(verified.error().message.contains(words)) << verified.error().message;
    }
};

TEST_F(Signature, LeadsToTheCertificateThatSignedIt) {
    EXPECT_EQ(verified(by_release, {"release"}), certificates.at("release"));
    EXPECT_EQ(verified(by_release, {"other", "release"}), certificates.at("release"));
}

TEST_F(Signature, OneOfSeveralIsEnough) {
    EXPECT_EQ(verified(by_both, {"release"}), certificates.at("release"));
    EXPECT_EQ(verified(by_both, {"other"}), certificates.at("other"));
}

TEST_F(Signature, OfNobodyWhoIsTrustedIsRefused) {
    expect_refused(verified(by_release, {"other"}), ErrorKind::policy_mismatch, "nobody whom this machine trusts");
    expect_refused(verified(by_release, {}), ErrorKind::policy_mismatch, "nobody whom this machine trusts");
}

TEST_F(Signature, OfAnotherImageIsRefused) {
    Octets changed = by_release;
    changed[600] ^= 1;
    expect_refused(verified(changed, {"release"}), ErrorKind::corrupt, "changed after it was signed");
}

TEST_F(Signature, AnImageWithoutOneIsNotFound) {
    expect_refused(verified(BuiltPe({{".text", octets_of("x"), {}}}).octets(), {"release"}), ErrorKind::not_found, "not signed");
}

TEST_F(Signature, ACertificateTableThatIsNoneIsRefused) {
    const auto with = [](const Octets& table) {
        BuiltPe image({{".text", octets_of("x"), {}}});
        image.sign(table);
        return image.octets();
    };
    const Octets pkcs{0, 2, 2, 0};
    expect_refused(verified(with(little_endian(12) + pkcs + Octets{1, 2, 3, 4}), {"release"}), ErrorKind::corrupt, "not PKCS#7");
    expect_refused(verified(with(little_endian(7) + pkcs), {"release"}), ErrorKind::corrupt, "7 octets");
    expect_refused(verified(with(little_endian(1000) + pkcs), {"release"}), ErrorKind::corrupt, "cut short");
    expect_refused(verified(with(little_endian(8) + Octets{0, 2, 0xf1, 0x0e}), {"release"}), ErrorKind::not_found, "not signed");
}

TEST_F(Signature, ARevokedImageOrCertificateIsRefused) {
    const auto image = parse_pe(by_release).value();
    const auto digest = authenticode(image, std::array{Bank::sha256}).at(Bank::sha256);
    expect_refused(
        verified(by_release, {"release"}, {.certificates = {}, .image_digests = {Octets(digest.view().begin(), digest.view().end())}}),
        ErrorKind::policy_mismatch, "dbx");
    const SignatureLists without_release{.certificates = {certificates.at("release")}, .image_digests = {}};
    expect_refused(verified(by_release, {"release"}, without_release), ErrorKind::policy_mismatch, "nobody");
    EXPECT_EQ(verified(by_both, {"release", "other"}, without_release), certificates.at("other"));
}

// The types are a5c059a1-94e4-4aa7-87b5-ab155c2bf072 and c1c41626-504c-4092-aca9-41f936934328, as they lie in memory.
const Octets x509_type = from_hex("a159c0a5e494a74a87b5ab155c2bf072").value(),
             sha256_type = from_hex("2616c4c14c509240aca941f936934328").value();

Octets list(const Octets& type, std::size_t entry, const Octets& entries, const Octets& header = {}) {
    return type + little_endian(static_cast<std::uint32_t>(28 + header.size() + entries.size())) +
           little_endian(static_cast<std::uint32_t>(header.size())) + little_endian(static_cast<std::uint32_t>(entry)) + header + entries;
}

TEST(SignatureLists, HoldCertificatesAndDigests) {
    const Octets owner(16, 9), one(32, 1), two(32, 2), der = octets_of("certificate");
    const auto lists =
        parse_signature_lists(list(x509_type, 16 + der.size(), owner + der) + list(sha256_type, 48, owner + one + owner + two) +
                              list(Octets(16, 7), 20, owner + Octets(4), Octets(3)));
    ASSERT_TRUE(lists) << lists.error().message;
    EXPECT_EQ(lists->certificates, std::vector<Octets>{der});
    EXPECT_EQ(lists->image_digests, (std::vector<Octets>{one, two}));
    EXPECT_TRUE(parse_signature_lists({})->certificates.empty());
}

TEST(SignatureLists, ThatLieAboutTheirSizeAreCorrupt) {
    const Octets whole = list(sha256_type, 48, Octets(48));
    for (std::size_t size = 1; size < whole.size(); ++size)
        EXPECT_EQ(parse_signature_lists(OctetView(whole).first(size)).error().kind, ErrorKind::corrupt) << size;
    EXPECT_EQ(parse_signature_lists(list(sha256_type, 15, Octets(15))).error().kind, ErrorKind::corrupt);
    EXPECT_EQ(parse_signature_lists(list(sha256_type, 0, Octets(48))).error().kind, ErrorKind::corrupt);
    EXPECT_EQ(parse_signature_lists(list(sha256_type, 47, Octets(48))).error().kind, ErrorKind::corrupt);
    EXPECT_EQ(parse_signature_lists(sha256_type + little_endian(0xffffffff) + little_endian(0xffffffff) + little_endian(48)).error().kind,
              ErrorKind::corrupt);
}

}  // namespace
}  // namespace lethe
