#include <algorithm>
#include <new>
#include <vector>

#include "tor/rsa_numbers.hpp"

// Nine INTEGERs in a SEQUENCE. OpenSSL's own reader and writer pass them through ordinary memory.
namespace lethe {

namespace {

constexpr std::uint8_t tag_integer = 0x02;
constexpr std::uint8_t tag_sequence = 0x30;

std::unexpected<Error> not_canonical() { return fail(ErrorKind::corrupt, "not canonical DER"); }

// Definite form, in the fewest octets (X.690 10.1); nothing here is longer than 65535.
Result<std::size_t> take_length(OctetReader& reader) {
    const std::size_t first = TRY(reader.u8());
    if (first < 0x80) return first;
    if (first == 0x81) {
        if (const std::size_t length = TRY(reader.u8()); length >= 0x80) return length;
    } else if (first == 0x82) {
        if (const std::size_t length = TRY(reader.u16()); length >= 0x100) return length;
    }
    return not_canonical();
}

Result<OctetView> take_element(OctetReader& reader, std::uint8_t tag) {
    if (TRY(reader.u8()) != tag) return not_canonical();
    return TRY(reader.take(TRY(take_length(reader))));
}

// Not negative, and in the fewest octets (X.690 8.3.2).
Result<Number> take_number(OctetReader& reader) {
    const OctetView octets = TRY(take_element(reader, tag_integer));
    if (octets.empty() || (octets[0] & 0x80) != 0 || (octets.size() > 1 && octets[0] == 0 && (octets[1] & 0x80) == 0))
        return not_canonical();
    Number number(BN_bin2bn(octets.data(), static_cast<int>(octets.size()), nullptr));
    if (!number) throw std::bad_alloc();
    return number;
}

std::size_t number_octets(const BIGNUM* number) { return static_cast<std::size_t>(BN_num_bits(number)) / 8 + 1; }

std::size_t length_octets(std::size_t length) { return length < 0x80 ? 1 : length < 0x100 ? 2 : 3; }

std::size_t element_octets(std::size_t length) { return 1 + length_octets(length) + length; }

std::size_t content_octets(const std::vector<const BIGNUM*>& numbers) {
    std::size_t size = 0;
    for (const BIGNUM* number : numbers) size += element_octets(number_octets(number));
    return size;
}

std::uint8_t* put_header(std::uint8_t* place, std::uint8_t tag, std::size_t length) {
    *place++ = tag;
    if (length >= 0x80) *place++ = static_cast<std::uint8_t>(0x80 + length_octets(length) - 1);
    if (length >= 0x100) *place++ = static_cast<std::uint8_t>(length >> 8);
    *place++ = static_cast<std::uint8_t>(length);
    return place;
}

// `place` has the octets of the whole element.
void put_sequence(std::uint8_t* place, const std::vector<const BIGNUM*>& numbers) {
    place = put_header(place, tag_sequence, content_octets(numbers));
    for (const BIGNUM* number : numbers) {
        const std::size_t length = number_octets(number);
        place = put_header(place, tag_integer, length);
        BN_bn2binpad(number, place, static_cast<int>(length));
        place += length;
    }
}

}  // namespace

Result<RsaNumbers> decode_rsa_private_key(OctetView der) {
    OctetReader outer(der);
    OctetReader reader(TRY(take_element(outer, tag_sequence)));
    TRY(outer.end());
    if (!BN_is_zero(TRY(take_number(reader)).get())) return fail(ErrorKind::corrupt, "not a key of two primes");
    RsaNumbers key;
    for (Number* number : {&key.n, &key.e, &key.d, &key.p, &key.q, &key.dp, &key.dq, &key.q_inverse}) *number = TRY(take_number(reader));
    TRY(reader.end());
    return key;
}

Secret encode_rsa_private_key(const RsaNumbers& key) {
    const Number version(BN_new());
    if (!version) throw std::bad_alloc();
    const std::vector<const BIGNUM*> numbers{version.get(), key.n.get(),  key.e.get(),  key.d.get(),        key.p.get(),
                                             key.q.get(),   key.dp.get(), key.dq.get(), key.q_inverse.get()};
    Secret der(element_octets(content_octets(numbers)));
    put_sequence(der.expose_mutable().data(), numbers);
    return der;
}

Octets encode_rsa_public_key(const RsaNumbers& key) {
    const std::vector<const BIGNUM*> numbers{key.n.get(), key.e.get()};
    Octets der(element_octets(content_octets(numbers)));
    put_sequence(der.data(), numbers);
    return der;
}

}  // namespace lethe
