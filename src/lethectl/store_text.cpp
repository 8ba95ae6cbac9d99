#include "lethectl/store_text.hpp"

#include <format>
#include <nlohmann/json.hpp>

#include "lethectl/output.hpp"

namespace lethe::ctl {

std::string store_line(const StoreState& store) {
    if (store.generation == 0 && store.earlier_key) return "of an earlier release, and taken over when the machine cannot go back to that";
    if (store.generation == 0 && store.counted == 0) return "generation not known";
    auto text = std::format("generation {}", store.generation);
    if (store.counted != store.generation)
        text += store.counted == 0 ? ", which the TPM does not count" : std::format(", and the TPM has counted {}", store.counted);
    if (store.enrolled != 0)
        text += std::format(", {} {}", store.taken_over ? "taken over from an earlier release" : "enrolled", date_text(store.enrolled));
    if (store.earlier_key) text += ", with its vault key";
    return text;
}

std::string store_reason(const StoreState& store) {
    if (!store.reason.empty() || !store.earlier_key || store.generation == 0) return store.reason;
    return "the vault key is that of an earlier release: who changes the policy file on the disk can keep an old release admitted, and the "
           "vault opens more than once in a boot. `lethectl update commit` makes a new key, and says why it cannot; each boot tries it";
}

std::string store_text(const StoreState& store) {
    auto text = store_line(store) + "\n";
    if (!store.objects.empty()) {
        std::vector<std::vector<Cell>> rows{{{"OBJECT", Tone::strong}, {"IS", Tone::strong}}};
        for (const auto& [name, state] : store.objects) rows.push_back({{name}, {state, state == "current" ? Tone::good : Tone::bad}});
        text += table(rows);
    }
    const auto reason = store_reason(store);
    return reason.empty() ? text : text + "  " + reason + "\n";
}

nlohmann::ordered_json store_json(const StoreState& store) {
    auto objects = nlohmann::ordered_json::array();
    for (const auto& [name, state] : store.objects) objects.push_back({{"name", name}, {"state", state}});
    return {
        {"generation", store.generation},   {"counted", store.counted},      {"enrolled", store.enrolled}, {"taken_over", store.taken_over},
        {"earlier_key", store.earlier_key}, {"reason", store_reason(store)}, {"objects", objects}};
}

}  // namespace lethe::ctl
