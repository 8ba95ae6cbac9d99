// caller SERVICE PATH INTERFACE MEMBER SIGNATURE [VALUE...]: calls a method on the system bus, as busctl does, and hands over files, which
// busctl cannot: "h 3" is its descriptor 3. Ends in 1 and says "Error NAME: MESSAGE", as dbus-send does, when it is refused.

#include <systemd/sd-bus.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <span>
#include <string>

namespace {

constexpr std::uint64_t limit_usec = 60'000'000;

struct Unref {
    void operator()(sd_bus* bus) const { sd_bus_flush_close_unref(bus); }
    void operator()(sd_bus_message* message) const { sd_bus_message_unref(message); }
};

void check(int result, const char* what) {
    if (result >= 0) return;
    std::fprintf(stderr, "%s: %d\n", what, result);
    std::exit(2);
}

// The message is built from words: a variant is a type and a value; an array, its length and its elements.
class Arguments {
public:
    Arguments(sd_bus_message* message, std::span<char*> words) : message_(message), words_(words) {}

    bool empty() const { return words_.empty(); }
    void append(const std::string& types) {
        for (std::string rest = types; !rest.empty();) rest = append_first(rest);
    }

private:
    std::string next() {
        if (words_.empty()) check(-1, "a value is missing");
        const std::string word = words_.front();
        words_ = words_.subspan(1);
        return word;
    }

    // Returns the types behind the first one.
    std::string append_first(const std::string& types) {
        switch (types.front()) {
            case 's':
                check(sd_bus_message_append(message_, "s", next().c_str()), "s");
                break;
            case 'b':
            case 'h':
            case 'u':
                check(sd_bus_message_append(message_, types.substr(0, 1).c_str(), std::stoi(next())), "a number");
                break;
            case 'v':
                append_in('v', next());
                break;
            case 'a':
                return append_array(types);
            default:
                check(-1, "a type that is not known here");
        }
        return types.substr(1);
    }
    // Arrays are of one-letter types or of dictionary entries.
    std::string append_array(const std::string& types) {
        const bool is_dictionary = types.at(1) == '{';
        const std::string element = is_dictionary ? types.substr(1, types.find('}')) : types.substr(1, 1);
        check(sd_bus_message_open_container(message_, 'a', element.c_str()), "a");
        for (int count = std::stoi(next()); count > 0; --count) {
            if (is_dictionary) append_in('e', element.substr(1, element.size() - 2));
            else append(element);
        }
        check(sd_bus_message_close_container(message_), "a");
        return types.substr(1 + element.size());
    }
    void append_in(char container, const std::string& types) {
        check(sd_bus_message_open_container(message_, container, types.c_str()), "a container");
        append(types);
        check(sd_bus_message_close_container(message_), "a container");
    }

    sd_bus_message* message_;
    std::span<char*> words_;
};

}  // namespace

int main(int count, char** values) {
    if (count < 6) return 2;
    sd_bus* opened = nullptr;
    check(sd_bus_open_system(&opened), "the bus");
    const std::unique_ptr<sd_bus, Unref> bus(opened);
    sd_bus_message* made = nullptr;
    check(sd_bus_message_new_method_call(bus.get(), &made, values[1], values[2], values[3], values[4]), "the call");
    const std::unique_ptr<sd_bus_message, Unref> message(made);
    Arguments arguments(message.get(), {values + 6, values + count});
    arguments.append(values[5]);
    if (!arguments.empty()) check(-1, "a value too many");
    sd_bus_error error = SD_BUS_ERROR_NULL;
    if (sd_bus_call(bus.get(), message.get(), limit_usec, &error, nullptr) >= 0) return 0;
    std::fprintf(stderr, "Error %s: %s\n", error.name, error.message);
    sd_bus_error_free(&error);
    return 1;
}
