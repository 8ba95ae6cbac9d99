#include "pcrlock/policy_file.hpp"

#include <gtest/gtest.h>

#include "fake_pcrlock.hpp"
#include "temporary_folder.hpp"

namespace lethe {
namespace {

const PcrPolicy policy{{4, {digest_of(4)}}, {7, {digest_of(7), digest_of(8)}}, {11, {digest_of(11), digest_of(12)}}};
const PcrPolicy older{{4, {digest_of(0x40)}}};

std::string replaced(std::string text, std::string_view what, std::string_view with) {
    const auto at = text.find(what);
    EXPECT_NE(at, std::string::npos) << what;
    return text.replace(at, what.size(), with);
}

ErrorKind error_of(std::string_view json) {
    const auto file = parse_policy_file(json);
    EXPECT_FALSE(file) << json;
    return file ? ErrorKind::io : file.error().kind;
}

TEST(PolicyFile, GivesThePcrsInOrderAndTheIndex) {
    const auto file = parse_policy_file(policy_json(policy));
    ASSERT_TRUE(file) << file.error().message;
    EXPECT_EQ(file->policy, policy);
    EXPECT_EQ(file->nv_handle, policy_index_handle);
    EXPECT_EQ(file->json, policy_json(policy));
}

TEST(PolicyFile, CutAtAnyLengthIsCorrupt) {
    const std::string json = policy_json(policy);
    for (std::size_t length = 0; length + 1 < json.size(); ++length)  // the last character is a newline
        EXPECT_EQ(error_of(json.substr(0, length)), ErrorKind::corrupt) << length;
}

TEST(PolicyFile, AnotherBankIsCorrupt) { EXPECT_EQ(error_of(replaced(policy_json(policy), "sha256", "sha384")), ErrorKind::corrupt); }

TEST(PolicyFile, AMissingMemberIsCorrupt) {
    for (const char* member : {"pcrBank", "pcrValues", "nvIndex", "nvHandle", "nvPublic", "srkHandle", "pinPublic", "pinPrivate"})
        EXPECT_EQ(error_of(replaced(policy_json(policy), member, "other")), ErrorKind::corrupt) << member;
}

TEST(PolicyFile, AWrongTypeIsCorrupt) {
    const std::string json = policy_json({{4, {digest_of(4)}}});
    const std::string hex = to_hex(digest_of(4));
    EXPECT_EQ(error_of(replaced(json, "\"sha256\"", "256")), ErrorKind::corrupt);
    EXPECT_EQ(error_of(replaced(json, "\"pcr\":4", "\"pcr\":\"4\"")), ErrorKind::corrupt);
    EXPECT_EQ(error_of(replaced(json, "\"pcr\":4", "\"pcr\":-4")), ErrorKind::corrupt);
    EXPECT_EQ(error_of(replaced(json, "\"pcr\":4", "\"pcr\":4.0")), ErrorKind::corrupt);
    EXPECT_EQ(error_of(replaced(json, "\"pcr\":4", "\"pcr\":24")), ErrorKind::corrupt);
    EXPECT_EQ(error_of(replaced(json, "[\"" + hex + "\"]", "\"" + hex + "\"")), ErrorKind::corrupt);
    EXPECT_EQ(error_of(replaced(json, "\"" + hex + "\"", "7")), ErrorKind::corrupt);
    EXPECT_EQ(error_of(replaced(json, hex, hex.substr(2))), ErrorKind::corrupt);
    EXPECT_EQ(error_of(replaced(json, hex, "zz" + hex.substr(2))), ErrorKind::corrupt);
    EXPECT_EQ(error_of(replaced(json, "25166080", "\"25166080\"")), ErrorKind::corrupt);
    EXPECT_EQ(error_of(replaced(json, "25166080", "1")), ErrorKind::corrupt);
    EXPECT_EQ(error_of(replaced(json, "25166080", "99999999999")), ErrorKind::corrupt);
    EXPECT_EQ(error_of(replaced(json, "\"AYABAA==\"", "\"\"")), ErrorKind::corrupt);
    EXPECT_EQ(error_of(replaced(json, "\"AYABAA==\"", "\"*\"")), ErrorKind::corrupt);
    for (const char* other : {"", "null", "7", "[]", "{}", "\"text\"", "[[[[", "{\"pcrValues\":{}}"})
        EXPECT_EQ(error_of(other), ErrorKind::corrupt) << other;
}

TEST(PolicyFile, EightValuesOfAPcrAreTakenAndNineAreCorrupt) {
    PcrPolicy many{{4, {}}};
    for (std::uint8_t i = 0; i < 8; ++i) many[0].values.push_back(digest_of(i));
    EXPECT_TRUE(parse_policy_file(policy_json(many)));
    many[0].values.push_back(digest_of(8));
    EXPECT_EQ(error_of(policy_json(many)), ErrorKind::corrupt);
}

TEST(PolicyFile, NoPcrOrNoValueIsCorrupt) {
    EXPECT_EQ(error_of(policy_json({})), ErrorKind::corrupt);
    EXPECT_EQ(error_of(policy_json({{4, {}}})), ErrorKind::corrupt);
}

TEST(PolicyFile, PcrsOutOfOrderOrTwiceAreCorrupt) {
    EXPECT_EQ(error_of(policy_json({{7, {digest_of(7)}}, {4, {digest_of(4)}}})), ErrorKind::corrupt);
    EXPECT_EQ(error_of(policy_json({{4, {digest_of(7)}}, {4, {digest_of(4)}}})), ErrorKind::corrupt);
    EXPECT_EQ(error_of(policy_json({{4, {digest_of(4), digest_of(4)}}})), ErrorKind::corrupt);
}

TEST(PolicyFile, HostileSizesAreCorrupt) {
    EXPECT_EQ(error_of(policy_json(policy) + std::string(64 * 1024, ' ')), ErrorKind::corrupt);
    EXPECT_EQ(error_of(std::string(60'000, '[')), ErrorKind::corrupt);
    EXPECT_EQ(error_of(std::string(30'000, '[') + std::string(30'000, ']')), ErrorKind::corrupt);
    EXPECT_EQ(error_of(replaced(policy_json({{4, {digest_of(4)}}}), to_hex(digest_of(4)), std::string(40'000, 'a'))), ErrorKind::corrupt);
}

struct PolicySlots : testing::Test {
    TemporaryFolder folder;
    Store store = *Store::open(folder.path());
    FakeTpm tpm;

    void write(std::string_view json) { ASSERT_TRUE(store.write_framed({ObjectKind::policy, ""}, as_octets(json))); }
    Result<PolicyFile> confirmed() {
        const auto files = read_policy_files(store);
        if (!files) return std::unexpected(files.error());
        return confirmed_policy_file(tpm, *files, policy_index_handle);
    }
};

TEST_F(PolicySlots, TheNewerIsTakenWhenTheIndexConfirmsIt) {
    write(policy_json(older));
    write(policy_json(policy));
    tpm.authorize(policy_index_handle, policy);
    const auto file = confirmed();
    ASSERT_TRUE(file) << file.error().message;
    EXPECT_EQ(file->policy, policy);
}

TEST_F(PolicySlots, TheOlderIsTakenWhenPowerWentBeforeTheIndexWasRewritten) {
    write(policy_json(older));
    write(policy_json(policy));
    tpm.authorize(policy_index_handle, older);
    const auto file = confirmed();
    ASSERT_TRUE(file) << file.error().message;
    EXPECT_EQ(file->policy, older);
}

TEST_F(PolicySlots, NeitherConfirmedIsARollback) {
    write(policy_json(older));
    write(policy_json(older));
    tpm.authorize(policy_index_handle, policy);
    EXPECT_EQ(confirmed().error().kind, ErrorKind::rollback);
}

TEST_F(PolicySlots, NoIndexIsNotFound) {
    write(policy_json(policy));
    EXPECT_EQ(confirmed().error().kind, ErrorKind::not_found);
}

TEST_F(PolicySlots, ASlotThatDoesNotParseIsLeftOut) {
    write(policy_json(policy));
    write("{}");
    tpm.authorize(policy_index_handle, policy);
    EXPECT_TRUE(confirmed());
}

TEST_F(PolicySlots, NoSlotThatParsesIsNotFound) {
    EXPECT_EQ(confirmed().error().kind, ErrorKind::not_found);
    write("{}");
    EXPECT_EQ(confirmed().error().kind, ErrorKind::not_found);
}

}  // namespace
}  // namespace lethe
