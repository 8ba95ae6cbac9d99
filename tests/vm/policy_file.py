"""What anyone who can write to the disk can do to the policy file in the store (docs/formats.md, "Store objects" and "Policy")."""

import hashlib
import struct

import zstandard

from machine import Machine, credentials
from update_steps import LATER, PRESENT, expect_kept, expect_staged, stage, version_of

# What the TPM's owner takes away: what earlier releases did not have.
ROB = """
systemctl stop lethe-stated lethe-identityd
tpm2_nvundefine -C o 0x1800106 && rm /var/lib/lethe/ledger.? && sync /var/lib/lethe"""

HEADER = struct.Struct(">8sHBBQ32sII24s")
FRAMED, COMPRESSED = 0, 2
SLOTS = ("policy.a", "policy.b")


def with_payload(slot, change):
    """A framed object with another payload, whole in itself: nothing but its content tells that it was changed."""
    magic, version, kind, protection, generation, name, _, body, nonce = HEADER.unpack_from(slot)
    payload = slot[HEADER.size:HEADER.size + body - 32]
    if protection == COMPRESSED:
        payload = zstandard.ZstdDecompressor().decompress(payload, max_output_size=1 << 16)
    payload = change(payload)
    framed = HEADER.pack(magic, version, kind, FRAMED, generation, name, len(payload), len(payload) + 32, nonce) + payload
    octets = framed + hashlib.blake2b(framed, digest_size=32).digest()
    return octets + bytes(-len(octets) % 4096)


def damage_own_pin(machine):
    """One octet of the PIN that systemd-pcrlock keeps in its file, in both slots of a running machine."""
    changed = 0
    for slot in SLOTS:
        octets = machine.vm("exec", "--", "cat", f"/var/lib/lethe/{slot}", check=False).stdout
        if not octets:
            continue

        def flip(payload):
            begin = payload.index(b'"pinPrivate"') + len(b'"pinPrivate":"') + 40
            return payload[:begin] + (b"B" if payload[begin:begin + 1] == b"A" else b"A") + payload[begin + 1:]
        machine.vm("exec", "-i", "--", "bash", "-c", f"cat >/var/lib/lethe/{slot} && sync /var/lib/lethe", input=with_payload(octets, flip))
        changed += 1
    assert changed == 2, f"{changed} slots hold a policy file"


def policy_file_lane(check, machines):
    """A policy that nobody can write again would keep the old release admitted for ever."""
    machine = Machine("test-policy-file")
    machines.append(machine)

    def staged():
        machine.up("--secure-boot", "on", *credentials("a"), offer={"later.efi": LATER.read_bytes()})
        stage(machine, "later.efi")
        expect_staged(machine, version_of(PRESENT), version_of(LATER))

    def kept():
        # lethe-updated, which the command to reboot asks, would repair it before: the staged release is chosen already.
        damage_own_pin(machine)
        machine.vm("exec", "--", "systemctl", "reboot", check=False)
        machine.next()
        assert machine.status()["vault"]["state"] == "open"
        expect_kept(machine, version_of(LATER), "had been changed.*encrypted copy")

    def robbed():
        identity = machine.status()["relays"][0]["fingerprint"]
        machine.ok(ROB)
        machine.vm("exec", "--", "systemctl", "reboot", check=False)
        machine.next()
        status = machine.status()
        assert status["vault"]["state"] == "shut" and "store accept --generation 0" in status["vault"]["reason"], status
        assert machine.sh("pgrep -x tor")[0] == 1
        machine.ok("lethectl store accept --generation 0")
        status = machine.status()
        assert (status["vault"]["state"], status["relays"][0]["fingerprint"]) == ("open", identity), status

    if not check("a release is staged", staged):
        return
    if check("it is kept alone whatever became of systemd-pcrlock's own PIN, and the file is repaired and reported", kept):
        check("a store that was robbed of its ledger and its anchor is refused until root accepts it", robbed)
