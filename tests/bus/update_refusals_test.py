#!/usr/bin/python3
"""update_refusals_test.py IDENTITYD LETHECTL RELAY MACHINE SOURCE STATED UPDATED CALLER: tests what the real lethe-updated refuses when
files are handed over to it, on a private bus: it writes nothing for any of them.

Runs as root, in a mount namespace of its own: the folders of systemd-pcrlock belong to the test. Prints TAP.
"""

import contextlib
import os
from pathlib import Path

from bench import GLOBAL, refused
from checks import check, run
from update_bench import ERROR, STUB, isolate, refuses_file, release, unchanged, updates


@check("options that there are not, or of another type, are refused")
def _(bench):
    with updates(bench) as machine, release("2").open("rb") as file, unchanged(machine):
        for member in ("Stage", "Preview"):
            for option in (("force", "b", 1), ("allow-downgrade", "s", "yes"), ("records", "s", "/etc/passwd"), ("beside", "as", 0), ("drop", "s", "a.cred"), ("", "b", 1)):
                with refused(ERROR + "InvalidArgument", f'option "{option[0]}"'):
                    machine.call(member, "ha{sv}", file, 1, *option)
        for option in (("now", "b", 1), ("urgent", "s", "yes"), ("when", "u", 0)):
            with refused(ERROR + "InvalidArgument", f'option "{option[0]}"'):
                machine.call("Reboot", "a{sv}", 1, *option)
        for when in ("", "yesterday", "2020-01-01 00:00"):
            with refused(ERROR + "InvalidArgument"):
                machine.call("Reboot", "a{sv}", 1, "when", "s", when)
        with refused("org.freedesktop.DBus.Error.InvalidArgs"):
            machine.call("Stage", "s", "/etc/passwd")
        assert not machine.asked()


def descriptor(stack, path, flags=os.O_RDONLY):
    """Returns an open descriptor, as an object with fileno()."""
    class Open:
        number = os.open(path, flags)

        def fileno(self):
            return self.number
    stack.callback(os.close, Open.number)
    return Open()


@check("what is handed over has to be a file that can be read, and of a size that a release can have")
def _(bench):
    large, empty, fifo = (bench.folder / name for name in ("large", "empty", "fifo"))
    empty.touch()
    os.mkfifo(fifo)
    with large.open("w") as file:
        file.truncate((256 << 20) + 1)
    bench.machine("enroll")
    bench.start()  # A preview asks it for the relays.
    with updates(bench, enrolled=False) as machine, unchanged(machine), contextlib.ExitStack() as stack:
        image, pipe = descriptor(stack, release("2")), descriptor(stack, fifo, os.O_RDONLY | os.O_NONBLOCK)
        for member in ("Stage", "Preview"):
            for handed, error, words in ((pipe, "Corrupt", "the image: not a regular file"), (descriptor(stack, bench.folder), "Corrupt", "the image: not a regular file"),
                                         (descriptor(stack, "/dev/null"), "Corrupt", "the image: not a regular file"), (descriptor(stack, large), "Corrupt", "the image: larger than"),
                                         (descriptor(stack, empty), "Corrupt", "not a release of Lethe"), (descriptor(stack, release("2"), os.O_WRONLY), "Io", "the image")):
                refuses_file(machine, member, handed, error, words)
            with refused(ERROR + "Corrupt", "records: not a regular file"):
                machine.call(member, "ha{sv}", image, 1, "records", "h", pipe)
            with refused(ERROR + "Corrupt", "a.cred: not a regular file"):
                machine.call(member, "ha{sv}", image, 1, "beside", "a{sh}", 1, "a.cred", pipe)
        with refused(ERROR + "Corrupt", "a.cred: not a regular file"):
            machine.call("StageConfiguration", "a{sh}as", 1, "a.cred", pipe, 0)


def changed(file, octet):
    """Makes a copy of a release in which one byte is changed."""
    octets = bytearray(file.read_bytes())
    octets[octet] ^= 1
    copy = file.with_suffix(".changed")
    copy.write_bytes(octets)
    return copy


@check("a file that is no release, or not one for this machine, is refused by what is wrong with it")
def _(bench):
    bench.machine("enroll")
    bench.start()
    with updates(bench, enrolled=False, image=release("1.5"), file="lethe_1.5.efi") as machine, unchanged(machine):
        text = bench.folder / "text.efi"
        text.write_text("MZ and nothing else")
        for file, error, words, status in (
                (text, "Corrupt", "not a release of Lethe", 4), (Path(STUB), "Corrupt", "not a release of Lethe", 4),
                (release("2", image="other"), "Corrupt", "IMAGE_ID=lethe", 4), (release("2", signer=None), "PolicyMismatch", "not signed", 4),
                (release("2", signer="other"), "PolicyMismatch", "release 2", 4), (changed(release("2"), 600), "Corrupt", "changed after it was signed", 4),
                (release("1.5"), "AlreadyExists", "runs already", 4), (release("1.4"), "Rollback", "--allow-downgrade", 4),
                (release("2", profile="debug"), "PolicyMismatch", "profile", 4)):
            for member in ("Stage", "Preview"):
                with file.open("rb") as opened:
                    refuses_file(machine, member, opened, error, words)
            status_, _, err = bench.lethectl("update", "stage", file)
            assert status_ == status and words in err, (file, status_, err)
        assert not machine.asked(), "systemd-pcrlock is asked for nothing before all that is checked"


@check("a production release is refused at once without Secure Boot, where no boot of it would be healthy")
def _(bench):
    with updates(bench) as machine:
        for secure_boot, setup_mode in ((b"\0", b"\0"), (b"\0", b"\1"), (b"\1", b"\1")):
            machine.variable("SecureBoot", GLOBAL, secure_boot)
            machine.variable("SetupMode", GLOBAL, setup_mode)
            machine.stop()
            machine.start()
            with unchanged(machine):
                status, _, err = bench.lethectl("update", "stage", release("2"))
                assert status == 4 and "without Secure Boot" in err and "loader/keys/auto" in err, (status, err)
                status, _, err = bench.lethectl("update", "configure", "--drop", "a.cred")
                assert status == 4 and "without Secure Boot" in err, (status, err)
        machine.variable("SecureBoot", GLOBAL, b"\1\1")
        status, _, err = bench.lethectl("update", "stage", release("2"))
        assert status == 4 and "EFI variable SecureBoot" in err, (status, err)


@check("files beside a release that the stub does not take, or that are not there to be dropped, are refused")
def _(bench):
    with updates(bench) as machine, unchanged(machine), release("2").open("rb") as file:
        for name in ("", "a.txt", "a/b.cred", "../a.cred", ".", "a b.cred"):
            with refused(ERROR + "InvalidArgument"):
                machine.call("Stage", "ha{sv}", file, 1, "beside", "a{sh}", 1, name, file)
            with refused(ERROR + "InvalidArgument"):
                machine.call("StageConfiguration", "a{sh}as", 1, name, file, 0)
        for member, signature, values in (("Stage", "ha{sv}", (file, 1, "drop", "as", 1, "a.cred")), ("StageConfiguration", "a{sh}as", (0, 1, "a.cred"))):
            with refused(ERROR + "InvalidArgument", "a.cred does not lie beside"):
                machine.call(member, signature, *values)
        with refused(ERROR + "InvalidArgument", "nothing would change"):
            machine.call("StageConfiguration", "a{sh}as", 0, 0)


@check("records that say something else than is predicted are refused")
def _(bench):
    with updates(bench) as machine, unchanged(machine), release("2").open("rb") as file:
        records = bench.folder / "lethe_2.pcrlock"
        for text, error in (("", "Corrupt"), ("{}", "Corrupt"), ('{"records":[]}', "PolicyMismatch")):
            records.write_text(text)
            with records.open("rb") as opened, refused(ERROR + error):
                machine.call("Stage", "ha{sv}", file, 1, "records", "h", opened)


isolate()
run()
