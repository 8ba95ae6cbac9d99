#include "image/efi_variable.hpp"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/file.hpp"

namespace lethe {

namespace {

constexpr std::size_t variable_limit_octets = 4096;
// efivarfs puts them before the content: non-volatile, for boot services and at run time.
constexpr std::array<std::uint8_t, 4> attributes{7, 0, 0, 0};
constexpr std::uint8_t non_volatile = 1;

// The boot loader reads it once and removes it, unless it cannot read it.
constexpr std::string_view next_entry = "LoaderEntryOneShot";

// Those that outlive boots by design, and choose no entry but LoaderEntryOneShot, which has its own place. Of StubInfo it matters alone
// that it is there, and without it the rest of this boot would not be one of a UKI. Source: systemd 257, man/systemd-boot.xml and
// src/boot/boot.c.
constexpr std::array<std::string_view, 7> left_alone{
    "LoaderSystemToken",       next_entry, "LoaderEntryLastBooted", "LoaderConfigTimeout", "LoaderConfigTimeoutOneShot",
    "LoaderConfigConsoleMode", "StubInfo"};

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

Result<Octets> read_whole(const std::filesystem::path& efivars, std::string_view name, std::string_view vendor, std::size_t limit_octets) {
    Octets octets = TRY(read_file(file_of(efivars, name, vendor), limit_octets));
    if (octets.size() < attributes.size()) return fail(ErrorKind::corrupt, "EFI variable {} is cut short", name);
    return octets;
}

// "LoaderInfo" of "LoaderInfo-4a67b082-...", as far as it is the boot loader's or the stub's.
std::string_view loader_variable_of(std::string_view file) {
    const auto end = file.size() > loader_vendor.size() ? file.size() - loader_vendor.size() - 1 : 0;
    if (end == 0 || file[end] != '-' || !file.ends_with(loader_vendor)) return {};
    const auto name = file.substr(0, end);
    return name.starts_with("Loader") || name.starts_with("Stub") ? name : std::string_view();
}

// As set_loader_variable() writes it: its attributes, UTF-16LE, and a zero.
Octets variable_of(std::string_view text) {
    Octets octets(attributes.begin(), attributes.end());
    for (const char letter : text) octets.insert(octets.end(), {static_cast<std::uint8_t>(letter), 0});
    octets.insert(octets.end(), {0, 0});
    return octets;
}

bool is_meant_to_last(const std::filesystem::path& efivars, std::string_view name) {
    if (name == next_entry) {
        const auto set = read_set_variable(efivars, name);
        return !set || !set->empty();
    }
    return std::ranges::contains(left_alone, name);
}

}  // namespace

Result<EfiVariable> read_whole_efi_variable(const std::filesystem::path& efivars, std::string_view name, std::string_view vendor,
                                            std::size_t limit_octets) {
    Octets octets = TRY(read_whole(efivars, name, vendor, limit_octets));
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

Result<bool> outlives_boot(const std::filesystem::path& efivars, std::string_view name) {
    return (TRY(read_whole(efivars, name, loader_vendor, variable_limit_octets)).front() & non_volatile) != 0;
}

Result<std::vector<std::string>> remove_left_variables(const std::filesystem::path& efivars) {
    std::vector<std::string> removed;
    Result<void> all;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(efivars, error)) {
        const std::string file = entry.path().filename();
        const auto name = loader_variable_of(file);
        // What cannot be read as a variable, as one that is too large, is none that the boot loader made.
        if (name.empty() || is_meant_to_last(efivars, name) || !outlives_boot(efivars, name).value_or(true)) continue;
        if (auto gone = remove_loader_variable(efivars, name); !gone) all = std::move(gone);
        else removed.emplace_back(name);
    }
    if (error && error != std::errc::no_such_file_or_directory) return fail_errno(error.value(), efivars.native());
    if (!all) return std::unexpected(all.error());
    std::ranges::sort(removed);
    return removed;
}

Result<std::string> read_loader_text(const std::filesystem::path& efivars, std::string_view name) {
    const Octets octets = TRY(read_efi_variable(efivars, name, loader_vendor));
    std::string text;
    for (std::size_t i = 0; i + 1 < octets.size() && (octets[i] != 0 || octets[i + 1] != 0); i += 2) {
        if (octets[i + 1] != 0 || octets[i] < ' ' || octets[i] > '~')
            return fail(ErrorKind::corrupt, "EFI variable {} holds something else than plain ASCII", name);
        text += static_cast<char>(octets[i]);
    }
    return text;
}

Result<std::string> read_set_variable(const std::filesystem::path& efivars, std::string_view name) {
    const auto whole = read_whole(efivars, name, loader_vendor, variable_limit_octets);
    if (!whole && whole.error().kind == ErrorKind::io) return std::unexpected(whole.error());
    if (!whole) return "";
    std::string text = read_loader_text(efivars, name).value_or("");
    return variable_of(text) == *whole ? text : "";
}

Result<void> set_loader_variable(const std::filesystem::path& efivars, std::string_view name, std::string_view text) {
    const Octets octets = variable_of(text);
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
