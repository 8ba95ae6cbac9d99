#!/usr/bin/python3
"""health_test.py IDENTITYD LETHECTL RELAY MACHINE SOURCE STATED HEALTH SYSTEMD: tests lethe-health on a private bus, with the real
lethe-identityd and a double of systemd. tests/relay tests what lethe-health asks tor.

Runs as root, in a mount namespace of its own: firmware, ESP and store belong to the test. Prints TAP.
"""

import contextlib
import os
import re
import subprocess
import sys
from pathlib import Path

from bench import GLOBAL
from checks import check, enrolled, run

HEALTH, SYSTEMD = (Path(path).resolve() for path in sys.argv[7:9])
EFIVARS, RELEASES, NOTE = Path("/sys/firmware/efi/efivars"), Path("/boot/EFI/Linux"), Path("/var/lib/lethe/last-update")
LOADER = "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"


def isolate():
    os.unshare(os.CLONE_NEWNS)
    for command in ("mount --make-rprivate /", "mount -t tmpfs -o mode=755 firmware /sys/firmware", "mount -t tmpfs -o mode=755 esp /boot",
                    "mount -t tmpfs -o mode=755 lib /var/lib"):
        subprocess.run(command.split(), check=True)
    for folder in (EFIVARS, RELEASES, NOTE.parent):
        folder.mkdir(parents=True)


def health(bench, settings="HealthNeeds=identity\nHealthDeadline=1s\n", secure_boot=1, arguments=()):
    """Runs lethe-health; returns its exit status and its messages."""
    credentials = bench.folder / "credentials"
    credentials.mkdir(exist_ok=True)
    (credentials / "lethe.conf").write_text(settings)
    bench.environment["CREDENTIALS_DIRECTORY"] = str(credentials)
    for name, value in (("SecureBoot", secure_boot), ("SetupMode", 0)):
        (EFIVARS / f"{name}-{GLOBAL}").write_bytes(bytes([6, 0, 0, 0, value]))
    status, out, err = bench.run([HEALTH, *arguments])
    assert not out, out
    return status, err


@contextlib.contextmanager
def systemd(bench, *units):
    """Yields a function that returns the next job that the double is asked for."""
    config = bench.folder / "bus.conf"
    config.write_text(re.sub("<include>.*</include>", '<policy context="default"><allow own="*"/><allow send_destination="*"/></policy>', config.read_text()))
    bench.call("/", "org.freedesktop.DBus.ReloadConfig", destination="org.freedesktop.DBus")
    with subprocess.Popen([SYSTEMD, *units], stdout=subprocess.PIPE, text=True, env=bench.environment) as process:
        try:
            assert process.stdout.readline() == "ready\n"
            yield lambda: process.stdout.readline().strip()
        finally:
            process.kill()


@contextlib.contextmanager
def booted(file, tries_on_disk):
    """Makes the machine as it is after a boot of this file, which the boot loader has counted; its name on the ESP now has these tries."""
    def variable(name, text):
        (EFIVARS / f"{name}-{LOADER}").write_bytes(bytes([6, 0, 0, 0]) + (text + "\0").encode("utf-16-le"))
    variable("StubInfo", "systemd-stub 257")
    variable("LoaderDevicePartUUID", "6C657468-6500-4000-8000-000000000009")
    variable("StubImageIdentifier", f"\\EFI\\Linux\\{file}")
    variable("LoaderBootCountPath", f"\\EFI\\Linux\\{file}")
    (RELEASES / f"lethe_2{tries_on_disk}.efi").touch()
    try:
        yield
    finally:
        for path in (*EFIVARS.iterdir(), *RELEASES.iterdir(), *NOTE.parent.iterdir()):
            path.unlink()


@check("a machine without relays is healthy when its vault is open")
def _(bench):
    enrolled(bench)
    assert health(bench) == (0, "")


@check("it is not healthy when its vault is shut, and says so at once")
def _(bench):
    bench.machine("enroll")
    bench.machine("extend", 4)
    bench.start()
    status, err = health(bench, "HealthDeadline=1d\n")
    assert status == 1 and err.startswith("<3>this boot is not healthy: the vault is shut: "), (status, err)
    assert err.count("\n") == 1 and not NOTE.exists(), err


@check("it is not healthy without lethe-identityd")
def _(bench):
    status, err = health(bench)
    assert status == 1 and "org.lethe.Identity1 is not running" in err, (status, err)


@check("a machine that is not enrolled is healthy, unless its enrolment failed")
def _(bench):
    bench.start()
    with systemd(bench, "lethe-enroll.service=inactive="):
        assert health(bench) == (0, "")
    with systemd(bench, "lethe-enroll.service=failed="):
        status, err = health(bench)
        assert status == 1 and "could not be enrolled" in err, (status, err)


@check("a relay is healthy when its keys are installed and its tor runs; else it is named with what systemd says")
def _(bench):
    enrolled(bench, "a", "b")
    with systemd(bench, "tor@a.service=active=", "tor@b.service=active=running"):
        assert health(bench) == (0, "")
    with systemd(bench, "tor@a.service=active=", "tor@b.service=activating=tor waits: the clock"):
        status, err = health(bench)
        assert status == 1 and err == "<3>this boot is not healthy: relay b: tor@b.service is activating: tor waits: the clock\n", (status, err)


@check("by default, it asks the relay's tor, and says where nothing listens")
def _(bench):
    enrolled(bench, "a")
    with systemd(bench, "tor@a.service=active="):
        status, err = health(bench, "HealthDeadline=1s\n")
        assert status == 1 and "relay a: tor's control port: nobody listens at /run/tor-instances/a/control" in err, (status, err)


@check("a boot without Secure Boot is not healthy whatever else runs, and ends a trial; the debug profile does without")
def _(bench):
    enrolled(bench)
    with systemd(bench) as next_job, booted("lethe_2+1-2.efi", "+1-2"):
        status, err = health(bench, "HealthDeadline=1d\n", secure_boot=0)
        assert status == 1 and "Secure Boot is off" in err and "on trial: rebooting" in err, (status, err)
        assert next_job() == "reboot.target replace-irreversibly" and "Secure Boot is off" in NOTE.read_text()
        assert health(bench, secure_boot=0, arguments=["--insecure-boot"]) == (0, "")
        assert health(bench, arguments=["--insecure-boot"]) == (0, "")
    assert health(bench, arguments=["--other"])[0] == 2


@check("a configuration that is not understood is not healthy")
def _(bench):
    enrolled(bench)
    status, err = health(bench, "HealthNeeds=luck\n")
    assert status == 1 and "HealthNeeds=" in err, (status, err)


@check("a release on trial that is not healthy is noted, and the machine asked to reboot in order")
def _(bench):
    with systemd(bench) as next_job, booted("lethe_2+1-2.efi", "+1-2"):
        status, err = health(bench)
        assert status == 1 and "org.lethe.Identity1 is not running" in err and "on trial: rebooting" in err, (status, err)
        assert next_job() == "reboot.target replace-irreversibly"
        assert NOTE.read_text() == "2\norg.lethe.Identity1 is not running\n"
        assert health(bench, "HealthNeeds=luck\n")[0] == 1
        assert next_job() == "reboot.target replace-irreversibly", "a release whose configuration is not understood is on trial, too"
        assert "HealthNeeds=" in NOTE.read_text()


@check("if the check itself fails, the boot of a release on trial is ended anyway, and no other boot")
def _(bench):
    with systemd(bench) as next_job:
        with booted("lethe_2+1-2.efi", ""):
            status, err = health(bench, "", arguments=("--fall-back",))
            assert status == 1 and "lethe-health.service has failed" in err and "reboot" not in err and not NOTE.exists(), (status, err)
        with booted("lethe_2+1-2.efi", "+1-2"):
            status, err = health(bench, "", arguments=("--fall-back",))
            assert status == 1 and "on trial: rebooting" in err and next_job() == "reboot.target replace-irreversibly", (status, err)
            assert "lethe-health.service has failed" in NOTE.read_text()
    status, err = health(bench, "", arguments=("--fall-forward",))
    assert status == 2 and "usage" in err, (status, err)


@check("a release that is healthy, or was marked as good, is left alone")
def _(bench):
    with systemd(bench) as next_job:
        with booted("lethe_2+1-2.efi", ""):
            status, err = health(bench)
            assert status == 1 and "reboot" not in err and not NOTE.exists(), (status, err)
        enrolled(bench)
        with booted("lethe_2+1-2.efi", "+1-2"):
            assert health(bench) == (0, "") and not NOTE.exists()
        bench.stop()
        with booted("lethe_2+1-2.efi", "+1-2"):  # The first job that it is asked for is now this one.
            assert health(bench)[0] == 1 and next_job() == "reboot.target replace-irreversibly"
            assert NOTE.exists()


if os.getuid() == 0:
    isolate()
run()
