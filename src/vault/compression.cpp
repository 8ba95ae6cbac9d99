#define ZSTD_STATIC_LINKING_ONLY  // memory of our own: what zstd works in holds the plaintext
#include "vault/compression.hpp"

#include <sodium.h>
#include <zstd.h>

#include <cstdlib>
#include <memory>
#include <mutex>

namespace lethe {

namespace {

// Locked memory ends at the end of a page: it is aligned when its size is.
constexpr std::size_t alignment = 64;
constexpr std::size_t aligned(std::size_t size) { return (size + alignment - 1) / alignment * alignment; }
void* allocate_locked(void*, std::size_t size) { return sodium_malloc(aligned(size)); }
void free_locked(void*, void* memory) { sodium_free(memory); }
constexpr ZSTD_customMem locked_memory{allocate_locked, free_locked, nullptr};

struct FreeContext {
    void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
};

// To decompress takes a hundred kilobytes, which are kept: to map and lock them costs more than what is done in them.
class Decompressor {
public:
    // An error of zstd's (ZSTD_isError) is no length either.
    std::size_t operator()(std::span<std::uint8_t> plain, OctetView compressed) {
        const std::scoped_lock lock(mutex_);
        const auto memory = memory_.expose_mutable();
        ZSTD_DCtx* const context = ZSTD_initStaticDCtx(memory.data(), memory.size());
        if (context == nullptr) std::abort();  // zstd has said itself how much it needs
        const std::size_t size = ZSTD_decompressDCtx(context, plain.data(), plain.size(), compressed.data(), compressed.size());
        sodium_memzero(memory.data(), memory.size());
        return size;
    }

private:
    std::mutex mutex_;
    Secret memory_{aligned(ZSTD_estimateDCtxSize())};
};

}  // namespace

Secret compress(const Secret& plain) {
    const std::unique_ptr<ZSTD_CCtx, FreeContext> context(ZSTD_createCCtx_advanced(locked_memory));
    Secret compressed(ZSTD_compressBound(plain.size()));
    const auto out = compressed.expose_mutable();
    const std::size_t size = context ? ZSTD_compress2(context.get(), out.data(), out.size(), plain.expose().data(), plain.size()) : 0;
    if (!context || ZSTD_isError(size)) std::abort();  // only when no memory can be locked, as in Secret
    return compressed.prefix(size);
}

Result<Secret> decompress(const Secret& compressed, std::size_t plain_octets) {
    static Decompressor decompress_into;
    Secret plain(plain_octets);
    if (decompress_into(plain.expose_mutable(), compressed.expose()) != plain_octets)
        return fail(ErrorKind::corrupt, "does not decompress to the length in its header");
    return plain;
}

}  // namespace lethe
