#pragma once

#include "tpm/tpm.hpp"

namespace lethe {

/// A TPM that stays when whoever opened it closes it: the daemon opens its own anew at each restore.
class BorrowedTpm : public Tpm {
public:
    explicit BorrowedTpm(Tpm& tpm) : tpm_(tpm) {}
    Result<PcrValues> read_pcrs(std::span<const unsigned> pcrs) override { return tpm_.read_pcrs(pcrs); }
    Result<TpmReference> storage_root() override { return tpm_.storage_root(); }
    Result<TpmReference> nv_index(std::uint32_t handle) override { return tpm_.nv_index(handle); }
    Result<NvArea> nv_area(std::uint32_t handle) override { return tpm_.nv_area(handle); }
    Result<NvLimits> nv_limits() override { return tpm_.nv_limits(); }
    Result<void> nv_define(std::uint32_t handle, std::uint16_t octets) override { return tpm_.nv_define(handle, octets); }
    Result<void> nv_undefine(std::uint32_t handle) override { return tpm_.nv_undefine(handle); }
    Result<void> nv_write(std::uint32_t handle, std::uint16_t offset, OctetView octets) override {
        return tpm_.nv_write(handle, offset, octets);
    }
    Result<Octets> nv_read(std::uint32_t handle) override { return tpm_.nv_read(handle); }
    Result<Octets> nv_read(std::uint32_t handle, std::uint16_t offset, std::uint16_t count) override {
        return tpm_.nv_read(handle, offset, count);
    }
    Result<void> counter_define(std::uint32_t handle, const Secret& authorisation) override {
        return tpm_.counter_define(handle, authorisation);
    }
    Result<std::unique_ptr<NvCounter>> counter_open(std::uint32_t handle, const Secret& authorisation) override {
        return tpm_.counter_open(handle, authorisation);
    }
    Result<SealedObject> seal(const TpmReference& root, const Secret& secret, const Digest& policy) override {
        return tpm_.seal(root, secret, policy);
    }
    Result<Secret> unseal(const TpmReference& root, const TpmReference& index, const SealedObject& object,
                          const PcrPolicy& policy) override {
        return tpm_.unseal(root, index, object, policy);
    }

protected:
    Tpm& tpm_;
};

}  // namespace lethe
