// An operator's torrc, beside a reading of it that follows tor's own rules for lines: no refused option may pass.

#include <algorithm>
#include <array>
#include <cctype>
#include <vector>

#include "fuzz.hpp"
#include "tor/torrc.hpp"

using namespace lethe;

namespace {

constexpr std::array<std::string_view, 11> refused{"%include",
                                                   "DataDirectory",
                                                   "DataDirectoryGroupReadable",
                                                   "FamilyKeyDirectory",
                                                   "KeyDirectory",
                                                   "KeyDirectoryGroupReadable",
                                                   "OfflineMasterKey",
                                                   "PidFile",
                                                   "RunAsDaemon",
                                                   "Sandbox",
                                                   "User"};

// The words that tor takes for names of options, in a text without NUL. Source: tor 0.4.9, lib/encoding/confline.c.
class Lines {
public:
    explicit Lines(std::string_view text) : text_(text) {}

    std::vector<std::string_view> names() {
        std::vector<std::string_view> names;
        while (skip_to_name()) {
            const std::size_t start = at_;
            while (!done() && !is_space(now()) && now() != '#' && !continues()) ++at_;
            names.push_back(text_.substr(start, at_ - start));
            while (now() == ' ' || now() == '\t') ++at_;
            if (now() != '"') skip_value();
            else if (!skip_quoted()) break;  // tor refuses the whole text
        }
        return names;
    }

private:
    static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
    bool done() const { return at_ >= text_.size(); }
    char now() const { return done() ? '\0' : text_[at_]; }
    bool continues() const { return text_.substr(at_).starts_with("\\\n"); }
    void skip_line() { at_ = std::min(text_.find('\n', at_), text_.size()); }

    bool skip_to_name() {
        while (is_space(now()) || now() == '#') now() == '#' ? skip_line() : void(++at_);
        return !done();
    }
    void skip_value() {
        for (bool continued = false; !done() && now() != '\n' && (now() != '#' || continued);) {
            if (continues()) continued = true, at_ += 2;
            else if (now() == '#') skip_line(), ++at_;  // a comment in between does not end a continued value
            else ++at_;
        }
    }
    bool skip_quoted() {
        for (++at_; now() != '"'; ++at_)
            if (done() || now() == '\n' || (now() == '\\' && ++at_ >= text_.size())) return false;
        return true;  // tor wants the line to end here; reading on as a value loses nothing
    }

    std::string_view text_;
    std::size_t at_ = 0;
};

bool is_refused(std::string_view name) {
    if (name.starts_with('+') || name.starts_with('/')) name.remove_prefix(1);
    const auto equal = [](unsigned char left, unsigned char right) { return std::tolower(left) == std::tolower(right); };
    return !name.empty() && std::ranges::any_of(refused, [&](std::string_view option) {
        return name.size() <= option.size() && std::ranges::equal(name, option.substr(0, name.size()), equal);
    });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text = as_text({data, size});
    if (!fuzz::parsed(check_operator_torrc(text), {ErrorKind::invalid_argument})) return 0;
    fuzz::require(!text.contains('\0'), "tor reads the whole text");
    fuzz::require(std::ranges::none_of(Lines(text).names(), is_refused), "no refused option passes");
    return 0;
}
