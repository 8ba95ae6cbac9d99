// The EFI variables that say what was booted. The input is which of them are missing, a file's name, and the content of SecureBoot,
// StubImageIdentifier and LoaderImageIdentifier; an empty one is missing.

#include <fstream>

#include "../unit/temporary_folder.hpp"
#include "fuzz.hpp"
#include "image/booted_image.hpp"

using namespace lethe;
using fuzz::require;

static const std::string loader_vendor = "-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f", global_vendor = "-8be4df61-93ca-11d2-aa0d-00e098032b8c";

static void put_variable(const std::filesystem::path& file, OctetView content) {
    std::filesystem::remove(file);
    if (!content.empty()) std::ofstream(file, std::ios::binary) << as_text(content);
}

static bool is_below(const std::filesystem::path& folder, const std::filesystem::path& file) {
    return file.lexically_normal().native().starts_with(folder.native() + "/");
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const TemporaryFolder folder;
    const std::filesystem::path esp = folder / "esp";
    if (std::filesystem::create_directories(esp / "EFI/Linux"))
        for (const char* name : {"EFI/Linux/lethe_1+2-1.efi", "EFI/Linux/lethe_2.efi", "EFI/loader.efi"}) std::ofstream(esp / name) << "PE";

    fuzz::Input input(data, size);
    const std::uint8_t missing = input.u8();
    put_variable(folder / ("StubInfo" + loader_vendor), as_octets(missing & 1 ? "" : "\6\6\6\6stub"));
    put_variable(folder / ("LoaderDevicePartUUID" + loader_vendor), as_octets(missing & 2 ? "" : "\6\6\6\6uuid"));
    const std::string name(input.text());
    if (!name.contains('/')) require(without_boot_counter(name).size() <= name.size(), "a counter is taken away, nothing is added");
    put_variable(folder / ("SecureBoot" + global_vendor), input.part());
    put_variable(folder / ("StubImageIdentifier" + loader_vendor), input.part());
    put_variable(folder / ("LoaderImageIdentifier" + loader_vendor), input.part());
    const auto image = find_booted_image(folder.path(), std::array{esp});
    if (!fuzz::parsed(image, {ErrorKind::wrong_state, ErrorKind::corrupt, ErrorKind::io})) return 0;
    for (const auto& file : {image->uki, image->loader})
        require(!file || (is_below(esp, *file) && std::filesystem::is_regular_file(*file)), "what was booted is a file on the ESP");
    return 0;
}
