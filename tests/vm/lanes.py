"""What is checked on the real image, in the order of the boots. Each lane gets `check(name, action)`, which returns whether it held."""

import base64
import json
import mmap
import re
from functools import partial
from pathlib import Path

import contents
import uki
from boots import busy_boots_lane, late_tpm_lane
from clock_future import clock_future_checks
from cuts import cuts_lane
from freeze import freeze_lane
from inputs import inputs_lane
from key_checks import audit, key_checks
from machine import CACHE, EVERYTHING, TORRC, Machine, credentials
from network import network_lane
from no_network import no_network_lane
from restarts import restarts_lane
from secure_boot import insecure_lane
from policy_file import policy_file_lane
from state_checks import clock_checks, expect_restored, loss_checks, rollback_checks, seed, until
from state_cuts import state_cuts_lane
from store import store_lane
from update_cuts import update_cuts_lane
from update_row import update_row_lane
from updates import update_lane

RELAYS = ("a", "b")


class Stop(Exception):
    """A check failed without which the rest of the lane says nothing."""


def needed(held):
    if not held:
        raise Stop


def make_machine(machines, name, profile, *options):
    """A fresh machine with a torrc credential for each of two relays on its ESP."""
    machine = Machine(name, profile)
    machines.append(machine)
    machine.up(*options, *credentials(*RELAYS))
    return machine


def fingerprints(machine):
    return {relay["name"]: (relay["fingerprint"], relay["ed25519_identity"]) for relay in machine.status()["relays"]}


def expect_open(machine, known=None):
    status = machine.status()
    assert status["vault"]["state"] == "open", status
    for relay in RELAYS:
        machine.ok(f"systemctl is-active tor@{relay}.service")
        found = machine.ok(f"cat /var/lib/tor-instances/{relay}/fingerprint").split()[-1]
        shown = next(entry for entry in status["relays"] if entry["name"] == relay)
        assert shown["state"] == "installed" and shown["fingerprint"] == found, (shown, found)
    if known is not None:
        assert fingerprints(machine) == known, (fingerprints(machine), known)


def expect_shut(machine, reason):
    """The vault is shut, says why, no tor runs, and no key is anywhere."""
    status = machine.status()
    assert status["vault"]["state"] == "shut", status
    assert re.search(reason, status["vault"]["reason"]), status["vault"]
    for relay in RELAYS:
        assert machine.sh(f"systemctl is-active tor@{relay}.service")[0] != 0
        text = machine.sh(f"systemctl status tor@{relay}.service --no-pager")[1]
        assert "vault" in text or re.search(reason, text), text
    assert machine.sh("pgrep -x tor")[0] == 1
    assert machine.ok("find /run/lethe /var/lib/tor-instances -name 'secret_id_key*' -o -name 'ed25519_*'") == ""
    code, text = machine.sh("lethectl status")
    assert code != 0 and re.search(reason, text), (code, text)
    assert re.search(reason, machine.ok("journalctl -b -u lethe-identityd --no-pager")), "the journal does not say why"


def opens_once(machine, known):
    """Afterwards the vault is shut for the rest of the boot: nobody has its keys any more."""
    machine.ok("systemctl kill --signal=KILL lethe-identityd lethe-stated")
    until(machine, "lethectl --json status | grep -q '\"state\": *\"open\"'")
    expect_open(machine, known)
    until(machine, "busctl get-property org.lethe.State1 /org/lethe/State1 org.lethe.State1.Manager State | grep -q open")
    # As any process that may use the TPM would ask for it: this daemon, without what was kept for it.
    machine.ok("systemctl stop lethe-identityd && systemctl clean --what=fdstore lethe-identityd")
    machine.ok("systemctl reset-failed lethe-identityd lethe-stated && systemctl start lethe-identityd")  # it was started often in this boot
    vault = machine.status()["vault"]
    assert vault["state"] == "shut" and re.search(r"PCRs? .*\b12\b", vault["reason"]), vault
    machine.ok("systemctl restart lethe-stated")
    assert machine.status()["vault"]["state"] == "shut"


def secure_boot_lane(secure_boot, check, machines):
    """Enrolment, reboots, and every change that must be refused, with Secure Boot on or off."""
    on = secure_boot == "on"
    pcrs = [4, 7, 11, 12, 13] if on else [2, 4, 11, 12, 13]
    name = f"test-sb-{secure_boot}"
    known = {}

    def first_boot():
        machine = make_machine(machines, name, "debug", "--secure-boot", secure_boot)
        expect_open(machine)
        known.update(fingerprints(machine))
        assert set(known) == set(RELAYS) and known["a"] != known["b"], known

    needed(check("the first boot enrols the machine and makes two identities", first_boot))
    machine = machines[0]

    def policy():
        text = machine.ok("cat /var/lib/systemd/pcrlock.json")
        found = sorted(entry["pcr"] for entry in json.loads(text)["pcrValues"])
        assert found == pcrs, found
        assert machine.sh("bootctl --print-esp-path; find /efi/loader/credentials -name 'pcrlock*'")[1].count("pcrlock") == 0

    def key_folders():
        for relay in RELAYS:
            folder = f"/run/lethe/keys/{relay}"
            assert machine.ok(f"stat -c '%a %U' {folder}") == f"700 _tor-{relay}"
            assert set(machine.ok(f"stat -c '%a %U' {folder}/*").splitlines()) == {f"600 _tor-{relay}"}
            assert machine.ok(f"stat -f -c %T {folder}") == "tmpfs"
            tor = machine.ok(f"systemctl show -P MainPID tor@{relay}")
            assert "libjemalloc" in machine.ok(f"cat /proc/{tor}/maps")
            # It has told systemd that it is ready, and does not see the system bus.
            hidden = "ls /run/dbus/system_bus_socket"
            assert machine.sh(f"nsenter -t {tor} -m {hidden}")[0] != 0 and machine.sh(hidden)[0] == 0

    def secrets():
        journal = machine.vm("exec", "--", "journalctl", "-b", "--no-pager", "-o", "export").stdout
        found = [needle for needle in needles if needle in journal]
        assert needles and not found, f"{len(found)} pieces of secret keys are in the journal"

    def again():
        status, text = machine.sh("lethectl identity create a")
        assert status != 0 and "exist" in text, (status, text)
        status, text = machine.sh("lethectl enroll")
        assert status != 0 and fingerprints(machine) == known, (status, text)

    check(f"the policy holds PCRs {pcrs} and no pcrlock credential lies on the ESP", policy)
    check("keys lie in a tmpfs folder of each tor's own user, 0700 and 0600, and tor runs under jemalloc", key_folders)
    needles = secret_pieces(machine)
    check("no piece of a secret key is in the journal", secrets)
    check("creating or enrolling again is refused and changes nothing", again)
    if not on:
        check("secret octets are in tor, its key folder and the daemons' locked memory, and nowhere else", lambda: audit(machine, needles))
        # What a torrc credential would have brought about at the boot.
        machine.ok("systemctl start lethe-relay-user@c && install -D -m 644 /run/credstore/lethe.torrc.a /etc/tor/instances/c/torrc")
        key_checks(check, machine, "c")

    def seeded():
        onion_keys["a"] = seed(machine, "a")

    def reboot():
        machine.down()
        # An unmeasured unit from SMBIOS, which must have no effect.
        machine.up("--smbios", "io.systemd.credential:systemd.extra-unit.evil.service=[Service]\nType=oneshot\nExecStart=/bin/touch /run/evil\n",
                   "--smbios", "io.systemd.credential:systemd.unit-dropin.sysinit.target=[Unit]\nWants=evil.service\n")
        expect_open(machine, known)
        policy()  # put back from the store, /var being empty at each boot

    def no_evil():
        assert machine.sh("test -e /run/evil")[0] == 1 and machine.sh("systemctl cat evil.service")[0] != 0

    onion_keys = {}
    needed(check("a relay that is given a history of days starts with it", seeded))
    needed(check("a reboot brings both fingerprints back", reboot))
    check("its bandwidth history and its onion keys, too, and lethectl says so", lambda: expect_restored(machine, "a", onion_keys["a"]))
    check("an SMBIOS credential does not become a unit", no_evil)
    if not on:
        check("the vault opens once in a boot, and the daemons start again without it", lambda: opens_once(machine, known))
    machine.down()
    machine.save()
    store = machine.store()
    check("the store has its objects on the ESP", lambda: has_objects(store))
    check("no piece of a secret key is on the disk", lambda: not_on_disk(machine, needles))

    def refused(name, change, reason, *options, only=None):
        if only not in (None, secure_boot) and not EVERYTHING:
            return

        def action():
            change()
            machine.up(*options)
            expect_shut(machine, reason)
            machine.ok("sync")
            machine.vm("cut")
            assert machine.store() == store, "the store was changed"
        check(name, action)
        machine.vm("cut", check=False)
        machine.restore()

    path = machine.uki_path()
    original = machine.get(path)
    signed = uki.sign if on else lambda binary: binary
    changed = partial(uki.change_section, original)
    refused("another command line is refused", lambda: machine.put(path, signed(changed(b".cmdline", b"loglevel=4", b"loglevel=5"))), r"PCRs? .*\b11\b")
    refused("a changed UKI is refused", lambda: machine.put(path, signed(changed(b".osrel", b"lethe", b"Lethe"))), r"PCRs? .*\b11\b", only="off")
    refused("an added ESP credential is refused", lambda: machine.put("/loader/credentials/lethe.torrc.c.cred", TORRC.read_bytes()), r"PCRs? .*\b12\b", only="off")
    refused("another boot loader is refused", lambda: machine.put("/EFI/BOOT/BOOTX64.EFI", original), r"PCRs? .*\b4\b", only="on")
    # The stub appends it with Secure Boot on, too, and measures it.
    refused("an SMBIOS command line is refused", lambda: None, r"PCRs? .*\b12\b", "--smbios", "io.systemd.stub.kernel-cmdline-extra=lethe.evil=1",
            only="on")
    if on:
        def unsigned():
            machine.put(path, changed(b".cmdline", b"loglevel=4", b"loglevel=5"))
            expect_not_started(machine)
        check("a changed UKI that is not signed anew does not boot", unsigned)
        machine.vm("cut")
        machine.restore()

        refused("Secure Boot turned off is refused", lambda: None, r"PCRs? .*\b(4|7)\b", "--secure-boot", "off")

    def other_tpm():
        other = Machine(name + "-tpm")
        machines.append(other)
        other.up("--disk-from", machine.folder / "disk.saved", "--secure-boot", secure_boot)
        expect_shut(other, "TPM")
        other.down()
        assert other.store() == store, "the store was changed"
    if on or EVERYTHING:
        check("the disk in a machine with another TPM is refused", other_tpm)

    def back():
        if on:
            machine.up("--secure-boot", "on")
        expect_open(machine, known)

    def missed_phase():
        machine.up("--no-wait")
        machine.vm("wait", "--limit", "120", "udev Control Socket")  # the kernel has found its TPM, and nothing is measured yet
        machine.kill_tpm()
        machine.vm("wait", "--limit", "120", "reboot: Restarting system")
        assert "Switch Root" not in machine.log(), "the boot went on"

    if not on:
        check("a boot in which a phase cannot be measured starts again", missed_phase)
        machine.vm("cut", check=False)
        machine.restore()
        clock_checks(check, machine, RELAYS)
        machine.down()
        clock_future_checks(check, machine, RELAYS)
    check("after all of this the machine itself still opens its vault", back)


def expect_not_started(machine):
    """The firmware refuses the image that is on the disk."""
    machine.vm("up", "--no-wait")
    machine.vm("wait", "--limit", "90", "Security Violation|Access [Dd]enied|Error loading|Failed to (start|load|execute)")
    assert "Linux version" not in machine.log()


def secret_pieces(machine):
    """32 octets and more from within each secret key file in the guest, as they are in the file, and for PEM as the key itself has them; with
    the name of that file."""
    pieces = {}
    for relay in RELAYS:
        for file in machine.ok(f"ls /run/lethe/keys/{relay}/*secret*").split():
            content = machine.vm("exec", "--", "cat", file).stdout
            if content.startswith(b"== "):
                found = [content[32:64], content[64:96]]
            else:
                lines = content.split(b"\n")[1:-2]
                key = base64.b64decode(b"".join(lines))
                found = [lines[4], lines[7], key[200:232], key[400:432]]
            pieces |= dict.fromkeys(found, Path(file).name)
    return pieces


def not_on_disk(machine, needles):
    with open(machine.folder / "disk.raw", "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as disk:
        assert disk.find(TORRC.read_bytes()) >= 0, "the search finds nothing at all"
        assert needles and not [needle for needle in needles if disk.find(needle) >= 0], "a piece of a secret key is on the disk"


def has_objects(store):
    stems = {file.rsplit("/", 1)[-1].rsplit(".", 1)[0] for file in store}
    assert {"vault", "policy", "relays", "identity-a", "identity-b"} <= stems, store


def production_lane(check, machines):
    """The image without a shell: what is in it, and what it shows on its console."""
    check("the UKI has at most 64 MB and 60 programs, and no shell, login, package manager, interpreter or script",
          lambda: contents.check((CACHE / "image/production/current/lethe.efi").read_bytes()))

    def first_boot():
        machine = make_machine(machines, "test-production", "production", "--secure-boot", "on")
        for relay in RELAYS:
            machine.vm("wait", f"{relay} .*[0-9A-F]{{40}}.*installed")

    def shown(machine):
        return {line for line in re.findall(r"[0-9A-F]{40}", machine.log())}

    needed(check("the first boot enrols and shows both relays on the console", first_boot))
    machine = machines[0]
    known = shown(machine)

    def reboot():
        machine.down()
        machine.up("--no-wait")
        in_use.append(int(machine.vm("in-use", r"Start(ing|ed) .*tor@").stdout))
        for relay in RELAYS:
            machine.vm("wait", f"{relay} .*[0-9A-F]{{40}}.*installed")
        assert shown(machine) == known and len(known) == 2, (shown(machine), known)

    def memory():
        print(f"     memory in use before tor starts: {in_use[0] / 1e6:.1f} MB", flush=True)
        assert 0 < in_use[0] <= contents.MEMORY_LIMIT_OCTETS, in_use[0]

    in_use = []
    needed(check("a reboot shows the same two fingerprints", reboot))
    check("before tor starts, at most 160 MB of the machine's memory are in use", memory)
    machine.down()
    machine.save()
    store = machine.store()

    def debug_release():
        debug = Machine("test-production-debug", "debug")
        machines.append(debug)
        debug.up("--no-wait")  # only for its disk
        debug.vm("cut")
        machine.put(machine.uki_path(), debug.get(debug.uki_path()))
        expect_not_started(machine)
        machine.vm("cut")
        # Nor where nothing keeps it from being started.
        machine.vm("up", "--profile", "debug", "--secure-boot", "off")
        expect_shut(machine, r"PCRs? .*\b(4|7|11)\b")
        machine.down()
        assert machine.store() == store, "the store was changed"
    check("a debug release is not started with Secure Boot, and does not open a production vault without", debug_release)


def half_enrolled_lane(check, machines):
    check("a firmware that takes only some of the keys leaves the machine not enrolled, and the console says so", lambda: half_enrolled(machines))


def half_enrolled(machines):
    """In setup mode, with a platform key whose signature is not right: the boot loader gives up after db and KEK, and boots."""
    machine = Machine("test-half-enrolled", "production")
    machines.append(machine)
    machine.up("--secure-boot", "off", "--no-wait")  # only for its disk
    machine.vm("cut")
    file = "/loader/keys/auto/PK.auth"
    octets = machine.get(file)
    machine.put(file, octets[:-1] + bytes([octets[-1] ^ 1]))
    machine.up("--secure-boot", "setup", *credentials(*RELAYS))
    for line in ("Vault: not-enrolled", "Insecure: Secure Boot is in setup mode"):
        assert line in machine.log(), line
    machine.down()
    assert not machine.files("/lethe"), "something is in the store"


def metal_lane(check, machines):
    """The image for real machines, on the disks and network cards of such: NVMe and e1000e, then the same disk on SATA with an igb."""
    shown = {}
    images = sorted((CACHE / "image").glob("*/current/lethe.efi")) + sorted((CACHE / "image").glob("*/lethe.efi"))
    metal = CACHE / "image/metal/current/lethe.efi"

    def modules():
        assert metal in images, images
        for image in images:
            contents.check_modules(image.read_bytes())

    check("the command line of metal keeps devices from memory that is not theirs", lambda: contents.check_metal_command_line(metal.read_bytes()))
    check("no image has a module that keeps a crash in the firmware, or takes what the host says", modules)

    def boots(hardware):
        if machines:
            machines[0].down()
            machines[0].up("--hardware", hardware)
        else:
            make_machine(machines, "test-metal", "metal", "--secure-boot", "on", "--hardware", hardware)
        machine = machines[0]
        for relay in RELAYS:
            line = machine.vm("wait", f"{relay} .*[0-9A-F]{{40}}.*installed").stdout.decode()
            fingerprint = re.search(r"[0-9A-F]{40}", line)[0]
            assert shown.setdefault(relay, fingerprint) == fingerprint, (shown, line)
        # Frames from the card's own address, whatever they ask for.
        assert bytes.fromhex("525400123456") in (machine.folder / "network.pcap").read_bytes(), "the card has sent nothing"

    needed(check("metal enrols on NVMe, and its e1000e sends", lambda: boots("nvme")))
    check("its disk on SATA in the same machine, with another card, brings both fingerprints back", lambda: boots("ahci"))


def state_lane(check, machines):
    """What becomes of snapshots when power goes, and when somebody changes them or their counter."""
    cuts = state_cuts_lane(3, check, machines)
    needed(cuts)
    needed(rollback_checks(check, cuts.machine))
    loss_checks(check, cuts.machine)


# What each change is tried with: the life of one relay, and what must be refused. The longest first: two of them run at a time.
LANES = {
    "update, Secure Boot on": partial(update_lane, "on"),
    "Secure Boot on": partial(secure_boot_lane, "on"),
    "state": state_lane,
    "production": production_lane,
}
# The rest, for tools/test --all and tools/soak.
LONG_LANES = {
    "update, Secure Boot off": partial(update_lane, "off"),
    "update, frozen": freeze_lane,
    "update, policy file": policy_file_lane,
    "update, no network": no_network_lane,
    "update, power cuts": partial(update_cuts_lane, 5),
    "Secure Boot off": partial(secure_boot_lane, "off"),
    "no Secure Boot": insecure_lane,
    "half the keys": half_enrolled_lane,
    "inputs, Secure Boot on": partial(inputs_lane, "on"),
    "inputs, Secure Boot off": partial(inputs_lane, "off"),
    "no disk": network_lane,
    "store": store_lane,
    "power cuts": partial(cuts_lane, 5),
    "late TPM": late_tpm_lane,
    "busy boots": partial(busy_boots_lane, 20),
    "busy restarts": partial(restarts_lane, 5),
    "metal": metal_lane,
    "ten updates": partial(update_row_lane, 10),
}
