"""What anyone who can write to the ESP or set EFI variables does between the staging of a release and its trial, and that none of it holds the
old release in the policy."""

import re
from functools import partial

from attacker import LOADER, add_xbootldr, keep_in_firmware, utf16
from machine import Machine, credentials
from state_checks import until
from update_steps import PRESENT, expect_kept, reboot, release, releases, shown, stage, version_of

EFIVARS = "/sys/firmware/efi/efivars"


def lasting(name, text):
    """A script that sets a variable of the boot loader's as another system would: it outlives boots."""
    octets = "".join(f"\\x{octet:02x}" for octet in bytes([7, 0, 0, 0]) + utf16(text))
    return f"printf '{octets}' >{EFIVARS}/{name}-{LOADER}"


def gone(name):
    return f"test ! -e {EFIVARS}/{name}-{LOADER}"


old_was_passed_over = "lethectl update show | grep -q 'the boot loader did not start it'"


# By name: what is done on the machine, in the folder of the releases, to the old version and the new one that is staged; words of the reason
# that is shown; what holds then.
ATTACKS = {
    "a twin without a counter": (lambda old, new: f"cp lethe_{new}+3.efi lethe_{new}.efi", "two files of one release", None),
    "a twin that holds the old release": (lambda old, new: f"cp lethe_{old}.efi lethe_{new}.efi", "two files of one release", None),
    "the old release under the name of one that is staged": (lambda old, new: f"mv lethe_{old}.efi lethe_{old}+3.efi", "", old_was_passed_over),
    "a read-only file": (lambda old, new: f"chmod a-w lethe_{new}+3.efi", "did not count this boot", None),
    "capital letters": (lambda old, new: f"mv lethe_{new}+3.efi x && mv x LETHE_{new}+3.EFI", "", None),
    "another default entry": (lambda old, new: lasting("LoaderEntryDefault", f"lethe_{old}.efi"), "LoaderEntryDefault", gone("LoaderEntryDefault")),
}

class FreezeLane:
    """One machine that goes from release to release, each time against another attack."""

    def __init__(self, check, machines):
        self.check, self.machines = check, machines
        self.kept = version_of(PRESENT)
        self.versions = [f"{self.kept}.{number}" for number in range(1, len(ATTACKS) + 6)]

    def run(self):
        if not self.check("a machine runs a release, and is offered others", self.enrol):
            return
        for version, (name, (script, reason, then)) in zip(self.versions, ATTACKS.items()):
            if not self.check(f"the old release leaves the policy in spite of {name}", partial(self.attack, version, script, reason, then)):
                return
        unwritable, hidden, false, other, elsewhere = self.versions[len(ATTACKS):]
        self.check("the old release leaves the policy in spite of a disk that is read-only", lambda: self.unwritable(unwritable))
        self.check("the old release leaves the policy in spite of variables that hide where the new one came from", lambda: self.hidden(hidden))
        self.check("the old release in the new one's file is none of the new one", lambda: self.false_name(false))
        if self.check("a release that runs under another name is kept, and a person is told", lambda: self.other_name(other)):
            self.check("the old release leaves the policy though the new one came from a partition that is not mounted",
                       lambda: self.elsewhere(elsewhere))

    def enrol(self):
        self.machine = Machine("test-freeze")
        self.machines.append(self.machine)
        self.machine.up("--secure-boot", "on", *credentials("a"), offer={f"{version}.efi": release(version) for version in self.versions})
        self.identity = self.relay()

    def relay(self):
        status = self.machine.status()
        assert status["vault"]["state"] == "open", status["vault"]
        relay, = status["relays"]
        assert relay["state"] == "installed", relay
        return relay["fingerprint"]

    def stage(self, version, script):
        stage(self.machine, f"{version}.efi")
        self.machine.ok(f"cd /efi/EFI/Linux && {script(self.kept, version)} && sync -f .")
        reboot(self.machine)
        self.machine.next()
        # The commit comes last in a boot.
        until(self.machine, "systemctl is-active lethe-commit || systemctl is-failed lethe-commit")
        assert self.relay() == self.identity
        return shown(self.machine)

    def attack(self, version, script, reason, then):
        said = self.stage(version, script)
        assert said["running"]["version"] == version and said["policy_state"] == "running" and said["admitted"] == [version], said
        assert reason in said["reason"] and bool(reason) == bool(said["reason"]), said
        code, text = self.machine.sh("lethectl status")
        assert bool(said["last_failure"]) == (then is old_was_passed_over), said
        assert code == (3 if reason or said["last_failure"] else 0) and said["reason"] in text, (code, text)
        names = {name.lower() for name in releases(self.machine)}
        assert names == {f"lethe_{version}.efi"}, names
        if then:
            self.machine.ok(then)
        self.kept = version

    def other_name(self, version):
        said = self.stage(version, lambda old, new: f"mv lethe_{new}+3.efi other.efi")
        assert said["running"]["version"] == version and said["running"]["file"] == "other.efi", said
        assert said["policy_state"] == "running" and said["admitted"] == [version], said
        assert f"rename it to lethe_{version}.efi" in said["reason"], said
        assert releases(self.machine) == {"other.efi"}, releases(self.machine)
        assert self.machine.sh("lethectl status")[0] == 3

    def unwritable(self, version):
        """From the trial on. What the policy needs of the disk lies there since the staging."""
        stage(self.machine, f"{version}.efi")
        self.machine.down()
        self.machine.up("--qemu=-set", "--qemu=drive.disk.readonly=on")
        assert self.relay() == self.identity
        until(self.machine, "systemctl is-active lethe-commit || systemctl is-failed lethe-commit")
        assert self.machine.ok("cat /sys/block/vda/ro") == "1"
        said = shown(self.machine)
        assert said["running"]["version"] == version and said["policy_state"] == "running" and said["admitted"] == [version], said
        assert "the encrypted copy of the policy file cannot be written" in said["reason"], said
        assert f"lethe_{self.kept}.efi" in releases(self.machine), "the disk has taken a write"
        assert self.machine.sh("lethectl status")[0] == 3
        self.machine.down()
        self.machine.up()
        assert self.relay() == self.identity
        expect_kept(self.machine, version)
        self.kept = version

    def hidden(self, version):
        """The firmware refuses to let boot loader and stub set theirs; once these are removed, nothing says that there is an ESP. A next entry
        that the boot loader cannot read, so that it neither obeys it nor removes it, makes the old release no staged one."""
        stage(self.machine, f"{version}.efi")
        self.machine.ok(f"cd /efi/EFI/Linux && mv lethe_{self.kept}.efi lethe_{self.kept}+3.efi")
        self.machine.down()
        kept = {"StubImageIdentifier": r"\EFI\Linux\evil.efi", "LoaderDevicePartUUID": "evil", "LoaderBootCountPath": r"\EFI\Linux\lethe_9.9+3.efi"}
        kept = {name: utf16(content) for name, content in kept.items()} | {"LoaderEntryOneShot": utf16(f"lethe_{self.kept}.efi") + b"x"}
        keep_in_firmware(self.machine, {f"{name}-{LOADER}": octets for name, octets in kept.items()})
        self.machine.up()
        until(self.machine, "systemctl is-active lethe-commit || systemctl is-failed lethe-commit")
        said = shown(self.machine)
        assert said["running"]["version"] == version and said["policy_state"] == "running" and said["admitted"] == [version], said
        assert all(name in said["reason"] for name in kept), said
        assert {name.lower() for name in releases(self.machine)} == {f"lethe_{version}.efi"}, releases(self.machine)
        self.kept = version

    def false_name(self, version):
        said = self.stage(version, lambda old, new: f"cp lethe_{old}.efi lethe_{new}+3.efi")
        assert said["running"]["version"] == self.kept and said["policy_state"] == "running" and said["admitted"] == [self.kept], said
        assert f"release {version}" in said["last_failure"] and f"was release {self.kept}" in said["last_failure"], said
        assert releases(self.machine) == {f"lethe_{self.kept}.efi"}, releases(self.machine)
        assert self.machine.sh("lethectl status")[0] == 3

    def elsewhere(self, version):
        old = next(iter(releases(self.machine)))
        stage(self.machine, f"{version}.efi")
        self.machine.down()
        file = next(path for path in self.machine.files("/EFI/Linux") if f"lethe_{version}+3" in path)
        beside = self.machine.files(f"/EFI/Linux/lethe_{version}.efi.extra.d")
        # The stub takes them from the partition that it came from.
        of_all = self.machine.files("/loader/credentials") + self.machine.files("/loader/addons")
        add_xbootldr(self.machine, {path.lstrip("/"): self.machine.get(path) for path in (file, *beside, *of_all)})
        for path in (file, *beside):
            self.machine.vm("esp", "rm", path)
        self.machine.up()
        assert self.relay() == self.identity
        until(self.machine, "systemctl is-active lethe-commit || systemctl is-failed lethe-commit")
        said = shown(self.machine)
        assert said["policy_state"] == "unknown" and "is on no ESP" in said["reason"], said
        assert self.machine.sh("lethectl status")[0] == 3
        self.machine.ok(lasting("LoaderEntryOneShot", old))
        self.machine.down()
        self.machine.up()
        status = self.machine.status()
        assert status["vault"]["state"] == "shut" and re.search(r"PCRs? .*\b(4|11)\b", status["vault"]["reason"]), status["vault"]


def freeze_lane(check, machines):
    """`check` as in lanes.py."""
    FreezeLane(check, machines).run()
