#include "image/secure_boot.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.hpp"
#include "image/efi_variable.hpp"
#include "image/firmware_state.hpp"
#include "temporary_folder.hpp"

namespace lethe {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

struct Firmware : testing::Test {
    TemporaryFolder efivars;

    void variable(std::string_view name, Octets octets, std::string_view vendor = global_vendor) {
        ASSERT_TRUE(replace_file(efivars / std::format("{}-{}", name, vendor), octets, 0644));
    }
    void says(std::uint8_t secure_boot, std::uint8_t setup_mode) {
        variable("SecureBoot", {6, 0, 0, 0, secure_boot});
        variable("SetupMode", {6, 0, 0, 0, setup_mode});
    }
    void forget(const std::string& name) { std::filesystem::remove(efivars / std::format("{}-{}", name, global_vendor)); }
    Result<SecureBoot> read() { return read_secure_boot(efivars.path()); }
};

TEST_F(Firmware, ThatChecksSignaturesWithKeysOfItsOwnHasSecureBootOn) {
    says(1, 0);
    EXPECT_EQ(read(), SecureBoot::on);
}

TEST_F(Firmware, InSetupModeHasItNotOnWhateverElseItSays) {
    says(0, 1);
    EXPECT_EQ(read(), SecureBoot::setup);
    says(1, 1);
    EXPECT_EQ(read(), SecureBoot::setup);
}

TEST_F(Firmware, ThatSaysNothingHasItOff) {
    EXPECT_EQ(read(), SecureBoot::off);
    says(0, 0);
    EXPECT_EQ(read(), SecureBoot::off);
    says(1, 0);
    forget("SetupMode");
    EXPECT_EQ(read(), SecureBoot::off);
    says(1, 0);
    forget("SecureBoot");
    EXPECT_EQ(read(), SecureBoot::off);
    EXPECT_EQ(read_secure_boot("/nonexistent"), SecureBoot::off);
}

TEST_F(Firmware, WhoseVariablesSomebodyElseSetIsNotBelieved) {
    for (const Octets& octets :
         std::vector<Octets>{{7, 0, 0, 0, 1}, {6, 0, 0, 0, 1, 0}, {6, 0, 0, 0, 2}, {6, 0, 0, 0}, {6, 0, 1, 0, 1}, {6, 0}, {}})
        for (const char* name : {"SecureBoot", "SetupMode"}) {
            says(1, 0);
            variable(name, octets);
            EXPECT_EQ(read().error().kind, ErrorKind::corrupt) << name << " " << testing::PrintToString(octets);
        }
}

TEST(RequireSecureBoot, TakesNothingButOnAndSaysInOneSentenceHowToGetThere) {
    EXPECT_TRUE(require_secure_boot(SecureBoot::on));
    for (const SecureBoot state : {SecureBoot::off, SecureBoot::setup}) {
        const auto required = require_secure_boot(state);
        ASSERT_FALSE(required);
        EXPECT_EQ(required.error().kind, ErrorKind::wrong_state);
        EXPECT_THAT(required.error().message, AllOf(HasSubstr("setup mode"), HasSubstr("loader/keys/auto"), Not(HasSubstr(". "))));
    }
}

TEST_F(Firmware, WithoutForeignVariablesIsNoCauseForWarnings) {
    says(1, 0);
    const auto state = read_firmware_state(efivars.path());
    EXPECT_EQ(state.secure_boot, SecureBoot::on);
    EXPECT_THAT(state.warnings, IsEmpty());
}

TEST_F(Firmware, WithASecondCommandLineOrTheLikeIsReported) {
    says(1, 0);
    for (const char* name : {"SystemdOptions", "HibernateLocation", "FactoryReset"}) {
        variable(name, {7, 0, 0, 0, 'r', 0}, systemd_vendor);
        EXPECT_THAT(read_firmware_state(efivars.path()).warnings, ElementsAre(AllOf(HasSubstr(name), HasSubstr("delete it")))) << name;
        std::filesystem::remove(efivars / std::format("{}-{}", name, systemd_vendor));
    }
    variable("SystemdOptions", {}, systemd_vendor);  // cut short: it is there
    EXPECT_EQ(read_firmware_state(efivars.path()).warnings.size(), 1u);
}

TEST_F(Firmware, ThatIsNotBelievedCountsAsOffWithAWarning) {
    variable("SecureBoot", {7, 0, 0, 0, 1});
    const auto state = read_firmware_state(efivars.path());
    EXPECT_EQ(state.secure_boot, SecureBoot::off);
    EXPECT_THAT(state.warnings, ElementsAre(HasSubstr("SecureBoot")));
}

}  // namespace
}  // namespace lethe
