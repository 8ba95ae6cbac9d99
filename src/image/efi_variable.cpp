#include "image/efi_variable.hpp"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/file.hpp"

namespace lethe {

namespace {

constexpr std::size_t variable_limit_octets = 4096;
// efivarfs puts them before the content: non-volatile, for boot services and at run time.
constexpr std::array<std::uint8_t, 4> attributes{7, 0, 0, 0};

std::filesystem::path file_of(const std::filesystem::path& efivars, std::string_view name, std::string_view vendor) {
    return efivars / std::format("{}-{}", name, vendor);
}

// efivarfs protects what is there against an accidental rm. Where this does not work, the change that follows says why.
void make_mutable(const std::filesystem::path& file) {
    const auto fd = open_file(AT_FDCWD, file, O_RDONLY | O_NONBLOCK);
    unsigned flags = 0;
    if (!fd || ioctl(fd->get(), FS_IOC_GETFLAGS, &flags) != 0 || (flags & FS_IMMUTABLE_FL) == 0) return;
    flags &= ~static_cast<unsigned>(FS_IMMUTABLE_FL);
    ioctl(fd->get(), FS_IOC_SETFLAGS, &flags);
}

}  // namespace

Result<EfiVariable> read_whole_efi_variable(const std::filesystem::path& efivars, std::string_view name, std::string_view vendor,
                                            std::size_t limit_octets) {
    Octets octets = TRY(read_file(file_of(efivars, name, vendor), limit_octets));
    if (octets.size() < attributes.size()) return fail(ErrorKind::corrupt, "EFI variable {} is cut short", name);
    EfiVariable variable{0, {}};
    for (std::size_t i = 0; i < attributes.size(); ++i) variable.attributes |= std::uint32_t{octets[i]} << 8 * i;
    octets.erase(octets.begin(), octets.begin() + attributes.size());
    variable.content = std::move(octets);
    return variable;
}

Result<Octets> read_efi_variable(const std::filesystem::path& efivars, std::string_view name, std::string_view vendor,
                                 std::size_t limit_octets) {
    return TRY(read_whole_efi_variable(efivars, name, vendor, limit_octets)).content;
}

Result<void> set_loader_variable(const std::filesystem::path& efivars, std::string_view name, std::string_view text) {
    Octets octets(attributes.begin(), attributes.end());
    for (const char letter : text) octets.insert(octets.end(), {static_cast<std::uint8_t>(letter), 0});  // UTF-16LE
    octets.insert(octets.end(), {0, 0});
    const auto file = file_of(efivars, name, loader_vendor);
    if (const auto present = read_file(file, variable_limit_octets); present && *present == octets) return {};  // spares the flash
    make_mutable(file);
    const Fd fd = TRY(open_file(AT_FDCWD, file, O_WRONLY | O_CREAT | O_NOCTTY, 0644));
    // efivarfs takes what one write(2) has for the whole variable.
    if (auto written = write_all(fd.get(), octets); !written) return in_context(written.error(), file.native());
    return {};
}

Result<void> remove_loader_variable(const std::filesystem::path& efivars, std::string_view name) {
    const auto file = file_of(efivars, name, loader_vendor);
    make_mutable(file);
    if (unlink(file.c_str()) != 0 && errno != ENOENT) return fail_errno(errno, file.native());
    return {};
}

}  // namespace lethe
