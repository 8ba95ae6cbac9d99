"""What an operator does with keys, on the running image; and where secret octets are, and are not, while it runs."""

import json
import mmap
import re
import subprocess
from functools import cache
from pathlib import Path

from machine import CACHE

# A relay that ran elsewhere: made by tor, in memory.
MAKE = """rm -rf /run/brought && mkdir -m 700 /run/brought && tor --list-fingerprint --hush --defaults-torrc /none --ignore-missing-torrc -f /none \
--DataDirectory /run/brought/data --ORPort 9001 --DisableNetwork 1 --PublishServerDescriptor 0 --ContactInfo none >/dev/null \
&& cut -d' ' -f2 /run/brought/data/fingerprint"""


@cache
def who_maps():
    """The program that says what a physical page is, built once."""
    program = CACHE / "work/who_maps"
    program.parent.mkdir(exist_ok=True)
    source = Path(__file__).with_name("who_maps.cpp")
    subprocess.run(["g++", "-std=c++23", "-O2", "-static", "-o", program, source], check=True)
    return program.read_bytes()


def key_checks(check, machine, name):
    """Import, refusals, export, forget and recovery of relay `name`, whose user exists and which has no keys; leaves it without keys."""
    brought = {}

    def bring():
        brought["fingerprint"] = machine.ok(MAKE).splitlines()[-1]
        status, text = machine.sh("cp -r /run/brought/data/keys /run/partial && rm /run/partial/secret_id_key; lethectl identity import %s /run/partial" % name)
        assert status == 2 and "secret_id_key" in text, (status, text)
        status, text = machine.sh("chmod 644 /run/brought/data/keys/secret_id_key; lethectl identity import %s /run/brought/data" % name)
        assert status == 2 and "secret_id_key" in text, (status, text)
        machine.ok("chmod 600 /run/brought/data/keys/secret_id_key")
        shown = json.loads(machine.ok(f"lethectl --json identity import {name} /run/brought/data"))
        assert shown["fingerprint"] == brought["fingerprint"] and shown["state"] == "installed", shown
        machine.ok(f"systemctl reset-failed tor@{name}; systemctl restart tor@{name}")
        assert machine.ok(f"cut -d' ' -f2 /var/lib/tor-instances/{name}/fingerprint") == brought["fingerprint"]

    def round_trip():
        public = machine.ok("lethectl recovery-key new /run/brought/key 2>/dev/null")
        machine.ok(f"lethectl recovery-key set {public}")
        machine.ok(f"lethectl identity export {name} /run/brought/export")
        status, text = machine.sh(f"lethectl identity forget {name} {'0' * 40}")
        assert status == 2 and "another fingerprint" in text, (status, text)
        machine.ok(f"lethectl identity forget {name} {brought['fingerprint']}")
        assert machine.sh(f"systemctl is-active tor@{name}")[0] != 0
        assert machine.sh(f"ls /var/lib/lethe/identity-{name}.a /var/lib/lethe/identity-{name}.b /run/lethe/keys/{name}")[0] != 0
        status, text = machine.sh(f"lethectl identity recover --fingerprint {'0' * 40} --key /run/brought/key /run/brought/export")
        assert status == 2 and "asked for" in text, (status, text)
        shown = json.loads(machine.ok(f"lethectl --json identity recover --fingerprint {brought['fingerprint']} --key /run/brought/key /run/brought/export"))
        assert shown["fingerprint"] == brought["fingerprint"], shown
        machine.ok(f"lethectl identity forget {name} {brought['fingerprint']} && lethectl recovery-key remove && rm -r /run/brought")

    check("a running relay is imported, and sets that are partial or that others can read are refused", bring)
    check("its keys go into an export, are forgotten, and come back from it with the recovery key", round_trip)


def pages_with(path, needles):
    """The numbers of the physical pages that hold a needle, or a part of one, with the files that these are from."""
    pages = {}
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as memory:
        for needle, name in needles.items():
            at = memory.find(needle)
            while at >= 0:
                for page in {at // 4096, (at + len(needle) - 1) // 4096}:
                    pages.setdefault(page, set()).add(name)
                at = memory.find(needle, at + 1)
    return pages


def may_have(what, names):
    """Whether a page that is this may have octets of these key files. lethe-stated keeps onion keys, for the next snapshot."""
    if what == "tmpfs" or what.startswith("process tor "):
        return True
    stated = what.startswith("process lethe-stated ") and all(name.startswith("secret_onion_key") for name in names)
    return what.endswith(" locked") and (stated or what.startswith("process lethe-identityd "))


def audit(machine, needles):
    """Secret octets are in tor, its key folder, and locked memory of the daemons: searched is all of the machine's memory, from outside."""
    program = who_maps()
    # How this test looks inside: it has read the key files for it. What it frees is zeroed.
    machine.vm("exec", "--", "systemctl", "restart", "--no-block", "qemu-guest-agent", check=False)
    machine.vm("exec", "-i", "--", "bash", "-c", "cat >/run/who_maps && chmod 700 /run/who_maps", input=program)
    machine.vm("memory")
    pages = pages_with(machine.folder / "memory.raw", needles)
    (machine.folder / "memory.raw").unlink()
    said = machine.vm("exec", "-i", "--", "/run/who_maps", input="\n".join(map(str, sorted(pages))).encode() + b"\n").stdout.decode()
    machine.ok("rm /run/who_maps")
    *lines, summary = said.splitlines()
    assert len(needles) > 10 and int(re.fullmatch(r"looked at (\d+) mapped pages", summary)[1]) > 5000, summary
    found = [(what, pages[int(page)]) for page, what in (line.split(" ", 1) for line in lines)]
    assert any(what.startswith("process tor ") for what, _ in found) and "tmpfs" in dict(found), f"the search does not find what must be there: {lines}"
    elsewhere = [(what, names) for what, names in found if not may_have(what, names)]
    assert not elsewhere, elsewhere

    # Of files in memory: the key folders alone.
    patterns = "|".join("".join(f"\\x{octet:02x}" for octet in needle) for needle in needles)
    files = machine.sh(f"LC_ALL=C grep -rlaP '{patterns}' /run /tmp /dev/shm /var /etc 2>/dev/null")[1].split()
    assert files and all(file.startswith("/run/lethe/keys/") for file in files), files

    # Nowhere that a command line, an environment, a dump or swap could take them.
    shown = machine.sh(f"LC_ALL=C grep -laP '{patterns}' /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null")[1]
    assert shown == "", shown
    assert machine.ok("cat /proc/swaps").count("\n") == 0
    for process in ("lethe-identityd", "lethe-stated", "tor"):
        for pid in machine.ok(f"pgrep -x {process}").split():
            limits = machine.ok(f"cat /proc/{pid}/limits")
            assert re.search(r"Max core file size\s+0\s+0\s", limits), (process, limits)
    assert "coredump" not in machine.ok("sysctl -n kernel.core_pattern")
