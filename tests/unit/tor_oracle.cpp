#include "tor_oracle.hpp"

#include <signal.h>
#include <sodium.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>

#include "tor/certificate.hpp"
#include "tor/tagged_file.hpp"

namespace lethe {

namespace fs = std::filesystem;

namespace {

bool ends_with(const fs::path& file, const std::string& text) {
    const auto octets = read_file(file, 256);
    return octets && as_text(*octets).ends_with(" " + text + "\n");
}

// With an expanded key, of which libsodium makes no signatures (RFC 8032 section 5.1.6).
std::array<std::uint8_t, 64> sign(OctetView expanded, OctetView message) {
    const auto hash_to_scalar = [&](std::initializer_list<OctetView> parts) {
        crypto_hash_sha512_state state;
        crypto_hash_sha512_init(&state);
        for (const OctetView part : parts) crypto_hash_sha512_update(&state, part.data(), part.size());
        std::array<std::uint8_t, 64> hash;
        crypto_hash_sha512_final(&state, hash.data());
        std::array<std::uint8_t, 32> scalar;
        crypto_core_ed25519_scalar_reduce(scalar.data(), hash.data());
        return scalar;
    };
    const auto public_key = ed25519_public_key(expanded).value();
    const auto nonce = hash_to_scalar({expanded.subspan(32), message});
    std::array<std::uint8_t, 64> signature;
    crypto_scalarmult_ed25519_base_noclamp(signature.data(), nonce.data());
    const auto challenge = hash_to_scalar({OctetView(signature).first(32), public_key, message});
    // The scalar functions take no scalar above the group's order.
    std::array<std::uint8_t, 64> wide{};
    std::array<std::uint8_t, 32> secret, product;
    std::ranges::copy(expanded.first(32), wide.begin());
    crypto_core_ed25519_scalar_reduce(secret.data(), wide.data());
    crypto_core_ed25519_scalar_mul(product.data(), challenge.data(), secret.data());
    crypto_core_ed25519_scalar_add(signature.data() + 32, nonce.data(), product.data());
    return signature;
}

}  // namespace

void put_files(const KeyFiles& files, const fs::path& keys) {
    fs::create_directories(keys);
    fs::permissions(keys, fs::perms::owner_all);
    for (const auto& [name, octets] : files) write_new_file(AT_FDCWD, keys / name, octets.expose(), 0600).value();
}

TorVerdict ask_tor(const KeyFiles& files, bool offline_master_key, const Fingerprints& expected) {
    const TemporaryFolder folder;
    const auto data = folder / "data", keys = data / "keys", none = folder / "none";
    put_files(files, keys);
    fs::permissions(data, fs::perms::owner_all);
    const Outcome outcome = *run(
        {{tor_program, "--list-fingerprint", "--hush", "--defaults-torrc", none, "--ignore-missing-torrc", "-f", none, "--DataDirectory",
          data, "--ORPort", "9001", "--DisableNetwork", "1", "--ContactInfo", "none", "--OfflineMasterKey", offline_master_key ? "1" : "0"},
         {},
         "",
         std::chrono::seconds(60)});
    TorVerdict verdict{.started = outcome.exit_status == 0};
    verdict.same_identity = verdict.started && ends_with(data / "fingerprint", expected.rsa_hex()) &&
                            ends_with(data / "fingerprint-ed25519", expected.ed25519_base64());
    const Fd directory = open_file(AT_FDCWD, keys, O_RDONLY | O_DIRECTORY).value();
    verdict.left = read_key_directory(directory.get()).value();
    return verdict;
}

TorStart start_tor(std::vector<std::string> arguments, const std::function<void()>& once_up) {
    arguments.insert(arguments.begin(), {tor_program, "--ORPort", "9001", "--DisableNetwork", "1", "--PublishServerDescriptor", "0",
                                         "--ContactInfo", "none", "--SocksPort", "0", "--Log", "notice stdout"});
    std::vector<char*> values;
    for (std::string& argument : arguments) values.push_back(argument.data());
    values.push_back(nullptr);
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("pipe2");
    const Fd read_end(ends[0]);
    Fd write_end(ends[1]);
    const pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDOUT_FILENO);
        execv(values[0], values.data());
        _exit(127);
    }
    write_end = Fd();
    TorStart start{false, {}};
    std::array<char, 4096> buffer;
    for (ssize_t count; (count = read(read_end.get(), buffer.data(), buffer.size())) > 0;) {
        start.output.append(buffer.data(), static_cast<std::size_t>(count));
        if (start.bootstraps || !start.output.contains("Bootstrapped 0%")) continue;
        start.bootstraps = true;
        once_up();
        kill(child, SIGTERM);
    }
    waitpid(child, nullptr, 0);
    return start;
}

Secret certificate_until(const KeySet& keys, std::int64_t expires) {
    constexpr std::string_view title = "ed25519v1-cert: type4";
    const auto payload = tagged_payload(keys.files.at(key_file::signing_certificate).expose(), title, signing_certificate_octets).value();
    auto certificate = parse_signing_certificate(payload).value();
    certificate.expires = expires;
    const auto master = ed25519_secret_payload(keys.files.at(key_file::master_secret).expose(), "type0").value();
    const Octets unsigned_part = encode_signing_certificate(certificate, {});
    return tagged_file(title, encode_signing_certificate(certificate, sign(master, unsigned_part)));
}

}  // namespace lethe
