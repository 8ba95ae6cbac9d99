// who_maps: reads numbers of physical pages, one a line, and says for each what it is: every process that maps it, with the mapping and
// whether it is locked; or, when none does, whether it is a file's page in memory (tmpfs, page cache), free, or the kernel's.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

namespace fs = std::filesystem;

static std::string slurp(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

struct Mapping {
    std::uint64_t start, end;
    std::string where;
    bool locked;
};

static std::vector<Mapping> mappings_of(const fs::path& process) {
    std::vector<Mapping> mappings;
    std::istringstream smaps(slurp(process / "smaps"));
    for (std::string line; std::getline(smaps, line);) {
        Mapping mapping{};
        char path[512] = "anonymous";
        if (std::sscanf(line.c_str(), "%lx-%lx %*s %*s %*s %*s %511s", &mapping.start, &mapping.end, path) >= 2) {
            mapping.where = path;
            mappings.push_back(mapping);
        } else if (line.starts_with("VmFlags:") && !mappings.empty()) {
            mappings.back().locked = line.find(" lo") != std::string::npos;
        }
    }
    return mappings;
}

// Linux, Documentation/admin-guide/mm/pagemap.rst: the low 55 bits are the page's number when bit 63 is set.
static void note_pages(const fs::path& process, std::map<std::uint64_t, std::vector<std::string>>& pages, unsigned& seen) {
    std::string name = slurp(process / "comm");
    name.erase(std::remove(name.begin(), name.end(), '\n'), name.end());
    const int pagemap = open((process / "pagemap").c_str(), O_RDONLY | O_CLOEXEC);
    if (pagemap < 0) return;
    for (const auto& mapping : mappings_of(process)) {
        std::vector<std::uint64_t> entries((mapping.end - mapping.start) / 4096);
        const auto count = pread(pagemap, entries.data(), entries.size() * 8, static_cast<off_t>(mapping.start / 4096 * 8));
        for (long i = 0; i < count / 8; ++i) {
            if ((entries[static_cast<std::size_t>(i)] >> 63) == 0) continue;
            ++seen;
            const auto found = pages.find(entries[static_cast<std::size_t>(i)] & ((1ULL << 55) - 1));
            if (found != pages.end()) found->second.push_back(name + " " + mapping.where + (mapping.locked ? " locked" : " unlocked"));
        }
    }
    close(pagemap);
}

static const char* kind_of(std::uint64_t flags) {
    constexpr std::uint64_t buddy = 1 << 10, slab = 1 << 7, anonymous = 1 << 12, swap_backed = 1 << 14, lru = 1 << 5;
    if (flags & buddy) return "free";
    if (flags & slab) return "kernel";
    if (flags & anonymous) return "anonymous";
    if ((flags & swap_backed) && (flags & lru)) return "tmpfs";
    return flags & lru ? "page cache" : "kernel";
}

int main() {
    std::map<std::uint64_t, std::vector<std::string>> pages;
    for (std::uint64_t page; std::cin >> page;) pages[page];
    unsigned seen = 0;
    for (const auto& entry : fs::directory_iterator("/proc")) {
        const std::string pid = entry.path().filename();
        if (std::ranges::all_of(pid, [](unsigned char c) { return std::isdigit(c); })) note_pages(entry.path(), pages, seen);
    }
    const int flags_file = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC);
    for (const auto& [page, owners] : pages) {
        for (const auto& owner : owners) std::printf("%lu process %s\n", page, owner.c_str());
        if (!owners.empty()) continue;
        std::uint64_t flags = 0;
        const bool known = pread(flags_file, &flags, sizeof flags, static_cast<off_t>(page * 8)) == sizeof flags;
        std::printf("%lu %s\n", page, known ? kind_of(flags) : "unknown");
    }
    std::printf("looked at %u mapped pages\n", seen);
}
