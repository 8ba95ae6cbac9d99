#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <format>
#include <fstream>

#include "base/large_file.hpp"
#include "base/regular_file.hpp"
#include "temporary_folder.hpp"

namespace lethe {
namespace {

void write_text(const std::filesystem::path& path, std::string_view text) { std::ofstream(path) << text; }

TEST(LargeFile, IsReadAsItIs) {
    const TemporaryFolder folder;
    std::string all;
    while (all.size() < std::size_t{9} << 20) all += std::format("{:08}", all.size());
    for (const std::size_t size : {std::size_t{0}, std::size_t{5}, std::size_t{2} << 20, (std::size_t{2} << 20) + 1, all.size()}) {
        write_text(folder / "file", std::string_view(all).substr(0, size));
        const auto read = LargeFile::read(folder / "file", std::size_t{9} << 20);
        ASSERT_TRUE(read) << read.error().message;
        EXPECT_TRUE(as_text(read->octets()) == std::string_view(all).substr(0, size)) << size;
    }
}

TEST(LargeFile, WhatIsNoFileOrTooLargeIsRefused) {
    const TemporaryFolder folder;
    write_text(folder / "file", "12345");
    EXPECT_EQ(LargeFile::read(folder / "file", 4).error().kind, ErrorKind::corrupt);
    EXPECT_EQ(LargeFile::read(folder / "none", 4).error().kind, ErrorKind::not_found);
    EXPECT_EQ(LargeFile::read(folder.path(), 4).error().kind, ErrorKind::corrupt);
    ASSERT_EQ(mkfifo((folder / "fifo").c_str(), 0600), 0);
    EXPECT_EQ(LargeFile::read(folder / "fifo", 4).error().kind, ErrorKind::corrupt);
    // Its size says 0, and there is more.
    EXPECT_EQ(LargeFile::read("/proc/self/status", 4).error().kind, ErrorKind::io);
}

TEST(LargeFile, OfSomebodyElsesIsReadWhateverItsPosition) {
    const TemporaryFolder folder;
    write_text(folder / "file", "12345");
    const Fd fd(open((folder / "file").c_str(), O_RDONLY | O_CLOEXEC));
    ASSERT_EQ(lseek(fd.get(), 3, SEEK_SET), 3);
    for (int time = 0; time < 2; ++time) EXPECT_EQ(as_text(LargeFile::read_descriptor(fd.get(), "the image", 5)->octets()), "12345");
    EXPECT_EQ(lseek(fd.get(), 0, SEEK_CUR), 3) << "the position is the other's";
}

TEST(LargeFile, OfSomebodyElsesThatIsNoFileIsRefusedByTheNameThatItIsGiven) {
    const TemporaryFolder folder;
    write_text(folder / "file", "12345");
    int pipe_ends[2];
    ASSERT_EQ(pipe2(pipe_ends, O_CLOEXEC), 0);
    const Fd pipe_end(pipe_ends[0]), other_end(pipe_ends[1]), small(open((folder / "file").c_str(), O_RDONLY | O_CLOEXEC)),
        for_writing(open((folder / "file").c_str(), O_WRONLY | O_CLOEXEC)), path_alone(open((folder / "file").c_str(), O_PATH | O_CLOEXEC)),
        directory(open(folder.path().c_str(), O_RDONLY | O_CLOEXEC)), device(open("/dev/null", O_RDONLY | O_CLOEXEC)),
        growing(open("/proc/self/status", O_RDONLY | O_CLOEXEC));
    const auto refused = [](const Fd& fd) {
        const auto read = LargeFile::read_descriptor(fd.get(), "the image", 4);
        EXPECT_TRUE(!read && read.error().message.starts_with("the image")) << (read ? "it was read" : read.error().message);
        return read ? ErrorKind::already_exists : read.error().kind;
    };
    for (const Fd* fd : {&pipe_end, &directory, &device, &small}) EXPECT_EQ(refused(*fd), ErrorKind::corrupt);
    EXPECT_EQ(refused(growing), ErrorKind::io);
    EXPECT_EQ(LargeFile::read_descriptor(for_writing.get(), "the image", 5).error().kind, ErrorKind::io);
    EXPECT_EQ(LargeFile::read_descriptor(path_alone.get(), "the image", 5).error().kind, ErrorKind::io);
    EXPECT_EQ(LargeFile::read_descriptor(-1, "the image", 5).error().kind, ErrorKind::io);
}

TEST(File, FromAnyPlaceIsReadAsMuchAsThereIsRoomFor) {
    const TemporaryFolder folder;
    constexpr std::string_view all = "12345";
    write_text(folder / "file", all);
    const Fd fd(open((folder / "file").c_str(), O_RDONLY | O_CLOEXEC));
    ASSERT_EQ(lseek(fd.get(), 4, SEEK_SET), 4);
    for (const std::size_t offset : {0, 3, 5, 7}) {
        for (const std::size_t room : {0, 2, 5, 9}) {
            Octets buffer(room);
            const auto length = read_at(fd.get(), offset, buffer, "the file");
            ASSERT_TRUE(length) << length.error().message;
            EXPECT_EQ(as_text(OctetView(buffer).first(*length)), all.substr(std::min(offset, all.size()), room));
        }
    }
    Octets buffer(5);
    const auto refused = read_at(-1, 0, buffer, "the file");
    ASSERT_FALSE(refused);
    EXPECT_TRUE(refused.error().kind == ErrorKind::io && refused.error().message.starts_with("the file")) << refused.error().message;
}

}  // namespace
}  // namespace lethe
