#include "base/secret.hpp"

#include <sodium.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <utility>

namespace lethe {

namespace {

void initialise_sodium() {
    static const int status = sodium_init();  // libsodium's memory functions need it first
    if (status < 0) std::abort();
}

}  // namespace

Secret::Secret(std::size_t size) : size_(size) {
    initialise_sodium();
    data_.reset(static_cast<std::uint8_t*>(sodium_malloc(size)));
    if (!data_) std::abort();
    std::ranges::fill(expose_mutable(), 0);
}

Secret Secret::copy_of(OctetView octets) {
    Secret secret(octets.size());
    std::ranges::copy(octets, secret.data_.get());
    return secret;
}

Secret Secret::random(std::size_t size) {
    Secret secret(size);
    randombytes_buf(secret.data_.get(), size);
    return secret;
}

void Secret::Wipe::operator()(std::uint8_t* data) const { sodium_free(data); }

bool operator==(const Secret& left, const Secret& right) {
    return left.size() == right.size() && sodium_memcmp(left.data_.get(), right.data_.get(), left.size()) == 0;
}

Result<void> lock_down_process() {
    initialise_sodium();
    const rlimit no_core{0, 0};
    if (setrlimit(RLIMIT_CORE, &no_core) != 0) return fail_errno(errno, "cannot switch core dumps off");
    if (prctl(PR_SET_DUMPABLE, 0) != 0) return fail_errno(errno, "cannot make the process undumpable");
    if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0) return fail_errno(errno, "cannot lock memory (raise LimitMEMLOCK= of the unit)");
    return {};
}

}  // namespace lethe
