"""Other UKIs than those that were built: a section's octets changed, with the signature that was there or with a new one."""

import os
import re
import subprocess
import tempfile
from pathlib import Path

import pefile

KEYS = Path(os.environ["LETHE_KEYS"])  # of the debug profile


def find_section(uki, section):
    """Where the contents of a section begin, and how many octets they are."""
    header = next(found for found in pefile.PE(data=uki, fast_load=True).sections if found.Name.rstrip(b"\0") == section)
    return header.PointerToRawData, min(header.SizeOfRawData, header.Misc_VirtualSize)


def change_section(uki, section, old, new):
    """The UKI with the first `old` in a section replaced by `new` of the same length."""
    assert len(old) == len(new)
    start, size = find_section(uki, section)
    at = uki.index(old, start, start + size)
    return uki[:at] + new + uki[at + len(old):]


def os_release(uki):
    start, size = find_section(uki, b".osrel")
    return uki[start:start + size]


def version(uki):
    return re.search(rb'^IMAGE_VERSION="?([^"\n]+)', os_release(uki), re.M)[1].decode()


def with_version(uki, number):
    """Another release: the same system with another version, not signed. Addresses in its os-release make room for a longer one."""
    old = os_release(uki)
    lines = [line for line in old.splitlines() if b"_URL=" not in line and not line.startswith(b"IMAGE_VERSION=")]
    new = b"\n".join([*lines, f'IMAGE_VERSION="{number}"'.encode()])
    return change_section(uki, b".osrel", old, new.ljust(len(old), b"\n"))


def sign(binary, key="db"):
    """The same, signed with one of the machine owner's own keys. The firmware believes db: a release, an older one, what a leaked key comes
    to."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "binary.efi")
        file.write_bytes(binary)
        subprocess.run(["sbattach", "--remove", file], capture_output=True)  # fails when it is not signed yet
        subprocess.run(["sbsign", "--key", KEYS / f"{key}.key", "--cert", KEYS / f"{key}.pem", "--output", file, file], check=True, capture_output=True)
        return file.read_bytes()
