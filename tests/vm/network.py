"""A machine with no disk at all: its image comes over the network, its keys lie in the TPM."""

import re

from machine import CACHE, Machine
from state_checks import expect_minimal, seed

RELAYS = ("a", "b")


# tools/test builds it: the debug image with both torrcs as a part of the signed UKI, as an operator does for such a machine.
ADMITTED = CACHE / "image/network/lethe.efi"
OTHER = CACHE / "image/debug/current/lethe.efi"


def network_lane(check, machines):
    machine = Machine("test-network")
    machines.append(machine)

    def fingerprints():
        status = machine.status()
        assert status["vault"]["state"] == "open", status
        for relay in RELAYS:
            machine.ok(f"systemctl is-active tor@{relay}")
        return {relay["name"]: (relay["fingerprint"], relay["state"]) for relay in status["relays"]}

    def first():
        machine.up("--network-from", ADMITTED)
        found = fingerprints()
        assert set(found) == set(RELAYS) and all(state == "installed" for _, state in found.values()), found
        known.update(found)

    known = {}
    if not check("a UKI from the network enrols a machine without a disk", first):
        return

    def in_the_tpm():
        for folder in ("/efi", "/var/lib/lethe"):
            assert machine.sh(f"findmnt {folder}")[0] != 0, folder
        handles = machine.ok("tpm2_getcap handles-nv-index").split()
        ours = sorted(handle for handle in handles if re.search(r"0x18001\d\d", handle, re.I))
        # That of the bandwidth history is there as soon as a tor has written its state.
        expected = ["0x1800100", "0x1800101", "0x1800102", "0x1800103", "0x1800105", "0x1800106"]
        assert [handle for handle in ours if handle != "0x1800104"] == expected, handles

    def reboot():
        seed(machine, "a")
        machine.down()
        machine.up()
        assert fingerprints() == known

    def history():
        expect_minimal(machine, "a", lost=False)
        machine.ok("tpm2_nvreadpublic 0x01800104 && tpm2_nvreadpublic 0x01800105")

    def refused():
        machine.down()
        machine.up("--network-from", OTHER)
        status = machine.status()
        assert status["vault"]["state"] == "shut" and re.search(r"PCRs? .*\b(4|11)\b", status["vault"]["reason"]), status["vault"]
        assert machine.sh("pgrep -x tor")[0] == 1
        machine.down()
        machine.up("--network-from", ADMITTED)
        assert fingerprints() == known

    check("its keys are in three NV indices of the TPM beside the policy's, and nowhere else", in_the_tpm)
    check("a reboot brings both fingerprints back", reboot)
    check("and the bandwidth history, which a fourth index keeps", history)
    check("another UKI is refused, and the admitted one opens the vault again", refused)
