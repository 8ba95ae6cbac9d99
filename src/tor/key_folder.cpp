#include "tor/key_folder.hpp"
