#include <iostream>
#include <nlohmann/json.hpp>

#include "lethectl/store_text.hpp"

namespace lethe::ctl {

Outcome<int> store_show(const Invocation& invocation) {
    const auto store = read_store();
    if (!store) return std::unexpected(store.error());
    if (invocation.json) std::cout << store_json(*store).dump(2) << "\n";
    else std::cout << store_text(*store);
    return store_reason(*store).empty() && (store->generation != 0 || store->earlier_key) ? exit_ok : exit_person;
}

}  // namespace lethe::ctl
