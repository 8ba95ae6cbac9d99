#include "base/octets.hpp"

#include <sodium.h>

#include <algorithm>
#include <bit>

namespace lethe {

namespace {

template <class Integer>
Result<Integer> big_endian(OctetReader& reader) {
    Integer value = 0;
    for (std::uint8_t octet : TRY(reader.take(sizeof(Integer))))
        value = static_cast<Integer>((static_cast<std::uint64_t>(value) << 8) | octet);
    return value;
}

template <class Integer>
void append_big_endian(Octets& octets, Integer value) {
    for (int shift = 8 * (sizeof(Integer) - 1); shift >= 0; shift -= 8) octets.push_back(static_cast<std::uint8_t>(value >> shift));
}

std::string base64(OctetView octets, int variant) {
    std::string text(sodium_base64_encoded_len(octets.size(), variant), '\0');
    sodium_bin2base64(text.data(), text.size(), octets.data(), octets.size(), variant);
    text.pop_back();  // the NUL that libsodium counts
    return text;
}

}  // namespace

OctetView as_octets(std::string_view text) { return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}; }

std::string_view as_text(OctetView octets) { return {reinterpret_cast<const char*>(octets.data()), octets.size()}; }

std::string to_hex(OctetView octets) {
    std::string text(octets.size() * 2 + 1, '\0');
    sodium_bin2hex(text.data(), text.size(), octets.data(), octets.size());
    text.pop_back();
    return text;
}

Result<Octets> from_hex(std::string_view text) {
    if (text.empty()) return Octets{};
    Octets octets(text.size() / 2);
    std::size_t length = 0;
    const char* end = nullptr;
    if (text.size() % 2 != 0 || sodium_hex2bin(octets.data(), octets.size(), text.data(), text.size(), nullptr, &length, &end) != 0 ||
        end != text.data() + text.size())
        return fail(ErrorKind::corrupt, "not an even number of hexadecimal digits");
    return octets;
}

std::string to_base64(OctetView octets) { return base64(octets, sodium_base64_VARIANT_ORIGINAL); }

std::string to_base64_unpadded(OctetView octets) { return base64(octets, sodium_base64_VARIANT_ORIGINAL_NO_PADDING); }

Result<Octets> from_base64(std::string_view text) {
    // libsodium 1.0.18 takes every octet above 0x7f for a slash.
    if (std::ranges::any_of(text, [](char c) { return static_cast<unsigned char>(c) > 0x7f; }))
        return fail(ErrorKind::corrupt, "not padded base64");
    Octets octets(text.size() / 4 * 3 + 3);
    std::size_t length = 0;
    const char* end = nullptr;
    if (sodium_base642bin(octets.data(), octets.size(), text.data(), text.size(), nullptr, &length, &end, sodium_base64_VARIANT_ORIGINAL) !=
            0 ||
        end != text.data() + text.size())
        return fail(ErrorKind::corrupt, "not padded base64");
    octets.resize(length);
    return octets;
}

Result<OctetView> OctetReader::take(std::size_t count) {
    if (count > rest_.size()) return fail(ErrorKind::corrupt, "cut short: {} octets wanted, {} left", count, rest_.size());
    const OctetView taken = rest_.first(count);
    rest_ = rest_.subspan(count);
    return taken;
}

Result<std::uint8_t> OctetReader::u8() { return big_endian<std::uint8_t>(*this); }
Result<std::uint16_t> OctetReader::u16() { return big_endian<std::uint16_t>(*this); }
Result<std::uint32_t> OctetReader::u32() { return big_endian<std::uint32_t>(*this); }
Result<std::uint64_t> OctetReader::u64() { return big_endian<std::uint64_t>(*this); }
Result<std::uint16_t> OctetReader::u16_le() { return u16().transform(std::byteswap<std::uint16_t>); }
Result<std::uint32_t> OctetReader::u32_le() { return u32().transform(std::byteswap<std::uint32_t>); }
Result<OctetView> OctetReader::sized16() { return take(TRY(u16())); }
Result<OctetView> OctetReader::sized32() { return take(TRY(u32())); }

Result<void> OctetReader::end() const {
    if (!rest_.empty()) return fail(ErrorKind::corrupt, "{} octets too many", rest_.size());
    return {};
}

OctetWriter& OctetWriter::raw(OctetView octets) {
    octets_.insert(octets_.end(), octets.begin(), octets.end());
    return *this;
}
OctetWriter& OctetWriter::u8(std::uint8_t value) {
    octets_.push_back(value);
    return *this;
}
OctetWriter& OctetWriter::u16(std::uint16_t value) {
    append_big_endian(octets_, value);
    return *this;
}
OctetWriter& OctetWriter::u32(std::uint32_t value) {
    append_big_endian(octets_, value);
    return *this;
}
OctetWriter& OctetWriter::u64(std::uint64_t value) {
    append_big_endian(octets_, value);
    return *this;
}
OctetWriter& OctetWriter::sized16(OctetView octets) { return u16(static_cast<std::uint16_t>(octets.size())).raw(octets); }
OctetWriter& OctetWriter::sized32(OctetView octets) { return u32(static_cast<std::uint32_t>(octets.size())).raw(octets); }

}  // namespace lethe
