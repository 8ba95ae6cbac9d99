#include "counting_tcti.hpp"

#include <algorithm>

namespace lethe {

namespace {

// The code in the header of a command and of a response: after the tag and the size (TPM 2.0 Part 1, 18).
std::uint32_t code_in(OctetView octets) {
    OctetReader reader(octets);
    if (!reader.take(6)) return 0;
    return reader.u32().value_or(0);
}

}  // namespace

CountingTcti::CountingTcti(TSS2_TCTI_CONTEXT* below) : below_(below) {
    static constexpr auto self_of = [](TSS2_TCTI_CONTEXT* context) { return reinterpret_cast<Context*>(context)->self; };
    context_.self = this;
    context_.common.magic = 0x6C65746865;
    context_.common.version = 1;
    context_.common.transmit = [](TSS2_TCTI_CONTEXT* context, std::size_t size, const std::uint8_t* command) {
        return self_of(context)->transmit({command, size});
    };
    context_.common.receive = [](TSS2_TCTI_CONTEXT* context, std::size_t* size, std::uint8_t* response, std::int32_t timeout) {
        return self_of(context)->receive(size, response, timeout);
    };
    context_.common.finalize = [](TSS2_TCTI_CONTEXT*) {};
}

TSS2_RC CountingTcti::transmit(OctetView command) {
    const std::uint32_t code = code_in(command);
    std::optional<std::uint32_t> answer;
    if (before) answer = before(code);
    exchanges_.push_back({.command_code = code, .response_code = 0, .command = Octets(command.begin(), command.end()), .response = {}});
    injected_.reset();
    if (!answer.has_value()) return Tss2_Tcti_Transmit(below_, command.size(), command.data());
    const std::uint32_t response_code = answer.value();
    if ((response_code & TSS2_RC_LAYER_MASK) != 0) return response_code;  // a failure of the transport itself
    injected_ = OctetWriter().u16(TPM2_ST_NO_SESSIONS).u32(10).u32(response_code).take();
    return TSS2_RC_SUCCESS;
}

TSS2_RC CountingTcti::receive(std::size_t* size, std::uint8_t* response, std::int32_t timeout) {
    if (injected_) {
        if (response != nullptr) {
            if (*size < injected_->size()) return TSS2_TCTI_RC_INSUFFICIENT_BUFFER;
            std::ranges::copy(*injected_, response);
        }
        *size = injected_->size();
    } else if (const TSS2_RC rc = Tss2_Tcti_Receive(below_, size, response, timeout); rc != TSS2_RC_SUCCESS) {
        return rc;
    }
    if (response == nullptr) return TSS2_RC_SUCCESS;  // only the size was asked for
    if (tamper) tamper(exchanges_.back().command_code, {response, *size});
    exchanges_.back().response.assign(response, response + *size);
    exchanges_.back().response_code = code_in(exchanges_.back().response);
    return TSS2_RC_SUCCESS;
}

std::size_t CountingTcti::octets() const {
    std::size_t sum = 0;
    for (const TpmExchange& exchange : exchanges_) sum += exchange.command.size() + exchange.response.size();
    return sum;
}

std::vector<std::uint32_t> CountingTcti::command_codes() const {
    std::vector<std::uint32_t> codes;
    for (const TpmExchange& exchange : exchanges_) codes.push_back(exchange.command_code);
    return codes;
}

bool CountingTcti::saw(OctetView octets) const {
    const auto in = [&](const Octets& where) { return !std::ranges::search(where, octets).empty(); };
    return std::ranges::any_of(exchanges_, [&](const TpmExchange& exchange) { return in(exchange.command) || in(exchange.response); });
}

}  // namespace lethe
