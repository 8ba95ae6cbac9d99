"""A private system bus that enforces Lethe's own policy file, a software TPM, a store, and the real binaries on them."""

import contextlib
import json
import os
import re
import select
import shutil
import socket
import subprocess
import tempfile
import threading
from pathlib import Path

MANAGER = "/org/lethe/Identity1"
GLOBAL = "8be4df61-93ca-11d2-aa0d-00e098032b8c"  # SecureBoot and SetupMode are EFI variables of this vendor.
SYSTEMD = "8cf2644b-4b0b-428f-9387-6d876050dc67"
NOBODY = 65534
LIMIT = 30  # No wait is longer than this many seconds.

# These are the rules of the system bus, as dbus's own system.conf has them, without its socket and its user.
BUS_CONFIG = """<busconfig>
  <type>system</type>
  <listen>unix:path={folder}/bus</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <deny own="*"/>
    <deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus"/>
  </policy>
  <include>{source}/src/identityd/org.lethe.Identity1.conf</include>
  <include>{source}/src/stated/org.lethe.State1.conf</include>
  <include>{source}/src/updated/org.lethe.Update1.conf</include>
</busconfig>
"""


def end(daemon):
    """Ends a daemon with SIGTERM, as systemd does; returns the exit status, or None if no daemon runs."""
    if not daemon:
        return None
    daemon.terminate()
    return daemon.wait(LIMIT)


def listen(notify, daemon):
    """Reads notifications as the service manager does, which a daemon may wait for."""
    notify.settimeout(1)
    while daemon.poll() is None:
        with contextlib.suppress(TimeoutError):
            notify.recv(4096)
    notify.close()


class Bench:
    def __init__(self, identityd, lethectl, relay, machine, source, stated=None):
        # meson names the programs relative to where it runs the test; they are started elsewhere.
        programs = (Path(path).resolve() for path in (identityd, lethectl, relay, machine))
        self.identityd, self.lethectl_path, self.relay_path, self.machine_path = programs
        self.source = Path(source).resolve()
        self.stated = Path(stated).resolve() if stated else None
        self.folder = Path(tempfile.mkdtemp(prefix="lethe-bus-"))
        self.folder.chmod(0o755)
        self.store, self.runtime = self.folder / "store", self.folder / "runtime"
        self.instances, self.state_runtime = self.folder / "instances", self.folder / "state"
        self.firmware = self.folder / "firmware"
        self.bus = self.daemon = self.state_daemon = None

    def __enter__(self):
        self.store.mkdir()
        self.runtime.mkdir()
        self.firmware.mkdir()
        self.secure_boot(1, 0)
        config = self.folder / "bus.conf"
        config.write_text(BUS_CONFIG.format(folder=self.folder, source=self.source))
        read, write = os.pipe()
        self.bus = subprocess.Popen(["dbus-daemon", f"--config-file={config}", "--nofork", f"--print-address={write}"], pass_fds=[write],
                                    stderr=subprocess.DEVNULL)
        os.close(write)
        with os.fdopen(read) as stream:
            assert select.select([stream], [], [], LIMIT)[0], "no bus"
            self.address = stream.readline().strip()
        self.environment = dict(os.environ, DBUS_SYSTEM_BUS_ADDRESS=self.address, TSS2_LOG="all+none", NO_COLOR="1")
        return self

    def __exit__(self, *_):
        self.stop()
        self.stop_state()
        if self.bus:
            self.bus.kill()
            self.bus.wait()
        shutil.rmtree(self.folder)

    # The machine

    def firmware_variable(self, name, vendor, octets):
        """Writes a file as efivarfs has it: the attributes come first."""
        (self.firmware / f"{name}-{vendor}").write_bytes(octets)

    def secure_boot(self, on, setup_mode):
        """Sets what the firmware says about Secure Boot: on, unless a check sets it otherwise."""
        for name, value in (("SecureBoot", on), ("SetupMode", setup_mode)):
            self.firmware_variable(name, GLOBAL, bytes([6, 0, 0, 0, value]))

    def machine(self, *arguments):
        subprocess.run([self.machine_path, self.folder / "tpm", self.store, *map(str, arguments)], check=True, timeout=LIMIT, cwd=self.folder,
                       env=self.environment)

    def another_machine(self):
        """Removes machine and store: what follows is another machine. Files beside them stay, as on a stick."""
        self.stop()
        shutil.rmtree(self.store)
        shutil.rmtree(self.runtime)
        for path in self.folder.glob("tpm*"):
            path.unlink()
        self.store.mkdir()
        self.runtime.mkdir()

    def spawn(self, program, journal, **environment):
        """Starts a daemon and waits for its READY=1. Writes its messages to the journal, and reads its notifications as long as it runs."""
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        path = self.folder / f"notify-{journal.name}"
        path.unlink(missing_ok=True)
        notify.bind(str(path))
        notify.settimeout(LIMIT)
        with journal.open("w") as out:
            daemon = subprocess.Popen([program], cwd=self.folder, stderr=out,
                                      env=dict(self.environment, NOTIFY_SOCKET=str(path), LETHE_STORE=str(self.store),
                                               LETHE_RELAY_USER="nobody", **environment))
        while b"READY=1" not in notify.recv(4096):
            pass
        threading.Thread(target=listen, args=(notify, daemon), daemon=True).start()
        return daemon

    def start(self):
        self.journal = self.folder / "journal"
        self.daemon = self.spawn(self.identityd, self.journal, RUNTIME_DIRECTORY=str(self.runtime), LETHE_EFIVARS=str(self.firmware),
                                 LETHE_TCTI=f"libtpms:{self.folder / 'tpm'}")

    def start_state(self):
        """Starts lethe-stated, with a TPM of its own that began as a copy: the software TPM serves only one process."""
        for path in self.folder.glob("tpm*"):
            if not (copy := path.with_name("copy" + path.name)).exists():
                shutil.copy(path, copy)
        self.instances.mkdir(exist_ok=True)
        self.state_runtime.mkdir(exist_ok=True)
        self.state_journal = self.folder / "journal-state"
        self.state_daemon = self.spawn(self.stated, self.state_journal, RUNTIME_DIRECTORY=str(self.state_runtime), LETHE_RUNTIME=str(self.runtime),
                                       LETHE_INSTANCES=str(self.instances), LETHE_TCTI=f"libtpms:{self.folder / 'copytpm'}")

    def stop_state(self):
        daemon, self.state_daemon = self.state_daemon, None
        return end(daemon)

    def stop(self):
        daemon, self.daemon = self.daemon, None
        return end(daemon)

    def restart(self):
        self.stop()
        self.start()

    # Callers

    def run(self, arguments, user=0):
        if user:
            arguments = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", *arguments]
        done = subprocess.run(list(map(str, arguments)), capture_output=True, text=True, timeout=LIMIT, env=self.environment)
        return done.returncode, done.stdout, done.stderr

    def lethectl(self, *arguments, user=0):
        return self.run([self.lethectl_path, *arguments], user)

    def torrc(self, text):
        """Writes the operator's torrc, for every relay."""
        (self.folder / "credentials").mkdir(exist_ok=True)
        (self.folder / "credentials/torrc").write_text(text)

    def relay(self, name):
        """Runs the program of tor@NAME.service, without a bus, until it would become tor. self.notified gets what it tells systemd."""
        environment = dict(self.environment, DBUS_SYSTEM_BUS_ADDRESS="unix:path=/nonexistent", NOTIFY_SOCKET=str(self.folder / "notify-relay"), LETHE_RUNTIME=str(self.runtime), RUNTIME_DIRECTORY=str(self.folder),
                           CREDENTIALS_DIRECTORY=str(self.folder / "credentials"))
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            (self.folder / "notify-relay").unlink(missing_ok=True)
            notify.bind(str(self.folder / "notify-relay"))
            notify.settimeout(LIMIT)
            done = subprocess.run([self.relay_path, name], capture_output=True, text=True, timeout=LIMIT, env=environment)
            self.notified = notify.recv(4096).decode()
        return done.returncode, done.stdout, done.stderr

    def status(self):
        return json.loads(self.lethectl("status", "--json")[1])

    def busctl(self, *arguments, user=0):
        return self.run(["busctl", f"--address={self.address}", "--no-pager", *arguments], user)

    @contextlib.contextmanager
    def monitor(self):
        """Yields a function that returns the next line about a signal of the daemon; the function fails at the time limit."""
        with subprocess.Popen(["dbus-monitor", "--address", self.address, "type='signal',sender='org.lethe.Identity1'"], text=True,
                              stdout=subprocess.PIPE) as process:
            limit = threading.Timer(LIMIT, process.kill)
            limit.start()

            def next_line():
                line = process.stdout.readline()
                assert line, "no signal came"
                return line
            try:
                while "member=NameLost" not in next_line():  # From here on the monitor receives everything.
                    pass
                yield next_line
            finally:
                limit.cancel()
                process.kill()

    def call(self, path, member, *arguments, user=0, destination="org.lethe.Identity1"):
        """Calls a method; returns the reply's text, or raises BusError with the error's name."""
        interface, name = member.rsplit(".", 1)
        run = self.run(["dbus-send", f"--bus={self.address}", "--print-reply", f"--reply-timeout={LIMIT * 1000}", f"--dest={destination}", path,
                        f"{interface}.{name}", *arguments], user)
        if run[0] != 0:
            raise BusError(*re.match(r"Error (\S+): (.*)", run[2], re.S).groups())
        return run[1]


def relay(name):
    """Returns the path of a relay's object."""
    return f"{MANAGER}/relay/{name}"


class BusError(Exception):
    def __init__(self, name, message):
        super().__init__(f"{name}: {message}")
        self.name, self.message = name, message.strip()


@contextlib.contextmanager
def refused(name, words=""):
    """Asserts that the block ends in this error."""
    try:
        yield
    except BusError as error:
        assert error.name == name, error
        assert words in error.message, error
        return
    raise AssertionError(f"it was not refused with {name}")
