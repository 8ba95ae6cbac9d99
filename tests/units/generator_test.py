#!/usr/bin/python3
"""generator_test.py GENERATOR: tests which units lethe-generator starts for which credentials and consoles. Prints TAP."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

SYSTEM = "/usr/lib/systemd/system/"


VENDOR = "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"


GUID = "78D82DA6-A800-4CCB-97EA-31A9F642A5D1"


def loader_partition(text=GUID, attributes=6):
    """Returns the variable in which the boot loader says what it ran from."""
    return {"LoaderDevicePartUUID": bytes([attributes, 0, 0, 0]) + f"{text}\0".encode("utf-16-le")}


def by_guid(guid=GUID):
    return {"efi.mount.d/known.conf": f"[Mount]\nWhat=/dev/disk/by-partuuid/{guid.lower()}\n"}


def run(*credentials, variables=(), loader=None, consoles="", partitions=(), installed=("efi.mount",), obstacles=()):
    """Returns the links and drop-ins that are made, by path, for these files in the credential store, and what is printed. None means that
    there is no store; an obstacle is a file, or a folder instead of a drop-in, at a path where nothing else can then be made."""
    with tempfile.TemporaryDirectory() as folder:
        store, out, units, block, efivars = (Path(folder) / name for name in ("credstore", "out", "units", "block", "efivars"))
        for path in (out, units, efivars):
            path.mkdir()
        for unit in installed:
            (units / unit).touch()
        for obstacle in obstacles:
            (out / obstacle).parent.mkdir(parents=True, exist_ok=True)
            (out / obstacle).mkdir() if obstacle.endswith(".conf") else (out / obstacle).touch()
        if credentials != (None,):
            store.mkdir()
            for credential in credentials:
                (store / credential).touch()
        for variable in variables:
            (efivars / f"{variable}-{VENDOR}").write_bytes(b"\6\0\0\0x\0\0\0")
        for variable, octets in (loader or {}).items():
            (efivars / f"{variable}-{VENDOR}").write_bytes(octets)
        active = Path(folder) / "active"
        active.write_text(consoles)
        for device, label in partitions:
            (block / device).mkdir(parents=True)
            (block / device / "uevent").write_text(f"MAJOR=254\nDEVNAME={device}\nDEVTYPE=partition\nPARTN=1\nPARTNAME={label}\n")
        printed = subprocess.run([sys.argv[1], out, out, out], check=True, timeout=30, stderr=subprocess.PIPE, text=True,
                                 env=dict(os.environ, LETHE_CREDSTORE=str(store), LETHE_EFIVARS=str(efivars), LETHE_CONSOLES=str(active),
                                          LETHE_BLOCK=str(block), LETHE_UNITS=str(units))).stderr
        made = {link: os.readlink(link) for link in out.rglob("*") if link.is_symlink()}
        made |= {drop_in: drop_in.read_text().replace(str(out), "NORMAL") for drop_in in out.rglob("*.conf") if drop_in.is_file()}
        return {str(path.relative_to(out)): content for path, content in made.items()}, printed.replace(str(out), "NORMAL")


def generate(*credentials, **machine):
    return run(*credentials, **machine)[0]


def goes_on(obstacle, without, **machine):
    """Returns whether one line reports an obstacle to what is made for the ESP or a console, and the relays start without that."""
    expected = {path: content for path, content in generate("lethe.torrc.a", **machine).items() if path not in without}
    made, printed = run("lethe.torrc.a", obstacles=(obstacle,), **machine)
    return made == expected and expected.items() >= units("a").items() and printed.startswith(f"<3>NORMAL/{obstacle}: ") and printed.count("\n") == 1


def units(name):
    return {f"multi-user.target.wants/tor@{name}.service": SYSTEM + "tor@.service",
            f"lethe-identityd.service.wants/lethe-relay-user@{name}.service": SYSTEM + "lethe-relay-user@.service"}


def consoles(*names):
    return {f"multi-user.target.wants/lethe-console@{name}.service": SYSTEM + "lethe-console@.service" for name in names}


ONE = [("vda1", "lethe-esp"), ("vdb1", "other")]
TWO = [("vda1", "lethe-esp"), ("vdb1", "lethe-esp")]
checks = {
    "a torrc credential starts its tor, and the daemon waits for its user": lambda: generate("lethe.torrc.a") == units("a"),
    "two torrc credentials start two relays": lambda: generate("lethe.torrc.a", "lethe.torrc.b2") == units("a") | units("b2"),
    "names that no relay can have start nothing, and the others are not affected": lambda: generate(
        "lethe.torrc.A", "lethe.torrc.", "lethe.torrc.a b", "lethe.torrc.a.b", "lethe.torrc.@a", "lethe.torrc." + "x" * 20, "lethe.torrc.c")
        == units("c"),
    "other credentials start nothing": lambda: generate("lethe.other", "torrc.a", "xlethe.torrc.a") == {},
    "no credential store starts nothing": lambda: generate(None) == {},
    "a boot from a disk waits for its ESP": lambda: generate(variables=["StubInfo", "LoaderDevicePartUUID"]) == {},
    "a boot from the network does not wait for an ESP": lambda: generate("lethe.torrc.a", variables=["StubInfo"])
        == units("a") | {"efi.mount": "/dev/null", "var-lib-lethe.mount": "/dev/null"},
    "each of the kernel's consoles shows the relays": lambda: generate(consoles="tty0 ttyS0\n") == consoles("tty0", "ttyS0"),
    "an ESP that the kernel knows is not waited for": lambda: generate(partitions=ONE)
        == {"lethe-esp": "/dev/vda1", "efi.mount.d/known.conf": "[Mount]\nWhat=NORMAL/lethe-esp\n"},
    "neither of two ESPs is taken when nothing says which": lambda: generate(partitions=TWO) == {},
    "of two ESPs the boot loader's is taken": lambda: generate(partitions=TWO, loader=loader_partition()) == by_guid(),
    "the boot loader's ESP is waited for when the kernel knows no ESP yet": lambda: generate(loader=loader_partition()) == by_guid(),
    "the boot loader's ESP is taken whatever its label is": lambda: generate(partitions=[("vda1", "other")], loader=loader_partition()) == by_guid(),
    "an ESP that the kernel knows is taken, whatever the boot loader says": lambda: generate(partitions=ONE, loader=loader_partition())
        == generate(partitions=ONE),
    "an efi.mount that is not the image's is left alone": lambda: all(
        generate("lethe.torrc.a", installed=(), partitions=partitions, loader=loader_partition()) == units("a") for partitions in ((), ONE, TWO)),
    "a link to the ESP that cannot be made stops no relay": lambda: goes_on("lethe-esp", ("lethe-esp", "efi.mount.d/known.conf"), partitions=ONE),
    "a folder for the drop-in that cannot be made stops no relay": lambda: goes_on("efi.mount.d", ("efi.mount.d/known.conf",), partitions=ONE)
        and goes_on("efi.mount.d", ("efi.mount.d/known.conf",), partitions=TWO, loader=loader_partition()),
    "a drop-in that cannot be written stops no relay": lambda: goes_on("efi.mount.d/known.conf", ("efi.mount.d/known.conf",), partitions=ONE),
    "a mask that cannot be made stops no relay and no other mask": lambda: goes_on("efi.mount", ("efi.mount",), variables=["StubInfo"]),
    "a console that cannot be shown on stops no relay": lambda: goes_on(
        "multi-user.target.wants/lethe-console@tty0.service", [*consoles("tty0")], consoles="tty0 ttyS0\n"),
    "a relay that cannot be started stops no other": lambda: run("lethe.torrc.a", "lethe.torrc.b", obstacles=["multi-user.target.wants/tor@a.service"])[0]
        == {path: content for path, content in (units("a") | units("b")).items() if path != "multi-user.target.wants/tor@a.service"},
    "a GUID that another system has left is not taken": lambda: generate(partitions=TWO, loader=loader_partition(attributes=7)) == {},
    "what is no GUID is not taken": lambda: all(generate(partitions=TWO, loader=loader_partition(text)) == {} for text in (
        "", "x", GUID[1:], GUID + "0", "../" + GUID[3:], "\n" + GUID[1:], "\u00e9" + GUID[1:])),
    "a machine that was not booted by a stub is left alone": lambda: generate(variables=["LoaderDevicePartUUID"]) == {},
}
print(f"1..{len(checks)}")
status = 0
for number, (sentence, check) in enumerate(checks.items(), 1):
    good = check()
    status |= not good
    print(f"{'ok' if good else 'not ok'} {number} {sentence}")
sys.exit(status)
