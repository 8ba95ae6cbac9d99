// systemd-pcrlock's policy file.

#include "fuzz.hpp"
#include "pcrlock/policy_file.hpp"
#include "tpm/policy.hpp"

using namespace lethe;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text = as_text({data, size});
    const auto file = parse_policy_file(text);
    if (!fuzz::parsed(file)) return 0;
    fuzz::require(file->json == text, "the file is kept as it is");
    fuzz::require(file->nv_handle >> 24 == 1, "it names an NV index");
    fuzz::require(fuzz::is(evaluation_order(file->policy), file->policy) && pcrlock_policy(file->policy),
                  "its policy can be evaluated as it stands");
    return 0;
}
