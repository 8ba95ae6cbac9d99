#include <charconv>
#include <format>

#include "lethectl/store.hpp"

namespace lethe::ctl {
namespace {

constexpr auto warning =
    "this adopts the store as it is: what was forgotten, replaced or set since then comes back as it was.\n"
    "Find out first why the store is older than this machine; then spell out its generation with --generation (`lethectl store show` has "
    "it)";

}  // namespace

Outcome<int> store_accept(const Invocation& invocation) {
    const auto given = invocation.option("generation");
    if (!given) return std::unexpected(Failure{exit_refused, warning, {}});
    std::uint64_t generation = 0;
    const auto [end, error] = std::from_chars(given->data(), given->data() + given->size(), generation);
    if (error != std::errc() || end != given->data() + given->size())
        return std::unexpected(Failure{exit_usage, std::format("--generation takes a number, not \"{}\"", *given), {}});
    if (const auto accepted = accept_store(generation); !accepted) return std::unexpected(accepted.error());
    return store_show({.json = invocation.json, .arguments = {}});
}

}  // namespace lethe::ctl
