#include "tor/rsa_numbers.hpp"

#include <new>

namespace lethe {

namespace {

constexpr std::size_t prime_octets = rsa_prime_bits / 8;

struct FreeContext {
    void operator()(BN_CTX* context) const { BN_CTX_free(context); }
};
using Context = std::unique_ptr<BN_CTX, FreeContext>;

// In what is computed here OpenSSL fails for want of memory alone.
void must(bool succeeded) {
    if (!succeeded) throw std::bad_alloc();
}

template <class Operation>
Number computed(Operation operation) {
    Number result(BN_new());
    must(result && operation(result.get()));
    return result;
}

Context new_context() {
    Context context(BN_CTX_new());
    must(context != nullptr);
    return context;
}

Number number_of(OctetView octets) {
    return computed([&](BIGNUM* r) { return BN_bin2bn(octets.data(), static_cast<int>(octets.size()), r) != nullptr; });
}
Number less_one(const Number& a) {
    return computed([&](BIGNUM* r) { return BN_copy(r, a.get()) != nullptr && BN_sub_word(r, 1) == 1; });
}
Number product(const Number& a, const Number& b, BN_CTX* context) {
    return computed([&](BIGNUM* r) { return BN_mul(r, a.get(), b.get(), context) == 1; });
}
Number remainder(const Number& a, const Number& modulus, BN_CTX* context) {
    return computed([&](BIGNUM* r) { return BN_mod(r, a.get(), modulus.get(), context) == 1; });
}
Number quotient(const Number& a, const Number& b, BN_CTX* context) {
    return computed([&](BIGNUM* r) { return BN_div(r, nullptr, a.get(), b.get(), context) == 1; });
}
Number greatest_common_divisor(const Number& a, const Number& b, BN_CTX* context) {
    return computed([&](BIGNUM* r) { return BN_gcd(r, a.get(), b.get(), context) == 1; });
}

// Null when there is none.
Number inverse(const Number& a, const Number& modulus, BN_CTX* context) {
    BN_set_flags(a.get(), BN_FLG_CONSTTIME);
    return Number(BN_mod_inverse(nullptr, a.get(), modulus.get(), context));
}

bool is_inverse(const Number& a, const Number& b, const Number& modulus, BN_CTX* context) {
    return BN_is_one(remainder(product(a, b, context), modulus, context).get());
}

bool equal(const Number& a, const Number& b) { return BN_cmp(a.get(), b.get()) == 0; }

bool is_odd_of_prime_size(const Number& a) { return BN_num_bits(a.get()) == rsa_prime_bits && BN_is_odd(a.get()); }

Result<void> not_one_key() { return fail(ErrorKind::corrupt, "the numbers of the RSA key do not belong together"); }

}  // namespace

Result<RsaNumbers> rsa_numbers_of_primes(OctetView p, OctetView q, PrivateExponent form) {
    if (p.size() != prime_octets || q.size() != prime_octets) return fail(ErrorKind::corrupt, "not two primes of {} octets", prime_octets);
    const Context context = new_context();
    RsaNumbers key{.n = {}, .e = {}, .d = {}, .p = number_of(p), .q = number_of(q), .dp = {}, .dq = {}, .q_inverse = {}};
    key.e = computed([](BIGNUM* r) { return BN_set_word(r, rsa_public_exponent) == 1; });
    key.n = product(key.p, key.q, context.get());
    if (!is_odd_of_prime_size(key.p) || !is_odd_of_prime_size(key.q) || BN_num_bits(key.n.get()) != rsa_key_bits)
        return fail(ErrorKind::corrupt, "not two odd numbers of {} bits with a product of {}", rsa_prime_bits, rsa_key_bits);
    const Number p_less_one = less_one(key.p), q_less_one = less_one(key.q);
    Number order = product(p_less_one, q_less_one, context.get());
    if (form == PrivateExponent::least)
        order = quotient(order, greatest_common_divisor(p_less_one, q_less_one, context.get()), context.get());
    key.d = inverse(key.e, order, context.get());
    key.q_inverse = inverse(key.q, key.p, context.get());
    if (!key.d || !key.q_inverse) return fail(ErrorKind::corrupt, "there is no RSA key with these primes and this exponent");
    key.dp = remainder(key.d, p_less_one, context.get());
    key.dq = remainder(key.d, q_less_one, context.get());
    return key;
}

Result<void> check_rsa_numbers(const RsaNumbers& key) {
    if (const int bits = BN_num_bits(key.n.get()); bits != rsa_key_bits)
        return fail(ErrorKind::corrupt, "{} bits, not {}", bits, rsa_key_bits);
    if (!BN_is_word(key.e.get(), rsa_public_exponent))
        return fail(ErrorKind::corrupt, "the public exponent is not {}", rsa_public_exponent);
    if (!is_odd_of_prime_size(key.p) || !is_odd_of_prime_size(key.q))
        return fail(ErrorKind::corrupt, "its primes are not two odd numbers of {} bits", rsa_prime_bits);
    const Context context = new_context();
    const Number p_less_one = less_one(key.p), q_less_one = less_one(key.q);
    if (!equal(product(key.p, key.q, context.get()), key.n) || BN_cmp(key.d.get(), key.n.get()) >= 0 ||
        !is_inverse(key.d, key.e, p_less_one, context.get()) || !is_inverse(key.d, key.e, q_less_one, context.get()) ||
        !equal(remainder(key.d, p_less_one, context.get()), key.dp) || !equal(remainder(key.d, q_less_one, context.get()), key.dq) ||
        BN_cmp(key.q_inverse.get(), key.p.get()) >= 0 || !is_inverse(key.q_inverse, key.q, key.p, context.get()))
        return not_one_key();
    return {};
}

Result<void> check_rsa_primes(const RsaNumbers& key) {
    const Context context = new_context();
    for (const BIGNUM* prime : {key.p.get(), key.q.get()}) {
        const int answer = BN_check_prime(prime, context.get(), nullptr);
        must(answer >= 0);
        if (answer != 1) return not_one_key();
    }
    return {};
}

}  // namespace lethe
