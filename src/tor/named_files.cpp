#include "tor/named_files.hpp"

#include "base/secret_writer.hpp"

namespace lethe {

std::size_t NamedFiles::encoded_size(const KeyFiles& files) const {
    std::size_t size = 2;
    for (const auto& [name, octets] : files) size += 2 + name.size() + length_octets + octets.size();
    return size;
}

Secret NamedFiles::encode(OctetView head, const KeyFiles& files) const {
    SecretWriter writer(head.size() + encoded_size(files));
    writer.raw(head).u16(files.size());
    for (const auto& [name, octets] : files) {
        writer.sized16(as_octets(name));
        (length_octets == 2 ? writer.u16(octets.size()) : writer.u32(octets.size())).raw(octets.expose());
    }
    return writer.take();
}

Result<KeyFiles> NamedFiles::decode(OctetReader& reader) const {
    KeyFiles files;
    const std::uint16_t count = TRY(reader.u16());
    if (count > limit_count) return fail(ErrorKind::corrupt, "{} files, more than {}", count, limit_count);
    for (unsigned i = 0; i < count; ++i) {
        const std::string name(as_text(TRY(reader.sized16())));
        // One form for one set of files: names in order, none twice.
        if (!files.empty() && name <= files.rbegin()->first) return fail(ErrorKind::corrupt, "the files are not in order of name");
        files.emplace(name, Secret::copy_of(TRY(length_octets == 2 ? reader.sized16() : reader.sized32())));
    }
    TRY(reader.end());
    return files;
}

}  // namespace lethe
