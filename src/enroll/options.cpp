#include "enroll/options.hpp"

#include <charconv>

namespace lethe {

namespace {

Result<unsigned> parse_pcr(std::string_view text) {
    unsigned pcr = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), pcr);
    // 8 to 10 and 15 on are written to while the system runs, or by whoever has root.
    if (error != std::errc() || end != text.data() + text.size() || (pcr > 7 && (pcr < 11 || pcr > 14)))
        return fail(ErrorKind::invalid_argument, "--pcr takes one of 0 to 7 and 11 to 14, not \"{}\"", text);
    return pcr;
}

Result<std::uint64_t> parse_generation(std::string_view text) {
    std::uint64_t generation = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), generation);
    if (error != std::errc() || end != text.data() + text.size())
        return fail(ErrorKind::invalid_argument, "--generation takes a number, not \"{}\"", text);
    return generation;
}

}  // namespace

const std::string_view enrolment_help =
    R"(lethe-enroll [--if-needed] [--discard] [--insecure-boot] [--pcr N]... [--relay NAME]... [--store DIR]
lethe-enroll --recover FILE --fingerprint FINGERPRINT [--generation N] [--insecure-boot] [--pcr N]... [--store DIR]

Locks the running boot into the TPM's policy and makes a vault that opens in no other; or, with --recover, seals the vault of a store that
is here already, because it came from another machine or the TPM was replaced. Either needs Secure Boot to be on.

  --if-needed   succeed when the machine is enrolled already
  --discard     give up the vault of which the TPM still holds the policy
  --insecure-boot
                enrol without Secure Boot as well, for laboratories: PCR 2 is then locked in place of 7, and anyone who can boot another
                system here can still steer this one; no effect while Secure Boot is on
  --pcr N       lock PCR N besides 4, 7, 11, 12 and 13 (0 holds the firmware, 2 the drivers that disks and cards add to it: when these
                change, the machine has to be enrolled again)
  --relay NAME  a relay that is to get keys; those with a torrc in /run/credstore (lethe.torrc.NAME) do without being named
  --recover FILE
                open the vault with the recovery key whose secret half is in FILE
  --fingerprint FINGERPRINT
                of one of the relays in that store
  --generation N
                take that store although it is older than this machine; N is its own generation, as the refusal has it
  --store DIR   the store, /var/lib/lethe

Exit status: 0 enrolled; 1 failed, and nothing is left behind; 2 wrong arguments; 3 enrolled already;
4 refused: something has to be put right first, and the message says what.
)";

Result<EnrolmentOptions> parse_enrolment_options(std::span<const char* const> arguments) {
    EnrolmentOptions options;
    for (std::size_t i = 1; i < arguments.size(); ++i) {
        const std::string_view argument = arguments[i];
        if (argument == "--if-needed") options.if_needed = true;
        else if (argument == "--discard") options.request.discard = true;
        else if (argument == "--insecure-boot") options.request.insecure_boot = true;
        else if (argument == "--help" || argument == "-h") options.help = true;
        else {
            const auto equals = argument.find('=');
            const std::string_view name = argument.substr(0, equals);
            if (name != "--pcr" && name != "--relay" && name != "--store" && name != "--recover" && name != "--fingerprint" &&
                name != "--generation")
                return fail(ErrorKind::invalid_argument, "unknown argument {}", argument);
            if (equals == argument.npos && ++i == arguments.size()) return fail(ErrorKind::invalid_argument, "{} needs a value", name);
            const std::string value(equals == argument.npos ? std::string_view(arguments[i]) : argument.substr(equals + 1));
            if (name == "--pcr") options.request.extra_pcrs.push_back(TRY(parse_pcr(value)));
            else if (name == "--relay") options.request.relays.push_back(value);
            else if (name == "--recover") options.recovery_key = value;
            else if (name == "--fingerprint") options.fingerprint = value;
            else if (name == "--generation") options.generation = TRY(parse_generation(value));
            else options.store = value;
        }
    }
    if (options.if_needed && options.request.discard)
        return fail(ErrorKind::invalid_argument, "--if-needed is for services and --discard for people: not both");
    const bool recovers = !options.recovery_key.empty();
    if (recovers != !options.fingerprint.empty()) return fail(ErrorKind::invalid_argument, "--recover and --fingerprint go together");
    if (options.generation && !recovers) return fail(ErrorKind::invalid_argument, "--generation goes with --recover");
    if (recovers && (options.if_needed || options.request.discard || !options.request.relays.empty()))
        return fail(ErrorKind::invalid_argument, "--recover takes what is in the store: no --if-needed, --discard or --relay");
    return options;
}

ExitStatus exit_status(const Error& error) {
    switch (error.kind) {
        case ErrorKind::invalid_argument:
            return exit_usage;
        case ErrorKind::already_exists:
            return exit_enrolled_already;
        case ErrorKind::wrong_state:
        case ErrorKind::rollback:
            return exit_refused;
        default:
            return exit_failed;
    }
}

}  // namespace lethe
