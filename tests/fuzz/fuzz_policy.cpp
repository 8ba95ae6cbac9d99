// Arbitrary policies: the digest that the TPM would compute. The input is PCRs, each with its values.

#include <algorithm>

#include "fuzz.hpp"
#include "tpm/policy.hpp"

using namespace lethe;
using fuzz::require;

static PcrPolicy read_policy(fuzz::Input& input) {
    PcrPolicy policy;
    while (!input.empty()) {
        AdmittedPcr& admitted = policy.emplace_back(input.u8());
        for (unsigned count = input.u8() % 12; count > 0; --count) {
            Digest digest{};
            digest.front() = input.u8();  // few different ones, so that they repeat
            admitted.values.push_back(digest);
        }
    }
    return policy;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::Input input(data, size);
    PcrPolicy policy = read_policy(input);
    const auto digest = pcrlock_policy(policy);
    const auto ordered = evaluation_order(policy);
    require(digest.has_value() == ordered.has_value(), "what has an order has a digest");
    if (!fuzz::parsed(digest, {ErrorKind::invalid_argument})) return 0;
    require(fuzz::is(evaluation_order(*ordered), *ordered) && fuzz::is(pcrlock_policy(*ordered), *digest), "a policy in order stays so");
    std::ranges::reverse(policy);
    require(fuzz::is(pcrlock_policy(policy), *digest), "the order of the PCRs in the file does not count");

    PcrValues present;
    for (const AdmittedPcr& admitted : *ordered) present[admitted.pcr] = admitted.values.back();
    require(refused_pcrs(*ordered, present).empty(), "an admitted value is admitted");
    present.begin()->second.back() ^= 1;
    require(refused_pcrs(*ordered, present) == std::vector{present.begin()->first}, "another value is refused");
    return 0;
}
