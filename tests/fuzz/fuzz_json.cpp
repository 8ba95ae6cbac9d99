// What is read out of the JSON of others.

#include "fuzz.hpp"
#include "pcrlock/json.hpp"

using namespace lethe;
using fuzz::parsed;
using fuzz::require;

static void read_members(const nlohmann::json& value) {
    parsed(json_pcr(value));
    parsed(json_digest(value));
    if (const auto policy = json_policy(value, 8); parsed(policy))
        for (const AdmittedPcr& admitted : *policy)
            require(admitted.pcr < 24 && !admitted.values.empty() && admitted.values.size() <= 8, "a policy has PCRs with 1 to 8 values");
    for (const char* name : {"pcr", "values", "text", ""}) {
        parsed(json_array(value, name));
        parsed(json_boolean(value, name));
        parsed(json_digest(value, name));
        const auto text = json_text(value, name), optional = json_optional_text(value, name);
        if (parsed(text)) require(optional && *optional == *text, "a text that is there is the optional one");
        parsed(optional);
        if (const auto number = json_number(value, name, 1000); parsed(number)) require(*number <= 1000, "a number keeps to its limit");
    }
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto document = parse_json(as_text({data, size}), 1 << 20);
    if (!parsed(document)) return 0;
    read_members(*document);
    if (document->is_structured())
        for (const nlohmann::json& element : *document) read_members(element);
    return 0;
}
