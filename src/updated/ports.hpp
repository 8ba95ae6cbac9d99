#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "image/boot_reading.hpp"
#include "image/booted_image.hpp"
#include "image/esp.hpp"
#include "image/last_update.hpp"
#include "image/trust.hpp"
#include "pcrlock/program.hpp"
#include "vault/open_store.hpp"
#include "vault/vault.hpp"

namespace lethe {

/// What updates work on. `pcrlock` is borrowed.
struct UpdatePorts {
    std::function<Result<std::unique_ptr<Tpm>>()> open_tpm;
    std::function<Result<OpenedStore>()> open_store;
    /// @error not_found  there is none: the machine boots from the network.
    std::function<Result<std::unique_ptr<Esp>>()> open_esp;
    Pcrlock& pcrlock;
    /// Of the vault, for as long as a change takes. @error wrong_state  it is shut.
    std::function<Result<PolicyKeys>()> policy_keys;
    std::function<Result<BootedImage>()> booted_image;
    /// The file of the running UKI.
    std::function<Result<Octets>(const BootedImage& image)> read_image;
    /// The files of the running boot.
    std::function<Result<BootReading>(const BootedImage& image)> read_boot;
    std::function<Result<ReleaseTrust>(bool secure_boot)> trust;
    /// Whether boot-complete.target is reached: this boot was found good.
    std::function<Result<bool>()> boot_complete;
    /// See remove_left_variables().
    std::function<Result<std::vector<std::string>>()> clean_variables;
    LastUpdate last_update;
    std::function<std::chrono::sys_seconds()> now;
    /// Told before each step: what it is, and how far of the whole, in percent.
    std::function<void(std::string_view step, unsigned percent)> progress;
};

}  // namespace lethe
