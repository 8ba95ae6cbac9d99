"""Boots in which the TPM's device is ready late: because udev is slow, and because the host is busy."""

import os
import subprocess
import sys
from contextlib import contextmanager

from machine import Machine, credentials

LATE = ("--smbios", "io.systemd.stub.kernel-cmdline-extra=lethe_late_tpm=1")


def expect_open(machine):
    status = machine.status()
    assert status["vault"]["state"] == "open", status["vault"]
    assert [relay["state"] for relay in status["relays"]] == ["installed"], status["relays"]
    machine.ok("systemctl is-active tor@a")
    return status["relays"][0]["fingerprint"]


def late_tpm_lane(check, machines):
    """`check` as in lanes.py."""
    machine = Machine("test-late-tpm")
    machines.append(machine)

    def enrols():
        machine.up(*LATE, *credentials("a"))
        known.append(expect_open(machine))

    def opens():
        machine.down()
        machine.up(*LATE)
        assert expect_open(machine) == known[0]
        # In microseconds since the kernel started; the rule of the debug profile takes 20 seconds.
        device, daemon = (int(machine.ok(f"systemctl show -P {what}")) for what in
                          ("ActiveEnterTimestampMonotonic dev-tpmrm0.device", "ExecMainStartTimestampMonotonic lethe-identityd"))
        udev = int(machine.ok("systemctl show -P ActiveEnterTimestampMonotonic systemd-udevd"))
        assert device > udev + 19_000_000, "udev was not late: nothing was tried"
        assert daemon > device, "the daemon did not wait for the device"

    known = []
    if check("a machine whose TPM gets its group 20 s late enrols", enrols):
        check("and opens its vault at the next boot", opens)


@contextmanager
def busy_host(processes):
    load = [subprocess.Popen([sys.executable, "-c", "while True: pass"], start_new_session=True) for _ in range(processes)]
    try:
        yield
    finally:
        for process in load:
            process.kill()
            process.wait()


def busy_boots_lane(count, check, machines):
    """`check` as in lanes.py."""
    machine = Machine("test-busy")
    machines.append(machine)
    known = []

    def enrols():
        machine.up(*credentials("a"))
        known.append(expect_open(machine))

    def boots():
        machine.down()
        machine.vm("up", "--profile", machine.profile, "--limit", 900, limit=1000)
        assert expect_open(machine) == known[0]

    if not check("a machine enrols", enrols):
        return
    with busy_host(2 * os.cpu_count()):
        for number in range(1, count + 1):
            check(f"boot {number} of {count} on a busy host opens the vault", boots)
