#include "bus/client.hpp"

namespace lethe {

Error to_error(const sdbus::Error& error, const std::string& service) {
    const std::string& name = error.getName();
    if (name.ends_with(".UnknownObject") || name.ends_with(".UnknownInterface") || name.ends_with(".UnknownMethod"))
        return {ErrorKind::not_found, std::format("{} has no such object", service)};
    if (name.ends_with(".ServiceUnknown") || name.ends_with(".NameHasNoOwner") || name.ends_with(".FileNotFound"))
        return {ErrorKind::wrong_state, std::format("{} is not running", service)};
    return {ErrorKind::io, std::format("{}: {} ({})", service, error.getMessage(), name)};
}

}  // namespace lethe
