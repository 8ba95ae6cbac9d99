"""Says in which files two builds of the image differ: difference.py FOLDER FOLDER, each with lethe.efi and lethe.raw.

Prints the digest of the unsigned UKI if nothing differs. Otherwise prints one line for each file that differs, and exits 1.
"""

import hashlib
import os
import stat
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import uki_tree

GPT_OCTETS = 1 << 20  # The partition starts after these bytes.


def uki_differences(one, two):
    """Yields what differs in two unsigned UKIs: sections, and files in the initrd and in the root."""
    if one == two:
        return
    names = list(uki_tree.sections(one))
    if names != list(uki_tree.sections(two)):
        yield f"UKI: other sections: {names} and {list(uki_tree.sections(two))}"
        return
    named = False
    for name in names:
        contents = [uki_tree.sections(uki)[name] for uki in (one, two)]
        if contents[0] != contents[1]:
            named = True
            yield from initrd_differences(*contents) if name == ".initrd" else [f"UKI: section {name}"]
    if not named:
        yield "UKI: headers"


def initrd_differences(one, two):
    pairs = [list(uki_tree.archives(initrd)) for initrd in (one, two)]
    if len(pairs[0]) != len(pairs[1]):
        yield f"initrd: {len(pairs[0])} archives and {len(pairs[1])}"
        return
    named = False
    for archives in zip(*pairs):
        if archives[0] != archives[1]:
            named = True
            yield from archive_differences(*archives)
    if not named:
        yield "initrd: compression"


def archive_differences(one, two):
    members = [{entry.path: entry for entry in uki_tree.entries(archive)} for archive in (one, two)]
    trees = [{path: (entry.mode, entry.numbers, entry.data) for path, entry in tree.items()} for tree in members]
    changes = 0
    for path, kind in tree_differences(*trees):
        changes += 1
        if path == uki_tree.ROOT and kind == "content":
            yield from root_differences(*(tree[path].data for tree in members))
        else:
            yield f"initrd/{path}: {kind}"
    if not changes:
        yield "initrd: order of the files"


def root_differences(one, two):
    with tempfile.TemporaryDirectory() as folder:
        trees = []
        for name, image in (("one", one), ("two", two)):
            Path(folder, name).mkdir()
            uki_tree.unpack_root(image, Path(folder, name))
            trees.append(describe(Path(folder, name, "root")))
        changes = list(tree_differences(*trees))
    yield from (f"root/{path}: {kind}" for path, kind in changes)
    if not changes:
        yield f"{uki_tree.ROOT}: layout; its files are the same"


def describe(top):
    """Describes each path of a tree: mode, metadata, content."""
    tree = {}
    for here, folders, names in os.walk(top):
        for path in [Path(here, name) for name in folders + names]:
            status = path.lstat()
            content = os.readlink(path) if path.is_symlink() else path.read_bytes() if stat.S_ISREG(status.st_mode) else status.st_rdev
            tree[str(path.relative_to(top))] = (status.st_mode, (status.st_uid, status.st_gid, status.st_mtime_ns, xattrs(path)), content)
    return tree


def xattrs(path):
    return {name: os.getxattr(path, name, follow_symlinks=False) for name in sorted(os.listxattr(path, follow_symlinks=False))}


def tree_differences(one, two):
    """Yields path and kind of each difference between two trees."""
    for path in sorted(one.keys() | two.keys()):
        if path not in one or path not in two:
            yield path, f"only in the {'first' if path in one else 'second'}"
        elif one[path][2] != two[path][2]:
            yield path, "content"
        elif one[path][0] != two[path][0]:
            yield path, f"mode {one[path][0]:o} and {two[path][0]:o}"
        elif one[path][1] != two[path][1]:
            yield path, f"metadata {one[path][1]} and {two[path][1]}"


def disk_differences(one, two):
    """Yields differences in the partition table, and in the files on the ESP without their signatures; the UKI is compared elsewhere."""
    with tempfile.TemporaryDirectory() as folder:
        trees, tables = [], []
        for number, disk in enumerate((one, two)):
            with open(disk, "rb") as opened:
                tables.append(opened.read(GPT_OCTETS))
            first = struct.unpack_from("<16s16sQQ", tables[number], 2 * 512)[2]
            target = Path(folder, str(number))
            target.mkdir()
            subprocess.run(["mcopy", "-s", "-Q", "-i", f"{disk}@@{first * 512}", "::/", target],
                           check=True, env={**os.environ, "MTOOLS_SKIP_CHECK": "1"})
            trees.append({path: (0, 0, content) for path, content in esp_files(target)})
        if tables[0] != tables[1]:
            yield "disk: partition table"
        for path, kind in tree_differences(*trees):
            if not path.startswith("EFI/Linux/") or kind != "content":
                yield f"ESP/{path}: {kind}"


def esp_files(top):
    for file in sorted(path for path in top.rglob("*") if path.is_file()):
        content = file.read_bytes()
        yield str(file.relative_to(top)), uki_tree.without_signatures(content) if content.startswith(b"MZ") else content


def main():
    folders = [Path(argument) for argument in sys.argv[1:3]]
    ukis = [uki_tree.without_signatures((folder / "lethe.efi").read_bytes()) for folder in folders]
    found = [*uki_differences(*ukis), *disk_differences(*(folder / "lethe.raw" for folder in folders))]
    print("\n".join(found) or hashlib.sha256(ukis[0]).hexdigest())
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
