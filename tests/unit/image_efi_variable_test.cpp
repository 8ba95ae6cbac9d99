// The boot loader's variables as files of efivarfs: what another system may have left in them.
#include "image/efi_variable.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.hpp"
#include "temporary_folder.hpp"

namespace lethe {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::uint8_t of_this_boot = 6, lasting = 7, signed_one = 0x27;

struct LoaderVariables : testing::Test {
    TemporaryFolder folder;

    void set(const std::string& name, std::uint8_t attributes, std::string_view vendor = loader_vendor) {
        ASSERT_TRUE(replace_file(folder / std::format("{}-{}", name, vendor), Octets{attributes, 0, 0, 0, '1', 0, 0, 0}, 0644));
    }
    bool has(const std::string& name, std::string_view vendor = loader_vendor) {
        return std::filesystem::exists(folder / std::format("{}-{}", name, vendor));
    }
    std::vector<std::string> removed() { return remove_left_variables(folder.path()).value(); }
};

TEST_F(LoaderVariables, OfThisBootStay) {
    for (const char* name : {"LoaderBootCountPath", "LoaderEntrySelected", "StubImageIdentifier", "StubInfo"}) set(name, of_this_boot);
    EXPECT_FALSE(outlives_boot(folder.path(), "StubInfo").value());
    EXPECT_THAT(removed(), IsEmpty());
    EXPECT_TRUE(has("LoaderBootCountPath"));
}

TEST_F(LoaderVariables, ThatHideThoseOfABootGo) {
    const std::vector<std::string> names{"LoaderBootCountPath",  "LoaderDevicePartUUID", "LoaderEntrySelected", "LoaderImageIdentifier",
                                         "LoaderSomethingOfNew", "StubImageIdentifier",  "StubPcrKernelImage"};
    for (const auto& name : names) set(name, lasting);
    set("LoaderInfo", of_this_boot);
    EXPECT_TRUE(outlives_boot(folder.path(), "StubImageIdentifier").value());
    EXPECT_EQ(removed(), names);
    for (const auto& name : names) EXPECT_FALSE(has(name)) << name;
    EXPECT_TRUE(has("LoaderInfo"));
    EXPECT_THAT(removed(), IsEmpty());
}

TEST_F(LoaderVariables, ThatMakeAnotherEntryTheDefaultGo) {
    for (const char* name : {"LoaderEntryDefault", "LoaderEntryPreferred", "LoaderEntrySysFail"}) set(name, lasting);
    EXPECT_THAT(removed(), ElementsAre("LoaderEntryDefault", "LoaderEntryPreferred", "LoaderEntrySysFail"));
}

TEST_F(LoaderVariables, ThatAreMeantToLastStay) {
    for (const char* name : {"LoaderSystemToken", "LoaderEntryOneShot", "LoaderConfigTimeout", "StubInfo"}) set(name, lasting);
    EXPECT_THAT(removed(), IsEmpty());
}

// The boot loader takes no text of an odd length, and leaves it where it is. Source: systemd 257, efivar_get_str16().
TEST_F(LoaderVariables, ThatTheBootLoaderCannotReadChooseNoEntryAndGo) {
    const std::string name = "LoaderEntryOneShot";
    const Octets whole{lasting, 0, 0, 0, '1', 0, 0, 0};
    Octets odd = whole, longer = whole, open = whole, of_others = whole;
    odd.push_back('x');
    longer.insert(longer.end(), {'2', 0, 0, 0});
    open.resize(6);
    of_others[0] = signed_one;
    for (const Octets& octets : {odd, longer, open, of_others, Octets{lasting, 0}, Octets{lasting, 0, 0, 0}, Octets(5000, lasting)}) {
        ASSERT_TRUE(replace_file(folder / std::format("{}-{}", name, loader_vendor), octets, 0644));
        EXPECT_EQ(read_set_variable(folder.path(), name), "") << octets.size();
        EXPECT_THAT(removed(), ElementsAre(name)) << octets.size();
        EXPECT_FALSE(has(name)) << octets.size();
    }
    ASSERT_TRUE(set_loader_variable(folder.path(), name, "1"));
    EXPECT_THAT(removed(), IsEmpty());
    EXPECT_EQ(read_set_variable(folder.path(), name), "1");
}

TEST_F(LoaderVariables, OfOthersAreLeftAlone) {
    set("LoaderInfo", lasting, global_vendor);
    set("BootOrder", lasting);
    set("db", lasting, security_vendor);
    EXPECT_THAT(removed(), IsEmpty());
    EXPECT_TRUE(has("LoaderInfo", global_vendor));
}

TEST_F(LoaderVariables, ThatCannotBeRemovedAreNamedAndTheOthersGo) {
    for (const char* name : {"LoaderInfo", "StubPcrKernelImage"}) set(name, lasting);
    const auto stuck = folder / std::format("LoaderFeatures-{}", loader_vendor);
    std::filesystem::create_directory(stuck);
    const auto failed = remove_left_variables(folder.path());
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().kind, ErrorKind::io);
    EXPECT_TRUE(failed.error().message.contains("LoaderFeatures")) << failed.error().message;
    EXPECT_FALSE(has("LoaderInfo"));
    EXPECT_FALSE(has("StubPcrKernelImage"));
}

TEST_F(LoaderVariables, WithoutEfiThereIsNothingToRemove) {
    EXPECT_THAT(remove_left_variables(folder / "none").value(), IsEmpty());
    EXPECT_EQ(outlives_boot(folder / "none", "StubInfo").error().kind, ErrorKind::not_found);
}

TEST_F(LoaderVariables, WhatWasSetIsReadBackAndNothingThatOthersHaveSet) {
    EXPECT_EQ(read_set_variable(folder.path(), "LoaderEntryOneShot").value(), "");
    ASSERT_TRUE(set_loader_variable(folder.path(), "LoaderEntryOneShot", "lethe_2.efi"));
    EXPECT_EQ(read_set_variable(folder.path(), "LoaderEntryOneShot").value(), "lethe_2.efi");
    for (const auto attributes : {of_this_boot, signed_one}) {
        set("LoaderEntryOneShot", attributes);
        EXPECT_EQ(read_set_variable(folder.path(), "LoaderEntryOneShot").value(), "");
    }
}

}  // namespace
}  // namespace lethe
