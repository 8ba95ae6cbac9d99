// References to TPM objects, as a store has them: taken apart, and with the name and the handle made to fit.

#include <tss2/tss2_esys.h>

#include "fuzz.hpp"
#include "tpm/esys_reference.hpp"
#include "tpm/policy.hpp"

using namespace lethe;
using fuzz::require;

namespace {

// ESAPI deserialises without a TPM, but not without a TCTI.
TSS2_RC refuse_transmit(TSS2_TCTI_CONTEXT*, std::size_t, const std::uint8_t*) { return TSS2_TCTI_RC_IO_ERROR; }
TSS2_RC refuse_receive(TSS2_TCTI_CONTEXT*, std::size_t*, std::uint8_t*, std::int32_t) { return TSS2_TCTI_RC_IO_ERROR; }

const EsysContext& no_tpm() {
    static TSS2_TCTI_CONTEXT_COMMON_V1 tcti{.magic = 0x6c65746865,
                                            .version = 1,
                                            .transmit = refuse_transmit,
                                            .receive = refuse_receive,
                                            .finalize = nullptr,
                                            .cancel = nullptr,
                                            .getPollHandles = nullptr,
                                            .setLocality = nullptr};
    static const auto context = EsysContext::open(reinterpret_cast<TSS2_TCTI_CONTEXT*>(&tcti));
    return context.value();
}

void check(const TpmReference& reference, ReferenceKind kind) {
    if (!fuzz::parsed(check_reference(reference, kind))) return;
    require(handle_of(reference) >> 24 == (kind == ReferenceKind::storage_root ? 0x81u : 0x01u), "the handle is of the kind");
    fuzz::parsed(check_storage_root(reference), {ErrorKind::corrupt, ErrorKind::wrong_state});
    auto object = resolve(no_tpm(), reference, kind);
    if (fuzz::parsed(object)) Esys_TR_Close(no_tpm().get(), &*object);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::Input input(data, size);
    const bool as_they_are = input.u8() & 1;
    const OctetView name = input.part();
    const OctetView rest = input.rest();
    const TpmReference given{Octets(rest.begin(), rest.end()), Octets(name.begin(), name.end())};
    const Octets fitting = authorized_policy_content(sha256(rest));
    for (const bool is_root : {true, false}) {
        const ReferenceKind kind = is_root ? ReferenceKind::storage_root : ReferenceKind::nv_index;
        const std::uint32_t handle = is_root ? storage_root_handle : policy_index_handle;
        if (as_they_are) check(given, kind);
        else check({OctetWriter().u32(handle).sized16(fitting).u32(is_root ? 1 : 2).sized16(rest).take(), fitting}, kind);
    }
    return 0;
}
