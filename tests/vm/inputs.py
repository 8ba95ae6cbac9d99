"""What comes to a boot from outside without being a part of the release: docs/inputs.md, row by row, as far as QEMU can set it.

Each input either has no effect, or the vault stays shut. With Secure Boot off an unmeasured one is an attacker's whole way in; with Secure
Boot on the machine is one whose firmware had no keys at its first boot.
"""

import json
import re
import shlex
import shutil
import struct
import tempfile
import uuid
from pathlib import Path

import attacker
import dhcp
import dhcp6
import uki
import uki_tree
from attacker import EVIL_UNIT, GLOBAL, LOADER, addon, driver, keep_in_firmware, utf16
from machine import Machine, credentials
from prediction import without_tries
from state_checks import until

RELAYS = ("a", "b")
SYSTEMD = "8cf2644b-4b0b-428f-9387-6d876050dc67"
SHIM = "605dab50-e046-4300-abb6-3dd810dd8b23"
CRASH = "cfc8fc79-be2e-4ddc-97f0-9f98bfe298a0"  # of the kernel
DROP_IN = "/run/systemd/network/80-ethernet.network.d"
DRIVER, ADDON, OTHER_DRIVER = "/EFI/systemd/drivers/evilx64.efi", "/loader/addons/evil.addon.efi", "/EFI/evil.efi"
# The firmware loads this driver by itself, before anything that it boots.
DRIVER_OPTION = {f"Driver0000-{GLOBAL}": attacker.load_option(OTHER_DRIVER), f"DriverOrder-{GLOBAL}": struct.pack("<H", 0)}


ENTRY_DEFAULT = "LoaderEntryDefault"
KERNEL_IMAGE = "StubPcrKernelImage"
# The boot loader takes these away when it has read them.
ONCE = ("LoaderEntryOneShot", "LoaderConfigTimeoutOneShot")
# What somebody who has booted any other system leaves in the firmware for good.
VARIABLES = {
    f"SystemdOptions-{SYSTEMD}": utf16("root=/dev/vdb rootfstype=erofs systemd.setenv=LETHE_EVIL=1 systemd.tpm2_wait=1"),
    f"HibernateLocation-{SYSTEMD}": utf16(json.dumps({"uuid": str(uuid.UUID(int=1)), "offset": 0, "kernelVersion": "1", "osReleaseId": "debian"})),
    f"FactoryReset-{SYSTEMD}": utf16("yes"),
    f"{ENTRY_DEFAULT}-{LOADER}": utf16("evil.efi"),
    f"{ONCE[0]}-{LOADER}": utf16("lethe_0.1.0.efi@1"),  # a profile that no release has
    f"{ONCE[1]}-{LOADER}": utf16("1"),
    f"LoaderConfigTimeout-{LOADER}": utf16("2"),
    f"LoaderConfigConsoleMode-{LOADER}": utf16("0"),
    f"LoaderSystemToken-{LOADER}": bytes(32),
    f"MokListRT-{SHIM}": b"",  # with a certificate
    # To look for capsules on the ESP, for one and for other times of revocation.
    f"OsIndications-{GLOBAL}": struct.pack("<Q", 0x0E),
    f"dump-type0-1-1-1700000000-C-{CRASH}": b"evil",
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
    "/EFI/UpdateCapsule/evil.cap": bytes(64),
}
# The host of a virtual machine says this at each start.
EXTRA_UNIT = f"systemd.extra-unit.evil.service={EVIL_UNIT}"
WANTED = "systemd.unit-dropin.sysinit.target=[Unit]\nWants=evil.service\n"
FROM_THE_HOST = ("--smbios", f"io.systemd.credential:{EXTRA_UNIT}", "--smbios", f"io.systemd.credential:{WANTED}",
                 "--smbios", "io.systemd.boot.kernel-cmdline-extra=lethe.evil=1",
                 "--fw-cfg", "opt/io.systemd.credentials/tmpfiles.extra=f /run/evil", "--fw-cfg", "opt/io.systemd.credentials/system.hostname=evil",
                 "--qemu=-smbios", "--qemu=type=1,manufacturer=evil,product=evil", "--qemu=-acpitable", "--qemu=sig=SSDT,data=evil.aml",
                 "--no-hypervisor-bit",
                 "--dhcp", "hostname=evil,domainname=evil.example,dnssearch=evil.example")
OPTION_ROM = ("--qemu=-device", f"--qemu=virtio-net-pci,romfile={attacker.OPTION_ROM}")


def read_variable(machine, name):
    """Its octets without the attributes."""
    return machine.vm("exec", "--", "cat", f"/sys/firmware/efi/efivars/{name}").stdout[4:]


def write_variables(machine, variables):
    for name, octets in variables.items():
        machine.vm("exec", "-i", "--", "bash", "-c", f"cat >/sys/firmware/efi/efivars/{name}",
                   input=struct.pack("<I", attacker.NON_VOLATILE) + octets)


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
    """Servers that offer a time server, too, and a router: their addresses and name servers are taken, and nothing else."""
    with dhcp.dhcp_server(machine):
        machine.ok("networkctl reconfigure $(ls /sys/class/net | grep -v lo)")
        name_servers = (dhcp.NAME_SERVER, dhcp6.ROUTER_NAME_SERVER, dhcp6.SERVER_NAME_SERVER)
        until(machine, " && ".join(f"resolvectl --no-pager dns | grep -q {server}" for server in name_servers))
        lease = machine.ok("cat /run/systemd/netif/leases/*")
        assert f"ADDRESS={dhcp.ADDRESS}" in lease and f"NTP={dhcp.TIME_SERVER}" in lease and "evil.example" in lease, lease
        addresses = machine.ok("cat /proc/net/if_inet6")
        assert dhcp6.packed(dhcp6.ADDRESS).hex() in addresses and addresses.count(dhcp6.packed(dhcp6.PREFIX)[:8].hex()) >= 2, addresses
        taken = machine.ok("cat /run/systemd/netif/state /run/systemd/netif/links/*; resolvectl --no-pager status; networkctl --no-pager status; "
                           "timedatectl show-timesync -p LinkNTPServers -p SystemNTPServers; timedatectl show -p Timezone; cat /proc/sys/kernel/hostname")
        assert "Timezone=UTC" in taken, taken
        assert not re.search(rf"evil|EVIL|Kiritimati|{re.escape(dhcp.TIME_SERVER)}|{dhcp6.TIME_SERVER}|2001:db8:64", taken), taken
        assert re.search(r"(?m)^LinkNTPServers=$", taken) and "debian.pool.ntp.org" in taken, taken
        # The other side: without these lines of the image's both would be believed.
        machine.ok(f"mkdir -p {DROP_IN} && printf '[DHCPv4]\nUseNTP=yes\n[DHCPv6]\nUseNTP=yes\n' "
                   f">{DROP_IN}/other.conf && networkctl reload")
        for server in (dhcp.TIME_SERVER, dhcp6.TIME_SERVER):
            until(machine, f"timedatectl show-timesync -p LinkNTPServers | grep -q {server}")
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
    unsigned = {DRIVER: driver(), OTHER_DRIVER: driver(), **{ADDON.replace("evil", section): addon(section) for section in attacker.ADDONS}}

    def without_effect():
        write_variables(machine, VARIABLES | {f"MokListRT-{SHIM}": attacker.certificate_list()} | (DRIVER_OPTION if on else {}))
        machine.down()
        keep_in_firmware(machine, {f"{KERNEL_IMAGE}-{LOADER}": utf16("11")})  # as the stub says it, but there before
        with tempfile.TemporaryDirectory() as folder:
            (machine.folder / "offer.erofs").write_bytes(attacker.own_root(present, Path(folder)))
        for path, octets in ON_THE_ESP.items():
            machine.put(path, octets)
        if on:  # these are not signed
            for path, octets in unsigned.items():
                machine.put(path, octets)
        (machine.folder / "evil.aml").write_bytes(attacker.ACPI_TABLE)
        machine.vm("up", "--profile", "debug", *FROM_THE_HOST, *(OPTION_ROM if on else ()))
        expect_open(machine, known)
        no_effect(machine)
        assert any("SystemdOptions" in line for line in machine.status()["boot_warnings"]), machine.status()
        # Else nothing was tried.
        assert machine.sh("grep -qw hypervisor /proc/cpuinfo")[0] == 1 and machine.ok("cat /sys/class/dmi/id/product_name") == "evil"
        assert machine.ok("ls /sys/firmware/acpi/tables").count("SSDT") == 1, "no table of the host's"
        # The firmware has read OsIndications, and removed it. Of the boot loader's own, lethe-updated takes away what chooses an entry, and says so.
        taken_away = (ENTRY_DEFAULT, KERNEL_IMAGE, *ONCE)
        machine.ok("cd /sys/firmware/efi/efivars && ls " + shlex.join(name for name in VARIABLES if not name.startswith((*taken_away, "OsIndications"))))
        for name in taken_away:
            assert machine.sh(f"ls /sys/firmware/efi/efivars/{name}-{LOADER}")[0] != 0, f"{name} is still there"
        shown = json.loads(machine.vm("exec", "--", "lethectl", "--json", "update", "show", check=False).stdout)
        assert ENTRY_DEFAULT in shown["reason"] and KERNEL_IMAGE in shown["reason"], shown
        assert len(set(machine.get(RANDOM_SEED))) > 16, "the boot loader has not used the seed"

    if check("variables of the firmware, SMBIOS, ACPI, the processor, fw_cfg, the network, loader.conf, a random seed"
             + (", unsigned drivers, addons and option ROMs" if on else "") + " have no effect", without_effect):
        check("a router and DHCP servers choose no time server, name, domain or time zone", lambda: more_dhcp(machine))
    for verb in ("down", "cut"):
        machine.vm(verb, check=False)
    (machine.folder / "offer.erofs").unlink(missing_ok=True)
    for path in (*ON_THE_ESP, *(unsigned if on else ())):
        machine.vm("esp", "rm", path, check=False)
    machine.put(LOADER_CONF, loader_conf)
    machine.save()

    firmware, firmware_before = machine.folder / "OVMF_VARS.fd", machine.folder / "OVMF_VARS.saved"
    shutil.copyfile(firmware, firmware_before)

    def restore():
        machine.vm("cut", check=False)
        machine.restore()
        shutil.copyfile(firmware_before, firmware)

    def refused(name, change, reason, then=lambda: None, options=()):
        def action():
            change()
            machine.vm("up", "--profile", "debug", *options)
            expect_shut(machine, reason)
            then()
        check(name, action)
        restore()

    sign = uki.sign if on else lambda binary: binary
    other = uki.with_version(present, "99")
    refused("an image of a higher version on an XBOOTLDR partition is refused",
            lambda: attacker.add_xbootldr(machine, {"EFI/Linux/lethe_99.efi": sign(other)}), r"PCRs? .*\b11\b")
    refused("an addon with an initrd is refused", lambda: machine.put(ADDON, sign(addon("initrd"))), r"PCRs? .*\b12\b")
    refused("an addon with a device tree is refused", lambda: machine.put(ADDON, sign(addon("devicetree"))), r"PCRs? .*\b12\b")
    if on:
        for name in ("PK", "KEK", "db", "dbx"):
            refused(f"another key in the firmware's {name} is refused", lambda: attacker.trust_another_key(machine, name), r"PCRs? .*\b7\b")
    else:
        def driver_option():
            machine.put(OTHER_DRIVER, driver())
            keep_in_firmware(machine, DRIVER_OPTION)

        refused("a driver on the ESP is refused", lambda: machine.put(DRIVER, driver()), r"PCRs? .*\b2\b")
        refused("a driver that a Driver#### names is refused", driver_option, r"PCRs? .*\b2\b")
        refused("an option ROM is refused", lambda: None, r"PCRs? .*\b2\b", options=OPTION_ROM)
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

    refused("an addon with a command line beside the UKI is refused",
            lambda: machine.put(f"{companions}/evil.addon.efi", sign(addon("cmdline"))), r"PCRs? .*\b12\b", lambda: started("lethe.evil=1"))
    boot_next = {f"Boot0099-{GLOBAL}": attacker.load_option(path), f"BootNext-{GLOBAL}": struct.pack("<H", 0x99)}
    refused("the release itself, started by the firmware without the boot loader, is refused", lambda: keep_in_firmware(machine, boot_next),
            r"PCRs? .*\b4\b")
    refused("an entry that starts the release's kernel and initrd with another command line is refused", same_kernel, r"PCRs .*\b4\b.*\b12\b",
            lambda: started("lethe.evil=1 lethe.more=1"), ("--smbios", "io.systemd.boot.kernel-cmdline-extra=lethe.more=1"))
    refused("options and a profile for the UKI from an entry, and a system extension beside it, are refused", options_and_extension, r"PCRs .*\b12\b.*\b13\b",
            lambda: started(own_line.split()[-1] if on else "lethe.evil=1"))
    refused("a configuration extension beside the UKI is refused", lambda: machine.put(f"{companions}/evil.confext.raw", b"evil"), r"PCRs? .*\b12\b")

    def other_profile():
        entry(f"efi {path}", f"options @1 {own_line}")
        machine.vm("up", "--profile", "debug", "--no-wait")
        machine.vm("wait", "--limit", "120", "Unable to locate embedded per-profile PE sections")
        assert "Linux version" not in machine.log()

    check("a profile that the UKI does not have is not started", other_profile)
    restore()

    def firmware_menu():
        keep_in_firmware(machine, {f"OsIndications-{GLOBAL}": struct.pack("<Q", 1)})
        machine.vm("up", "--profile", "debug", "--no-wait")
        machine.vm("wait", "--limit", "120", "Boot Maintenance Manager")
        assert "Linux version" not in machine.log()
        machine.vm("cut")
        machine.vm("up", "--profile", "debug")
        expect_open(machine, known)

    check("a firmware that is told to show its menu starts nothing, once", firmware_menu)
    machine.vm("cut", check=False)
    machine.save()  # it was open, and the store is older than the machine now

    def second_disk():
        with tempfile.TemporaryDirectory() as folder:
            shutil.copyfile(attacker.other_disk(Path(folder)), machine.folder / "offer.erofs")
        machine.vm("up", "--profile", "debug")
        machine.ok("grep -x PARTNAME=lethe-esp /sys/class/block/vda1/uevent && grep -x PARTNAME=lethe-esp /sys/class/block/vdb1/uevent")
        assert machine.ok("findmnt -no SOURCE /efi") == "/dev/vda1"
        expect_open(machine, known)

    check("of two disks with the label of the ESP the one that was booted from is taken", second_disk)
    machine.vm("cut", check=False)
    (machine.folder / "offer.erofs").unlink(missing_ok=True)
    machine.save()
    # The phases are not measured into PCR 11 then.
    refused("a StubPcrKernelImage of another PCR that the firmware keeps is refused",
            lambda: keep_in_firmware(machine, {f"{KERNEL_IMAGE}-{LOADER}": utf16("12")}), r"PCRs? .*\b11\b")

    def back():
        machine.up()
        expect_open(machine, known)
    check("after all of this the machine itself still opens its vault", back)
