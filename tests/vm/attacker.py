"""What somebody makes who can write to a machine's disk or firmware, or who plugs something in."""

import json
import shutil
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

from machine import CACHE

sys.path.insert(0, str(Path(__file__).parents[2] / "tools/lib"))
import enrolment
import uki_tree

LOADER = "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
GLOBAL = "8be4df61-93ca-11d2-aa0d-00e098032b8c"
IMAGE_SECURITY = "d719b2cb-3d3a-4596-a3bc-dad00e67656f"
EVIL_UNIT = "[Service]\nType=oneshot\nExecStart=/bin/touch /run/evil\n"
NON_VOLATILE, AUTHENTICATED = 0x07, 0x27  # for the boot loader and for the system; with a signature and its time
# A ROM as cards bring it, a driver for the firmware that no key of Lethe's has signed: iPXE, in QEMU's own folder.
OPTION_ROM = "efi-virtio.rom"
# What an ACPI table of the host's says, in AML (ACPI 6.5, chapter 20): Name (EVIL, One).
ACPI_TABLE = b"\x08EVIL\x01"


def utf16(string):
    return (string + "\0").encode("utf-16-le")


def keep_in_firmware(machine, variables, attributes=NON_VOLATILE):
    """Sets variables, octets by NAME-VENDOR, in the firmware of a machine that is off: those that the stub or the firmware guards cannot be
    set from its own boot."""
    split = [(*variable.split("-", 1), octets) for variable, octets in variables.items()]
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump({"version": 2, "variables": [{"name": name, "guid": vendor, "attr": attributes, "data": octets.hex()} for name, vendor, octets in split]}, file)
        file.flush()
        subprocess.run(["virt-fw-vars", "--loglevel", "error", "--inplace", machine.folder / "OVMF_VARS.fd", "--set-json", file.name],
                       check=True, capture_output=True)


def load_option(path):
    """An EFI_LOAD_OPTION (UEFI 2.10, 3.1.3), active, for a file on whatever disk has it: a device path of that file name alone."""
    name = utf16(path.replace("/", "\\"))
    device_path = struct.pack("<BBH", 4, 4, 4 + len(name)) + name + struct.pack("<BBH", 0x7F, 0xFF, 4)
    return struct.pack("<IH", 1, len(device_path)) + utf16("evil") + device_path


def trust_another_key(machine, name):
    """Puts a key that is nobody's into the firmware's PK, KEK, db or dbx: in the place of PK, beside what the others have."""
    own = b"" if name in ("PK", "dbx") else enrolment.signature_list(enrolment.certificate(CACHE / "certificates/debug", name))
    vendor = GLOBAL if name in ("PK", "KEK") else IMAGE_SECURITY
    keep_in_firmware(machine, {f"{name}-{vendor}": own + certificate_list()}, AUTHENTICATED)


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
    """A key that is nobody's, as firmware and shim keep it."""
    with tempfile.TemporaryDirectory() as name:
        subprocess.run(["openssl", "req", "-quiet", "-new", "-x509", "-newkey", "rsa:2048", "-noenc", "-subj", "/CN=evil/", "-keyout", "key",
                        "-outform", "DER", "-out", "certificate"], cwd=name, check=True, capture_output=True)
        return enrolment.signature_list(Path(name, "certificate").read_bytes())


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


def initrd():
    with tempfile.TemporaryDirectory() as name:
        units = Path(name, "usr/lib/systemd/system")
        units.mkdir(parents=True)
        (units / "evil.service").write_text(EVIL_UNIT)
        return subprocess.run("find . | cpio --quiet -o -H newc", shell=True, cwd=name, stdout=subprocess.PIPE, check=True).stdout


def device_tree():
    """The smallest one (Devicetree Specification 0.4, chapter 5): an empty root."""
    structure = struct.pack(">4I", 1, 0, 2, 9)  # begin of a node with an empty name, its end, the end of all
    return struct.pack(">10I", 0xD00DFEED, 56 + len(structure), 56, 56 + len(structure), 40, 17, 16, 0, 0, len(structure)) + bytes(16) + structure


# What the stub takes from an addon, by the option of ukify for it.
ADDONS = {"initrd": initrd, "microcode": initrd, "cmdline": lambda: b"lethe.evil=1", "devicetree": device_tree}


def addon(section):
    """An unsigned addon for the stub, a PE with this section."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "content").write_bytes(ADDONS[section]())
        at = "@" if section == "cmdline" else ""
        subprocess.run(["ukify", "build", f"--{section}={at}{folder}/content", f"--output={folder}/addon.efi",
                        "--stub=/usr/lib/systemd/boot/efi/addonx64.efi.stub"], check=True, capture_output=True)
        return (folder / "addon.efi").read_bytes()
