"""A relay under Lethe on a machine that can be rebooted: its TPM and its store stay, and its folders do not."""

import os
import re
import shutil
import time
from pathlib import Path

from bench import NOBODY, Bench
from tor import Tor, ask, wait_for

NAME = "a"
ONION_KEY_AGE_S = 29 * 86400  # tor makes new onion keys after 28 days.
INSTANCES, RUNTIMES = Path("/var/lib/tor-instances"), Path("/run/tor-instances")  # These are tor@.service's, on a tmpfs of the test.

# This runs a command as the relay's user, and as in a cgroup of systemd, which not every build machine has.
AS_UNIT = f'mount --bind "$0" /proc/$$/cgroup && exec setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups "$@"'

TORRC = """Nickname relay
ContactInfo {contact}
Address 127.0.0.1
ORPort 5005
ExitRelay 0
ShutdownWaitLength 1
"""


class Machine(Bench):
    def __init__(self, programs, network_lines):
        super().__init__(*programs)
        self.network_lines, self.tor = network_lines, None
        self.instances, self.data, self.tor_runtime = INSTANCES, INSTANCES / NAME, RUNTIMES / NAME
        # The relay's user may execute the copy there.
        self.relay_path = shutil.copy(self.relay_path, self.folder / "lethe-relay")
        (self.folder / "cgroup").write_text("0::/\n")

    def __exit__(self, *details):
        if self.tor:
            self.tor.kill()
        super().__exit__(*details)

    def boot(self, state=True):
        self.start()
        if state:
            self.start_state()

    def shut_down(self):
        """Stops everything in systemd's order. Afterwards only the TPM and the store are left."""
        self.stop_relay()
        assert self.stop_state() in (0, None), self.state_journal.read_text()
        assert self.stop() == 0, self.journal.read_text()
        for folder in (self.runtime, self.state_runtime, INSTANCES, RUNTIMES):
            shutil.rmtree(folder)
        self.runtime.mkdir()

    # The relay

    def start_relay(self, contact):
        """Does what tor@a.service does. The contact identifies the relay's descriptors."""
        for folder in (self.data, self.tor_runtime):
            folder.mkdir(parents=True, exist_ok=True)
            os.chown(folder, NOBODY, NOBODY)
        self.data.chmod(0o700)
        self.torrc(TORRC.format(contact=contact) + self.network_lines)
        (self.folder / "credentials/lethe.conf").write_text("WaitForClock=no\n")
        environment = dict(self.environment, LETHE_RUNTIME=str(self.runtime), LETHE_STATE=str(self.state_runtime),
                           RUNTIME_DIRECTORY=str(self.tor_runtime), CREDENTIALS_DIRECTORY=str(self.folder / "credentials"))
        self.tor = Tor("the relay", ["sh", "-c", AS_UNIT, self.folder / "cgroup", self.relay_path, NAME], self.folder / "relay.log", env=environment)
        wait_for("the relay's control socket", lambda: self.tor.expect_running() and ask(self.tor_runtime, "GETINFO version"))

    def stop_relay(self):
        status = self.tor.stop()
        assert status == 0, f"tor ended with {status}:\n{self.tor.log.read_text()[-2000:]}"
        self.tor = None

    def has_finished_day(self):
        """Returns whether the next descriptor's extra information has a day's traffic; tor lists only such days."""
        described = ask(self.tor_runtime, "GETINFO status/fresh-relay-descs")
        return all(f"\n{what}-history " in described for what in ("read", "write"))

    def announce_as(self, contact):
        """Makes the relay publish a new descriptor now, instead of within a minute."""
        ask(self.tor_runtime, f'SETCONF ContactInfo="{contact}"')

    def onion_keys(self):
        return {path.name: path.read_bytes() for path in (self.runtime / "keys" / NAME).glob("secret_onion_key*")}

    def age_state(self, day_ends):
        """Makes new onion keys due, and makes the day in which tor counts end at that time; what tor has counted stays."""
        def moment(seconds):
            return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds))
        state = self.data / "state"
        text, histories = re.subn(r"^(BWHistory\w*Ends) .*$", rf"\1 {moment(day_ends)}", state.read_text(), flags=re.M)
        text, keys = re.subn("^(LastRotatedOnionKey) .*$", rf"\1 {moment(day_ends - ONION_KEY_AGE_S)}", text, flags=re.M)
        assert histories >= 2 and keys == 1, text
        state.write_text(text)
