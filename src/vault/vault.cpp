#include "vault/vault.hpp"
