"""What a UKI of Lethe holds: the names of the programs in its initrd and in its root."""

import os
import subprocess
import tempfile
from pathlib import Path

import pefile

CPIO_MAGIC = b"070701"
HEADER_OCTETS = 110  # of a newc entry; the size of its file is the seventh field of 8 hexadecimal digits, that of its name the twelfth


def programs(uki):
    """The paths in the initrd and in the root of every executable file but libraries, and of the links in bin and sbin."""
    pe = pefile.PE(data=uki, fast_load=True)
    section = next(found for found in pe.sections if found.Name.rstrip(b"\0") == b".initrd")
    initrd = uki[section.PointerToRawData:section.PointerToRawData + section.Misc_VirtualSize]
    entry = initrd.index(CPIO_MAGIC)
    size, name_size = (int(initrd[entry + 6 + 8 * field:][:8], 16) for field in (6, 11))
    root = entry + (HEADER_OCTETS + name_size + 3) // 4 * 4
    with tempfile.TemporaryDirectory() as folder:
        for name in ("initrd", "root"):
            Path(folder, name).mkdir()
        # The small initrd is one zstd frame; what follows it is the cpio that carries root.erofs.
        frame = initrd[:entry].rstrip(b"\0")
        cpio = subprocess.run(["zstd", "-dcq"], input=frame, capture_output=True, check=True).stdout
        subprocess.run(["cpio", "--quiet", "-idm", "--no-absolute-filenames"], input=cpio, cwd=Path(folder, "initrd"), check=True)
        Path(folder, "root.erofs").write_bytes(initrd[root:root + size])
        subprocess.run(["fsck.erofs", f"--extract={folder}/root", "--overwrite", Path(folder, "root.erofs")], check=True, capture_output=True)
        return {path for name in ("initrd", "root") for path in _executables(Path(folder, name))}


def _executables(top):
    for folder, _, files in os.walk(top):
        for file in files:
            path = Path(folder, file)
            is_program = not path.is_symlink() and path.stat().st_mode & 0o111 and ".so" not in file
            if is_program or (path.is_symlink() and path.parent.name in ("bin", "sbin")):
                yield str(path.relative_to(top.parent))
