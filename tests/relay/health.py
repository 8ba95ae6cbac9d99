"""Checks what lethe-health says about real tors: the relay under Lethe, and a relay that has no network at first."""

import subprocess
import time
from pathlib import Path

from rebooting import NAME
from tor import LIMIT, ask, wait_for

PORT = 9061
# Only the torrc, which lethe-health reads among the credentials, says where the control port is. The socket is for this test.
TORRC = f"ControlSocket 0\nControlPort {PORT}\n"
ASLEEP = f"DisableNetwork 1\nControlPort {PORT}\nControlSocket {{folder}}/control\nCookieAuthentication 1\nCookieAuthFile {{folder}}/control.authcookie\n"
CREDENTIALS = Path("/run/credstore")  # This folder is on a tmpfs of the test.
# The unit gives these rights: root's name, and one capability.
AS_UNIT = ["setpriv", "--bounding-set=-all,+dac_override", "--inh-caps=-all", "--no-new-privs"]


class Health:
    def __init__(self, program, network):
        self.program, self.network = Path(program).resolve(), network

    def start(self, needs, deadline_s, booted, relays):
        named = [f"{name}={fingerprint}" for name, fingerprint in relays.items()]
        return subprocess.Popen([*map(str, AS_UNIT), self.program, needs, str(deadline_s), str(int(booted)), *named], stdout=subprocess.PIPE, text=True)

    def reason(self, *arguments):
        """Returns why the relays are not healthy; empty if they are."""
        return self.end(self.start(*arguments))

    @staticmethod
    def end(check):
        out, _ = check.communicate(timeout=LIMIT)
        assert (check.returncode, bool(out)) in ((0, False), (1, True)), (check.returncode, out)
        return out.strip()

    def start_asleep(self):
        """Starts a relay that has no network yet. Returns its fingerprint."""
        folder = self.asleep = self.network.folder / "asleep"
        tor = self.network.start("asleep", self.network.server(6) + ASLEEP.format(folder=folder))
        CREDENTIALS.mkdir(exist_ok=True)
        (CREDENTIALS / "lethe.torrc.asleep").write_text(TORRC)
        return wait_for("its control socket", lambda: tor.expect_running() and ask(folder, "GETINFO fingerprint")).split("=")[1].split()[0]

    def wake(self, check):
        """Gives the relay a network, and waits for a check that has begun before. Returns its message, and how long it took."""
        assert check.poll() is None, "it waits"
        begin = time.monotonic()
        ask(self.asleep, "SETCONF DisableNetwork=0")
        return self.end(check), time.monotonic() - begin


FOREIGN = "0" * 40


def check_joined(health, fingerprint, booted):
    """Checks the relay under Lethe, which has joined the network after `booted`."""
    relays = {NAME: fingerprint}
    assert health.reason("consensus", 30, booted, relays) == ""
    reason = health.reason("consensus", 1, time.time() + 3600, relays)
    assert reason.startswith(f"relay {NAME}: tor's consensus is of "), reason
    reason = health.reason("bootstrap", LIMIT, booted, {NAME: FOREIGN})
    assert reason == f"relay {NAME}: tor has the fingerprint {fingerprint}, and {FOREIGN} is sealed", reason
    reason = health.reason("bootstrap", 1, booted, {NAME: fingerprint, "nobody": FOREIGN})
    assert reason.startswith("relay nobody: ") and "nobody listens" in reason, reason


def check_asleep(health):
    """Checks a relay without a network; returns how long it took to be found healthy once it had one."""
    relays = {"asleep": health.start_asleep()}
    reason = health.reason("bootstrap", 1, 0, relays)
    assert reason.startswith("relay asleep: tor has bootstrapped 0 %"), reason
    said, took = health.wake(health.start("reachability", LIMIT, 0, relays))
    assert said == "", said
    return took
