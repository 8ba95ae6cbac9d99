// A relay's key directory. The input is pairs of a name (u8, of the known ones; else it is spelled out) and a file.

#include "fuzz.hpp"
#include "tor/key_names.hpp"
#include "tor/key_set.hpp"

using namespace lethe;
using fuzz::require;

static std::string read_name(fuzz::Input& input) {
    const std::size_t number = input.u8();
    if (number < identity_key_files.size()) return identity_key_files[number];
    if (number < identity_key_files.size() + onion_key_files.size()) return onion_key_files[number - identity_key_files.size()];
    return std::string(input.text());
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::Input input(data, size);
    KeyFiles files;
    while (!input.empty()) {
        std::string name = read_name(input);
        files.insert_or_assign(std::move(name), Secret::copy_of(input.part()));
    }
    const auto keys = parse_key_files(std::move(files));
    if (!fuzz::parsed(keys, {ErrorKind::invalid_argument, ErrorKind::corrupt})) return 0;
    require(keys->files.contains(key_file::rsa_identity), "a set that is whole has an RSA key");
    require(keys->has_master_secret || keys->files.contains(key_file::signing_certificate),
            "a set that is whole has a master key, or a certificate");
    const auto again = decode_identity(encode_identity(*keys));
    require(again && again->files == keys->files && again->fingerprints == keys->fingerprints, "a set that is whole can be kept");
    return 0;
}
