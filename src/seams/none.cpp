#include "base/test_seam.hpp"

namespace lethe {

std::optional<std::string> test_seam(TestSeam) { return std::nullopt; }

}  // namespace lethe
