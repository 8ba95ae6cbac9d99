#include "bus/errors.hpp"

#include <algorithm>
#include <array>

namespace lethe {
namespace {

struct Row {
    ErrorKind kind;
    std::string_view name;
};

constexpr std::array table = {
    Row{ErrorKind::invalid_argument, "org.lethe.Error.InvalidArgument"},
    Row{ErrorKind::not_found, "org.lethe.Error.NotFound"},
    Row{ErrorKind::already_exists, "org.lethe.Error.AlreadyExists"},
    Row{ErrorKind::wrong_state, "org.lethe.Error.WrongState"},
    Row{ErrorKind::policy_mismatch, "org.lethe.Error.PolicyMismatch"},
    Row{ErrorKind::rollback, "org.lethe.Error.Rollback"},
    Row{ErrorKind::corrupt, "org.lethe.Error.Corrupt"},
    Row{ErrorKind::tpm_locked_out, "org.lethe.Error.TpmLockedOut"},
    Row{ErrorKind::tpm_unavailable, "org.lethe.Error.TpmUnavailable"},
    Row{ErrorKind::io, "org.lethe.Error.Io"},
};

}  // namespace

std::string_view error_name(ErrorKind kind) { return std::ranges::find(table, kind, &Row::kind)->name; }

std::optional<ErrorKind> error_kind(std::string_view name) {
    const auto* row = std::ranges::find(table, name, &Row::name);
    if (row == table.end()) return std::nullopt;
    return row->kind;
}

sdbus::Error to_bus_error(const Error& error) {
    return sdbus::Error{sdbus::Error::Name{std::string{error_name(error.kind)}}, error.message};
}

void detail::throw_current_as_bus_error() {
    try {
        throw;
    } catch (const std::exception& thrown) {
        throw to_bus_error({ErrorKind::io, thrown.what()});
    } catch (...) {
        throw to_bus_error({ErrorKind::io, "an unknown failure inside the daemon"});
    }
}

}  // namespace lethe
