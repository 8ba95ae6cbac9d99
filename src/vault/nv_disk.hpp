#pragma once

#include <optional>

#include "base/disk.hpp"
#include "tpm/tpm.hpp"

namespace lethe {

struct NvRegion;

/// The slot files of a store on three NV indices of the TPM (store_index_handles), for a machine without a disk. Holds `policy`, `keyring`,
/// `vault` and `enrolling`, each in a region of its own, and nothing else.
///
/// The indices are defined when the first file is written, and removed with the last. Both can be cut: a mark, written last and taken away
/// first, says whether they are a store. Indices of others at these handles are never touched.
///
/// What is asked of a TPM: when it has answered TPM2_NV_Write, what was written is there after a power cut. Of a write that it has not
/// answered, any of the octets may have changed, and no others. So a slot can be torn, like one on a disk, and its neighbours cannot; `a`
/// and `b` lie in different indices where there is room for it.
class NvDisk final : public Disk {
public:
    /// Sends no command yet.
    /// @param folder  where a store on a disk would be: exclude() holds it, if it is there.
    explicit NvDisk(std::unique_ptr<Tpm> tpm, std::filesystem::path folder = {}) : tpm_(std::move(tpm)), folder_(std::move(folder)) {}

    /// Whether the indices are there and whole; one command, and none once they are.
    /// @error wrong_state  one of them is not Lethe's.
    Result<bool> is_made() const;

    Result<std::vector<std::string>> names() const override;
    Result<bool> exists(const std::string& file) const override;
    Result<Octets> read(const std::string& file) const override;
    /// Unlike in a folder, what lies behind the octets is no part of the file any more; remove() wipes it.
    /// @error invalid_argument  a file that this disk has no region for, or no room; nothing has been written.
    /// @error wrong_state       the TPM has no room for the indices, or one that is there is not Lethe's; none has been defined.
    Result<void> write(const std::string& file, OctetView octets) override;
    Result<void> sync(const std::string&) override { return {}; }
    Result<void> remove(const std::string& file) override;
    Result<void> sync_names() override { return {}; }

    Result<std::uint64_t> free_octets() const override;
    std::size_t block_octets() const override { return 1; }
    std::string place() const override;
    Result<Fd> exclude() override;

private:
    Result<NvArea> own_area(std::size_t index) const;
    Result<bool> is_missing(std::size_t index) const;
    /// Octets of a region, or nothing when there is no store.
    Result<std::optional<Octets>> load(const NvRegion& region, std::size_t from, std::size_t count) const;
    /// What the file's length is said to be, 0 when there is no file.
    Result<std::uint16_t> length_of(const NvRegion& region) const;
    Result<void> make();
    Result<void> make_indices(std::vector<std::uint32_t>& defined);
    Result<void> unmake();

    std::unique_ptr<Tpm> tpm_;
    std::filesystem::path folder_;
    mutable bool made_ = false;  ///< has been seen whole
};

}  // namespace lethe
