#include "tpm/esys_tpm.hpp"
