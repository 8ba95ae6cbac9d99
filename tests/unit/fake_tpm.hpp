#pragma once

#include <optional>

#include "tpm/tpm.hpp"

namespace lethe {

/// A TPM in memory, for the tests of code above the port: the same answers as a real one (tpm_contract_test.cpp holds both to them), at no
/// cost. Each object is another TPM. PCRs start at zero.
///
/// The verbs beyond the port have the names that SoftwareTpm gives them, so that a test can be written for both.
class FakeTpm : public Tpm {
public:
    FakeTpm();

    /// PCR := H(PCR || digest).
    void extend(unsigned pcr, const Digest& digest);
    /// What extend() cannot do: any value at once. FakeTpm only.
    void set_pcr(unsigned pcr, const Digest& value) { pcrs_[pcr] = value; }
    /// Every PCR back to zero; what is persistent stays.
    void power_cycle();

    /// Defines an index such as systemd-pcrlock's, with a random authPolicy: redefined, it has another name. An index that is there is
    /// undefined first. Not written yet.
    void define_index(std::uint32_t handle);
    void write_index(std::uint32_t handle, OctetView content);
    /// define_index() when there is none, and write_index() of what authorises `policy`: what `systemd-pcrlock make-policy` leaves.
    void authorize(std::uint32_t handle, const PcrPolicy& policy);

    /// What power leaves of a counter_define() when it goes in between: a counter that was never incremented. FakeTpm only.
    void define_without_increment(std::uint32_t handle, const Secret& authorisation);

    /// The next increment of a counter fails, and does not count. FakeTpm only.
    void fail_next_increment() { fail_increment_ = true; }

    /// Gives the owner hierarchy a password, which Lethe does not know.
    void set_owner_password(const std::string& password) { owner_password_ = password; }
    /// What a TPM may have of NV memory, and the room for all indices together. FakeTpm only.
    void limit_nv(NvLimits limits, std::size_t room_octets) {
        limits_ = limits;
        room_octets_ = room_octets;
    }

    /// From now on every verb of the port fails with this; nullopt ends it. FakeTpm only.
    void fail_with(std::optional<Error> error) { failure_ = std::move(error); }

    Result<PcrValues> read_pcrs(std::span<const unsigned> pcrs) override;
    Result<TpmReference> storage_root() override;
    Result<TpmReference> nv_index(std::uint32_t handle) override;
    Result<NvArea> nv_area(std::uint32_t handle) override;
    Result<NvLimits> nv_limits() override;
    Result<void> nv_define(std::uint32_t handle, std::uint16_t octets) override;
    Result<void> nv_undefine(std::uint32_t handle) override;
    Result<void> nv_write(std::uint32_t handle, std::uint16_t offset, OctetView octets) override;
    Result<Octets> nv_read(std::uint32_t handle) override;
    Result<Octets> nv_read(std::uint32_t handle, std::uint16_t offset, std::uint16_t count) override;
    Result<void> counter_define(std::uint32_t handle, const Secret& authorisation) override;
    Result<std::unique_ptr<NvCounter>> counter_open(std::uint32_t handle, const Secret& authorisation) override;
    Result<SealedObject> seal(const TpmReference& root, const Secret& secret, const Digest& policy) override;
    Result<Secret> unseal(const TpmReference& root, const TpmReference& index, const SealedObject& object,
                          const PcrPolicy& policy) override;

private:
    struct Index {
        Octets auth_policy;  ///< of systemd-pcrlock's; empty when it is plain
        std::uint16_t octets;
        std::optional<Octets> content;  ///< none until written
        Octets authorisation = {};      ///< of a counter; empty for any other
        bool counts() const { return !authorisation.empty(); }
        bool plain() const { return auth_policy.empty() && !counts(); }
    };
    class Counter;
    /// The index when it is a counter that knows this authorisation.
    Result<Index*> own_counter(std::uint32_t handle, const Secret& authorisation);
    void increment(Index& counter);
    static std::uint64_t value_of(const Index& counter);
    Result<Index*> present_index(std::uint32_t handle);
    /// The same for a command that the owner authorises.
    Result<Index*> owned_index(std::uint32_t handle);
    Result<void> authorize_owner() const;
    Octets root_name() const;
    static Octets index_name(std::uint32_t handle, const Index& index);

    Octets seed_;
    PcrValues pcrs_;
    std::map<std::uint32_t, Index> indices_;
    std::uint64_t highest_count_ = 0;  ///< of the counters that were removed
    std::map<Octets, Secret> sealed_;  ///< by what stands for the private area
    std::string owner_password_;
    NvLimits limits_{2048, 1024};
    std::size_t room_octets_ = 65536;
    std::optional<Error> failure_;
    bool fail_increment_ = false;
};

}  // namespace lethe
