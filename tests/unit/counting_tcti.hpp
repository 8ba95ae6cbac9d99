#pragma once

#include <tss2/tss2_tcti.h>

#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "base/octets.hpp"

namespace lethe {

/// A command that went to the TPM, and what came back.
struct TpmExchange {
    std::uint32_t command_code;
    std::uint32_t response_code;
    Octets command;
    Octets response;
};

/// A TCTI that records what passes through it, and lets a test step in between. Borrows the TCTI below it.
class CountingTcti {
public:
    explicit CountingTcti(TSS2_TCTI_CONTEXT* below);
    CountingTcti(const CountingTcti&) = delete;
    CountingTcti& operator=(const CountingTcti&) = delete;

    /// For Esys_Initialize; lives as long as this object.
    TSS2_TCTI_CONTEXT* context() { return reinterpret_cast<TSS2_TCTI_CONTEXT*>(&context_); }

    /// What has passed since the start or the last forget().
    const std::vector<TpmExchange>& exchanges() const { return exchanges_; }
    std::size_t octets() const;
    std::vector<std::uint32_t> command_codes() const;
    /// Whether these octets have passed in the clear, either way.
    bool saw(OctetView octets) const;
    void forget() { exchanges_.clear(); }

    /// Called before each command with its code. A value that it returns is the TPM's answer (or the transport's failure, when it has a
    /// layer), and the TPM never sees the command. What it does with the TCTI below is not recorded.
    std::function<std::optional<std::uint32_t>(std::uint32_t command_code)> before;
    /// Called with each response, which it may change.
    std::function<void(std::uint32_t command_code, std::span<std::uint8_t> response)> tamper;

private:
    struct Context {
        TSS2_TCTI_CONTEXT_COMMON_V1 common;
        CountingTcti* self;
    };
    TSS2_RC transmit(OctetView command);
    TSS2_RC receive(std::size_t* size, std::uint8_t* response, std::int32_t timeout);

    Context context_{};
    TSS2_TCTI_CONTEXT* below_;
    std::optional<Octets> injected_;
    std::vector<TpmExchange> exchanges_;
};

}  // namespace lethe
