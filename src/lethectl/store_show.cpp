#include <iostream>
#include <nlohmann/json.hpp>

#include "lethectl/store_text.hpp"

namespace lethe::ctl {

Outcome<int> store_show(const Invocation& invocation) {
    const auto all = read_identities();
    if (!all) return std::unexpected(all.error());
    if (invocation.json) std::cout << store_json(all->store).dump(2) << "\n";
    else std::cout << store_text(all->store);
    return all->vault.state == "open" && all->store.reason.empty() ? exit_ok : exit_person;
}

}  // namespace lethe::ctl
