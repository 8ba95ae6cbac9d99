#include "bus/options.hpp"

#include <algorithm>

#include "base/file.hpp"

namespace lethe {
namespace {

constexpr std::size_t secret_limit_octets = 1024;

// The value of an option that has to be a T; null when it is not given.
template <class T>
Result<const sdbus::Variant*> find(const std::map<std::string, sdbus::Variant>& given, const std::string& name) {
    const auto found = given.find(name);
    if (found == given.end()) return nullptr;
    if (!found->second.containsValueOfType<T>()) return fail(ErrorKind::invalid_argument, "option \"{}\" is of the wrong type", name);
    return &found->second;
}

}  // namespace

Result<void> Options::check() const {
    for (const auto& [name, value] : given_) {
        if (!std::ranges::contains(known_, name)) return fail(ErrorKind::invalid_argument, "there is no option \"{}\"", name);
    }
    return {};
}

Result<std::optional<std::string>> Options::text(const std::string& name) const {
    const auto* value = TRY(find<std::string>(given_, name));
    if (!value) return std::nullopt;
    return value->get<std::string>();
}

Result<std::optional<Secret>> Options::secret(const std::string& name) const {
    const auto* value = TRY(find<sdbus::UnixFd>(given_, name));
    if (!value) return std::nullopt;
    return TRY(read_secret_descriptor(value->get<sdbus::UnixFd>().get(), name, secret_limit_octets));
}

}  // namespace lethe
