#include "vault/store.hpp"
