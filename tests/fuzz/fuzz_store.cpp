// A store whose slots somebody has written: a generation and a payload that is framed, or the slot as it is; then one more write.

#include <algorithm>
#include <fstream>

#include "../unit/temporary_folder.hpp"
#include "fuzz.hpp"
#include "vault/store.hpp"

using namespace lethe;
using fuzz::require;

static const ObjectId id{ObjectKind::policy, ""};

static void put_slot(const std::filesystem::path& file, fuzz::Input& input) {
    std::filesystem::remove(file);
    const std::uint8_t form = input.u8();
    if (form % 4 == 0) return;
    const std::uint64_t generation = input.number(8);
    const OctetView payload = input.part();
    const Octets slot = form % 4 == 1 ? Octets(payload.begin(), payload.end()) : frame_object(id, generation, payload);
    std::ofstream(file, std::ios::binary) << as_text(slot);
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const TemporaryFolder folder;
    fuzz::Input input(data, size);
    put_slot(folder / "policy.a", input);
    put_slot(folder / "policy.b", input);
    auto store = Store::open(folder.path()).value();
    const auto before = store.read_framed(id);
    require(fuzz::parsed(before), "slots are read, whatever is in them");
    const OctetView payload = input.rest();
    const auto written = store.write_framed(id, payload);
    if (!fuzz::parsed(written)) return 0;
    const auto after = store.read_framed(id);
    require(after && !after->empty() && after->front().generation == *written, "what was written last is the newest");
    require(std::ranges::equal(after->front().payload.expose(), payload), "what was written comes back");
    if (!before->empty())
        require(after->size() == 2 && after->back().payload == before->front().payload, "a write leaves the newest slot before it alone");
    return 0;
}
