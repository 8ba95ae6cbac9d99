#include "vault/object.hpp"
