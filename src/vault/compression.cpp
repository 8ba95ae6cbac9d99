#define ZSTD_STATIC_LINKING_ONLY  // custom allocators: the working memory holds the plaintext
#include "vault/compression.hpp"

#include <sodium.h>
#include <zstd.h>

#include <cstdlib>
#include <memory>

namespace lethe {

namespace {

// sodium_malloc puts an allocation at the end of a page: it is aligned when its size is.
constexpr std::size_t alignment = 64;
void* allocate_locked(void*, std::size_t size) { return sodium_malloc((size + alignment - 1) / alignment * alignment); }
void free_locked(void*, void* memory) { sodium_free(memory); }
constexpr ZSTD_customMem locked_memory{allocate_locked, free_locked, nullptr};

struct FreeContext {
    void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
    void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
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
    const std::unique_ptr<ZSTD_DCtx, FreeContext> context(ZSTD_createDCtx_advanced(locked_memory));
    if (!context) std::abort();
    Secret plain(plain_octets);
    const auto out = plain.expose_mutable();
    const std::size_t size = ZSTD_decompressDCtx(context.get(), out.data(), out.size(), compressed.expose().data(), compressed.size());
    if (size != plain_octets) return fail(ErrorKind::corrupt, "does not decompress to the length in its header");
    return plain;
}

}  // namespace lethe
