#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <set>

#include "base/file.hpp"
#include "base/process.hpp"
#include "temporary_folder.hpp"

namespace lethe {
namespace {

void write_text(const std::filesystem::path& path, std::string_view text) { std::ofstream(path) << text; }

TEST(Octets, HexRoundTrips) { EXPECT_EQ(to_hex(*from_hex("00ffa5")), "00ffa5"); }

TEST(Octets, HexWithOtherCharactersIsCorrupt) {
    for (const char* text : {"0", "0g", "00 ", "00:11"}) EXPECT_EQ(from_hex(text).error().kind, ErrorKind::corrupt) << text;
}

TEST(Octets, Base64RoundTripsAtEveryLength) {
    for (std::size_t length = 0; length < 70; ++length) {
        const Octets octets(length, static_cast<std::uint8_t>(length));
        EXPECT_EQ(*from_base64(to_base64(octets)), octets);
    }
}

TEST(Octets, Base64WithOtherCharactersIsCorrupt) {
    for (const char* text : {"AAA", "AA==x", "AA\n=", "A", "AAA\xff"})
        EXPECT_EQ(from_base64(text).error().kind, ErrorKind::corrupt) << text;
}

TEST(Octets, ReaderReadsWhatTheWriterWrote) {
    OctetWriter writer;
    writer.u8(1).u16(0x0203).u32(0x04050607).u64(0x08090a0b0c0d0e0f).sized16(as_octets("ab")).sized32(as_octets("c"));
    OctetReader reader(writer.octets());
    EXPECT_EQ(*reader.u8(), 1);
    EXPECT_EQ(*reader.u16(), 0x0203);
    EXPECT_EQ(*reader.u32(), 0x04050607u);
    EXPECT_EQ(*reader.u64(), 0x08090a0b0c0d0e0fu);
    EXPECT_EQ(as_text(*reader.sized16()), "ab");
    EXPECT_EQ(as_text(*reader.sized32()), "c");
    EXPECT_TRUE(reader.end());
}

TEST(Octets, ReaderRefusesEveryShorterInput) {
    OctetWriter writer;
    writer.u32(7).sized32(as_octets("octets"));
    for (std::size_t length = 0; length < writer.octets().size(); ++length) {
        OctetReader reader(OctetView(writer.octets()).first(length));
        const auto read = reader.u32().and_then([&](auto) { return reader.sized32(); });
        ASSERT_FALSE(read);
        EXPECT_EQ(read.error().kind, ErrorKind::corrupt);
    }
}

TEST(Octets, ReaderRefusesALengthBeyondTheInput) {
    const Octets octets{0xff, 0xff, 0xff, 0xff, 1, 2};
    OctetReader reader(octets);
    EXPECT_EQ(reader.sized32().error().kind, ErrorKind::corrupt);
}

TEST(Octets, ReaderReadsLittleEndianFieldsToo) {
    const Octets octets{0x34, 0x12, 0x78, 0x56, 0x34, 0x12, 1};
    OctetReader reader(octets);
    EXPECT_EQ(reader.u16_le(), 0x1234);
    EXPECT_EQ(reader.u32_le(), 0x12345678U);
    EXPECT_EQ(reader.u16_le().error().kind, ErrorKind::corrupt);
}

TEST(SecretMemory, ComparesByValueAndKnowsItsLength) {
    EXPECT_EQ(Secret::copy_of(as_octets("key")), Secret::copy_of(as_octets("key")));
    EXPECT_FALSE(Secret::copy_of(as_octets("key")) == Secret::copy_of(as_octets("kez")));
    EXPECT_FALSE(Secret::copy_of(as_octets("key")) == Secret::copy_of(as_octets("ke")));
    EXPECT_FALSE(Secret::random(32) == Secret::random(32));
}

TEST(SecretMemory, IsLockedAndLeftOutOfCoreDumps) {
    const Secret secret = Secret::random(64);
    const auto address = reinterpret_cast<std::uintptr_t>(secret.expose().data());
    std::ifstream maps("/proc/self/smaps");
    bool inside = false, seen = false;
    for (std::string line; std::getline(maps, line);) {
        std::uintptr_t from = 0, to = 0;
        if (sscanf(line.c_str(), "%lx-%lx ", &from, &to) == 2) inside = address >= from && address < to;
        if (inside && line.starts_with("VmFlags:")) {
            seen = true;
            EXPECT_NE(line.find(" lo"), std::string::npos) << line;
            EXPECT_NE(line.find(" dd"), std::string::npos) << line;
        }
    }
    EXPECT_TRUE(seen);
}

TEST(SecretMemory, IsEmptyOnceMovedFrom) {
    Secret first = Secret::random(64);
    const Secret second = std::move(first);
    EXPECT_EQ(second.size(), 64u);
    EXPECT_TRUE(first.empty());  // NOLINT(bugprone-use-after-move)
    EXPECT_TRUE(first.expose().empty());
}

// Whether there is memory at this address, without touching it.
bool is_readable(const std::uint8_t* address) {
    std::array<int, 2> ends{};
    EXPECT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);
    const bool readable = write(ends[1], address, 1) == 1;
    close(ends[0]);
    close(ends[1]);
    return readable;
}

TEST(SecretMemory, EndsWhereAGuardPageBegins) {
    for (const std::size_t size : {1, 32, 4063, 4064, 4065, 10000}) {
        const Secret secret(size);
        EXPECT_TRUE(is_readable(secret.expose().data() + size - 1)) << size;
        EXPECT_FALSE(is_readable(secret.expose().data() + size)) << size;
        EXPECT_FALSE(is_readable(secret.expose().data() - 4096)) << size;
    }
}

TEST(SecretMemory, IsWipedBeforeItIsUsedAgain) {
    std::set<const std::uint8_t*> ends;
    std::size_t again = 0;
    for (int round = 0; round < 3; ++round) {
        std::vector<Secret> secrets;
        for (std::size_t size = 1; size <= 100; ++size) {
            secrets.emplace_back(size);
            const OctetView octets = secrets.back().expose();
            EXPECT_TRUE(std::ranges::all_of(octets, [](auto octet) { return octet == 0; }));
            again += ends.insert(octets.data() + size).second ? 0 : 1;
            std::ranges::fill(secrets.back().expose_mutable(), 0xff);
        }
    }
    EXPECT_GE(again, 32u);
}

TEST(SecretMemoryDeathTest, AWriteBeforeItsBeginningEndsTheProcess) {
    const auto write_before = [] {
        Secret secret(32);
        secret.expose_mutable().data()[-1] = 1;
    };
    EXPECT_DEATH(write_before(), "");
}

TEST(File, ReadsARegularFile) {
    const TemporaryFolder folder;
    write_text(folder / "file", "content");
    EXPECT_EQ(as_text(*read_file(folder / "file", 100)), "content");
    EXPECT_EQ(as_text(read_secret_file(AT_FDCWD, folder / "file", 7)->expose()), "content");
}

TEST(File, ReadsProcFilesWhoseSizeSaysZero) { EXPECT_FALSE(read_file("/proc/self/status", 1 << 20)->empty()); }

TEST(File, LargerThanAllowedIsCorrupt) {
    const TemporaryFolder folder;
    write_text(folder / "file", "content");
    EXPECT_EQ(read_file(folder / "file", 6).error().kind, ErrorKind::corrupt);
    EXPECT_EQ(read_secret_file(AT_FDCWD, folder / "file", 6).error().kind, ErrorKind::corrupt);
}

TEST(SecretMemoryFile, IsReadByWhoeverIsGivenItsDescriptorAndOpenedByNobody) {
    const Secret secret = Secret::copy_of(as_octets("nothing to see"));
    const auto file = secret_memory_file(secret);
    ASSERT_TRUE(file) << file.error().message;
    EXPECT_EQ(read_secret_descriptor(file->get(), "it", secret.size()).value(), secret);
    EXPECT_EQ(read_secret_descriptor(file->get(), "it", secret.size() - 1).error().kind, ErrorKind::corrupt);
    const int passed_on = dup(file->get());
    EXPECT_EQ(read_secret_descriptor(passed_on, "it", secret.size()).value(), secret);
    close(passed_on);
    if (pread(file->get(), std::array<char, 1>().data(), 1, 0) == 1) GTEST_SKIP() << "this kernel has no secret memory";
    EXPECT_EQ(open(std::format("/proc/self/fd/{}", file->get()).c_str(), O_RDONLY), -1);
}

TEST(File, SymlinksFifosAndFoldersAreRefusedWithoutWaiting) {
    const TemporaryFolder folder;
    write_text(folder / "file", "content");
    std::filesystem::create_symlink("file", folder / "link");
    ASSERT_EQ(mkfifo((folder / "fifo").c_str(), 0600), 0);
    EXPECT_EQ(read_file(folder / "link", 100).error().kind, ErrorKind::corrupt);
    EXPECT_EQ(read_file(folder / "fifo", 100).error().kind, ErrorKind::corrupt);
    EXPECT_EQ(read_file(folder.path(), 100).error().kind, ErrorKind::corrupt);
    EXPECT_EQ(read_file(folder / "absent", 100).error().kind, ErrorKind::not_found);
}

TEST(File, ANewFileNeverReplacesOneThatIsThere) {
    const TemporaryFolder folder;
    ASSERT_TRUE(write_new_file(AT_FDCWD, folder / "file", as_octets("first"), 0600));
    EXPECT_EQ(write_new_file(AT_FDCWD, folder / "file", as_octets("second"), 0600).error().kind, ErrorKind::already_exists);
    EXPECT_EQ(as_text(*read_file(folder / "file", 100)), "first");
}

TEST(File, ReplaceLeavesNoTemporaryFile) {
    const TemporaryFolder folder;
    write_text(folder / "file.new", "left by a process that died");
    ASSERT_TRUE(replace_file(folder / "file", as_octets("first"), 0600));
    ASSERT_TRUE(replace_file(folder / "file", as_octets("second"), 0600));
    EXPECT_EQ(as_text(*read_file(folder / "file", 100)), "second");
    EXPECT_FALSE(std::filesystem::exists(folder / "file.new"));
}

Command shell(const std::string& script) { return {.arguments = {"/bin/sh", "-c", script}, .environment = {"PATH=/usr/bin:/bin"}}; }

TEST(Process, ReturnsOutputErrorsAndStatus) {
    const auto outcome = run(shell("echo out; echo err >&2; exit 3"));
    ASSERT_TRUE(outcome);
    EXPECT_EQ(outcome->standard_output, "out\n");
    EXPECT_EQ(outcome->standard_error, "err\n");
    EXPECT_EQ(outcome->exit_status, 3);
}

TEST(Process, GivesTheProgramItsInput) {
    Command command = shell("cat");
    command.standard_input = std::string(300000, 'x');
    EXPECT_EQ(run(command)->standard_output, command.standard_input);
}

TEST(Process, InheritsNoEnvironment) { EXPECT_EQ(run(shell("echo ${HOME-none}"))->standard_output, "none\n"); }

TEST(Process, OneThatDoesNotEndIsStopped) {
    for (const char* script : {"sleep 600", "exec >&- 2>&-; sleep 600"}) {
        Command command = shell(script);
        command.limit = std::chrono::seconds(1);
        EXPECT_EQ(run(command).error().kind, ErrorKind::io) << script;
    }
}

TEST(Process, OneThatIsNotThereIsNotFound) { EXPECT_EQ(run({.arguments = {"/nonexistent"}}).error().kind, ErrorKind::not_found); }

TEST(Process, LastLineLeavesTheEmptyOnesAtTheEndOut) {
    EXPECT_EQ(last_line("first\nlast\n\n"), "last");
    EXPECT_EQ(last_line("only"), "only");
    EXPECT_EQ(last_line("\n"), "");
}

TEST(Process, ASignalIsReportedAsAShellDoes) { EXPECT_EQ(run(shell("kill -9 $$"))->exit_status, 128 + 9); }

}  // namespace
}  // namespace lethe
