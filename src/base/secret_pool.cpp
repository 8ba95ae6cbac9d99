#include "base/secret_pool.hpp"

#include <sodium.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <type_traits>

namespace lethe {

namespace {

constexpr std::size_t canary_octets = 16;
constexpr std::size_t most_kept = 32;  // a relay's keys are about ten secrets

// What fits a page with sodium_malloc's own canary.
constexpr std::size_t block_octets = 4096 - canary_octets;
constexpr std::size_t most_pooled_octets = block_octets - canary_octets;

void initialise_sodium() {
    static const int status = sodium_init();  // libsodium's memory functions need it first
    if (status < 0) std::abort();
}

std::uint8_t* allocate(std::size_t size) {
    initialise_sodium();
    auto* const memory = static_cast<std::uint8_t*>(sodium_malloc(size));
    if (memory == nullptr) std::abort();
    std::memset(memory, 0, size);
    return memory;
}

// Never destroyed: secrets in static objects outlive any other static object.
class Pool {
public:
    std::uint8_t* take() {
        const std::scoped_lock lock(mutex_);
        return kept_ == 0 ? nullptr : blocks_[--kept_];
    }
    bool keep(std::uint8_t* block) {
        const std::scoped_lock lock(mutex_);
        if (kept_ == blocks_.size()) return false;
        blocks_[kept_++] = block;
        return true;
    }

private:
    std::mutex mutex_;
    std::array<std::uint8_t*, most_kept> blocks_{};
    std::size_t kept_ = 0;
};
constinit Pool pool;
static_assert(std::is_trivially_destructible_v<Pool>);

}  // namespace

std::uint8_t* take_locked_memory(std::size_t size) {
    if (size > most_pooled_octets) return allocate(size);
    std::uint8_t* const block = pool.take();
    return (block != nullptr ? block : allocate(block_octets)) + block_octets - size;
}

void give_locked_memory_back(std::uint8_t* memory, std::size_t size) noexcept {
    if (size > most_pooled_octets) return sodium_free(memory);
    // What lies before a secret in its block has been zero since the block was made.
    if (sodium_is_zero(memory - canary_octets, canary_octets) == 0) std::abort();
    sodium_memzero(memory, size);
    std::uint8_t* const block = memory + size - block_octets;
    if (!pool.keep(block)) sodium_free(block);
}

}  // namespace lethe
