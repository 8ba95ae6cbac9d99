#include <gmock/gmock.h>

#include "tor_oracle.hpp"

namespace lethe {
namespace {

KeyFiles with_families(std::initializer_list<std::string> names) {
    KeyFiles files = offline_files(alice());
    for (const std::string& name : names) add(files, family_files(name));
    return files;
}

TEST(FamilyKeys, AreReadWithTheIdsThatTorWroteBesideThem) {
    const auto keys = parse_key_files(with_families({"fleet", "old-Fleet_2"}));
    ASSERT_TRUE(is_success(keys));
    EXPECT_THAT(keys->family_ids, testing::UnorderedElementsAre(family_id_of("fleet"), family_id_of("old-Fleet_2")));
    EXPECT_TRUE(std::ranges::is_sorted(keys->family_ids));
    EXPECT_EQ(keys->fingerprints, alice().fingerprints);
    EXPECT_TRUE(parse_key_files(with_families({}))->family_ids.empty());
}

TEST(FamilyKeys, TheSecretAloneIsEnoughAndTheIdAloneIsRefused) {
    KeyFiles secret = with_families({"fleet"});
    secret.erase("fleet.public_family_id");
    EXPECT_EQ(parse_key_files(std::move(secret))->family_ids, std::vector{family_id_of("fleet")});
    KeyFiles id = with_families({"fleet"});
    id.erase("fleet.secret_family_key");
    EXPECT_TRUE(is_error(parse_key_files(std::move(id)), ErrorKind::invalid_argument,
                         "fleet.public_family_id has no fleet.secret_family_key beside it"));
}

TEST(FamilyKeys, AnIdOfAnotherKeyOrOfAnotherFormIsCorruptAndNamed) {
    const std::string file = "fleet.public_family_id";
    for (const std::string& text : {family_id_of("other") + "\n", family_id_of("fleet"), family_id_of("fleet") + "\r\n", std::string()}) {
        KeyFiles files = with_families({"fleet"});
        files.insert_or_assign(file, Secret::copy_of(as_octets(text)));
        EXPECT_TRUE(is_error(parse_key_files(std::move(files)), ErrorKind::corrupt, file + " is not the id")) << text;
    }
}

TEST(FamilyKeys, ADamagedSecretAndOneOfAnotherKindAreCorruptAndNamed) {
    const std::string file = "fleet.secret_family_key";
    const Secret whole = Secret::copy_of(family_files("fleet").at(file).expose());
    const auto with = [&](Secret octets) {
        KeyFiles files = offline_files(alice());
        files.insert_or_assign(file, std::move(octets));
        return parse_key_files(std::move(files));
    };
    EXPECT_TRUE(is_success(with(Secret::copy_of(whole.expose()))));
    for (std::size_t length = 0; length < whole.size(); ++length)
        ASSERT_TRUE(is_error(with(whole.prefix(length)), ErrorKind::corrupt, file)) << length;
    EXPECT_TRUE(is_error(with(Secret::copy_of(alice().files.at(key_file::signing_secret).expose())), ErrorKind::corrupt, file));
    Secret unclamped = Secret::copy_of(whole.expose());
    unclamped.expose_mutable()[32] ^= 1;
    EXPECT_TRUE(is_error(with(std::move(unclamped)), ErrorKind::corrupt, file));
}

TEST(FamilyKeys, EightAreAcceptedAndANinthIsNamed) {
    KeyFiles files = offline_files(alice());
    for (int i = 0; i < 8; ++i) add(files, family_files(std::format("fleet{}", i)));
    EXPECT_EQ(parse_key_files(copy_of(files))->family_ids.size(), 8u);
    add(files, family_files("fleet8"));
    EXPECT_TRUE(is_error(parse_key_files(std::move(files)), ErrorKind::invalid_argument, "fleet8.secret_family_key: more than 8"));
}

TEST(FamilyKeys, OneKeyUnderTwoNamesIsOneFamily) {
    KeyFiles files = with_families({"fleet"});
    files.emplace("copy.secret_family_key", Secret::copy_of(family_files("fleet").at("fleet.secret_family_key").expose()));
    EXPECT_EQ(parse_key_files(std::move(files))->family_ids, std::vector{family_id_of("fleet")});
}

TEST(FamilyKeys, ANameOfOneToThirtyTwoLettersIsAcceptedAndAnyOtherRefused) {
    const Secret secret = Secret::copy_of(family_files("fleet").at("fleet.secret_family_key").expose());
    const auto named = [&](const std::string& name) {
        KeyFiles files = offline_files(alice());
        files.emplace(name + ".secret_family_key", Secret::copy_of(secret.expose()));
        return parse_key_files(std::move(files));
    };
    for (const std::string& name : {std::string("f"), std::string("-_Z9"), std::string(32, 'a')}) EXPECT_TRUE(is_success(named(name)));
    for (const std::string& name : {std::string(), std::string("a.b"), std::string("a b"), std::string("..\n"), std::string(33, 'a')})
        EXPECT_TRUE(is_error(named(name), ErrorKind::invalid_argument, "the name of a family key has 1 to 32")) << name;
}

}  // namespace
}  // namespace lethe
