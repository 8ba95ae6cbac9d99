#include "tpm/policy.hpp"
