#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "base/octets.hpp"
#include "base/result.hpp"

namespace lethe {

/// Octets that must not leave locked memory: guard pages, mlock and MADV_DONTDUMP by libsodium (secret_pool.hpp); wiped on destruction.
/// Move-only. Every access is spelled expose(), so that a search for it finds each place where a secret is touched.
class Secret {
public:
    /// An empty secret; holds no memory. So is one that was moved from.
    Secret() = default;
    /// `size` zero octets. Terminates the process when no memory can be locked: going on would put secrets where they can be swapped out.
    explicit Secret(std::size_t size);
    static Secret copy_of(OctetView octets);
    static Secret random(std::size_t size);

    std::size_t size() const { return data_ ? data_.get_deleter().size : 0; }
    bool empty() const { return size() == 0; }
    OctetView expose() const { return {data_.get(), size()}; }
    std::span<std::uint8_t> expose_mutable() { return {data_.get(), size()}; }
    /// The first `size` octets, in a new secret; `size` must not be larger than this one.
    Secret prefix(std::size_t size) const { return copy_of(expose().first(size)); }

    /// Compares in constant time for secrets of one length.
    friend bool operator==(const Secret& left, const Secret& right);

private:
    struct Wipe {
        std::size_t size;
        void operator()(std::uint8_t* data) const;
    };
    std::unique_ptr<std::uint8_t, Wipe> data_;
};

/// Keeps the whole process out of swap and of core dumps, and other processes of its user from tracing it. Call first in main().
/// @error io  the kernel refused (RLIMIT_MEMLOCK too low).
Result<void> lock_down_process();

}  // namespace lethe
