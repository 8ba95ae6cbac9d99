// TARGET [--seconds N] [--seed N] [--crash FILE] CORPUS...
//
// Runs a fuzz target without libFuzzer: on each file of the corpus (folders, or files), then for N seconds on changed copies of them, the
// same ones each time. An input that crashes, breaks a property or takes longer than 20 s is written to FILE.

#include <fcntl.h>
#include <sanitizer/common_interface_defs.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "base/file.hpp"
#include "fuzz.hpp"
#include "mutate.hpp"

extern "C" const char* __asan_default_options() { return "handle_abort=1:allocator_may_return_null=1"; }

namespace {

using lethe::Octets;

constexpr unsigned input_limit_s = 20;

struct Options {
    std::chrono::seconds duration{1};
    std::uint64_t seed = 1;
    std::filesystem::path crash = "crash-input";
    std::vector<std::filesystem::path> corpus;
};

struct {
    std::string file;
    const Octets* octets;
} running;

void keep_input() {
    const int fd = open(running.file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0 || !running.octets) return;
    if (write(fd, running.octets->data(), running.octets->size()) >= 0) std::fprintf(stderr, "the input is in %s\n", running.file.c_str());
    close(fd);
}

void run(const Octets& octets) {
    running.octets = &octets;
    alarm(input_limit_s);
    LLVMFuzzerTestOneInput(octets.data(), octets.size());
    alarm(0);
}

Options read_options(std::span<char*> arguments) {
    Options options;
    for (std::size_t i = 1; i < arguments.size(); ++i) {
        const std::string_view argument = arguments[i];
        const bool has_value = i + 1 < arguments.size();
        if (argument == "--seconds" && has_value) options.duration = std::chrono::seconds(std::stoul(arguments[++i]));
        else if (argument == "--seed" && has_value) options.seed = std::stoull(arguments[++i]);
        else if (argument == "--crash" && has_value) options.crash = arguments[++i];
        else options.corpus.emplace_back(argument);
    }
    return options;
}

std::vector<Octets> read_corpus(const std::vector<std::filesystem::path>& paths) {
    std::vector<std::filesystem::path> files;
    for (const auto& path : paths) {
        if (std::filesystem::is_regular_file(path)) files.push_back(path);
        else
            for (const auto& entry : std::filesystem::directory_iterator(path)) files.push_back(entry.path());
    }
    std::ranges::sort(files);
    std::vector<Octets> corpus;
    for (const auto& file : files) corpus.push_back(lethe::read_file(file, 1 << 24).value());
    return corpus;
}

}  // namespace

int main(int count, char** values) {
    const Options options = read_options({values, static_cast<std::size_t>(count)});
    running.file = options.crash;
    __sanitizer_set_death_callback(keep_input);
    std::signal(SIGALRM, [](int) { std::abort(); });

    std::vector<Octets> seeds = read_corpus(options.corpus);
    if (seeds.empty()) {
        std::fprintf(stderr, "no corpus: give the target at least one seed\n");
        return 1;
    }
    for (const Octets& octets : seeds) run(octets);
    run({});
    std::mt19937_64 random(options.seed);
    std::size_t mutants = 0;
    for (const auto end = std::chrono::steady_clock::now() + options.duration; std::chrono::steady_clock::now() < end; ++mutants)
        run(lethe::fuzz::mutant(seeds, random));
    std::printf("%zu files, %zu mutants, seed %llu\n", seeds.size(), mutants, static_cast<unsigned long long>(options.seed));
    __sanitizer_set_death_callback(nullptr);  // what LeakSanitizer finds after this is of no input
    return 0;
}
