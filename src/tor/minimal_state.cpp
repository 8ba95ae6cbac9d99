#include "tor/minimal_state.hpp"

#include <algorithm>

// The layout is in docs/formats.md, "Minimal state".
namespace lethe {

namespace {

constexpr std::uint8_t form_version = 1;
constexpr std::uint64_t kib = 1024;

// With rates up to rate_limit_octets, and intervals up to a day, a value has 38 bits in KiB, and a maximum has 21.
constexpr unsigned value_octets = 5, maximum_octets = 3;

std::vector<std::uint64_t> last_in_kib(const std::vector<std::uint64_t>& numbers) {
    const std::size_t count = std::min(numbers.size(), minimal_history_limit_count);
    std::vector<std::uint64_t> last(numbers.end() - static_cast<std::ptrdiff_t>(count), numbers.end());
    for (std::uint64_t& number : last) number -= number % kib;
    return last;
}

BandwidthHistory shortened(const BandwidthHistory& history) {
    return {history.ends, history.interval, last_in_kib(history.values), last_in_kib(history.maxima)};
}

void put_number(OctetWriter& writer, std::uint64_t number, unsigned width_octets) {
    for (unsigned left = width_octets; left > 0; --left) writer.u8(static_cast<std::uint8_t>(number >> (8 * (left - 1))));
}

Result<std::uint64_t> take_number(OctetReader& reader, unsigned width_octets) {
    std::uint64_t number = 0;
    for (const std::uint8_t octet : TRY(reader.take(width_octets))) number = number << 8 | octet;
    return number;
}

void put_history(OctetWriter& writer, const BandwidthHistory& history) {
    writer.u64(static_cast<std::uint64_t>(history.ends.time_since_epoch().count()));
    writer.u32(static_cast<std::uint32_t>(history.interval.count()));
    writer.u8(static_cast<std::uint8_t>(history.values.size()));
    for (std::size_t i = 0; i < history.values.size(); ++i) {
        put_number(writer, history.values[i] / kib, value_octets);
        put_number(writer, history.maxima[i] / kib, maximum_octets);
    }
}

Result<std::chrono::sys_seconds> take_time(OctetReader& reader) {
    const std::uint64_t time = TRY(reader.u64());
    if (time >= static_cast<std::uint64_t>(state_time_end.time_since_epoch().count()))
        return fail(ErrorKind::corrupt, "a time after the year 9998");
    return std::chrono::sys_seconds(std::chrono::seconds(time));
}

Result<BandwidthHistory> take_history(OctetReader& reader, std::chrono::sys_seconds last_written) {
    BandwidthHistory history{.ends = TRY(take_time(reader)), .interval = std::chrono::seconds(TRY(reader.u32()))};
    const std::uint8_t count = TRY(reader.u8());
    if (count > minimal_history_limit_count)
        return fail(ErrorKind::corrupt, "{} intervals, more than {}", count, minimal_history_limit_count);
    for (unsigned i = 0; i < count; ++i) {
        history.values.push_back(kib * TRY(take_number(reader, value_octets)));
        history.maxima.push_back(kib * TRY(take_number(reader, maximum_octets)));
    }
    TRY(check_history(history, last_written));
    return history;
}

}  // namespace

Result<MinimalState> minimal_state(const StateFile& state) {
    const auto read = state.bandwidth.find(Traffic::read), write = state.bandwidth.find(Traffic::write);
    if (read == state.bandwidth.end() || write == state.bandwidth.end())
        return fail(ErrorKind::not_found, "the state has no bandwidth history of reading and writing: tor did not run as a relay");
    return MinimalState{state.last_written, shortened(read->second), shortened(write->second)};
}

Octets encode_minimal_state(const MinimalState& state) {
    OctetWriter writer;
    writer.u8(form_version).u64(static_cast<std::uint64_t>(state.last_written.time_since_epoch().count()));
    put_history(writer, state.read);
    put_history(writer, state.write);
    return writer.take();
}

Result<MinimalState> decode_minimal_state(OctetView octets) {
    OctetReader reader(octets);
    const std::uint8_t version = TRY(reader.u8());
    if (version != form_version) return fail(ErrorKind::corrupt, "version {} of the minimal state is not known to this release", version);
    MinimalState state{.last_written = TRY(take_time(reader)), .read = {}, .write = {}};
    state.read = TRY(take_history(reader, state.last_written));
    state.write = TRY(take_history(reader, state.last_written));
    TRY(reader.end());
    return state;
}

std::string to_state_text(const MinimalState& state) {
    return std::format(
        "# The bandwidth history that Lethe kept of this relay. tor makes the rest anew.\n{}{}LastWritten {}\nTorVersion Lethe\n",
        history_lines(Traffic::read, state.read), history_lines(Traffic::write, state.write), state_time(state.last_written));
}

}  // namespace lethe
