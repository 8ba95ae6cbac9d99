#include "lethectl/command.hpp"

#include <array>
#include <format>

#include "lethectl/store.hpp"

namespace lethe::ctl {
namespace {

constexpr Option replace{"--replace", "FINGERPRINT", "take the place of this identity, which is wiped"};
constexpr Option passphrase{"--passphrase", "", "ask for a passphrase"};
constexpr Option passphrase_file{"--passphrase-file", "FILE", "read the passphrase from the first line of a file"};

constexpr std::array import_options = {replace};
constexpr std::array export_options = {passphrase, passphrase_file};
constexpr std::array recover_options = {
    Option{"--key", "FILE", "the file with the recovery key's secret half"},
    passphrase,
    passphrase_file,
    Option{"--name", "NAME", "the relay's name here, instead of the one in the file"},
    replace,
    Option{"--foreign", "", "take an export of another machine, or from before the vault had a new key: compare its Ed25519 identity"},
    Option{"--store", "", "recover the whole store that is on this machine: seal its vault to this TPM"},
    Option{"--fingerprint", "FINGERPRINT", "the relay's, as you know it; with --store that of one of its relays"},
    Option{"--generation", "N", "with --store: take the store although it is older than this machine; N is its own generation"},
    Option{"--insecure-boot", "", "with --store: without Secure Boot as well, for laboratories"},
};
constexpr std::array measure_options = {
    Option{"--loader", "FILE", "the boot loader that starts it; without it the firmware does"},
    Option{"--extra-d", "DIR", "what lies beside it; FILE.extra.d without this option"},
    Option{"--credentials", "DIR", "what lies in /loader/credentials"},
    Option{"--addons", "DIR", "what lies in /loader/addons"},
    Option{"--secure-boot", "on|off", "whether the machine checks signatures; off without this option"},
    Option{"--phase", "PHASE", "how far the boot is; ready without this option, or empty for none"},
    Option{"--bank", "BANK", "sha1, sha256, sha384 or sha512; sha256 without this option"},
    Option{"--event-log", "FILE", "the machine's firmware log, for PCR 7"},
};
constexpr Option verbose{"--verbose", "", "say each step on standard error, one in a line"};
constexpr std::array stage_options = {
    Option{"--records", "FILE", "what its systemd measures; without this option FILE.pcrlock without the .efi, if it is there"},
    Option{"--beside", "FILE", "a file to lie beside it: a credential, an extension, an addon", true},
    Option{"--drop", "NAME", "a file beside the running release that is not taken along", true},
    Option{"--allow-downgrade", "", "take a release older than the running one: every fault mended since is back"},
    verbose,
};
constexpr std::array configure_options = {
    Option{"--set", "FILE", "a file that is to lie beside it under its own name, such as lethe.torrc.a.cred", true},
    Option{"--drop", "NAME", "a file that is not to lie beside it any more", true},
    verbose,
};
constexpr std::array reboot_options = {
    Option{"--when", "TIME", "now, quiet, never, or a time such as \"2026-11-23 03:00\" (UTC); now without this option"},
    Option{"--urgent", "", "now, whatever it costs the relays in the consensus"},
};
constexpr std::array retry_options = {
    Option{"--when-due", "", "only when its time has come, and reboot into it then"},
    verbose,
};
constexpr std::array progress_options = {verbose};
constexpr std::array accept_options = {Option{"--generation", "N", "the store's, as `lethectl store show` has it"}};
constexpr std::array reset_options = {Option{"--yes", "", "do it: without this option it only says what that means"}};

std::string synopsis(const Command& command) {
    auto text = std::string(command.name);
    for (const auto& [name, value, help, repeats] : command.options)
        text += std::format(" [{}{}{}]{}", name, value.empty() ? "" : " ", value, repeats ? "..." : "");
    if (!command.arguments.empty()) text += std::format(" {}", command.arguments);
    return text;
}

}  // namespace

std::span<const Command> commands() {
    static constexpr std::array table = {
        Command{"status", "", "show whether the vault is open and how each relay is", status},
        Command{"enroll", "[OPTION]...", "seal a new vault to this machine and this boot (root)", enroll, 0, 64, {}, true},
        Command{"identity list", "", "list the relays and their fingerprints", identity_list},
        Command{"identity show", "NAME", "show all about one relay's keys", identity_show, 1, 1},
        Command{"identity create", "NAME", "make, seal and install the keys of a new relay (root)", identity_create, 1, 1},
        Command{"identity import", "NAME DIR", "seal and install the keys of a relay that exists (root)", identity_import, 2, 2,
                import_options},
        Command{"identity export", "NAME FILE", "write a relay's keys, sealed, to a file (root)", identity_export, 2, 2, export_options},
        Command{"identity recover", "[FILE]", "bring keys back from an export, or a whole store (root)", identity_recover, 0, 1,
                recover_options},
        Command{"identity forget", "NAME FINGERPRINT", "wipe a relay's keys for good (root)", identity_forget, 2, 2},
        Command{"identity verify", "[NAME]", "check that what is sealed is whole and is what is installed (root)", identity_verify, 0, 1},
        Command{"identity reload", "", "open the vault again and install what is not installed (root)", identity_reload},
        Command{"measure", "FILE", "print the PCR values that a boot of this UKI will have; no TPM is asked", measure, 1, 1,
                measure_options},
        Command{"state show", "[NAME]", "show what each relay's state was restored from, and the newest snapshot", state_show, 0, 1},
        Command{"state snapshot", "", "seal every relay's state now (root)", state_snapshot},
        Command{"state reset", "", "give up all snapshots and count anew (root)", state_reset, 0, 0, reset_options},
        Command{"store show", "", "show the store's generation, when it was enrolled, and what is in it", store_show},
        Command{"store accept", "", "adopt the store as it is, although it is older than this machine (root)", store_accept, 0, 0,
                accept_options},
        Command{"update show", "", "show the releases, what the policy admits, and what became of the last update", update_show},
        Command{"update stage", "FILE", "admit a release beside the running one, for the next boot to try (root)", update_stage, 1, 1,
                stage_options},
        Command{"update configure", "", "stage the running release with other files beside it (root)", update_configure, 0, 0,
                configure_options},
        Command{"update plan", "[FILE]", "show what the staged release, or one in a file (root), changes and costs", update_plan, 0, 1,
                stage_options},
        Command{"update reboot", "", "take a snapshot, end every tor and reboot, now or at a good time (root)", update_reboot, 0, 0,
                reboot_options},
        Command{"update retry", "", "stage the release that waits for the network again, now (root)", update_retry, 0, 0, retry_options},
        Command{"update abort", "", "take the staged release back (root)", update_abort, 0, 0, progress_options},
        Command{"update commit", "", "keep the running release, and shut the others out (root)", update_commit, 0, 0, progress_options},
        Command{"recovery-key new", "FILE", "make a pair; the secret half goes to a file, to be kept offline", recovery_key_new, 1, 1},
        Command{"recovery-key set", "KEY", "seal exports and a new vault key to this public key (root)", recovery_key_set, 1, 1},
        Command{"recovery-key show", "", "show the recovery key that is set", recovery_key_show},
        Command{"recovery-key remove", "", "stop sealing to a recovery key (root)", recovery_key_remove},
    };
    return table;
}

std::string help_text() {
    std::string text = "usage: lethectl [--json] COMMAND [ARGUMENT]...\n\ncommands:\n";
    for (const auto& command : commands())
        text += std::format("  {:<32} {}\n", std::format("{} {}", command.name, command.arguments), command.help);
    return text +
           "\noptions:\n"
           "  --json                    print JSON\n"
           "  -h, --help                print this, or with a command its own help\n"
           "  --version                 print the version\n"
           "\nexit status: 0 done, 1 failed, 2 wrong usage, 3 something needs a person, 4 refused; see lethectl(1)\n";
}

std::string help_text(const Command& command) {
    auto text = std::format("usage: lethectl [--json] {}\n\n{}\n", synopsis(command), command.help);
    if (!command.options.empty()) text += "\noptions:\n";
    for (const auto& [name, value, help, repeats] : command.options)
        text += std::format("  {:<27} {}\n", std::format("{} {}", name, value), help);
    return text;
}

}  // namespace lethe::ctl
