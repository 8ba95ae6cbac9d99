#include "tor/key_set.hpp"
