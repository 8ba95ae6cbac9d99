"""What the tests of updates do with the update service of a running machine, and what they see of it."""

import json
import re
import shlex

import uki
from machine import CACHE
from state_checks import until

PRESENT = CACHE / "image/debug/current/lethe.efi"
# tools/test builds it: the same with a newer version.
LATER = CACHE / "image/update/lethe.efi"
OFFER = "/run/offer"
MOUNT = f"mkdir -p {OFFER} && mount -t erofs -o ro /dev/disk/by-id/virtio-offer {OFFER}"

# All that a stage, a commit or an abort writes. What lethe-stated writes meanwhile is not theirs.
TRACES = r"""
shopt -s nullglob
cd /efi && find . -path ./lethe -prune -o -type f -printf '%P %s %T@\n' | sort
cd /sys/firmware/efi/efivars && echo LoaderEntry{OneShot,Default}*
tpm2_getcap handles-nv-index
tpm2_nvread -C o 0x1800100 2>/dev/null | od -An -v -tx1
ls /var/lib/lethe | sed 's/\.[ab]$//' | sort -u
find /var/lib/pcrlock.d /run/pcrlock.d -type f -exec sha256sum {} + 2>/dev/null | sort
sha256sum </var/lib/systemd/pcrlock.json
"""


def release(number, base=None):
    """A release that was never built: this system, or `base`, with that version, signed as a release is."""
    return uki.sign(uki.with_version(base or PRESENT.read_bytes(), number))


def version_of(file):
    return uki.version(file.read_bytes())


def offer(machine):
    """Mounts what the machine was offered, when it is not."""
    machine.ok(f"mountpoint -q {OFFER} || {{ {MOUNT}; }}")


def shown(machine):
    return json.loads(machine.vm("exec", "--", "lethectl", "--json", "update", "show", check=False).stdout)


def traces(machine):
    return machine.ok(TRACES)


def stage(machine, *arguments):
    """Stages what was offered; returns what is shown then."""
    offer(machine)
    machine.ok(f"cd {OFFER} && lethectl update stage {shlex.join(arguments)}")
    return shown(machine)


def reboot(machine):
    """Has the machine reboot into what is staged; it goes down while it answers."""
    machine.vm("exec", "--", "lethectl", "update", "reboot", "--urgent", check=False)


def expect_staged(machine, running, staged):
    said = shown(machine)
    assert said["policy_state"] == "staged" and not said["reason"], said
    assert (said["running"]["version"], said["staged"]["version"]) == (running, staged), said
    assert said["staged"]["state"] == "staged" and said["staged"]["tries_left"] == 3, said
    assert said["admitted"] == [running, staged], said
    assert releases(machine) == {f"lethe_{running}.efi", f"lethe_{staged}+3.efi"}, releases(machine)


def expect_kept(machine, version, reason="^$"):
    """The running release is this one, and, as soon as it is kept, there is no other: not on the ESP, not in the policy."""
    until(machine, "lethectl --json update show | grep -q '\"policy_state\": *\"running\"'")
    said = shown(machine)
    assert said["running"]["version"] == version and not said["running"]["trial"], said
    assert said["admitted"] == [version] and said["staged"] is None and re.search(reason, said["reason"]), said
    assert releases(machine) == {f"lethe_{version}.efi"}, releases(machine)


def releases(machine):
    """What the loader could start, and the folders beside it."""
    return {name for name in machine.ok("ls /efi/EFI/Linux").split() if not name.endswith(".extra.d")}


def sealed(machine):
    """Digests of what an update must not touch: the vault, the sealed identities."""
    return machine.ok("cd /var/lib/lethe && sha256sum vault.* identity-*")
