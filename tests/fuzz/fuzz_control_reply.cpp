// What tor, or whoever answers in its place, says on a control port.

#include "fuzz.hpp"
#include "tor/control_port_place.hpp"
#include "tor/control_port_reply.hpp"

using namespace lethe;

namespace {

void check_reply(const ControlReply& reply) {
    fuzz::require(reply.status >= 100 && reply.status <= 999 && !reply.lines.empty(), "a reply has a status and a line");
    for (const auto& line : reply.lines) {
        fuzz::require(line.data.empty() || line.data.ends_with('\n'), "data are lines");
        if (const auto value = control_word(line.text, "COOKIEFILE"))
            fuzz::require(value->size() <= line.text.size(), "a word is no longer than its line");
    }
    fuzz::parsed(values_of(reply), {ErrorKind::corrupt, ErrorKind::wrong_state});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    OctetView rest(data, size);
    for (;;) {
        const auto taken = take_control_reply(rest);
        if (!fuzz::parsed(taken) || !*taken) break;
        fuzz::require((*taken)->size_octets > 0 && (*taken)->size_octets <= rest.size(), "a reply takes what was received");
        check_reply((*taken)->reply);
        rest = rest.subspan((*taken)->size_octets);
    }
    fuzz::parsed(control_address(as_text({data, size}), "/run/control"), {ErrorKind::wrong_state, ErrorKind::invalid_argument});
    return 0;
}
