#include "measure/tcg_log.hpp"

#include <algorithm>

namespace lethe {
namespace {

// Signatures are 16 octets, their NUL included.
constexpr std::string_view spec_id_signature("Spec ID Event03", 16), locality_signature("StartupLocality", 16);
// No TPM has as many banks of PCRs; keeps what a hostile log costs small.
constexpr std::uint32_t limit_algorithms = 16;

// A digest algorithm that the log declares.
struct Algorithm {
    std::uint16_t id;
    std::uint16_t octets;
};

bool has_signature(const TcgEvent& event, std::string_view signature) {
    return event.type == event_type::no_action && as_text(event.data).starts_with(signature);
}

Result<Algorithm> parse_algorithm(OctetReader& reader, std::span<const Algorithm> others) {
    const Algorithm algorithm{TRY(reader.u16_le()), TRY(reader.u16_le())};
    if (std::ranges::contains(others, algorithm.id, &Algorithm::id))
        return fail(ErrorKind::corrupt, "algorithm 0x{:04x} is declared twice", algorithm.id);
    if (const auto bank = bank_of(algorithm.id); bank && algorithm.octets != digest_octets(*bank))
        return fail(ErrorKind::corrupt, "{} digests are declared to be of {} octets", name_of(*bank), algorithm.octets);
    return algorithm;
}

// Section 10, "Specification ID Version Event".
Result<std::vector<Algorithm>> parse_spec_id(OctetView data) {
    constexpr std::size_t versions_octets = 4 + 1 + 1 + 1 + 1;  // platformClass to uintnSize
    OctetReader reader(data);
    TRY(reader.take(spec_id_signature.size() + versions_octets));
    const std::uint32_t count = TRY(reader.u32_le());
    if (count == 0 || count > limit_algorithms)
        return fail(ErrorKind::corrupt, "{} digest algorithms where 1 to {} are expected", count, limit_algorithms);
    std::vector<Algorithm> algorithms;
    while (algorithms.size() < count) algorithms.push_back(TRY(parse_algorithm(reader, algorithms)));
    TRY(reader.take(TRY(reader.u8())));  // vendorInfo
    TRY(reader.end());
    return algorithms;
}

// Section 10, "Startup Locality Event". Where it stands is not checked: it says how PCR 0 began.
Result<StartupLocality> parse_locality(const TcgEvent& event) {
    if (event.data.size() != locality_signature.size() + 1)
        return fail(ErrorKind::corrupt, "a startup locality of {} octets", event.data.size());
    const StartupLocality locality{event.data.back()};
    if (!std::ranges::contains(all_startup_localities, locality))
        return fail(ErrorKind::corrupt, "a TPM does not start at locality {}", event.data.back());
    return locality;
}

class Parser {
public:
    explicit Parser(OctetView octets) : size_(octets.size()), reader_(octets) {}

    Result<TcgLog> parse() {
        if (size_ == 0) return fail(ErrorKind::corrupt, "the firmware's event log is empty");
        while (!reader_.rest().empty()) {
            const std::size_t start = size_ - reader_.rest().size();
            auto event = next_event();
            if (!event)
                return in_context(event.error(), std::format("event {} of the firmware's log, at octet {}", log_.events.size(), start));
            log_.events.push_back(*std::move(event));
        }
        return std::move(log_);
    }

private:
    Result<TcgEvent> next_event() {
        TcgEvent event{TRY(reader_.u32_le()), TRY(reader_.u32_le()), {}, {}};
        if (event.is_extended() && event.pcr >= pcr_count) return fail(ErrorKind::corrupt, "there is no PCR {}", event.pcr);
        TRY(is_agile() ? parse_digests(event) : parse_sha1(event));
        const OctetView data = TRY(reader_.take(TRY(reader_.u32_le())));
        event.data.assign(data.begin(), data.end());
        if (log_.events.empty()) TRY(note_format(event));
        if (event.pcr == 0 && has_signature(event, locality_signature)) TRY(note_locality(event));
        return event;
    }

    bool is_agile() const { return !algorithms_.empty(); }

    Result<void> parse_sha1(TcgEvent& event) { return add_digest(event.digests, Bank::sha1, TRY(reader_.take(digest_octets(Bank::sha1)))); }

    Result<void> parse_digests(TcgEvent& event) {
        const std::uint32_t count = TRY(reader_.u32_le());
        if (count > algorithms_.size())
            return fail(ErrorKind::corrupt, "{} digests where the log declares {} algorithms", count, algorithms_.size());
        for (std::uint32_t i = 0; i < count; ++i) {
            const std::uint16_t id = TRY(reader_.u16_le());
            const auto algorithm = std::ranges::find(algorithms_, id, &Algorithm::id);
            if (algorithm == algorithms_.end())
                return fail(ErrorKind::corrupt, "a digest of algorithm 0x{:04x}, which the log does not declare", id);
            const OctetView digest = TRY(reader_.take(algorithm->octets));
            if (const auto bank = bank_of(id)) TRY(add_digest(event.digests, *bank, digest));
        }
        return {};
    }

    // The first event is in the SHA-1 format in every log, and says whether the others are.
    Result<void> note_format(const TcgEvent& event) {
        log_.banks = {Bank::sha1};
        if (!has_signature(event, spec_id_signature)) return {};
        algorithms_ = TRY(parse_spec_id(event.data));
        log_.banks.clear();
        for (const Algorithm& algorithm : algorithms_)
            if (const auto bank = bank_of(algorithm.id)) log_.banks.push_back(*bank);
        return {};
    }

    Result<void> note_locality(const TcgEvent& event) {
        if (has_locality_) return fail(ErrorKind::corrupt, "a second startup locality");
        has_locality_ = true;
        log_.locality = TRY(parse_locality(event));
        return {};
    }

    std::size_t size_;
    OctetReader reader_;
    std::vector<Algorithm> algorithms_;
    bool has_locality_ = false;
    TcgLog log_;
};

}  // namespace

Result<TcgLog> parse_tcg_log(OctetView octets) { return Parser(octets).parse(); }

Result<std::vector<Measurement>> measurements(const TcgLog& log, Bank bank) {
    std::vector<Measurement> all;
    for (const TcgEvent& event : log.events)
        if (event.is_extended()) all.push_back(TRY(measurement_in(bank, event.pcr, event.digests)));
    return all;
}

}  // namespace lethe
