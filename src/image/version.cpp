#include "image/version.hpp"

#include <algorithm>
#include <functional>

namespace lethe {
namespace {

constexpr bool is_digit(char letter) { return letter >= '0' && letter <= '9'; }
constexpr bool is_letter(char letter) { return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z'); }

template <class Predicate>
std::string_view take_while(std::string_view& text, Predicate predicate) {
    const auto end = std::ranges::find_if_not(text, predicate);
    const auto taken = text.substr(0, static_cast<std::size_t>(end - text.begin()));
    text.remove_prefix(taken.size());
    return taken;
}

// What begins with the sign is the older one; both lose it.
std::strong_ordering take_sign(char sign, std::string_view& left, std::string_view& right) {
    const bool left_has = left.starts_with(sign), right_has = right.starts_with(sign);
    if (left_has && right_has) left.remove_prefix(1), right.remove_prefix(1);
    return !left_has <=> !right_has;
}

// Numbers are newer than letters, and longer ones newer than shorter ones.
std::strong_ordering take_number(std::string_view& left, std::string_view& right) {
    std::string_view first = take_while(left, is_digit), second = take_while(right, is_digit);
    if (const auto order = !first.empty() <=> !second.empty(); order != 0) return order;
    first.remove_prefix(std::min(first.find_first_not_of('0'), first.size()));
    second.remove_prefix(std::min(second.find_first_not_of('0'), second.size()));
    if (const auto order = first.size() <=> second.size(); order != 0) return order;
    return first <=> second;
}

std::strong_ordering take_part(std::string_view& left, std::string_view& right) {
    if ((!left.empty() && is_digit(left[0])) || (!right.empty() && is_digit(right[0]))) return take_number(left, right);
    return take_while(left, is_letter) <=> take_while(right, is_letter);
}

}  // namespace

bool is_of_a_version(char letter) { return is_digit(letter) || is_letter(letter) || std::string_view("~-^.").contains(letter); }

std::strong_ordering compare_versions(std::string_view left, std::string_view right) {
    for (;;) {
        take_while(left, std::not_fn(is_of_a_version));
        take_while(right, std::not_fn(is_of_a_version));
        // Before the end, so that "1~rc1" is older than "1".
        if (const auto order = take_sign('~', left, right); order != 0) return order;
        if (left.empty() || right.empty()) return !left.empty() <=> !right.empty();
        for (const char sign : {'-', '^', '.'})
            if (const auto order = take_sign(sign, left, right); order != 0) return order;
        if (const auto order = take_part(left, right); order != 0) return order;
    }
}

}  // namespace lethe
