"""A virtual machine as the tests use it: the verbs of tools/vm, and what Lethe says inside."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path

from prediction import expect_predicted

CACHE = Path(os.environ["LETHE_CACHE"])
VM = [sys.executable, "-B", str(Path(__file__).parents[2] / "tools/lib/vm.py")]
TORRC = Path(__file__).with_name("relay.torrc")
CONFIGURATION = Path(__file__).with_name("lethe.conf")
# A boot takes a minute: what tools/test tries in one way, tools/soak tries in each.
EVERYTHING = os.environ.get("LETHE_VM") == "everything"


def credentials(*relays):
    """Options of `up` that put a torrc for each of these relays on the ESP, and what Lethe needs to know of such a machine."""
    return [*(f"--cred=lethe.torrc.{relay}={TORRC}" for relay in relays), f"--cred=lethe.conf={CONFIGURATION}"]


class Machine:
    def __init__(self, name, profile="debug"):
        self.name, self.profile = name, profile
        self.folder = CACHE / "vm" / name
        self.vm("rm")

    def vm(self, verb, *arguments, input=None, check=True, limit=420):
        run = subprocess.run([*VM, verb, self.name, *map(str, arguments)], input=input, capture_output=True, timeout=limit)
        if check and run.returncode != 0:
            raise AssertionError(f"tools/vm {verb} {self.name}: exit {run.returncode}: {run.stderr.decode(errors='replace').strip()[-500:]}")
        return run

    def up(self, *options, offer=None):
        """offer: octets by the names of files that are offered to the guest from now on."""
        with tempfile.TemporaryDirectory(dir=CACHE / "vm") if offer else nullcontext() as folder:
            for name, octets in (offer or {}).items():
                file = Path(folder, name)
                file.write_bytes(octets)
                options += ("--offer", f"{name}={file}")
            self.vm("up", "--profile", self.profile, *options)
        # A command line from SMBIOS is what no release is predicted with.
        if self.profile == "debug" and "--no-wait" not in options and not any("kernel-cmdline-extra" in option for option in map(str, options)):
            expect_predicted(self)

    def next(self):
        """Waits for the boot after a reboot that the machine itself has begun."""
        self.vm("next")
        expect_predicted(self)

    def kill_tpm(self):
        """The TPM answers nothing any more in this boot."""
        os.kill(json.loads((self.folder / "run.json").read_text())["swtpm"]["pid"], signal.SIGKILL)

    def down(self):
        self.vm("down")

    def log(self):
        return self.vm("log").stdout.decode(errors="replace")

    def sh(self, script):
        """The exit status and the output of a script in the guest."""
        run = self.vm("exec", "--", "bash", "-c", script, check=False)
        return run.returncode, run.stdout.decode(errors="replace") + run.stderr.decode(errors="replace")

    def ok(self, script):
        status, output = self.sh(script)
        assert status == 0, f"{script}: exit {status}: {output}"
        return output.strip()

    def status(self):
        """What `lethectl status --json` says, whatever its exit status."""
        return json.loads(self.vm("exec", "--", "lethectl", "status", "--json", check=False).stdout)

    # The disk; it is changed while the machine is off

    def get(self, path):
        return self.vm("esp", "get", path).stdout

    def files(self, folder):
        """The paths of what lies in a folder; none when there is no such folder."""
        return self.vm("esp", "ls", folder, check=False).stdout.decode().split()

    def put(self, path, data):
        self.vm("esp", "put", path, input=data)

    def uki_path(self):
        return next(file for file in self.files("/EFI/Linux") if file.endswith(".efi"))

    def store(self):
        """The digests of the store's files by path."""
        return {file: hashlib.sha256(self.get(file)).hexdigest() for file in self.files("/lethe")}

    def save(self):
        shutil.copyfile(self.folder / "disk.raw", self.folder / "disk.saved")

    def restore(self):
        shutil.copyfile(self.folder / "disk.saved", self.folder / "disk.raw")
