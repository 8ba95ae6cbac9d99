#include "base/result.hpp"

#include <system_error>

namespace lethe {

std::unexpected<Error> fail_errno(int error_number, std::string_view what) {
    const ErrorKind kind = error_number == ENOENT   ? ErrorKind::not_found
                           : error_number == EEXIST ? ErrorKind::already_exists
                                                    : ErrorKind::io;
    return fail(kind, "{}: {}", what, std::generic_category().message(error_number));
}

std::unexpected<Error> in_context(Error error, std::string_view context) {
    return std::unexpected(Error{error.kind, std::format("{}: {}", context, error.message)});
}

}  // namespace lethe
