"""What comes to a boot from outside without being a part of the release: docs/inputs.md, row by row, as far as QEMU can set it.

Each input either has no effect, or the vault stays shut. With Secure Boot off an unmeasured one is an attacker's whole way in; with Secure
Boot on the machine is one whose firmware had no keys at its first boot.
"""

import json
import re
import shlex
import struct
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path

import uki
from machine import Machine, credentials

sys.path.insert(0, str(Path(__file__).parents[2] / "tools/lib"))
import enrolment
import uki_tree

RELAYS = ("a", "b")
SYSTEMD = "8cf2644b-4b0b-428f-9387-6d876050dc67"
LOADER = "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
SHIM = "605dab50-e046-4300-abb6-3dd810dd8b23"
GLOBAL = "8be4df61-93ca-11d2-aa0d-00e098032b8c"
NON_VOLATILE = struct.pack("<I", 7)  # for the boot loader and for the system
EVIL_UNIT = "[Service]\nType=oneshot\nExecStart=/bin/touch /run/evil\n"
DRIVER, ADDON = "/EFI/systemd/drivers/evilx64.efi", "/loader/addons/evil.addon.efi"


def text(string):
    return (string + "\0").encode("utf-16-le")


ENTRY_DEFAULT = "LoaderEntryDefault"
# What somebody who has booted any other system leaves in the firmware for good.
VARIABLES = {
    f"SystemdOptions-{SYSTEMD}": text("root=/dev/vdb rootfstype=erofs systemd.setenv=LETHE_EVIL=1 systemd.tpm2_wait=1"),
    f"HibernateLocation-{SYSTEMD}": text(json.dumps({"uuid": str(uuid.UUID(int=1)), "offset": 0, "kernelVersion": "1", "osReleaseId": "debian"})),
    f"FactoryReset-{SYSTEMD}": text("yes"),
    f"{ENTRY_DEFAULT}-{LOADER}": text("evil.efi"),
    f"LoaderConfigConsoleMode-{LOADER}": text("0"),
    f"LoaderSystemToken-{LOADER}": bytes(32),
    f"MokListRT-{SHIM}": b"",  # with a certificate
}
# The host of a virtual machine says this at each start.
EXTRA_UNIT = f"systemd.extra-unit.evil.service={EVIL_UNIT}"
WANTED = "systemd.unit-dropin.sysinit.target=[Unit]\nWants=evil.service\n"
FROM_THE_HOST = ("--smbios", f"io.systemd.credential:{EXTRA_UNIT}", "--smbios", f"io.systemd.credential:{WANTED}",
                 "--smbios", "io.systemd.boot.kernel-cmdline-extra=lethe.evil=1",
                 "--fw-cfg", "opt/io.systemd.credentials/tmpfiles.extra=f /run/evil", "--fw-cfg", "opt/io.systemd.credentials/system.hostname=evil",
                 "--dhcp", "hostname=evil,domainname=evil.example,dnssearch=evil.example")


def driver():
    """A driver for the firmware, a PE of subsystem 11 that says it is loaded and does nothing: xor eax, eax; ret."""
    code = b"\x31\xc0\xc3".ljust(512, b"\0")
    optional = struct.pack("<HBBIIIII", 0x20B, 0, 0, 512, 0, 0, 0x1000, 0x1000)
    optional += struct.pack("<QIIHHHHHHIIIIHH", 0, 0x1000, 512, 0, 0, 0, 0, 0, 0, 0, 0x2000, 512, 0, 11, 0)
    optional += struct.pack("<QQQQII", 0, 0, 0, 0, 0, 16) + bytes(16 * 8)
    section = struct.pack("<8sIIIIIIHHI", b".text", 512, 0x1000, 512, 512, 0, 0, 0, 0, 0x60000020)
    headers = b"MZ".ljust(60, b"\0") + struct.pack("<I", 64)
    headers += b"PE\0\0" + struct.pack("<HHIIIHH", 0x8664, 1, 0, 0, 0, len(optional), 0x2022) + optional + section
    return headers.ljust(512, b"\0") + code


def certificate_list():
    """A key that is nobody's, as shim would announce it to the kernel."""
    with tempfile.TemporaryDirectory() as name:
        subprocess.run(["openssl", "req", "-quiet", "-new", "-x509", "-newkey", "rsa:2048", "-noenc", "-subj", "/CN=evil/", "-keyout", "key",
                        "-outform", "DER", "-out", "certificate"], cwd=name, check=True, capture_output=True)
        return enrolment.signature_list(Path(name, "certificate").read_bytes())


def read_variable(machine, name):
    """Its octets without the attributes."""
    return machine.vm("exec", "--", "cat", f"/sys/firmware/efi/efivars/{name}").stdout[4:]


def write_variables(machine, variables):
    for name, octets in variables.items():
        machine.vm("exec", "-i", "--", "bash", "-c", f"cat >/sys/firmware/efi/efivars/{name}", input=NON_VOLATILE + octets)


def own_root(present, folder):
    """The release's own root, with one more unit that starts before anything else, as a disk."""
    uki_tree.unpack(present, folder)
    (folder / "root/usr/lib/systemd/system/evil.service").write_text(EVIL_UNIT)
    wants = folder / "root/usr/lib/systemd/system/sysinit.target.wants"
    (wants / "evil.service").symlink_to("../evil.service")
    subprocess.run(["mkfs.erofs", folder / "disk", folder / "root"], check=True, stdout=subprocess.DEVNULL)
    return (folder / "disk").read_bytes()


def add_xbootldr(machine, files):
    """A second partition that the boot loader looks for images on, with these files by path."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path, octets in files.items():
            place = folder / "files" / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(octets)
        (folder / "definitions").mkdir()
        (folder / "definitions/10-xbootldr.conf").write_text(
            f"[Partition]\nType=xbootldr\nFormat=vfat\nSizeMinBytes=320M\nSizeMaxBytes=320M\nCopyFiles={folder}/files:/\n")
        subprocess.run(["systemd-repart", "--dry-run=no", "--offline=yes", "--empty=allow", "--size=900M", f"--definitions={folder}/definitions",
                        machine.folder / "disk.raw"], check=True, capture_output=True)


def no_effect(machine):
    """Nothing of what `VARIABLES` and `FROM_THE_HOST` say has come about."""
    assert machine.ok("findmnt -no FSTYPE,SOURCE /").split() == ["erofs", "/dev/loop0"], machine.ok("findmnt /")
    assert machine.sh("test -e /run/evil")[0] == 1, "a unit from outside ran"
    assert machine.sh("systemctl cat evil.service")[0] != 0
    assert "EVIL" not in machine.ok("systemctl show-environment; tr '\\0' '\\n' </proc/1/environ; cat /proc/cmdline"), "a setting from outside"
    assert "evil" not in machine.ok("cat /proc/cmdline")
    assert machine.ok("systemctl show -P ActiveState systemd-hibernate-clear systemd-hibernate-resume factory-reset.target").split() == ["inactive"] * 3
    assert machine.ok("ls -A /sys/fs/pstore; ls -d /sys/firmware/dmi/entries /sys/firmware/qemu_fw_cfg 2>/dev/null; cut -d' ' -f1 /proc/modules | grep -E 'pstore|dmi.sysfs|fw.cfg' || true") == "", "a module"
    # The network.
    assert machine.ok("cat /proc/sys/kernel/hostname") == "lethe"
    said = machine.ok("timeout 60 bash -c 'until networkctl --no-pager status | grep -q 10.0.2.15; do sleep 1; done'; resolvectl --no-pager status")
    assert "evil" not in said and "+LLMNR" not in said and "+mDNS" not in said, said
    # Ports 5353 and 5355, in hexadecimal.
    assert machine.ok("cat /proc/net/udp* /proc/net/tcp* | grep -E ':(14E9|14EB) ' || true") == "", "something listens for LLMNR or mDNS"
    servers = machine.ok("timedatectl show-timesync -p LinkNTPServers -p SystemNTPServers")
    assert re.search(r"(?m)^LinkNTPServers=$", servers) and "debian.pool.ntp.org" in servers, servers
    assert machine.sh("journalctl -b -u systemd-networkd -u systemd-resolved -u systemd-timesyncd --no-pager | grep -iE 'unknown (key|section)'")[0] == 1


def expect_open(machine, known):
    status = machine.status()
    assert status["vault"]["state"] == "open", status["vault"]
    assert {relay["name"]: relay["fingerprint"] for relay in status["relays"]} == known, status["relays"]
    for relay in RELAYS:
        machine.ok(f"systemctl is-active tor@{relay}")


def expect_shut(machine, reason):
    status = machine.status()
    assert status["vault"]["state"] == "shut" and re.search(reason, status["vault"]["reason"]), status["vault"]
    assert machine.sh("pgrep -x tor")[0] == 1


def fingerprints(machine):
    return {relay["name"]: relay["fingerprint"] for relay in machine.status()["relays"]}


def policy_pcrs(machine):
    return sorted(entry["pcr"] for entry in json.loads(machine.ok("cat /var/lib/systemd/pcrlock.json"))["pcrValues"])


def addon(section):
    """A signed or unsigned PE that the stub takes a section of: more initrd, or more microcode."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "files/usr/lib/systemd/system").mkdir(parents=True)
        (folder / "files/usr/lib/systemd/system/evil.service").write_text(EVIL_UNIT)
        archive = subprocess.run("find . | cpio --quiet -o -H newc", shell=True, cwd=folder / "files", stdout=subprocess.PIPE, check=True).stdout
        (folder / "archive").write_bytes(archive)
        subprocess.run(["ukify", "build", f"--{section}={folder}/archive", f"--output={folder}/addon.efi",
                        "--stub=/usr/lib/systemd/boot/efi/addonx64.efi.stub"], check=True, capture_output=True)
        return (folder / "addon.efi").read_bytes()


def inputs_lane(secure_boot, check, machines):
    """`check` as in lanes.py."""
    on = secure_boot == "on"
    machine = Machine(f"test-inputs-{secure_boot}")
    machines.append(machine)
    known = {}

    def enrols():
        machine.up("--secure-boot", "setup" if on else "off", *credentials(*RELAYS))
        assert machine.status()["vault"]["state"] == "open", machine.status()
        known.update(fingerprints(machine))
        assert set(known) == set(RELAYS) and None not in known.values(), known

    def keys_enrolled():
        assert "Custom Secure Boot keys successfully enrolled" in machine.log(), "the boot loader has enrolled no keys"
        state = {name: read_variable(machine, f"{name}-{GLOBAL}") for name in ("SecureBoot", "SetupMode")}
        assert state == {"SecureBoot": b"\1", "SetupMode": b"\0"}, state
        assert policy_pcrs(machine) == [4, 7, 11, 12, 13], policy_pcrs(machine)

    def weaker_policy():
        assert policy_pcrs(machine) == [2, 4, 11, 12, 13], policy_pcrs(machine)
        code, said = machine.sh("lethectl status")
        assert "Insecure: " in said and code == 3, (code, said)

    if not check("a firmware in setup mode gets its keys, and then the machine enrols" if on else "a machine without Secure Boot enrols", enrols):
        return
    if on:
        check("Secure Boot is on, setup mode is over, and the policy holds PCR 7", keys_enrolled)
    else:
        check("its policy holds PCR 2, and its status says what Secure Boot would hold", weaker_policy)
    present = machine.get(machine.uki_path())

    def without_effect():
        write_variables(machine, VARIABLES | {f"MokListRT-{SHIM}": certificate_list()})
        machine.down()
        with tempfile.TemporaryDirectory() as folder:
            (machine.folder / "offer.erofs").write_bytes(own_root(present, Path(folder)))
        if on:  # these are not signed
            machine.put(DRIVER, driver())
            machine.put(ADDON, addon("initrd"))
            machine.put(ADDON.replace("evil", "more"), addon("microcode"))
        machine.vm("up", "--profile", "debug", *FROM_THE_HOST)
        expect_open(machine, known)
        no_effect(machine)
        assert any("SystemdOptions" in line for line in machine.status()["boot_warnings"]), machine.status()
        # Else nothing was tried. Of the boot loader's own, lethe-updated takes away what chooses an entry, and says so.
        machine.ok("cd /sys/firmware/efi/efivars && ls " + shlex.join(name for name in VARIABLES if not name.startswith(ENTRY_DEFAULT)))
        shown = json.loads(machine.vm("exec", "--", "lethectl", "--json", "update", "show", check=False).stdout)
        assert ENTRY_DEFAULT in shown["reason"] and machine.sh(f"ls /sys/firmware/efi/efivars/{ENTRY_DEFAULT}-{LOADER}")[0] != 0, shown

    check("variables of the firmware, SMBIOS, fw_cfg, the network" + (", unsigned drivers and addons" if on else "") + " have no effect",
          without_effect)
    for verb in ("down", "cut"):
        machine.vm(verb, check=False)
    (machine.folder / "offer.erofs").unlink(missing_ok=True)
    for path in (DRIVER, ADDON, ADDON.replace("evil", "more")) if on else ():
        machine.vm("esp", "rm", path, check=False)
    machine.save()

    def refused(name, change, reason):
        def action():
            change()
            machine.vm("up", "--profile", "debug")
            expect_shut(machine, reason)
        check(name, action)
        machine.vm("cut", check=False)
        machine.restore()

    sign = uki.sign if on else lambda binary: binary
    other = uki.with_version(present, "99")
    refused("an image of a higher version on an XBOOTLDR partition is refused",
            lambda: add_xbootldr(machine, {"EFI/Linux/lethe_99.efi": sign(other)}), r"PCRs? .*\b11\b")
    refused("an addon with an initrd is refused", lambda: machine.put(ADDON, sign(addon("initrd"))), r"PCRs? .*\b12\b")
    if not on:
        refused("a driver on the ESP is refused", lambda: machine.put(DRIVER, driver()), r"PCRs? .*\b2\b")
        refused("an addon with microcode is refused", lambda: machine.put(ADDON, addon("microcode")), r"PCRs? .*\b12\b")

    def back():
        machine.up()
        expect_open(machine, known)
    check("after all of this the machine itself still opens its vault", back)
