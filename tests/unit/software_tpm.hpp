#pragma once

#include <filesystem>

#include "tpm/tpm.hpp"

namespace lethe {

class CountingTcti;

/// A real TPM 2.0 in this process (libtpms), started up, behind Lethe's own ESAPI code. Each object is another TPM, with its state in a
/// temporary folder. libtpms knows one TPM a process: only one of these may live at a time.
///
/// Throws std::runtime_error where it cannot go on, which fails the test.
class SoftwareTpm : public Tpm {
public:
    SoftwareTpm();
    /// With its state in this file, which stays: a TPM can be met again, or taken up by another process.
    explicit SoftwareTpm(const std::filesystem::path& state_file);
    ~SoftwareTpm() override;

    /// The TCTI of this TPM for another process, once this object is gone: what to put into LETHE_TCTI.
    std::string tcti() const;

    /// PCR := H(PCR || digest), in the SHA-256 bank.
    void extend(unsigned pcr, const Digest& digest);
    /// Power off and on: the PCRs start again; what is persistent stays.
    void power_cycle();

    /// Defines an index such as systemd-pcrlock's, with a random authPolicy: redefined, it has another name. An index that is there is
    /// undefined first. Not written yet.
    void define_index(std::uint32_t handle);
    void write_index(std::uint32_t handle, OctetView content);
    /// define_index() when there is none, and write_index() of what authorises `policy`: what `systemd-pcrlock make-policy` leaves.
    void authorize(std::uint32_t handle, const PcrPolicy& policy);

    /// Gives the owner hierarchy a password, which Lethe does not know.
    void set_owner_password(const std::string& password);

    /// How many transient objects and sessions, loaded or saved, there are in the TPM.
    std::size_t leftovers();
    /// What passes between the code under test and the TPM; the verbs beyond the port go past it.
    CountingTcti& traffic();

    Result<PcrValues> read_pcrs(std::span<const unsigned> pcrs) override { return tpm_->read_pcrs(pcrs); }
    Result<TpmReference> storage_root() override { return tpm_->storage_root(); }
    Result<TpmReference> nv_index(std::uint32_t handle) override { return tpm_->nv_index(handle); }
    Result<NvArea> nv_area(std::uint32_t handle) override { return tpm_->nv_area(handle); }
    Result<NvLimits> nv_limits() override { return tpm_->nv_limits(); }
    Result<void> nv_define(std::uint32_t handle, std::uint16_t octets) override { return tpm_->nv_define(handle, octets); }
    Result<void> nv_undefine(std::uint32_t handle) override { return tpm_->nv_undefine(handle); }
    Result<void> nv_write(std::uint32_t handle, std::uint16_t offset, OctetView octets) override {
        return tpm_->nv_write(handle, offset, octets);
    }
    Result<Octets> nv_read(std::uint32_t handle) override { return tpm_->nv_read(handle); }
    Result<Octets> nv_read(std::uint32_t handle, std::uint16_t offset, std::uint16_t count) override {
        return tpm_->nv_read(handle, offset, count);
    }
    Result<void> counter_define(std::uint32_t handle, const Secret& authorisation) override {
        return tpm_->counter_define(handle, authorisation);
    }
    Result<std::unique_ptr<NvCounter>> counter_open(std::uint32_t handle, const Secret& authorisation) override {
        return tpm_->counter_open(handle, authorisation);
    }
    Result<SealedObject> seal(const TpmReference& root, const Secret& secret, const Digest& policy) override {
        return tpm_->seal(root, secret, policy);
    }
    Result<Secret> unseal(const TpmReference& root, const TpmReference& index, const SealedObject& object,
                          const PcrPolicy& policy) override {
        return tpm_->unseal(root, index, object, policy);
    }

private:
    struct Connection;
    void connect();

    std::filesystem::path folder_;  ///< temporary
    std::filesystem::path state_file_;
    std::unique_ptr<Connection> connection_;
    std::unique_ptr<Tpm> tpm_;
};

}  // namespace lethe
