#pragma once

#include <expected>
#include <format>
#include <string>
#include <utility>

namespace lethe {

/// What a caller can do about a failure; a kind exists only where some caller acts differently on it.
enum class ErrorKind {
    invalid_argument,  ///< the request itself is wrong
    not_found,         ///< there is no such object
    already_exists,    ///< refused, because something would be overwritten
    wrong_state,       ///< right request, wrong moment: not enrolled, still running
    policy_mismatch,   ///< the TPM refuses this boot
    rollback,          ///< something older than what was there has been put back
    corrupt,           ///< octets that do not parse or do not authenticate
    tpm_locked_out,    ///< dictionary-attack lockout
    tpm_unavailable,   ///< no TPM, or it does not answer
    io,                ///< the operating system refused
};

/// One line that says what happened and what to do next. Never holds secret octets.
struct Error {
    ErrorKind kind;
    std::string message;
};

template <class T>
using Result = std::expected<T, Error>;

template <class... Args>
[[nodiscard]] std::unexpected<Error> fail(ErrorKind kind, std::format_string<Args...> format, Args&&... args) {
    return std::unexpected(Error{kind, std::format(format, std::forward<Args>(args)...)});
}

/// A failure of the operating system: appends the text of `error_number` (an errno value) to the message.
[[nodiscard]] std::unexpected<Error> fail_errno(int error_number, std::string_view what);

/// The same error with "context: " before its message.
[[nodiscard]] std::unexpected<Error> in_context(Error error, std::string_view context);

}  // namespace lethe

/// The value of a Result, or return its error from the enclosing function. A GNU statement expression, so that it reads as an expression.
#define TRY(expression)                                                         \
    ({                                                                          \
        auto&& try_result = (expression);                                       \
        if (!try_result) return std::unexpected(std::move(try_result).error()); \
        *std::move(try_result);                                                 \
    })
