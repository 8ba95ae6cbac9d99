#include "tor/tagged_file.hpp"

#include <algorithm>
#include <array>

namespace lethe {

namespace {

constexpr std::size_t header_octets = 32;

using Header = std::array<std::uint8_t, header_octets>;

Header header_with(std::string_view title) {
    Header header{};
    std::ranges::copy(as_octets(std::format("== {} ==", title)).first(std::min(title.size() + 6, header_octets)), header.begin());
    return header;
}

}  // namespace

Result<OctetView> tagged_payload(OctetView file, std::string_view title, std::size_t payload_octets) {
    if (file.size() != header_octets + payload_octets)
        return fail(ErrorKind::corrupt, "{} octets where a file of {} is expected", file.size(), header_octets + payload_octets);
    // The header is compared with what belongs into this file, so that a key cannot pass for one of another kind.
    if (!std::ranges::equal(file.first(header_octets), header_with(title)))
        return fail(ErrorKind::corrupt, "its header is not \"== {} ==\"", title);
    return file.subspan(header_octets);
}

Secret tagged_file(std::string_view title, OctetView payload) {
    Secret file(header_octets + payload.size());
    std::ranges::copy(header_with(title), file.expose_mutable().begin());
    std::ranges::copy(payload, file.expose_mutable().subspan(header_octets).begin());
    return file;
}

}  // namespace lethe
