"""What comes to a boot from outside without being a part of the release: docs/inputs.md, row by row, as far as QEMU can set it.

Each input either has no effect, or the vault stays shut. With Secure Boot off an unmeasured one is an attacker's whole way in; with Secure
Boot on the machine is one whose firmware had no keys at its first boot.
"""

import json
import re
import shlex
import shutil
import struct
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path

import dhcp
import uki
from machine import Machine, credentials
from prediction import without_tries
from state_checks import until

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
DROP_IN = "/run/systemd/network/80-ethernet.network.d"
DRIVER, ADDON = "/EFI/systemd/drivers/evilx64.efi", "/loader/addons/evil.addon.efi"


def text(string):
    return (string + "\0").encode("utf-16-le")


ENTRY_DEFAULT = "LoaderEntryDefault"
KERNEL_IMAGE = "StubPcrKernelImage"
# The boot loader takes these away when it has read them.
ONCE = ("LoaderEntryOneShot", "LoaderConfigTimeoutOneShot")
# What somebody who has booted any other system leaves in the firmware for good.
VARIABLES = {
    f"SystemdOptions-{SYSTEMD}": text("root=/dev/vdb rootfstype=erofs systemd.setenv=LETHE_EVIL=1 systemd.tpm2_wait=1"),
    f"HibernateLocation-{SYSTEMD}": text(json.dumps({"uuid": str(uuid.UUID(int=1)), "offset": 0, "kernelVersion": "1", "osReleaseId": "debian"})),
    f"FactoryReset-{SYSTEMD}": text("yes"),
    f"{ENTRY_DEFAULT}-{LOADER}": text("evil.efi"),
    f"{ONCE[0]}-{LOADER}": text("lethe_0.1.0.efi@1"),  # a profile that no release has
    f"{ONCE[1]}-{LOADER}": text("1"),
    f"LoaderConfigTimeout-{LOADER}": text("2"),
    f"LoaderConfigConsoleMode-{LOADER}": text("0"),
    f"LoaderSystemToken-{LOADER}": bytes(32),
    f"MokListRT-{SHIM}": b"",  # with a certificate
}
LOADER_CONF, RANDOM_SEED, ENTRY = "/loader/loader.conf", "/loader/random-seed", "/loader/entries/evil.conf"
# What somebody who can write to the disk leaves beside the releases.
ON_THE_ESP = {
    LOADER_CONF: b"timeout 2\ndefault evil.conf\neditor yes\nauto-entries yes\nauto-firmware yes\nconsole-mode max\n"
                 b"reboot-for-bitlocker yes\nsecure-boot-enroll force\n",
    RANDOM_SEED: bytes(512),
    # The stub of 257 looks for extensions beside the UKI alone.
    "/loader/extensions/evil.raw": b"evil",
    "/loader/extensions/evil.confext.raw": b"evil",
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


def keep_in_firmware(machine, name, content):
    """Sets a variable of the boot loader's in the firmware of a machine that is off: one that the stub sets cannot be set from its own boot."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump({"version": 2, "variables": [{"name": name, "guid": LOADER, "attr": 7, "data": content.hex()}]}, file)
        file.flush()
        subprocess.run(["virt-fw-vars", "--loglevel", "error", "--inplace", machine.folder / "OVMF_VARS.fd", "--set-json", file.name],
                       check=True, capture_output=True)


def other_disk(folder):
    """A disk with an ESP that has the label of Lethe's own, and no vault."""
    (folder / "files/lethe").mkdir(parents=True)
    (folder / "definitions").mkdir()
    (folder / "definitions/10-esp.conf").write_text(
        f"[Partition]\nType=esp\nLabel=lethe-esp\nFormat=vfat\nSizeMinBytes=64M\nSizeMaxBytes=64M\nCopyFiles={folder}/files:/\n")
    subprocess.run(["systemd-repart", "--dry-run=no", "--offline=yes", "--empty=create", "--size=auto", "--seed=random",
                    f"--definitions={folder}/definitions", folder / "other"], check=True, capture_output=True)
    return folder / "other"


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


def more_dhcp(machine):
    """A server that offers a time server, too: its address and name server are taken, and nothing else."""
    with dhcp.dhcp_server(machine):
        machine.ok("networkctl reconfigure $(ls /sys/class/net | grep -v lo)")
        until(machine, f"resolvectl --no-pager dns | grep -q {dhcp.NAME_SERVER}")
        lease = machine.ok("cat /run/systemd/netif/leases/*")
        assert f"ADDRESS={dhcp.ADDRESS}" in lease and f"NTP={dhcp.TIME_SERVER}" in lease and "evil.example" in lease, lease
        taken = machine.ok("cat /run/systemd/netif/state /run/systemd/netif/links/*; resolvectl --no-pager status; "
                           "timedatectl show-timesync -p LinkNTPServers -p SystemNTPServers; timedatectl show -p Timezone; cat /proc/sys/kernel/hostname")
        assert dhcp.NAME_SERVER in taken and "Timezone=UTC" in taken, taken
        assert not re.search(rf"evil|Kiritimati|{re.escape(dhcp.TIME_SERVER)}", taken), taken
        assert re.search(r"(?m)^LinkNTPServers=$", taken) and "debian.pool.ntp.org" in taken, taken
        # The other side: without that line of the image's the server would be believed.
        machine.ok(f"mkdir -p {DROP_IN} && printf '[DHCPv4]\nUseNTP=yes\n' >{DROP_IN}/other.conf && networkctl reload")
        until(machine, f"timedatectl show-timesync -p LinkNTPServers | grep -q {dhcp.TIME_SERVER}")
        machine.ok(f"rm -r {DROP_IN} && networkctl reload")


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

    loader_conf = machine.get(LOADER_CONF)

    def without_effect():
        write_variables(machine, VARIABLES | {f"MokListRT-{SHIM}": certificate_list()})
        machine.down()
        keep_in_firmware(machine, KERNEL_IMAGE, text("11"))  # as the stub says it, but there before
        with tempfile.TemporaryDirectory() as folder:
            (machine.folder / "offer.erofs").write_bytes(own_root(present, Path(folder)))
        for path, octets in ON_THE_ESP.items():
            machine.put(path, octets)
        if on:  # these are not signed
            machine.put(DRIVER, driver())
            machine.put(ADDON, addon("initrd"))
            machine.put(ADDON.replace("evil", "more"), addon("microcode"))
        machine.vm("up", "--profile", "debug", *FROM_THE_HOST)
        expect_open(machine, known)
        no_effect(machine)
        assert any("SystemdOptions" in line for line in machine.status()["boot_warnings"]), machine.status()
        # Else nothing was tried. Of the boot loader's own, lethe-updated takes away what chooses an entry, and says so.
        taken_away = (ENTRY_DEFAULT, KERNEL_IMAGE, *ONCE)
        machine.ok("cd /sys/firmware/efi/efivars && ls " + shlex.join(name for name in VARIABLES if not name.startswith(taken_away)))
        for name in taken_away:
            assert machine.sh(f"ls /sys/firmware/efi/efivars/{name}-{LOADER}")[0] != 0, f"{name} is still there"
        shown = json.loads(machine.vm("exec", "--", "lethectl", "--json", "update", "show", check=False).stdout)
        assert ENTRY_DEFAULT in shown["reason"] and KERNEL_IMAGE in shown["reason"], shown
        assert len(set(machine.get(RANDOM_SEED))) > 16, "the boot loader has not used the seed"

    if check("variables of the firmware, SMBIOS, fw_cfg, the network, loader.conf, a random seed"
             + (", unsigned drivers and addons" if on else "") + " have no effect", without_effect):
        check("a DHCP server chooses no time server, name, domain or time zone", lambda: more_dhcp(machine))
    for verb in ("down", "cut"):
        machine.vm(verb, check=False)
    (machine.folder / "offer.erofs").unlink(missing_ok=True)
    for path in (*ON_THE_ESP, *((DRIVER, ADDON, ADDON.replace("evil", "more")) if on else ())):
        machine.vm("esp", "rm", path, check=False)
    machine.put(LOADER_CONF, loader_conf)
    machine.save()

    def refused(name, change, reason, then=lambda: None):
        def action():
            change()
            machine.vm("up", "--profile", "debug")
            expect_shut(machine, reason)
            then()
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

    sections = uki_tree.sections(present)
    path = machine.uki_path()
    own_line = sections[".cmdline"].decode().rstrip("\0\n")
    evil_line = own_line + " lethe.evil=1"
    companions = without_tries(path) + ".extra.d"

    def entry(*lines):
        machine.put(ENTRY, "".join(f"{line}\n" for line in ("title evil", "sort-key a", "version 99", *lines)).encode())
        machine.put(LOADER_CONF, b"default evil.conf\n")

    def same_kernel():
        machine.put("/evil/linux", sign(sections[".linux"]))
        machine.put("/evil/initrd", sections[".initrd"])
        entry("linux /evil/linux", "initrd /evil/initrd", f"options {evil_line}")

    def started(line):
        assert machine.ok("cat /proc/cmdline").endswith(line), "not what was to be tried"

    def options_and_extension():
        entry(f"efi {path}", f"options @0 {evil_line}")
        machine.put(f"{companions}/evil.raw", b"evil")

    refused("an entry that starts the release's kernel and initrd with another command line is refused", same_kernel, r"PCRs? .*\b4\b",
            lambda: started("lethe.evil=1"))
    refused("options and a profile for the UKI from an entry, and a system extension beside it, are refused", options_and_extension, r"PCRs .*\b12\b.*\b13\b",
            lambda: started(own_line.split()[-1] if on else "lethe.evil=1"))
    refused("a configuration extension beside the UKI is refused", lambda: machine.put(f"{companions}/evil.confext.raw", b"evil"), r"PCRs? .*\b12\b")

    def other_profile():
        entry(f"efi {path}", f"options @1 {own_line}")
        machine.vm("up", "--profile", "debug", "--no-wait")
        machine.vm("wait", "--limit", "120", "Unable to locate embedded per-profile PE sections")
        assert "Linux version" not in machine.log()

    check("a profile that the UKI does not have is not started", other_profile)
    machine.vm("cut", check=False)
    machine.restore()

    def second_disk():
        with tempfile.TemporaryDirectory() as folder:
            shutil.copyfile(other_disk(Path(folder)), machine.folder / "offer.erofs")
        machine.vm("up", "--profile", "debug")
        machine.ok("grep -x PARTNAME=lethe-esp /sys/class/block/vda1/uevent && grep -x PARTNAME=lethe-esp /sys/class/block/vdb1/uevent")
        assert machine.ok("findmnt -no SOURCE /efi") == "/dev/vda1"
        expect_open(machine, known)

    check("of two disks with the label of the ESP the one that was booted from is taken", second_disk)
    machine.vm("cut", check=False)
    (machine.folder / "offer.erofs").unlink(missing_ok=True)
    machine.save()  # it was open, and the store is older than the machine now
    # The phases are not measured into PCR 11 then.
    shutil.copyfile(machine.folder / "OVMF_VARS.fd", machine.folder / "OVMF_VARS.saved")
    refused("a StubPcrKernelImage of another PCR that the firmware keeps is refused", lambda: keep_in_firmware(machine, KERNEL_IMAGE, text("12")),
            r"PCRs? .*\b11\b")
    shutil.move(machine.folder / "OVMF_VARS.saved", machine.folder / "OVMF_VARS.fd")

    def back():
        machine.up()
        expect_open(machine, known)
    check("after all of this the machine itself still opens its vault", back)
