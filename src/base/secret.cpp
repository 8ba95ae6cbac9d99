#include "base/secret.hpp"

#include <sodium.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>

#include "base/secret_pool.hpp"
#include "base/shield.hpp"

namespace lethe {

Secret::Secret(std::size_t size) : data_(take_locked_memory(size), {size}) {}

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

void Secret::Wipe::operator()(std::uint8_t* data) const { give_locked_memory_back(data, size); }

bool operator==(const Secret& left, const Secret& right) {
    return left.size() == right.size() && sodium_memcmp(left.data_.get(), right.data_.get(), left.size()) == 0;
}

Result<void> shield_process() {
    if (sodium_init() < 0) return fail(ErrorKind::io, "cannot start libsodium");
    const rlimit no_core{0, 0};
    if (setrlimit(RLIMIT_CORE, &no_core) != 0) return fail_errno(errno, "cannot switch core dumps off");
    if (prctl(PR_SET_DUMPABLE, 0) != 0) return fail_errno(errno, "cannot make the process undumpable");
    return {};
}

Result<void> lock_down_process() {
    TRY(shield_process());
    // Each page as it is first touched, which is before anything can be in it: to read in all of each library takes time and memory.
    if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) != 0)
        return fail_errno(errno, "cannot lock memory (raise LimitMEMLOCK= of the unit)");
    return {};
}

}  // namespace lethe
