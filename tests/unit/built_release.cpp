#include "built_release.hpp"

#include <format>
#include <map>
#include <stdexcept>

#include "base/file.hpp"
#include "base/process.hpp"
#include "built_pe.hpp"
#include "temporary_folder.hpp"

namespace lethe {

namespace {

constexpr std::size_t limit_octets = 1 << 20;
constexpr std::size_t machine_amd64 = 0x8664;

void call(std::vector<std::string> arguments) {
    const auto outcome = run({.arguments = std::move(arguments)});
    if (!outcome) throw std::runtime_error(outcome.error().message);
    if (outcome->exit_status != 0) throw std::runtime_error(outcome->standard_error);
}

const TemporaryFolder& keys() {
    static const TemporaryFolder folder;
    return folder;
}

std::string key_of(const std::string& signer) { return (keys() / signer).native(); }

Octets signed_by(const std::string& signer, OctetView image) {
    certificate_of(signer);
    const TemporaryFolder folder;
    const auto given = folder / "image", made = folder / "signed";
    if (!replace_file(given, image, 0644)) throw std::runtime_error("no image to sign");
    call({"/usr/bin/sbsign", "--key", key_of(signer) + ".key", "--cert", key_of(signer) + ".pem", "--output", made.native(),
          given.native()});
    return read_file(made, limit_octets).value();
}

Octets built(const std::vector<BuiltSection>& sections) {
    BuiltPe image(sections);
    image.put(BuiltPe::coff + 4, machine_amd64, 2);
    return image.octets();
}

Octets build(const ReleaseSpec& spec) {
    const Octets kernel = built({{".text", octets_of("kernel of " + spec.version), {}}});
    const Octets image =
        built({{".sdmagic", octets_of(std::format("#### LoaderInfo: systemd-stub {} ####", spec.stub)), {}},
               {".osrel", octets_of(std::format("ID=debian\nIMAGE_ID=\"lethe\"\nIMAGE_VERSION=\"{}\"\n", spec.version)), {}},
               {".cmdline", octets_of("quiet lethe.profile=" + spec.profile), {}},
               {".uname", octets_of("6.12"), {}},
               {".linux", kernel, {}},
               {".initrd", octets_of("initrd of " + spec.version), {}}});
    return spec.signer.empty() ? image : signed_by(spec.signer, image);
}

}  // namespace

const Octets& certificate_of(const std::string& signer) {
    static std::map<std::string, Octets> certificates;
    const auto known = certificates.find(signer);
    if (known != certificates.end()) return known->second;
    const std::string base = key_of(signer);
    call({"/usr/bin/openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=" + signer, "-keyout",
          base + ".key", "-out", base + ".pem"});
    call({"/usr/bin/openssl", "x509", "-in", base + ".pem", "-outform", "DER", "-out", base + ".der"});
    return certificates.emplace(signer, read_file(base + ".der", limit_octets).value()).first->second;
}

const Octets& built_release(const ReleaseSpec& spec) {
    static std::map<ReleaseSpec, Octets> releases;
    const auto known = releases.find(spec);
    return known != releases.end() ? known->second : releases.emplace(spec, build(spec)).first->second;
}

const Octets& built_loader() {
    static const Octets loader = built({{".text", octets_of("boot loader"), {}}});
    return loader;
}

}  // namespace lethe
