#!/usr/bin/python3
"""measure_test.py LETHECTL: what `lethectl measure` says, beside what ukify, systemd-measure and systemd-pcrlock say of the same files.

The UKIs are built here, with systemd's stub; a stub stands for the kernel as well, which is only hashed. Prints TAP.
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

STUB = "/usr/lib/systemd/boot/efi/linuxx64.efi.stub"
LOADER = "/usr/lib/systemd/boot/efi/systemd-bootx64.efi"
ADDON_STUB = "/usr/lib/systemd/boot/efi/addonx64.efi.stub"
PHASES = ["enter-initrd", "leave-initrd", "sysinit", "ready"]
BANKS = ["sha1", "sha256", "sha384", "sha512"]


def run(*command, status=0):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=60)
    assert done.returncode == status, (command, done.returncode, done.stdout, done.stderr)
    return done.stdout if status == 0 else done.stderr


def measured(uki, *options):
    return json.loads(run(sys.argv[1], "--json", "measure", *options, uki))


class Uki:
    """A UKI with most kinds of sections, in a folder of its own."""

    SECTIONS = {"osrel": b"ID=lethe\nVERSION_ID=2\n", "cmdline": b"quiet  caf\xc3\xa9 \n", "initrd": b"0707 initrd",
                "uname": b"6.12.0-test", "sbat": b"sbat,1,x\n", "splash": b"BM", "pcrpkey": b"KEY\n"}

    def __init__(self, folder):
        self.folder = folder
        self.file = folder / "test_2+3.efi"
        files = {name: folder / name for name in self.SECTIONS}
        for name, octets in self.SECTIONS.items():
            files[name].write_bytes(octets)
        self.said = run("/usr/bin/ukify", "build", f"--linux={STUB}", f"--initrd={files['initrd']}", f"--cmdline=@{files['cmdline']}",
                        f"--os-release=@{files['osrel']}", "--uname=6.12.0-test", f"--splash={files['splash']}", f"--pcrpkey={files['pcrpkey']}",
                        f"--output={self.file}", "--measure", "--pcr-banks=sha256")
        extra = folder / "test_2.efi.extra.d"
        extra.mkdir()
        (extra / "lethe.torrc.a.cred").write_bytes(b"ORPort 9001\n")


def systemd_measure(uki, bank, phases):
    """What systemd-measure computes of the sections that the UKI has."""
    sections = []
    for name in ("linux", "osrel", "cmdline", "initrd", "splash", "uname", "sbat", "pcrpkey"):
        part = uki.folder / f"section.{name}"
        run("/usr/bin/objcopy", "-O", "binary", f"--dump-section=.{name}={part}", uki.file, "/dev/null")
        header = re.search(rf"^\s*\d+ \.{name}\s+([0-9a-f]+)", run("/usr/bin/objdump", "-h", uki.file), re.M)
        part.write_bytes(part.read_bytes()[:int(header[1], 16)])
        sections.append(f"--{name}={part}")
    out = run("/usr/lib/systemd/systemd-measure", "calculate", "--json=short", f"--bank={bank}", f"--phase={':'.join(phases)}", *sections)
    return json.loads(out)[bank][0]["hash"]


def pcrlock(verb, file, folder):
    """The digests that systemd-pcrlock records of a file: {PCR: [...]} for SHA-256."""
    out = folder / f"{verb}.pcrlock"
    run("/usr/lib/systemd/systemd-pcrlock", verb, file, f"--pcrlock={out}")
    found = {}
    for record in json.loads(out.read_text())["records"]:
        digest = next(entry["digest"] for entry in record["digests"] if entry["hashAlg"] == "sha256")
        found.setdefault(record["pcr"], []).append(digest)
    return found


def of_events(prediction, pcr):
    return [event["digest"] for event in prediction["events"] if event["pcr"] == pcr]


def agrees_with_ukify(uki):
    return [f"11:sha256={measured(uki.file, f'--phase={phase}')['pcrs']['11']}" for phase in PHASES] == uki.said.split() or uki.said


def agrees_with_systemd_measure(uki):
    for bank in BANKS:
        for last in range(len(PHASES)):
            ours = measured(uki.file, f"--phase={PHASES[last]}", f"--bank={bank}")["pcrs"]["11"]
            assert ours == systemd_measure(uki, bank, PHASES[:last + 1]), (bank, PHASES[last])
    return True


def agrees_with_pcrlock(uki):
    prediction = measured(uki.file, "--phase=", f"--loader={LOADER}")
    theirs = pcrlock("lock-uki", uki.file, uki.folder)
    assert of_events(prediction, 11) == theirs[11], (prediction, theirs)
    loader, kernel = pcrlock("lock-pe", LOADER, uki.folder)[4], pcrlock("lock-pe", STUB, uki.folder)[4]
    assert of_events(prediction, 4)[2:] == loader + theirs[4] + kernel, (prediction, theirs)
    assert of_events(measured(uki.file, "--secure-boot=on"), 4)[2:] == theirs[4]
    return True


def takes_what_lies_beside(uki):
    with_file, without = measured(uki.file), measured(uki.file, "--extra-d", uki.folder / "nowhere")
    assert without["pcrs"]["12"] == "00" * 32 and with_file["pcrs"]["12"] != "00" * 32
    addon = uki.folder / "addons" / "a.addon.efi"
    addon.parent.mkdir()
    run("/usr/bin/ukify", "build", f"--stub={ADDON_STUB}", "--cmdline=debug", f"--output={addon}")
    added = measured(uki.file, "--addons", addon.parent)
    assert [event["event"] for event in added["events"] if event["pcr"] == 4][-2:] == ["a.addon.efi", "kernel"]
    return of_events(added, 4)[3:4] == pcrlock("lock-pe", addon, uki.folder)[4]


def refuses(uki):
    empty = uki.folder / "empty.efi"
    empty.write_bytes(b"")
    for options, status, words in (((empty,), 1, "not a PE image"), ((uki.folder / "none.efi",), 1, "none.efi"), ((LOADER,), 1, "no UKI"),
                                   ((uki.file, "--bank=md5"), 2, "no bank md5"), ((uki.file, "--phase=lunch"), 2, "no phase lunch"),
                                   ((uki.file, "--secure-boot=maybe"), 2, "on or off"), ((uki.file, f"--event-log={empty}"), 1, "is empty")):
        said = run(sys.argv[1], "measure", *options, status=status)
        assert words in said, (options, said)
    return True


checks = {
    "PCR 11 is what ukify prints": agrees_with_ukify,
    "PCR 11 is what systemd-measure computes, in each bank and phase": agrees_with_systemd_measure,
    "events are those that systemd-pcrlock records of the same files": agrees_with_pcrlock,
    "what lies beside the image is measured": takes_what_lies_beside,
    "what cannot be measured is refused by name": refuses,
}
print(f"1..{len(checks)}")
failed = 0
with tempfile.TemporaryDirectory() as name:
    subject = Uki(Path(name))
    for number, (sentence, check) in enumerate(checks.items(), 1):
        try:
            good = check(subject)
        except AssertionError as error:
            good = error
        failed |= good is not True
        print(f"{'ok' if good is True else 'not ok'} {number} {sentence}")
        if good is not True:
            print(f"# {good}")
sys.exit(failed)
