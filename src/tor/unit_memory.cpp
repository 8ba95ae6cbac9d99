#include "tor/unit_memory.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <string_view>

#include "base/file.hpp"

namespace lethe {

namespace {

constexpr std::uint64_t mib = 1 << 20;
constexpr std::uint64_t gib = 1024 * mib;
constexpr std::uint64_t no_limit = std::numeric_limits<std::uint64_t>::max();
constexpr std::size_t file_limit_octets = 64 * 1024;

Result<std::uint64_t> parse_number(std::string_view text, const std::filesystem::path& path) {
    std::uint64_t value = 0;
    const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (status != std::errc() || end != text.data() + text.size() || text.empty())
        return fail(ErrorKind::corrupt, "{}: a number is expected", path.native());
    return value;
}

Result<std::uint64_t> read_limit(const std::filesystem::path& path) {
    const auto octets = read_file(path, file_limit_octets);
    if (!octets && octets.error().kind == ErrorKind::not_found) return no_limit;
    if (!octets) return std::unexpected(octets.error());
    std::string_view text = as_text(*octets);
    if (text.ends_with('\n')) text.remove_suffix(1);
    if (text == "max") return no_limit;
    return parse_number(text, path);
}

// "MemAvailable:   123456 kB"
Result<std::uint64_t> meminfo_octets(std::string_view text, std::string_view field, const std::filesystem::path& path) {
    for (std::size_t start = 0; start < text.size();) {
        const std::size_t end = std::min(text.find('\n', start), text.size());
        std::string_view line = text.substr(start, end - start);
        start = end + 1;
        if (!line.starts_with(field) || !line.ends_with(" kB")) continue;
        line.remove_prefix(field.size());
        line.remove_suffix(3);
        line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
        const std::uint64_t kib = TRY(parse_number(line, path));
        if (kib > no_limit / 1024) return fail(ErrorKind::corrupt, "{}: {} is out of range", path.native(), field);
        return kib * 1024;
    }
    return fail(ErrorKind::corrupt, "{}: has no {}", path.native(), field);
}

std::uint64_t tor_rule(std::uint64_t memory) { return std::min(memory >= 8 * gib ? memory / 5 * 2 : memory / 4 * 3, 8 * gib); }

}  // namespace

Result<UnitMemory> memory_for_unit(const std::filesystem::path& cgroup_root, const std::filesystem::path& unit_cgroup,
                                   const std::filesystem::path& meminfo, unsigned relays) {
    if (relays == 0) return fail(ErrorKind::invalid_argument, "memory is shared among at least one relay");
    const Octets octets = TRY(read_file(meminfo, file_limit_octets));
    UnitMemory memory{TRY(meminfo_octets(as_text(octets), "MemAvailable:", meminfo)) / relays,
                      TRY(meminfo_octets(as_text(octets), "MemTotal:", meminfo))};
    std::filesystem::path cgroup = cgroup_root;
    for (const auto& component : unit_cgroup.relative_path()) {
        if (component == "..") return fail(ErrorKind::invalid_argument, "{}: not a cgroup below the root", unit_cgroup.native());
        cgroup /= component;
        memory.usable_octets =
            std::min({memory.usable_octets, TRY(read_limit(cgroup / "memory.max")), TRY(read_limit(cgroup / "memory.high"))});
    }
    return memory;
}

Result<std::filesystem::path> own_cgroup(const std::filesystem::path& membership) {
    const Octets octets = TRY(read_file(membership, file_limit_octets));
    std::string_view text = as_text(octets);
    if (!text.starts_with("0::/") || !text.ends_with('\n') || text.find('\n') != text.size() - 1)
        return fail(ErrorKind::corrupt, "{}: one line of the unified hierarchy (0::/...) is expected", membership.native());
    text.remove_prefix(4);
    text.remove_suffix(1);
    return std::filesystem::path(text);
}

std::uint64_t max_mem_in_queues_mib(const UnitMemory& memory) {
    return std::max(std::min(tor_rule(memory.usable_octets), tor_rule(memory.total_octets)) / mib, std::uint64_t{64});
}

}  // namespace lethe
