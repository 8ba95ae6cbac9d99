"""Power cuts at random moments of snapshots on the real image: python3 state_cuts.py [--count N] [--seed S], or the lane of the tests.

After each cut the machine boots, and what is restored is the newest snapshot that was acknowledged, or the one that was being written.
"""

import re
from itertools import repeat
from pathlib import Path

from cuts import CutMachine, announce_seed, check_cuts, side_by_side
from machine import credentials
from state_checks import STOP, WRITE_NUMBER, expect_restored, new_snapshot, number_of, seed, shown

CONFIGURATION = Path(__file__).with_name("state.conf")
MOST_SECONDS = 5  # some snapshots take place in that time

# A state with the next number, a snapshot of it, and its number on the console, which outlives the machine; again and again.
SNAPSHOTS = STOP + "\nnumber=%(first)s\nwhile " + WRITE_NUMBER + r""" && said=$(lethectl state snapshot 2>&1); do
    echo "number $number is sealed." >/dev/console
    number=$((number + 1))
done
echo "no snapshot of number $number: $said" >/dev/console"""


class StateCuts(CutMachine):
    """Relay `a`, which has a history and runs, and relay `b`, whose state is another number in each snapshot."""

    def __init__(self, name, seed, machines):
        super().__init__(name, seed, machines)
        self.key = None  # the digest of the onion key of a
        self.number = 0  # the last that was sealed before it is said that more follow

    def enrol(self):
        self.machine.up(*credentials("a", "b"), f"--cred=lethe.conf={CONFIGURATION}")
        self.key = seed(self.machine, "a")

    def boot(self):
        """The machine comes up with everything of a, and with a whole state of b, of which the number is returned."""
        self.machine.up()
        status = self.machine.status()
        assert status["vault"]["state"] == "open", status["vault"]
        for relay in ("a", "b"):
            self.machine.ok(f"systemctl is-active tor@{relay}")
        expect_restored(self.machine, "a", self.key)
        states, state = shown(self.machine, "b")
        assert state["source"] == "snapshot", states
        number = number_of(self.machine, "b")
        assert number is not None, "tor of b has no state of before"
        return number

    def cut(self):
        """Cuts the power during one snapshot of many, boots, and takes another."""
        first = self.number + 1
        moment = self.cut_during(SNAPSHOTS % {"relay": "b", "first": first}, MOST_SECONDS, after=f"number {first} is sealed")
        log = self.machine.log()
        assert "no snapshot of number" not in log, log[log.index("no snapshot of number"):][:300]
        sealed = max(int(number) for number in re.findall(r"number (\d+) is sealed\.", log))
        restored = self.boot()
        # A number is on the console when its snapshot is written, synced and counted. A later one may be, and not be on the console yet.
        assert sealed <= restored, f"number {sealed} was sealed, and {restored} is restored"
        self.number = restored + 1
        new_snapshot(self.machine, "b", self.number)
        what = "the last that was acknowledged" if restored == sealed else f"{restored - sealed} later than the last that was acknowledged"
        return f"cut {moment:.2f} s after number {first}: number {restored} is restored, {what}"


def state_cuts_lane(count, check, machines, seed=None, name="test-state"):
    """Returns the StateCuts, whose machine runs, or None when a check failed."""
    seed = announce_seed("power cuts during snapshots", seed)
    cuts = StateCuts(name, seed, machines)
    held = (check("a relay that has run for days is on a machine of its own", cuts.enrol)
            and check_cuts(check, count, f"during snapshots, seed {seed}: the newest is restored, or the one before", repeat(cuts.cut)))
    return cuts if held else None


if __name__ == "__main__":
    raise SystemExit(side_by_side(__doc__, state_cuts_lane, "test-state", 3))
