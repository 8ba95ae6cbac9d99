#include <ctime>

#include "tor_oracle.hpp"

// Which sets of key files are a relay: what the parser says beside what the real tor does.
namespace lethe {
namespace {

constexpr std::int64_t day_s = 24 * 60 * 60;

// The subset of Alice's five identity files that the bits of `subset` name.
KeyFiles files_of(unsigned subset) {
    KeyFiles files;
    for (std::size_t i = 0; i < identity_key_files.size(); ++i)
        if ((subset >> i & 1) != 0) files.emplace(identity_key_files[i], Secret::copy_of(alice().files.at(identity_key_files[i]).expose()));
    return files;
}

std::string names_of(const KeyFiles& files) {
    std::string names;
    for (const auto& [name, octets] : files) names += name + " ";
    return names;
}

TEST(KeySets, EachSetIsAcceptedIfTorStartsWithItUnderTheSameIdentityAndNoOther) {
    unsigned accepted = 0;
    for (unsigned subset = 0; subset < 32; ++subset) {
        const KeyFiles files = files_of(subset);
        const bool online = files.contains(key_file::master_secret);
        const bool with_0 = ask_tor(files, false, alice().fingerprints).same_identity;
        const TorVerdict with_1 = ask_tor(files, true, alice().fingerprints);
        const auto keys = parse_key_files(copy_of(files));
        // Lethe tells tor that the master key is offline when the master secret is not in the set.
        EXPECT_EQ(keys.has_value(), online ? with_0 : with_1.same_identity) << names_of(files);
        if (!keys) {
            EXPECT_FALSE(with_0 || with_1.same_identity) << names_of(files);
            EXPECT_EQ(keys.error().kind, ErrorKind::invalid_argument);
            EXPECT_TRUE(keys.error().message.contains(" is missing")) << keys.error().message;
            continue;
        }
        ++accepted;
        EXPECT_EQ(keys->fingerprints, alice().fingerprints) << names_of(files);
        EXPECT_EQ(keys->has_master_secret, online);
        EXPECT_EQ(keys->signing_key_expires, files.contains(key_file::signing_certificate) ? alice().signing_key_expires : 0);
    }
    EXPECT_EQ(accepted, 10u);  // eight with the master secret, two without
}

TEST(KeySets, WhatTorCompletesIsAcceptedAsTheSameRelay) {
    for (const unsigned subset : {0b00011u, 0b11001u, 0b01011u}) {
        const KeyFiles files = files_of(subset);
        const TorVerdict verdict = ask_tor(files, !files.contains(key_file::master_secret), alice().fingerprints);
        ASSERT_TRUE(verdict.same_identity) << names_of(files);
        EXPECT_GT(verdict.left.size(), files.size());
        const auto keys = parse_key_files(copy_of(verdict.left));
        ASSERT_TRUE(is_success(keys));
        EXPECT_EQ(keys->fingerprints, alice().fingerprints);
    }
}

TEST(KeySets, AnExpiredCertificateIsAcceptedWithItsEndAndTorStartsOnlyWithTheMasterSecret) {
    const std::int64_t ended = (time(nullptr) - day_s) / 3600 * 3600;
    for (unsigned subset = 0b10000; subset < 32; ++subset) {
        KeyFiles files = files_of(subset);
        files.insert_or_assign(key_file::signing_certificate, certificate_until(alice(), ended));
        const auto keys = parse_key_files(copy_of(files));
        if (!keys) continue;
        EXPECT_EQ(keys->signing_key_expires, ended);
        EXPECT_EQ(ask_tor(files, !keys->has_master_secret, alice().fingerprints).same_identity, keys->has_master_secret) << names_of(files);
    }
}

TEST(KeySets, ACertificateThatEndsWithinTheDayStillStartsAnOfflineRelay) {
    KeyFiles files = offline_files(alice());
    files.insert_or_assign(key_file::signing_certificate, certificate_until(alice(), time(nullptr) + 2 * 3600));
    EXPECT_TRUE(is_success(parse_key_files(copy_of(files))));
    EXPECT_TRUE(ask_tor(files, true, alice().fingerprints).same_identity);
    files.insert_or_assign(key_file::signing_certificate, certificate_until(bob(), time(nullptr) + 2 * 3600));
    EXPECT_TRUE(is_error(parse_key_files(copy_of(files)), ErrorKind::corrupt, key_file::signing_certificate));
    EXPECT_FALSE(ask_tor(files, true, alice().fingerprints).same_identity);
}

TEST(KeySets, AnOfflineSetsFilesAreEachCheckedAgainstTheOthers) {
    for (const std::string& name : {key_file::master_public, key_file::signing_secret, key_file::signing_certificate}) {
        KeyFiles files = offline_files(alice());
        files.insert_or_assign(name, Secret::copy_of(bob().files.at(name).expose()));
        EXPECT_TRUE(is_error(parse_key_files(std::move(files)), ErrorKind::corrupt, name));
    }
    // Without the public key nothing but the manifest tells whose signing pair it is.
    KeyFiles files = offline_files(alice());
    files.erase(key_file::master_public);
    for (const std::string& name : {key_file::signing_secret, key_file::signing_certificate})
        files.insert_or_assign(name, Secret::copy_of(bob().files.at(name).expose()));
    const auto keys = parse_key_files(std::move(files));
    ASSERT_TRUE(is_success(keys));
    EXPECT_EQ(keys->fingerprints.ed25519, bob().fingerprints.ed25519);
}

TEST(KeySets, WithTheMasterSecretAloneAForeignCertificateIsNamedBesideIt) {
    KeyFiles files = files_of(0b00011);
    files.insert_or_assign(key_file::signing_certificate, Secret::copy_of(bob().files.at(key_file::signing_certificate).expose()));
    EXPECT_TRUE(is_error(parse_key_files(std::move(files)), ErrorKind::corrupt,
                         "ed25519_signing_cert was signed by another master key than ed25519_master_id_secret_key"));
}

}  // namespace
}  // namespace lethe
