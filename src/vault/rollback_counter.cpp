#include "vault/rollback_counter.hpp"

namespace lethe {

Result<std::uint64_t> RollbackCounter::value() {
    if (!open_) open_ = TRY(tpm_->counter_open(handle_, authorisation_));
    auto value = open_->read();
    if (!value) open_.reset();
    return value;
}

Result<bool> RollbackCounter::is_missing() {
    const auto found = value();
    if (found || found.error().kind == ErrorKind::wrong_state) return false;
    if (found.error().kind == ErrorKind::not_found) return true;
    return std::unexpected(found.error());
}

Result<std::uint64_t> RollbackCounter::value_or_new() {
    auto found = value();
    if (found || found.error().kind != ErrorKind::not_found) return found;
    TRY(tpm_->counter_define(handle_, authorisation_));
    return value();
}

Result<void> RollbackCounter::increment() {
    if (!open_) open_ = TRY(tpm_->counter_open(handle_, authorisation_));
    auto done = open_->increment();
    if (!done) open_.reset();
    return done;
}

Result<void> RollbackCounter::define_anew() {
    open_.reset();
    if (const auto removed = tpm_->nv_undefine(handle_); !removed && removed.error().kind != ErrorKind::not_found) return removed;
    TRY(tpm_->counter_define(handle_, authorisation_));
    // It starts one above the former counter, which is the number of what was written and not counted.
    return increment();
}

}  // namespace lethe
