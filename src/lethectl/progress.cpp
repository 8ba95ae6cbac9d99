#include "lethectl/progress.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <format>
#include <iostream>

#include "base/printable.hpp"

namespace lethe::ctl {
namespace {

constexpr std::size_t cells = 24;
constexpr auto erase_line = "\r\x1b[K";

bool can_redraw() {
    const char* term = std::getenv("TERM");
    return ::isatty(STDERR_FILENO) && !(term && std::string{term} == "dumb");
}

std::size_t columns_of_terminal() {
    winsize size{};
    return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

std::string first_code_points(const std::string& text, std::size_t count) {
    const auto begins = [](unsigned char octet) { return (octet & 0xC0) != 0x80; };
    const auto end = std::ranges::find_if(text, [&](unsigned char octet) { return begins(octet) && count-- == 0; });
    return {text.begin(), end};
}

}  // namespace

std::string bar_text(const std::string& step, unsigned percent, std::size_t columns) {
    percent = std::min(percent, 100u);
    const auto done = percent * cells / 100;
    return first_code_points(std::format("[{}{}] {:>3} %  {}", std::string(done, '#'), std::string(cells - done, '.'), percent, step),
                             columns);
}

Progress::Progress(bool verbose) : verbose_(verbose), terminal_(can_redraw()) {}

Progress::~Progress() {
    if (!verbose_ && terminal_ && !step_.empty()) std::cerr << erase_line << std::flush;
}

void Progress::operator()(const std::string& said, unsigned percent) {
    const auto step = printable(said);
    // The last column stays free: some terminals begin a new line there.
    if (!verbose_ && terminal_) std::cerr << erase_line << bar_text(step, percent, columns_of_terminal() - 1) << std::flush;
    if (verbose_ && step != step_) std::cerr << std::format("{:>3} %  {}\n", percent, step) << std::flush;
    step_ = step;
}

}  // namespace lethe::ctl
