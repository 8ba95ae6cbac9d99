"""Power cuts at random moments on the real image: python3 cuts.py [--count N] [--seed S], or the lane of the tests.

After each cut the machine boots, each relay is whole with a fingerprint that it may have, or not there at all, and the same command works.
"""

import argparse
import os
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, repeat

from key_checks import MAKE
from machine import Machine, credentials


class CutMachine:
    """A machine whose power is cut at random moments."""

    def __init__(self, name, seed, machines):
        self.random = random.Random(seed)
        self.machine = Machine(name)
        machines.append(self.machine)

    def cut_during(self, script, most_seconds, after=None):
        """Starts a script in the guest and cuts the power at a random moment of it; counted from a line on the console, when one is given."""
        moment = self.random.uniform(0, most_seconds)
        thread = threading.Thread(target=lambda: self.machine.vm("exec", "--", "bash", "-c", script, check=False))
        thread.start()
        try:
            if after:
                self.machine.vm("wait", "--limit", "240", after)
            time.sleep(moment)  # the moment is the point
        finally:
            self.machine.vm("cut")
            thread.join()
        return moment


class Cuts(CutMachine):
    """Relay `a`, which nothing touches, and relay `b`, to which everything is done."""

    def __init__(self, name, seed, machines):
        super().__init__(name, seed, machines)
        self.known = None  # of a
        self.b = None      # the fingerprint of b; None while it has none

    def relays(self):
        return {relay["name"]: relay for relay in self.machine.status()["relays"]}

    def boot(self):
        """The machine as it is comes up: vault open, a as it was, b whole or absent."""
        self.machine.up()
        status = self.machine.status()
        assert status["vault"]["state"] == "open", status["vault"]
        relays = self.relays()
        assert relays["a"]["state"] == "installed", relays["a"]
        self.known = self.known or relays["a"]["fingerprint"]
        assert relays["a"]["fingerprint"] == self.known, (relays["a"], self.known)
        b = relays.get("b")
        assert b is None or b["state"] == "installed", b
        self.machine.ok("systemctl is-active tor@a")
        return b["fingerprint"] if b else None

    def enrolment(self):
        """Cuts the first boot while it enrols."""
        self.machine.up("--no-wait", *credentials("a", "b"))
        self.machine.vm("wait", "--limit", "300", "Starting.*lethe-enroll|Starting Enrol this machine")
        moment = self.random.uniform(0, 45)
        time.sleep(moment)
        self.machine.vm("cut")
        self.b = self.boot()
        assert self.b, "enrolment makes the keys of every relay with a torrc"
        return f"enrolment cut after {moment:.2f} s"

    def operation(self):
        """Cuts one operation on b, boots, and does it again."""
        choices = [self.forget, self.replace] if self.b else [self.create, self.bring_new]
        return self.random.choice(choices)()

    def forget(self):
        command = f"lethectl identity forget b {self.b}"
        moment = self.cut_during(command, 3)
        found = self.boot()
        assert found in (None, self.b), (found, self.b)
        if found:
            self.machine.ok(command)
        assert "b" not in self.relays()
        self.b = None
        return f"forget cut after {moment:.2f} s: {'whole' if found else 'gone'}"

    def create(self):
        moment = self.cut_during("lethectl identity create b", 5)
        found = self.boot()
        if not found:
            self.machine.ok("lethectl identity create b")
        self.b = self.relays()["b"]["fingerprint"]
        assert found in (None, self.b)
        return f"create cut after {moment:.2f} s: {'whole' if found else 'nothing'}"

    def bring(self, options):
        brought = self.machine.ok(MAKE).splitlines()[-1]
        moment = self.cut_during(f"lethectl identity import {options} b /run/brought/data", 3)
        return brought, moment, self.boot()

    def again(self, options):
        brought = self.machine.ok(MAKE).splitlines()[-1]
        self.machine.ok(f"lethectl identity import {options} b /run/brought/data")
        self.b = self.relays()["b"]["fingerprint"]
        assert self.b == brought

    def replace(self):
        brought, moment, found = self.bring(f"--replace {self.b}")
        assert found in (self.b, brought), (found, self.b, brought)
        self.again(f"--replace {found}")
        return f"replace cut after {moment:.2f} s: the {'new' if found == brought else 'old'} one is whole"

    def bring_new(self):
        brought, moment, found = self.bring("")
        assert found in (None, brought), (found, brought)
        if found:
            self.b = found
        else:
            self.again("")
        return f"import cut after {moment:.2f} s: {'whole' if found else 'nothing'}"


def announce_seed(of, seed=None):
    """The seed to use: the one given, or LETHE_SEED, or any; printed, so that it can be given again."""
    seed = seed if seed is not None else int(os.environ.get("LETHE_SEED", random.randrange(1 << 32)))
    print(f"     {of}: seed {seed}", flush=True)
    return seed


def check_cuts(check, count, name, actions):
    """Checks `count` cuts, each the next of `actions`, until one fails; says what each was. Returns whether all held."""
    def step(action):
        print(f"     {action()}", flush=True)

    return all(check(f"power cut {number} of {count}, {name}", lambda: step(action)) for number, action in zip(range(1, count + 1), actions))


def cuts_lane(count, check, machines, seed=None, name="test-cuts"):
    seed = announce_seed("power cuts", seed)
    cuts = Cuts(name, seed, machines)
    check_cuts(check, count, f"seed {seed}", chain([cuts.enrolment], repeat(cuts.operation)))


def side_by_side(description, lane, name, count):
    """The command line of a test of cuts: `lane` on two machines side by side, each with its own enrolment. Returns the exit status."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--count", type=int, default=count)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32), help="of the first machine; the second has the next")
    options = parser.parse_args()
    failed = []

    def check(name, action):
        try:
            action()
            print(f"ok   {name}", flush=True)
            return True
        except Exception as error:  # whatever it meets is a failure of that cut
            print(f"FAIL {name}\n     {error!r}", flush=True)
            failed.append(name)
            return False

    def work(number, count):
        if not count:
            return
        machines = []
        lane(count, check, machines, options.seed + number, f"{name}-{number}")
        for machine in machines:
            machine.vm("cut" if failed else "rm", check=False)

    with ThreadPoolExecutor() as pool:
        list(pool.map(work, range(2), [(options.count + 1) // 2, options.count // 2]))
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(side_by_side(__doc__, cuts_lane, "test-cuts", 5))
