#!/usr/bin/python3
"""relay_test.py IDENTITYD LETHECTL RELAY MACHINE SOURCE STATED HEALTH: tests a relay under Lethe in a private Tor network, over reboots.

The relay carries a client's traffic until it advertises the bandwidth, and reboots twice: with lethe-stated and, to compare, without it.
Runs as root, in a network and a mount namespace of its own. Prints TAP.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

from health import Health, check_asleep, check_joined
from network import Network
from rebooting import NAME, Machine
from tor import observed_bandwidth, wait_for
from traffic import Fetch, serve

DAY_LEFT_S = 20  # This is enough for tor's start, a circuit, and more than the ten seconds over which tor measures.


def say(text):
    print("# " + text.rstrip().replace("\n", "\n# "), flush=True)


def rate(octets):
    return f"{octets / 1e6:.2f} MB/s" if octets >= 10_000 else f"{octets} B/s"


def isolate():
    """Enters namespaces where no port is taken, nothing is reached, and the folders of tor@.service belong to the test."""
    os.unshare(os.CLONE_NEWNET | os.CLONE_NEWNS)
    for command in ("ip link set lo up", "mount --make-rprivate /", "mount -t tmpfs -o mode=755 run /run",
                    "mount -t tmpfs -o mode=755 lib /var/lib"):
        subprocess.run(command.split(), check=True)


class Story:
    """The story of one relay, whose chapters follow each other."""

    def __init__(self, network, machine, health):
        self.network, self.machine, self.health = network, machine, health
        self.begin = time.monotonic()

    def tell(self, what):
        say(f"{time.monotonic() - self.begin:.0f} s: {what}")

    def join(self):
        """Lets a new relay join the network, and waits until the client finds it."""
        self.machine.machine("enroll", NAME)
        self.machine.boot()
        self.booted = time.time()
        self.machine.start_relay("new")
        self.fingerprint = self.machine.status()["relays"][0]["fingerprint"]
        self.network.wait_for_consensus("relay", "exit")
        self.tell("the relay is in the consensus")
        serve()
        self.network.start_client(self.fingerprint)
        with Fetch() as fetch:
            wait_for("octets through the relay", fetch.octets)
        self.tell("the client has a circuit")

    def be_healthy(self):
        check_joined(self.health, self.fingerprint, self.booted)
        self.tell(f"a relay is healthy {check_asleep(self.health):.0f} s after it has a network")

    def carry(self):
        """Waits for new onion keys, for traffic until tor's day is over, and for the descriptor that counts the traffic."""
        self.machine.stop_relay()
        day_ends = time.time() + DAY_LEFT_S
        self.machine.age_state(day_ends)
        self.machine.start_relay("carrying")
        with Fetch() as fetch:
            wait_for("new onion keys", lambda: "secret_onion_key_ntor.old" in self.machine.onion_keys())
            wait_for("the end of tor's day", self.machine.has_finished_day)
        self.machine.announce_as("before")
        self.before = observed_bandwidth(self.network.wait_for_descriptor(self.fingerprint, "before"))
        self.keys = self.machine.onion_keys()
        self.in_day, fetched = fetch.best_rate(day_ends), fetch.best_rate(time.time())
        self.tell(f"the client has fetched {fetch.octets() / 1e6:.0f} MB, at best {rate(fetched)} over ten seconds: {rate(self.before)} advertised")
        # Cells and TLS are larger than what they carry, and tor also counts the directory's traffic.
        assert 0 < 0.8 * fetched < self.before < 1.5 * fetched, (self.before, fetched)

    def reboot(self, contact, state):
        self.machine.shut_down()
        self.machine.boot(state)
        self.machine.start_relay(contact)
        advertised = observed_bandwidth(self.network.wait_for_descriptor(self.fingerprint, contact))
        self.tell(f"rebooted {contact}: {rate(advertised)}")
        return advertised

    def reboot_with_lethe(self):
        self.after = after = self.reboot("with Lethe's state", state=True)
        shown = json.loads(self.machine.lethectl("state", "show", "--json")[1])["relays"][0]
        assert after >= 0.9 * self.before, (self.before, after)
        # In a testing network tor also advertises the running day. Lethe counts as tor does elsewhere.
        assert shown["source"] == "snapshot" and shown["restored_bandwidth"] > 0.8 * self.in_day > 0, (shown, self.in_day)

    def same_onion_keys(self):
        after = self.machine.onion_keys()
        say(f"after the reboot {', '.join(sorted(after))}")
        assert after == self.keys, (sorted(self.keys), sorted(after))

    def carries_again(self):
        with Fetch() as fetch:
            wait_for("octets through the relay after its reboot", fetch.octets)

    def reboot_without_lethe(self):
        after = self.reboot("without Lethe's state", state=False)
        say(f"advertised before {rate(self.before)}; after the reboot {rate(self.after)}; after the same without Lethe's state {rate(after)}")
        assert after < 0.1 * self.before, (self.before, after)
        assert self.machine.onion_keys()["secret_onion_key_ntor"] != self.keys["secret_onion_key_ntor"], "nothing else has the new onion key"


CHAPTERS = {
    "a relay under Lethe joins a network and carries a client's traffic": Story.join,
    "lethe-health finds it healthy; not with another fingerprint, without a newer consensus, or without a network": Story.be_healthy,
    "it makes new onion keys, and advertises the bandwidth of the traffic that it has carried": Story.carry,
    "after a reboot it advertises at least 90 % of that": Story.reboot_with_lethe,
    "its onion keys are the same as before the reboot": Story.same_onion_keys,
    "it carries a client's traffic again": Story.carries_again,
    "without Lethe's state the same reboot leaves less than 10 %, and another onion key": Story.reboot_without_lethe,
}


def run(story):
    for number, (sentence, chapter) in enumerate(CHAPTERS.items(), 1):
        try:
            chapter(story)
        except Exception:
            say(traceback.format_exc())
            for log in (*story.network.folder.glob("*.log"), *story.machine.folder.glob("*.log"), *story.machine.folder.glob("journal*")):
                say(f"{log.name}:\n{log.read_text()[-3000:]}")
            print(f"not ok {number} {sentence}\nBail out! what follows needs it", flush=True)
            return 1
        print(f"ok {number} {sentence}", flush=True)
    return 0


def main():
    if os.getuid() != 0:
        print("1..0 # SKIP needs root")
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # A time limit sends this signal: nothing is left running.
    isolate()
    print(f"1..{len(CHAPTERS)}", flush=True)
    with tempfile.TemporaryDirectory(prefix="lethe-relay-") as folder, Network(Path(folder) / "network") as network, \
            Machine(sys.argv[1:7], network.common()) as machine:
        return run(Story(network, machine, Health(sys.argv[7], network)))


sys.exit(main())
