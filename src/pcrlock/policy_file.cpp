#include "pcrlock/policy_file.hpp"
