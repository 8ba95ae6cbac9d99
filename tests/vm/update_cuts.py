"""Power cuts at random moments from stage to commit on the real image: python3 update_cuts.py [--count N] [--seed S], or the lane of the tests.

After each cut the machine boots with the release of before or with the new one, opens its vault and has its identities; and the update can
be done.
"""

from itertools import repeat

from cuts import CutMachine, announce_seed, check_cuts, side_by_side
from machine import credentials
from update_steps import MOUNT, PRESENT, expect_kept, offer, release, releases, shown, version_of

# Both verbs, as a person types them, and on the console when each has come to its end.
UPDATE = MOUNT + """ && cd /run/offer && lethectl update stage new.efi >/dev/console 2>&1 && echo "the new one is staged." >/dev/console &&
lethectl update reboot --urgent >/dev/console 2>&1"""
# What a cut is counted from, and for how long; the later ones lie in the boot of the new release.
PHASES = {"stage": (None, 60), "reboot": ("the new one is staged", 60), "trial": ("EFI stub: Measured", 90), "commit": ("boot-complete.target", 30)}


class UpdateCuts(CutMachine):
    """A machine with a relay, which is offered a newer release at each start."""

    def __init__(self, name, seed, machines):
        super().__init__(name, seed, machines)
        self.known = None    # the fingerprint
        self.number = 0      # of the newest release that was made
        self.indices = None  # NV indices after the enrolment

    def version(self, number):
        return f"{version_of(PRESENT)}.{number}" if number else version_of(PRESENT)

    def start(self, *options):
        self.number += 1
        self.machine.up(*options, offer={"new.efi": release(self.version(self.number))})

    def enrol(self, versions=()):
        """The first boot. A machine that is offered these releases is for the updates that its tests do themselves."""
        if versions:
            self.machine.up(*credentials("a"), offer={f"{version}.efi": release(version) for version in versions})
        else:
            self.start(*credentials("a"))
        self.known, self.indices = self.relay(), self.nv_indices()

    def relay(self):
        status = self.machine.status()
        assert status["vault"]["state"] == "open", status["vault"]
        relay, = status["relays"]
        assert relay["state"] == "installed", relay
        self.machine.ok(f"systemctl is-active tor@{relay['name']}")
        return relay["fingerprint"], relay["ed25519_identity"]

    def nv_indices(self):
        return self.machine.ok("tpm2_getcap handles-nv-index").split()

    def boot(self):
        """The machine comes up with its identity, in one of the two releases. Returns what is shown of updates."""
        tried = self.version(self.number)
        self.start()
        assert self.relay() == self.known, (self.relay(), self.known)
        said = shown(self.machine)
        assert said["running"]["version"] in (self.running, tried), said
        assert said["policy_state"] in ("running", "staged", "trial") and said["admitted"][0] == said["running"]["version"], said
        return said

    def settle(self, said):
        """A trial ends by itself; what was staged and did not get further is taken back. Then there is one release, and nothing else."""
        if said["staged"] and said["running"]["version"] == self.running:
            self.machine.ok("lethectl update abort")
        self.running = said["running"]["version"]
        expect_kept(self.machine, self.running)
        self.expect_nothing_left()

    def expect_nothing_left(self):
        """Of a release that is not the running one."""
        assert self.nv_indices() == self.indices, (self.nv_indices(), self.indices)
        beside = self.machine.ok("ls /efi/EFI/Linux").split()
        assert len(releases(self.machine)) == 1 and len(beside) <= 2, beside
        components = self.machine.sh("find /var/lib/pcrlock.d /run/pcrlock.d -name 'lethe_*.pcrlock'")[1].splitlines()
        assert len([name for name in components if name.startswith("/")]) <= 1, components
        assert self.machine.sh("ls /efi/loader/credentials | grep pcrlock")[0] == 1, "pcrlock has left a credential on the ESP"

    def cut(self):
        """Cuts the power during an update, and boots."""
        before = self.running = shown(self.machine)["running"]["version"]
        phase = self.random.choice(list(PHASES))
        after, most_seconds = PHASES[phase]
        if phase in ("trial", "commit"):
            moment = self.cut_in_trial(after, most_seconds)
        else:
            moment = self.cut_during(UPDATE, most_seconds, after=after)
        log = self.machine.log()
        assert "lethectl: " not in log, log[log.index("lethectl: "):][:300]
        said = self.boot()
        what = "the new" if said["running"]["version"] != before else "the old"
        staged = f", the other {said['staged']['state']}" if said["staged"] else ""
        self.settle(said)
        return f"{phase} cut after {moment:.2f} s: {what} release runs{staged}"

    def cut_in_trial(self, after, most_seconds):
        """Cuts the power in the boot of the new release."""
        offer(self.machine)
        self.machine.ok("lethectl update stage /run/offer/new.efi")
        self.machine.vm("exec", "--", "lethectl", "update", "reboot", "--urgent", check=False)
        self.machine.vm("next", "--no-wait")
        return self.cut_during("true", most_seconds, after=after)


def update_cuts_lane(count, check, machines, seed=None, name="test-update-cuts"):
    seed = announce_seed("power cuts during updates", seed)
    cuts = UpdateCuts(name, seed, machines)
    if check("a machine of its own is enrolled", cuts.enrol):
        check_cuts(check, count, f"from stage to commit, seed {seed}: the machine comes back with its identity", repeat(cuts.cut))


if __name__ == "__main__":
    raise SystemExit(side_by_side(__doc__, update_cuts_lane, "test-update-cuts", 5))
