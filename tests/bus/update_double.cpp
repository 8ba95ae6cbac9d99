// A double of lethe-updated on the system bus. It does what the file "script" in $UPDATE_DOUBLE says at each call, and writes what it was
// handed to "received" there.

#include <unistd.h>

#include <fstream>

#include "base/json.hpp"
#include "base/octets.hpp"
#include "bus/daemon.hpp"
#include "update_manager_adaptor.hpp"

using namespace lethe;
using nlohmann::json;

namespace {

using Details = std::map<std::string, sdbus::Variant>;
using Strings = std::vector<std::string>;
using PcrRow = sdbus::Struct<std::uint32_t, Octets, std::vector<Octets>, std::string, bool>;

std::vector<PcrRow> rows_of(const json& rows) {
    std::vector<PcrRow> all;
    for (const auto& row : rows)
        all.emplace_back(row[0].get<std::uint32_t>(), row[1].get<Octets>(), row[2].get<std::vector<Octets>>(), row[3].get<std::string>(),
                         row[4].get<bool>());
    return all;
}

Details details_of(const json& object);

sdbus::Variant variant_of(const std::string& name, const json& value) {
    if (name == "pcrs") return sdbus::Variant{rows_of(value)};
    if (name == "relays") {
        std::vector<Details> relays;
        for (const auto& relay : value) relays.push_back(details_of(relay));
        return sdbus::Variant{relays};
    }
    if (value.is_array()) return sdbus::Variant{value.get<Strings>()};
    if (value.is_string()) return sdbus::Variant{value.get<std::string>()};
    if (value.is_boolean()) return sdbus::Variant{value.get<bool>()};
    if (value.is_number_float()) return sdbus::Variant{value.get<double>()};
    if (name.starts_with("tries-") || name == "trials") return sdbus::Variant{value.get<std::uint32_t>()};
    return sdbus::Variant{value.get<std::uint64_t>()};
}

Details details_of(const json& object) {
    Details details;
    for (const auto& [name, value] : object.items()) details[name] = variant_of(name, value);
    return details;
}

std::string text_of(const sdbus::UnixFd& fd) {
    std::string text(4096, '\0');
    const auto count = ::pread(fd.get(), text.data(), text.size(), 0);
    return count < 0 ? "not readable" : text.substr(0, static_cast<std::size_t>(count));
}

json texts_of(const std::map<std::string, sdbus::UnixFd>& files) {
    auto texts = json::object();
    for (const auto& [name, fd] : files) texts[name] = text_of(fd);
    return texts;
}

json received_options(const Details& options) {
    auto received = json::object();
    for (const auto& [name, value] : options) {
        if (value.containsValueOfType<bool>()) received[name] = value.get<bool>();
        else if (value.containsValueOfType<std::string>()) received[name] = value.get<std::string>();
        else if (value.containsValueOfType<Strings>()) received[name] = value.get<Strings>();
        else if (value.containsValueOfType<sdbus::UnixFd>()) received[name] = text_of(value.get<sdbus::UnixFd>());
        else received[name] = texts_of(value.get<std::map<std::string, sdbus::UnixFd>>());
    }
    return received;
}

class Double final : public BusObjects, public sdbus::AdaptorInterfaces<org::lethe::Update1::Manager_adaptor> {
public:
    Double(sdbus::IConnection& connection, std::filesystem::path folder)
        : AdaptorInterfaces(connection, sdbus::ObjectPath{"/org/lethe/Update1"}), folder_(std::move(folder)) {
        registerAdaptor();
    }
    ~Double() override { unregisterAdaptor(); }

private:
    json script() const { return json::parse(std::ifstream(folder_ / "script")); }
    template <class T>
    T property(const char* name) const {
        return script().value(name, T{});
    }
    Details details(const char* name) const { return details_of(script().value(name, json::object())); }

    // What every method does before its answer.
    json called(const char* method, const json& arguments) {
        std::ofstream(folder_ / "received") << json{{"method", method}, {"arguments", arguments}};
        const auto script = this->script();
        if (script.contains("end")) std::_Exit(1);
        for (const auto& step : script.value("progress", json::array()))
            emitProgress(step[0].get<std::string>(), step[1].get<std::uint32_t>());
        if (script.contains("wait")) ::pause();
        refuse_if(script);
        return script;
    }
    static void refuse_if(const json& script) {
        if (script.contains("refuse"))
            throw sdbus::Error{sdbus::Error::Name{script["refuse"][0].get<std::string>()}, script["refuse"][1].get<std::string>()};
    }

    std::string Stage(const sdbus::UnixFd& image, const Details& options) override {
        return called("Stage", {{"image", text_of(image)}, {"options", received_options(options)}})["answer"];
    }
    std::string StageConfiguration(const std::map<std::string, sdbus::UnixFd>& files, const Strings& drop) override {
        return called("StageConfiguration", {{"files", texts_of(files)}, {"drop", drop}})["answer"];
    }
    Details Preview(const sdbus::UnixFd& image, const Details& options) override {
        return details_of(called("Preview", {{"image", text_of(image)}, {"options", received_options(options)}})["answer"]);
    }
    std::string Retry(const bool& at_once) override { return called("Retry", at_once)["answer"]; }
    void Abort() override { called("Abort", nullptr); }
    void Commit() override { called("Commit", nullptr); }
    sdbus::UnixFd MakePolicyIndex(const sdbus::UnixFd&) override {
        throw sdbus::Error(sdbus::Error::Name("org.lethe.Error.WrongState"), "not here");
    }
    uint64_t Reboot(const Details& options) override { return called("Reboot", received_options(options))["answer"]; }

    Details Running() override { return details("Running"); }
    Details Staged() override { return details("Staged"); }
    Strings Admitted() override { return property<Strings>("Admitted"); }
    std::string PolicyState() override { return property<std::string>("PolicyState"); }
    std::string Reason() override { return property<std::string>("Reason"); }
    std::string LastFailure() override { return property<std::string>("LastFailure"); }
    Details Plan() override {
        refuse_if(script());
        return details("Plan");
    }
    uint64_t RebootAt() override { return property<std::uint64_t>("RebootAt"); }
    std::string Version() override { return "0"; }

    std::filesystem::path folder_;
};

}  // namespace

int main() {
    const char* folder = std::getenv("UPDATE_DOUBLE");
    if (!folder) return 2;
    return exit_status(serve("org.lethe.Update1", [&](sdbus::IConnection& connection, sd_event*) -> Result<std::unique_ptr<BusObjects>> {
        return std::make_unique<Double>(connection, folder);
    }));
}
