#pragma once

#include <functional>
#include <string>

namespace lethe::ctl {

/// How far work is, in one line of at most `columns` code points: "[######..]  75 %  step".
std::string bar_text(const std::string& step, unsigned percent, std::size_t columns);

/// Shows on standard error how far long work is: with `verbose` a line for each step; without it a bar when that is a terminal, and else
/// nothing. The bar is gone when this is.
class Progress {
public:
    explicit Progress(bool verbose);
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;
    ~Progress();

    void operator()(const std::string& said, unsigned percent);

private:
    bool verbose_;
    bool terminal_;
    std::string step_;  ///< shown last
};

/// Does work that reports its steps, and shows them as Progress does until it is done.
template <class Work>
auto with_progress(bool verbose, Work&& work) {
    Progress progress(verbose);
    return work(std::ref(progress));
}

}  // namespace lethe::ctl
