#include <fstream>

#include "tor/unit_memory.hpp"
#include "tor_keys.hpp"

namespace lethe {
namespace {

constexpr std::uint64_t mib = 1 << 20;
constexpr std::uint64_t gib = 1024 * mib;

class UnitMemoryTest : public testing::Test {
protected:
    UnitMemoryTest() {
        std::filesystem::create_directories(folder_ / "cgroup/system.slice/system-tor.slice/tor@alice.service");
        write("meminfo", "MemTotal:       16777216 kB\nMemFree:          100000 kB\nMemAvailable:    8388608 kB\n");
    }
    void write(const std::filesystem::path& path, std::string_view text) { std::ofstream(folder_ / path) << text; }
    Result<UnitMemory> memory(unsigned relays) {
        return memory_for_unit(folder_ / "cgroup", "/system.slice/system-tor.slice/tor@alice.service", folder_ / "meminfo", relays);
    }

    TemporaryFolder folder_;
};

TEST_F(UnitMemoryTest, WithoutLimitsIsTheShareOfWhatIsAvailable) {
    EXPECT_EQ(memory(1)->usable_octets, 8 * gib);
    EXPECT_EQ(memory(2)->usable_octets, 4 * gib);
    EXPECT_EQ(memory(2)->total_octets, 16 * gib);
    write("cgroup/system.slice/memory.max", "max\n");
    EXPECT_EQ(memory(2)->usable_octets, 4 * gib);
    EXPECT_TRUE(is_error(memory(0), ErrorKind::invalid_argument, "at least one relay"));
}

TEST_F(UnitMemoryTest, TheLeastLimitOfTheUnitAndItsAncestorsHolds) {
    write("cgroup/system.slice/memory.max", std::format("{}\n", 3 * gib));
    EXPECT_EQ(memory(2)->usable_octets, 3 * gib);
    write("cgroup/system.slice/system-tor.slice/memory.high", std::format("{}\n", 2 * gib));
    EXPECT_EQ(memory(2)->usable_octets, 2 * gib);
    write("cgroup/system.slice/system-tor.slice/tor@alice.service/memory.max", std::format("{}\n", gib));
    EXPECT_EQ(memory(2)->usable_octets, gib);
    EXPECT_EQ(memory(16)->usable_octets, gib / 2);
}

TEST_F(UnitMemoryTest, FilesThatDoNotParseAreCorruptAndNamed) {
    write("cgroup/system.slice/memory.max", "plenty\n");
    EXPECT_TRUE(is_error(memory(1), ErrorKind::corrupt, "system.slice/memory.max"));
    write("cgroup/system.slice/memory.max", "");
    EXPECT_TRUE(is_error(memory(1), ErrorKind::corrupt, "system.slice/memory.max"));
    write("cgroup/system.slice/memory.max", "max\n");
    for (const char* text :
         {"MemTotal: 1 kB\n", "MemTotal: 1 kB\nMemAvailable: x kB\n", "MemTotal: 1 kB\nMemAvailable: 99999999999999999999 kB\n",
          "MemTotal: 1 kB\nMemAvailable: 18446744073709551615 kB\n", "MemTotal: 1 kB\nMemAvailable: kB\n", ""}) {
        write("meminfo", text);
        EXPECT_TRUE(is_error(memory(1), ErrorKind::corrupt, "meminfo")) << text;
    }
    EXPECT_TRUE(is_error(memory_for_unit(folder_ / "cgroup", "../x", "/proc/meminfo", 1), ErrorKind::invalid_argument, "../x"));
}

TEST_F(UnitMemoryTest, ThisMachinesOwnFilesAreRead) {
    const auto own = own_cgroup("/proc/self/cgroup");
    const auto unit = own ? own->native() : "";  // an older hierarchy has other lines
    const auto found = memory_for_unit("/sys/fs/cgroup", unit.contains("..") ? "" : unit, "/proc/meminfo", 1);
    ASSERT_TRUE(is_success(found));
    EXPECT_GT(found->usable_octets, 0u);
    EXPECT_LE(found->usable_octets, found->total_octets);
}

TEST_F(UnitMemoryTest, TheOwnCgroupIsTheUnifiedHierarchysPath) {
    write("membership", "0::/system.slice/system-tor.slice/tor@alice.service\n");
    EXPECT_EQ(*own_cgroup(folder_ / "membership"), "system.slice/system-tor.slice/tor@alice.service");
    write("membership", "1:name=systemd:/x\n0::/x\n");
    EXPECT_TRUE(is_error(own_cgroup(folder_ / "membership"), ErrorKind::corrupt, "membership"));
}

TEST(MaxMemInQueues, FollowsTorsRuleForWhatTheUnitMayUse) {
    EXPECT_EQ(max_mem_in_queues_mib({4 * gib, 16 * gib}), 3072u);
    EXPECT_EQ(max_mem_in_queues_mib({10 * gib, 32 * gib}), 4096u);
    EXPECT_EQ(max_mem_in_queues_mib({64 * gib, 64 * gib}), 8192u);
    EXPECT_EQ(max_mem_in_queues_mib({gib, 2 * gib}), 768u);
}

TEST(MaxMemInQueues, NeverExceedsTorsRuleForTheMachineAndNeverGoesBelowTorsMinimum) {
    // 0.75 of just under 8 GiB would be more than 0.4 of the machine's 9 GiB.
    EXPECT_EQ(max_mem_in_queues_mib({8 * gib - 1, 9 * gib}), 3686u);
    EXPECT_EQ(max_mem_in_queues_mib({10 * mib, gib}), 64u);
    EXPECT_EQ(max_mem_in_queues_mib({0, 0}), 64u);
}

}  // namespace
}  // namespace lethe
