#pragma once

#include "../unit/borrowed_tpm.hpp"
#include "meter.hpp"

namespace lethe {

/// A TPM that takes the time of the verbs with which a vault is opened and snapshots are counted: the commands, and what ESAPI does around
/// them. Borrows the meter.
class MeteredTpm final : public BorrowedTpm {
public:
    MeteredTpm(std::unique_ptr<Tpm> tpm, Meter& meter) : BorrowedTpm(*tpm), owned_(std::move(tpm)), meter_(meter) {}

    Result<Octets> nv_read(std::uint32_t handle) override {
        return Meter::timed(meter_.verbs, [&] { return tpm_.nv_read(handle); });
    }
    Result<Secret> unseal(const TpmReference& root, const TpmReference& index, const SealedObject& object,
                          const PcrPolicy& policy) override {
        return Meter::timed(meter_.verbs, [&] { return tpm_.unseal(root, index, object, policy); });
    }
    Result<std::unique_ptr<NvCounter>> counter_open(std::uint32_t handle, const Secret& authorisation) override {
        auto counter = Meter::timed(meter_.verbs, [&] { return tpm_.counter_open(handle, authorisation); });
        if (!counter) return counter;
        return std::make_unique<Counter>(std::move(*counter), meter_);
    }

private:
    class Counter final : public NvCounter {
    public:
        Counter(std::unique_ptr<NvCounter> counter, Meter& meter) : counter_(std::move(counter)), meter_(meter) {}
        Result<std::uint64_t> read() override {
            return Meter::timed(meter_.verbs, [&] { return counter_->read(); });
        }
        Result<void> increment() override {
            return Meter::timed(meter_.verbs, [&] { return counter_->increment(); });
        }

    private:
        std::unique_ptr<NvCounter> counter_;
        Meter& meter_;
    };

    std::unique_ptr<Tpm> owned_;
    Meter& meter_;
};

}  // namespace lethe
