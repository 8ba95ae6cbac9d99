"""Takes a UKI of Lethe apart: its sections, the cpio archives of its initrd, and the root that one of them carries."""

import os
import re
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pefile
import zstandard

ZSTD_MAGIC, CPIO_MAGIC = b"\x28\xb5\x2f\xfd", b"070701"
ROOT = "root.erofs"


@dataclass(frozen=True)
class Entry:
    """A member of a cpio archive. `numbers` are the fields of its header besides mode, size and name, as text."""
    path: str
    mode: int
    numbers: tuple
    data: bytes


def sections(uki):
    """Returns the bytes of each section by name."""
    return {found.Name.rstrip(b"\0").decode(): uki[found.PointerToRawData:][:min(found.Misc_VirtualSize, found.SizeOfRawData)]
            for found in pefile.PE(data=uki, fast_load=True).sections}


def without_signatures(binary):
    """Returns a PE binary as it was before signing: no certificate table, no checksum. A kernel within it keeps its length, in zeros."""
    pe = pefile.PE(data=binary, fast_load=True)
    data, start, _ = _unsigned(binary)
    data = data[:start or None]
    kernel = next((found for found in pe.sections if found.Name.rstrip(b"\0") == b".linux"), None)
    if kernel:
        begin, end = kernel.PointerToRawData, kernel.PointerToRawData + min(kernel.Misc_VirtualSize, kernel.SizeOfRawData)
        inner, start, size = _unsigned(bytes(data[begin:end]))
        inner[start:start + size] = bytes(size)
        data[begin:end] = inner
    return bytes(data)


def archives(initrd):
    """Yields the cpio archives of an initrd, decompressed, in order."""
    position = 0
    while (position := _skip_zeros(initrd, position)) < len(initrd):
        if initrd.startswith(ZSTD_MAGIC, position):
            stream = zstandard.ZstdDecompressor().decompressobj()
            archive = stream.decompress(initrd[position:])
            position = len(initrd) - len(stream.unused_data)
        else:
            archive = initrd[position:_end(initrd, position)]
            position += len(archive)
        yield archive


def entries(archive):
    """Yields the members of a newc archive."""
    position = 0
    while archive.startswith(CPIO_MAGIC, position):
        header, name, begin, size = _member(archive, position)
        if name == "TRAILER!!!":
            return
        mode = int(header[8:16], 16)
        numbers = tuple(header[8 * field:8 * field + 8].decode() for field in (0, 2, 3, 4, 5, 7, 8, 9, 10))
        yield Entry(os.path.normpath(name).lstrip("/"), mode, numbers, archive[begin:begin + size])
        position = (begin + size + 3) // 4 * 4


def unpack(uki, folder):
    """Writes the files of the initrd to FOLDER/initrd and those of the root to FOLDER/root, with their modes; no devices."""
    initrd = Path(folder, "initrd")
    initrd.mkdir(parents=True)
    for archive in archives(sections(uki)[".initrd"]):
        for entry in entries(archive):
            target = initrd / entry.path
            target.parent.mkdir(parents=True, exist_ok=True)
            if stat.S_ISDIR(entry.mode):
                target.mkdir(exist_ok=True)
            elif stat.S_ISLNK(entry.mode):
                target.symlink_to(entry.data.decode())
            elif entry.path == ROOT:
                unpack_root(entry.data, folder)
            elif stat.S_ISREG(entry.mode):
                target.write_bytes(entry.data)
                target.chmod(stat.S_IMODE(entry.mode))


def unpack_root(image, folder):
    """Writes the files of an erofs image to FOLDER/root."""
    file = Path(folder, ROOT)
    file.write_bytes(image)
    subprocess.run(["fsck.erofs", f"--extract={folder}/root", "--overwrite", file], check=True, capture_output=True)
    file.unlink()


def _unsigned(binary):
    """Returns a PE binary with an empty place for its signature, and where its certificate table still lies."""
    pe = pefile.PE(data=binary, fast_load=True)
    table = pe.OPTIONAL_HEADER.DATA_DIRECTORY[pefile.DIRECTORY_ENTRY["IMAGE_DIRECTORY_ENTRY_SECURITY"]]
    start, size = table.VirtualAddress, table.Size
    table.VirtualAddress = table.Size = pe.OPTIONAL_HEADER.CheckSum = 0
    return bytearray(pe.write()), start, size


def _skip_zeros(data, position):
    found = re.compile(rb"[^\0]").search(data, position)
    return found.start() if found else len(data)


def _member(archive, position):
    header = archive[position + 6:position + 110]
    size, name_size = int(header[48:56], 16), int(header[88:96], 16)
    name = archive[position + 110:position + 110 + name_size - 1].decode()
    return header, name, (position + 110 + name_size + 3) // 4 * 4, size


def _end(initrd, position):
    """Returns where the newc archive ends that begins at `position`."""
    while initrd.startswith(CPIO_MAGIC, position):
        _, name, begin, size = _member(initrd, position)
        position = (begin + size + 3) // 4 * 4 if name != "TRAILER!!!" else begin
        if name == "TRAILER!!!":
            return position
    raise ValueError("an initrd holds something that is neither cpio nor zstd")
