"""Updates one after the other: each machine of the field has many of them behind it."""

from machine import credentials
from update_cuts import UpdateCuts
from update_steps import expect_kept, reboot, sealed, stage


def update_row_lane(count, check, machines):
    row = UpdateCuts("test-update-row", 0, machines)
    versions = [row.version(number) for number in range(1, count + 1)]

    def enrol():
        row.enrol(versions)
        row.sealed = sealed(row.machine)

    def update(version):
        stage(row.machine, f"{version}.efi")
        reboot(row.machine)
        row.machine.next()
        assert row.relay() == row.known, (row.relay(), row.known)
        expect_kept(row.machine, version)
        row.expect_nothing_left()
        assert sealed(row.machine) == row.sealed, "the vault or an identity was sealed anew"

    if check("a machine is enrolled", enrol):
        all(check(f"update {number} of {count} in a row leaves no NV index, file or component behind", lambda: update(version))
            for number, version in enumerate(versions, 1))
