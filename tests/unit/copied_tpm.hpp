#pragma once

#include "fake_tpm.hpp"

namespace lethe {

/// A TPM whose state can be kept: a copy of it is the same TPM at that moment.
class CopiedTpm final : public FakeTpm {
public:
    CopiedTpm() = default;
    CopiedTpm(const CopiedTpm& other);
    CopiedTpm& operator=(const CopiedTpm& other);
};

}  // namespace lethe
