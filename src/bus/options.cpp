#include "bus/options.hpp"

#include <algorithm>

#include "base/file.hpp"

namespace lethe {
namespace {

constexpr std::size_t secret_limit_octets = 1024;

}  // namespace

Result<void> Options::check() const {
    for (const auto& [name, value] : given_) {
        if (!std::ranges::contains(known_, name)) return fail(ErrorKind::invalid_argument, "there is no option \"{}\"", name);
    }
    return {};
}

Result<std::optional<std::string>> Options::text(const std::string& name) const { return value<std::string>(name); }

Result<std::optional<Secret>> Options::secret(const std::string& name) const {
    const auto file = TRY(value<sdbus::UnixFd>(name));
    if (!file) return std::nullopt;
    return TRY(read_secret_descriptor(file->get(), name, secret_limit_octets));
}

}  // namespace lethe
