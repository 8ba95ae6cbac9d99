"""What the update service refuses before any reboot, and that it leaves nothing of it behind."""

import json
import re
import shlex

import uki
from update_steps import LATER, OFFER, PRESENT, offer, release, traces

# Nothing measures it: a policy with it would have no PCR 11.
LOST_PCR = {"records": [{"pcr": 11, "digests": [{"hashAlg": "sha256", "digest": "00" * 32}]}]}


def one_octet_changed(octets):
    """In the middle of the initrd, which is most of the file."""
    start, size = uki.find_section(octets, b".initrd")
    at = start + size // 2
    return octets[:at] + bytes([octets[at] ^ 1]) + octets[at + 1:]


def altered(records):
    """The same records but for one digit of the last digest."""
    changed = json.loads(records)
    digest = changed["records"][-1]["digests"][0]
    digest["digest"] = digest["digest"][:-1] + ("1" if digest["digest"][-1] == "0" else "0")
    return json.dumps(changed).encode()


def refused_files():
    """By name, for a machine that runs PRESENT."""
    later = LATER.read_bytes()
    return {"tampered.efi": one_octet_changed(later),
            "stranger.efi": uki.sign(later, "KEK"),
            "unsigned.efi": uki.with_version(later, uki.version(later)),
            "older.efi": release("0.0.1"),
            "same.efi": PRESENT.read_bytes(),
            "altered.pcrlock": altered(LATER.with_suffix(".pcrlock").read_bytes())}


def refusal_checks(check, machine):
    """On a machine that runs PRESENT with nothing staged, and was offered refused_files() and LATER as later.efi."""
    def refused(name, reason, command, before="true", after="true"):
        """While `before` is done, and until `after`, the command is refused for that reason, and changes nothing."""
        def action():
            offer(machine)
            machine.ok(before)
            try:
                old = traces(machine)
                status, text = machine.sh(f"cd {OFFER} && lethectl update {command}")
                assert status not in (0, 125) and re.search(reason, text), (status, text)
                new = traces(machine)
                assert new == old, f"it left something behind: {set(new.splitlines()) ^ set(old.splitlines())}"
            finally:
                machine.ok(after)
        check(f"refused, and nothing is left behind: {name}", action)

    room = "df --output=avail -m /efi | tail -n 1"
    bogus = shlex.quote(json.dumps(LOST_PCR))
    refused("a release with one octet changed", r"sign|changed", "stage tampered.efi")
    refused("a release that somebody else has signed", r"sign|trust", "stage stranger.efi")
    refused("a release that is not signed", r"sign", "stage unsigned.efi")
    refused("an older release", r"older|allow-downgrade", "stage older.efi")
    refused("the release that runs", r"run", "stage same.efi")
    refused("records that are not what it measures", r"record", "stage --records altered.pcrlock later.efi")
    refused("a release on a full ESP", r"room|space", "stage later.efi",
            f"dd if=/dev/zero of=/efi/full bs=1M count=$(($({room}) - 20)) status=none conv=fsync", "rm /efi/full && sync /efi")
    refused("a policy that has lost PCR 11", r"\b11\b", "stage later.efi",
            f"mkdir -p /run/pcrlock.d && echo {bogus} >/run/pcrlock.d/655-lost.pcrlock", "rm /run/pcrlock.d/655-lost.pcrlock")
    refused("to take back what was not staged", r"staged", "abort")
