#include <ctime>
#include <iostream>
#include <nlohmann/json.hpp>

#include "lethectl/update_text.hpp"

namespace lethe::ctl {

Outcome<int> update_show(const Invocation& invocation) {
    const auto updates = read_updates();
    if (!updates) return std::unexpected(updates.error());
    if (invocation.json) std::cout << updates_json(*updates).dump(2) << "\n";
    else std::cout << updates_text(*updates, static_cast<std::uint64_t>(std::time(nullptr)));
    return needs_person(*updates) ? exit_person : exit_ok;
}

}  // namespace lethe::ctl
