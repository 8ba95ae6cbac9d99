#include "vault/configuration.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "temporary_folder.hpp"

namespace lethe {
namespace {

struct ConfigurationFiles : testing::Test {
    TemporaryFolder folder;
    std::vector<std::filesystem::path> files{folder / "first", folder / "second"};

    Result<Configuration> read(const std::string& text) {
        std::ofstream(files[0]) << text;
        return read_configuration(files);
    }
};

TEST_F(ConfigurationFiles, NoneMeansTheDefaults) { EXPECT_EQ(*read_configuration(files), Configuration{}); }

TEST_F(ConfigurationFiles, TheFirstThatExistsCounts) {
    std::ofstream(files[1]) << "Store=tpm\n";
    EXPECT_EQ(read_configuration(files)->store, StoreChoice::tpm);
    EXPECT_EQ(read("Store=folder\n")->store, StoreChoice::folder);
}

TEST_F(ConfigurationFiles, CommentsBlanksAndSpacesAreLetPass) {
    EXPECT_EQ(read("# a\n; b\n\n  Store = automatic \r\nStore=tpm")->store, StoreChoice::tpm);
}

TEST_F(ConfigurationFiles, WhatIsNotUnderstoodIsAnErrorThatNamesFileAndLine) {
    for (const char* text : {"Store=tpm\nColour=red\n", "\nStore=disk\n", "\nStore\n", "\n[Store]\n", "\n=tpm\n", "\nStore=\n"}) {
        const auto refused = read(text);
        ASSERT_FALSE(refused) << text;
        EXPECT_EQ(refused.error().kind, ErrorKind::invalid_argument) << text;
        EXPECT_NE(refused.error().message.find("first: line 2"), std::string::npos) << refused.error().message;
    }
}

}  // namespace
}  // namespace lethe
