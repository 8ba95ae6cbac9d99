// The names of credentials on the ESP.

#include "credentials/credentials.hpp"
#include "fuzz.hpp"

using namespace lethe;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view file = as_text({data, size});
    const auto name = credential_name(file);
    if (!name) return 0;
    fuzz::require(*name + ".cred" == file && name->starts_with("lethe.") && name->size() <= 128, "the name is the file's");
    fuzz::require(!name->contains("..") && name->find_first_of(std::string_view("/\0 \n", 4)) == std::string::npos, "the name is plain");
    return 0;
}
