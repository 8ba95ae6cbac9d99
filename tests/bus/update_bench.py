"""Provides what lethe-updated works on, beside a bench: keys, releases, an ESP, EFI variables, and a double of systemd-pcrlock."""

import contextlib
import functools
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from bench import BusError, GLOBAL, LIMIT, end, refused

UPDATED, CALLER = (Path(path).resolve() for path in sys.argv[7:9])

STUB = "/usr/lib/systemd/boot/efi/linuxx64.efi.stub"
LOADER_FILE = "/usr/lib/systemd/boot/efi/systemd-bootx64.efi"
LOADER = "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
SECURITY = "d719b2cb-3d3a-4596-a3bc-dad00e67656f"
X509 = bytes.fromhex("a159c0a5e494a74a87b5ab155c2bf072")
MANAGER, OBJECT, ERROR = "org.lethe.Update1.Manager", "/org/lethe/Update1", "org.lethe.Error."

# The double notes what it is asked, and answers what is prepared for that verb.
PCRLOCK = """#!/bin/sh
echo "$1" >>{folder}/asked
cat {folder}/$1 2>/dev/null && exit
echo "nothing is prepared for $1" >&2
exit 1
"""

SHARED = tempfile.TemporaryDirectory(prefix="lethe-releases-")
Path(SHARED.name).chmod(0o755)


def quietly(*command):
    subprocess.run(list(map(str, command)), check=True, capture_output=True, timeout=LIMIT)


@functools.cache
def key(name):
    base = Path(SHARED.name) / name
    quietly("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}", "-keyout", f"{base}.key", "-out", f"{base}.pem")
    quietly("openssl", "x509", "-in", f"{base}.pem", "-outform", "DER", "-out", f"{base}.der")
    return base


@functools.cache
def release(version, signer="release", profile="production", image="lethe"):
    """Makes a UKI with systemd's stub. A stub also stands for the kernel, which is only hashed."""
    file = Path(SHARED.name) / f"{image}_{version}-{signer}-{profile}.efi"
    quietly("ukify", "build", f"--linux={STUB}", f"--cmdline=quiet lethe.profile={profile}", f"--output={file}", "--uname=6.12",
            f"--os-release=ID=debian\nIMAGE_ID={image}\nIMAGE_VERSION={version}\n",
            *(["--signtool=sbsign", f"--secureboot-private-key={key(signer)}.key", f"--secureboot-certificate={key(signer)}.pem"] if signer else []))
    return file


class UpdateMachine:
    def __init__(self, bench):
        self.bench, self.daemon = bench, None
        self.esp, self.efivars, self.pcrlock = (bench.folder / name for name in ("esp", "efivars", "pcrlock"))
        for folder in (self.efivars, self.pcrlock):
            folder.mkdir()
        program = self.pcrlock / "program"
        program.write_text(PCRLOCK.format(folder=self.pcrlock))
        program.chmod(0o755)

    def variable(self, name, vendor, content, attributes=6):
        (self.efivars / f"{name}-{vendor}").write_bytes(bytes([attributes, 0, 0, 0]) + content)

    def text_variable(self, name, text, **attributes):
        self.variable(name, LOADER, (text + "\0").encode("utf-16-le"), **attributes)

    def has_variable(self, name):
        return (self.efivars / f"{name}-{LOADER}").exists()

    def remove_variable(self, name):
        (self.efivars / f"{name}-{LOADER}").unlink()

    def booted(self, file="lethe_1.efi", on_disk=None, image=None):
        """Makes the machine as booted with Secure Boot, from this UKI on the ESP; its name there may have changed since."""
        images, loaders = self.esp / "EFI/Linux", self.esp / "EFI/systemd"
        images.mkdir(parents=True)
        loaders.mkdir()
        (images / (on_disk or file)).write_bytes((image or release("1")).read_bytes())
        (loaders / "systemd-bootx64.efi").write_bytes(Path(LOADER_FILE).read_bytes())
        self.text_variable("StubInfo", "systemd-stub 257")
        self.text_variable("LoaderDevicePartUUID", "6C657468-6500-4000-8000-000000000009")
        self.text_variable("StubImageIdentifier", f"\\EFI\\Linux\\{file}")
        if "+" in file:
            self.text_variable("LoaderBootCountPath", f"\\EFI\\Linux\\{file}")
        self.text_variable("LoaderImageIdentifier", "\\EFI\\systemd\\systemd-bootx64.efi")
        self.variable("SecureBoot", GLOBAL, b"\1")
        self.variable("SetupMode", GLOBAL, b"\0")
        entry = bytes(16) + key("release").with_suffix(".der").read_bytes()
        self.variable("db", SECURITY, X509 + b"".join(number.to_bytes(4, "little") for number in (28 + len(entry), 0, len(entry))) + entry)

    def prepare(self, verb, document):
        (self.pcrlock / verb).write_text(json.dumps(document))

    def asked(self):
        """Returns what systemd-pcrlock was asked since the last call."""
        file = self.pcrlock / "asked"
        verbs = file.read_text().split() if file.exists() else []
        file.unlink(missing_ok=True)
        return verbs

    def start(self):
        """Starts lethe-updated, with a TPM that began as a copy: the software TPM serves only one process."""
        for path in self.bench.folder.glob("tpm*"):
            (self.bench.folder / f"update{path.name}").write_bytes(path.read_bytes())
        self.journal = self.bench.folder / "journal-updated"
        self.daemon = self.bench.spawn(UPDATED, self.journal, LETHE_ESP=str(self.esp), LETHE_EFIVARS=str(self.efivars),
                                       LETHE_PCRLOCK=str(self.pcrlock / "program"), LETHE_TCTI=f"libtpms:{self.bench.folder / 'updatetpm'}")

    def stop(self):
        daemon, self.daemon = self.daemon, None
        return end(daemon)

    def files(self):
        """Returns all files of the ESP and the store, which no refusal may change."""
        return {path: path.read_bytes() if path.is_file() else None for folder in (self.esp, self.bench.store) for path in sorted(folder.rglob("*"))}

    def call(self, member, signature="", *values, user=0):
        """Calls a method, and hands over values that are open files. Raises BusError."""
        descriptors = [value.fileno() for value in values if hasattr(value, "fileno")]
        words = [str(value.fileno()) if hasattr(value, "fileno") else str(value) for value in values]
        arguments = [str(CALLER), "org.lethe.Update1", OBJECT, MANAGER, member, signature, *words]
        if user:
            arguments = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", *arguments]
        done = subprocess.run(arguments, capture_output=True, text=True, timeout=LIMIT, env=self.bench.environment, pass_fds=descriptors)
        if done.returncode == 1 and done.stderr.startswith("Error "):
            name, _, message = done.stderr.removeprefix("Error ").partition(": ")
            raise BusError(name, message)
        assert done.returncode == 0, (member, signature, values, done)

    def shown(self):
        """Returns the exit status of `lethectl update show --json`, and what it prints."""
        status, out, err = self.bench.lethectl("update", "show", "--json")
        return status, json.loads(out or err)


def isolate():
    """Enters a mount namespace, in which the folders of systemd-pcrlock belong to the test."""
    if os.getuid() != 0:
        return
    os.unshare(os.CLONE_NEWNS)
    for command in ("mount --make-rprivate /", "mount -t tmpfs -o mode=755 lib /var/lib"):
        subprocess.run(command.split(), check=True)


@contextlib.contextmanager
def updates(bench, enrolled=True, **boot):
    """Yields a machine that has booted release 1 from its ESP, unless `esp` is False."""
    machine = UpdateMachine(bench)
    if enrolled:
        bench.machine("enroll")
    if boot.pop("esp", True):
        machine.booted(**boot)
    machine.start()
    try:
        yield machine
    except Exception:
        print("# lethe-updated: " + machine.journal.read_text().replace("\n", "\n# "))
        raise
    finally:
        machine.stop()


@contextlib.contextmanager
def unchanged(machine):
    """Asserts that the block leaves the ESP, the store and what is shown as they were."""
    before = machine.files(), machine.shown()
    yield
    assert (machine.files(), machine.shown()) == before, machine.shown()


def refuses_file(machine, member, file, error, words=""):
    with refused(ERROR + error, words):
        machine.call(member, "ha{sv}", file, 0)
