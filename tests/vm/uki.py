"""Changes to a UKI such as an attacker could make: a section's octets, with the signature that was there or with a new one."""

import os
import subprocess
import tempfile
from pathlib import Path

import pefile

KEYS = Path(os.environ["LETHE_CACHE"]) / "keys"


def change_section(uki, section, old, new):
    """The UKI with the first `old` in a section replaced by `new` of the same length."""
    assert len(old) == len(new)
    header = next(found for found in pefile.PE(data=uki, fast_load=True).sections if found.Name.rstrip(b"\0") == section)
    start, size = header.PointerToRawData, min(header.SizeOfRawData, header.Misc_VirtualSize)
    at = uki.index(old, start, start + size)
    return uki[:at] + new + uki[at + len(old):]


def sign(binary):
    """The same, signed with the machine owner's own db key: what a leaked key, or an older release, comes to."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "binary.efi")
        file.write_bytes(binary)
        subprocess.run(["sbattach", "--remove", file], check=True, capture_output=True)
        subprocess.run(["sbsign", "--key", KEYS / "db.key", "--cert", KEYS / "db.pem", "--output", file, file], check=True, capture_output=True)
        return file.read_bytes()
