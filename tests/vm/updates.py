"""Updates of the real image: from one release to the next, to another configuration, and to a release that is never healthy."""

import json
import re
import time
from pathlib import Path

from machine import CONFIGURATION, EVERYTHING, TORRC, Machine, credentials
from prediction import after_opening
from state_checks import expect_restored, seed, until
from update_refusals import refusal_checks, refused_files
from update_steps import (LATER, PRESENT, expect_kept, expect_staged, offer, reboot, release, releases, sealed, shown, stage, traces,
                          version_of)

SHUT = r"PCRs? .*\b(4|11)\b"
# It waits for a tor that has circuits, and these machines have no network.
SICK = CONFIGURATION.read_bytes().replace(b"=identity", b"=bootstrap") + b"HealthDeadline=20s\n"
OTHER_TORRC = TORRC.read_bytes().replace(b"lethetest", b"letheother")
POLICY_SLOTS = ("policy.a", "policy.b")


class UpdateLane:
    """One machine with relays a, which has a history, and b; through all of its updates the same identities."""

    def __init__(self, secure_boot, check, machines):
        self.secure_boot, self.check, self.machines = secure_boot, check, machines
        self.present, self.later = version_of(PRESENT), version_of(LATER)
        self.kept = self.present  # the version that runs, and that nothing has to get at
        self.sick = self.later + ".1"
        self.whole = secure_boot == "off" or EVERYTHING

    def run(self):
        if not self.check("a machine with a history runs a release", self.enrol):
            return
        if self.whole:
            refusal_checks(self.check, self.machine)
            self.check("a plan names both releases, and the PCRs that change, and writes nothing", self.plan)
            self.check("what was staged is taken back, and nothing is left behind", self.abort)
            self.check("a reboot is planned for the quiet window, and given up", self.plan_reboot)
        else:
            self.check("a release that somebody else has signed is refused", self.stranger)
        if not self.check("an update keeps both identities and the history, and enrols nothing anew", self.update):
            return
        self.check("an old policy file put back does not open the vault", self.old_policy)
        if not self.check("the release of before, put back by hand, is refused, and the new one opens the vault", self.put_back):
            return
        if self.whole and not self.check("another torrc is staged, booted and kept as a release is", self.configure):
            return
        self.check("a release that is never healthy is left, reported, and not admitted any more", self.fall_back)
        self.check("after all of this no NV index, file or component is left behind", self.nothing_left)

    def enrol(self):
        self.machine = Machine(f"test-update-{self.secure_boot}")
        self.machines.append(self.machine)
        self.machine.up("--secure-boot", self.secure_boot, *credentials("a", "b"), offer={
            **refused_files(), "later.efi": LATER.read_bytes(), "later.pcrlock": LATER.with_suffix(".pcrlock").read_bytes(),
            "sick.efi": release(self.sick, LATER.read_bytes()), "lethe.conf.cred": SICK, "lethe.torrc.a.cred": OTHER_TORRC})
        self.key = seed(self.machine, "a")
        self.machine.ok("lethectl state snapshot")
        self.known = self.fingerprints()
        self.sealed, self.indices = sealed(self.machine), self.nv_indices()
        self.old_slots = self.policy_slots()
        expect_kept(self.machine, self.present)

    def fingerprints(self):
        status = self.machine.status()
        assert status["vault"]["state"] == "open", status["vault"]
        assert {relay["state"] for relay in status["relays"]} == {"installed"}, status["relays"]
        return {relay["name"]: (relay["fingerprint"], relay["ed25519_identity"]) for relay in status["relays"]}

    def nv_indices(self):
        return self.machine.ok("tpm2_getcap handles-nv-index").split()

    def policy_slots(self):
        return {slot: self.machine.vm("exec", "--", "cat", f"/var/lib/lethe/{slot}", check=False).stdout for slot in POLICY_SLOTS}

    def expect_same_relays(self):
        assert self.fingerprints() == self.known
        for relay in ("a", "b"):
            self.machine.ok(f"systemctl is-active tor@{relay}")

    def stranger(self):
        offer(self.machine)
        before = traces(self.machine)
        status, text = self.machine.sh("lethectl update stage /run/offer/stranger.efi")
        assert status != 0 and "sign" in text and traces(self.machine) == before, (status, text)

    def plan(self):
        before = traces(self.machine)
        text = self.machine.ok("lethectl update plan /run/offer/later.efi")
        assert self.present in text and self.later in text, text
        plan = json.loads(self.machine.ok("lethectl --json update plan /run/offer/later.efi"))
        assert (plan["running"], plan["staged"]) == (self.present, self.later), plan
        pcrs = {entry["pcr"]: entry for entry in plan["pcrs"]}
        decided = {4, 7, 9, 11, 12, 13} | ({2} if self.secure_boot == "off" else set())
        assert set(pcrs) == decided and {relay["name"] for relay in plan["relays"]} == {"a", "b"}, plan
        assert traces(self.machine) == before, "a plan wrote something"

    def abort(self):
        before = traces(self.machine)
        stage(self.machine, "later.efi")
        status, text = self.machine.sh("lethectl update stage /run/offer/sick.efi")
        assert status != 0 and "staged" in text, (status, text)
        self.machine.ok("lethectl update abort")
        expect_kept(self.machine, self.present)
        after = traces(self.machine)
        # The policy file names the same policy; it was made anew.
        assert without_policy_file(after) == without_policy_file(before), set(after.splitlines()) ^ set(before.splitlines())

    def plan_reboot(self):
        before = time.time()
        at = json.loads(self.machine.ok("lethectl --json update reboot --when quiet"))["reboot_at"]
        assert before < at < before + 2 * 24 * 3600, (before, at)
        assert shown(self.machine)["reboot_at"] == at
        planned = self.machine.ok("systemctl show -P NextElapseUSecRealtime lethe-reboot.timer")
        assert int(self.machine.ok(f"date -d '{planned}' +%s")) == at, (planned, at)
        self.machine.ok("lethectl update reboot --when never")
        assert shown(self.machine)["reboot_at"] == 0 and self.machine.sh("systemctl is-active lethe-reboot.timer")[0] != 0

    def update(self):
        stage(self.machine, "--records", "later.pcrlock", "later.efi")
        expect_staged(self.machine, self.present, self.later)
        plan = json.loads(self.machine.ok("lethectl --json update plan"))
        reboot(self.machine)
        self.machine.next()
        self.expect_same_relays()
        expect_kept(self.machine, self.later)
        self.kept = self.later
        expect_restored(self.machine, "a", self.key)
        assert sealed(self.machine) == self.sealed, "the vault or an identity was sealed anew"
        assert self.machine.ok("systemctl show -P ConditionResult lethe-enroll") == "no"
        expect_planned(self.machine, plan)

    def old_policy(self):
        """The files of before in both slots."""
        present = self.policy_slots()
        assert present != self.old_slots
        self.put_slots(self.old_slots)
        status = self.machine.status()
        assert status["vault"]["state"] == "shut" and "policy" in status["vault"]["reason"], status["vault"]
        self.put_slots(present)
        self.expect_same_relays()

    def put_slots(self, slots):
        """On the disk, while the machine is off: a boot opens the vault once."""
        self.machine.down()
        for slot, octets in slots.items():
            self.put_slot(slot, octets)
        self.machine.up()

    def put_slot(self, slot, octets):
        self.machine.put(f"/lethe/{slot}", octets) if octets else self.machine.vm("esp", "rm", f"/lethe/{slot}", check=False)

    def put_back(self):
        """With the policy of its time, and without."""
        self.machine.down()
        self.machine.save()
        path = self.machine.uki_path()
        self.machine.vm("esp", "rm", path)
        self.machine.put(f"/EFI/Linux/lethe_{self.present}.efi", PRESENT.read_bytes())
        if self.whole:
            for slot, octets in self.old_slots.items():
                self.put_slot(slot, octets)
        self.machine.up()
        status = self.machine.status()
        assert status["vault"]["state"] == "shut", status["vault"]
        assert re.search("policy" if self.whole else SHUT, status["vault"]["reason"]), status["vault"]
        assert self.machine.sh("pgrep -x tor")[0] == 1
        self.machine.vm("cut")
        self.machine.restore()
        self.machine.up()
        self.expect_same_relays()
        expect_kept(self.machine, self.later)

    def configure(self):
        offer(self.machine)
        self.machine.ok("cd /run/offer && lethectl update configure --set lethe.torrc.a.cred")
        configured = shown(self.machine)["staged"]["version"]
        assert configured.startswith(self.later) and configured != self.later, configured
        expect_staged(self.machine, self.later, configured)
        reboot(self.machine)
        self.machine.next()
        self.expect_same_relays()
        expect_kept(self.machine, configured)
        self.kept = configured
        assert "letheother" in self.machine.ok("cat /run/credstore/lethe.torrc.a")

    def fall_back(self):
        stage(self.machine, "--beside", "lethe.conf.cred", "sick.efi")
        tries = 3
        if not EVERYTHING:  # the first of its tries is the last
            tries = 1
            self.machine.ok(f"cd /efi/EFI/Linux && mv lethe_{self.sick}+3.efi lethe_{self.sick}+1.efi && sync /efi")
        reboot(self.machine)
        for _ in range(tries):
            self.machine.vm("next", "--no-wait")
            self.machine.vm("wait", "--limit", "360", "reboot: Restarting system")
            assert f"lethe_{self.kept}.efi" not in self.machine.log()
        self.machine.next()
        self.expect_same_relays()
        until(self.machine, "lethectl --json update show | grep -q '\"policy_state\": *\"running\"'")
        said = shown(self.machine)
        assert said["running"]["version"] == self.kept and said["admitted"] == [self.kept], said
        assert self.sick in said["last_failure"], said
        code, text = self.machine.sh("lethectl status")
        assert code == 3 and self.sick in text, (code, text)
        if said["staged"]:
            assert said["staged"]["state"] == "failed", said
            self.machine.ok("lethectl update abort")
        assert releases(self.machine) == {f"lethe_{self.kept}.efi"}, releases(self.machine)

    def nothing_left(self):
        assert self.nv_indices() == self.indices, (self.nv_indices(), self.indices)
        beside = self.machine.ok("ls /efi/EFI/Linux").split()
        assert beside == [f"lethe_{self.kept}.efi", f"lethe_{self.kept}.efi.extra.d"][:2 if self.whole else 1], beside
        components = self.machine.sh("find /var/lib/pcrlock.d /run/pcrlock.d -name 'lethe_*.pcrlock'")[1].splitlines()
        assert len([name for name in components if name.startswith("/")]) <= 1, components
        assert self.machine.sh("ls /efi/loader/credentials | grep pcrlock")[0] == 1, "pcrlock has left a credential on the ESP"


def without_policy_file(text):
    return text.splitlines()[:-1]


def expect_planned(machine, plan):
    """What the update service predicted, beside what the TPM has now."""
    for entry in plan["pcrs"]:
        observed = Path(f"/sys/class/tpm/tpm0/pcr-sha256/{entry['pcr']}")
        value = machine.ok(f"cat {observed}").lower()
        predicted = [after_opening(machine, digest) if entry["pcr"] == 12 else digest for digest in entry["predicted"]]
        assert value in predicted, (entry, value)


def update_lane(secure_boot, check, machines):
    """`check` as in lanes.py."""
    UpdateLane(secure_boot, check, machines).run()
