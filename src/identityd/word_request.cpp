#include "identityd/word_request.hpp"

#include <fcntl.h>

#include "base/file.hpp"

namespace lethe {

Result<void> request_word(const std::filesystem::path& folder, std::string_view word) {
    std::error_code error;
    std::filesystem::create_directory(folder, error);
    TRY(open_file(AT_FDCWD, folder / word, O_WRONLY | O_CREAT, 0600));
    return {};
}

}  // namespace lethe
