"""What a closed UKI may hold, and how large it may be: python3 contents.py UKI says what it is; the vm suite checks it."""

import os
import re
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tools/lib"))
import uki_tree

UKI_LIMIT_OCTETS = 64_000_000
PROGRAM_LIMIT = 60
MEMORY_LIMIT_OCTETS = 160_000_000  # in use before tor starts, on a machine of 1 GB
INTERPRETER = re.compile(r"(ba|da|a|k|z|fi|c|tc)?sh|busybox.*|toybox|perl.*|python.*|[gmn]?awk|lua.*|ruby.*|tclsh.*|php.*|node|guile.*|gdb|"
                         r"lib(perl|python|lua|ruby|guile|tcl|bash).*\.so.*")
NOT_ADMITTED = {"login", "agetty", "sulogin", "su", "sudo", "sshd", "apt", "apt-get", "dpkg", "swapon", "mkswap",
                "systemd-coredump", "kexec"}


def figures(uki):
    """The programs of a UKI and what should not be among its files: {"programs": set, "forbidden": set}, as paths in initrd/ or root/.

    A program is a file with an execute bit, in the initrd and in the root each; a link in bin or sbin is no further program, but its
    name must not be a forbidden one. A script is forbidden with or without the bit.
    """
    programs, forbidden = set(), set()
    with tempfile.TemporaryDirectory() as folder:
        uki_tree.unpack(uki, folder)
        for file in (Path(here, name) for here, _, names in os.walk(folder) for name in names):
            path = str(file.relative_to(folder))
            named = INTERPRETER.fullmatch(file.name) or file.name in NOT_ADMITTED
            if file.is_symlink():
                if named and file.parent.name in ("bin", "sbin"):
                    forbidden.add(path)
                continue
            with open(file, "rb") as opened:
                start = opened.read(4)
            executable = file.stat().st_mode & 0o111
            if executable:
                programs.add(path)
            if start.startswith(b"#!") or (named and (executable or start == b"\x7fELF")):
                forbidden.add(path)
    return {"programs": programs, "forbidden": forbidden}


def check(uki):
    """Raises AssertionError when a closed UKI is too large, has too many programs, or one that it must not have."""
    assert len(uki) <= UKI_LIMIT_OCTETS, f"the UKI has {len(uki)} octets"
    found = figures(uki)
    assert {"root/usr/bin/tor", "root/usr/bin/lethectl"} <= found["programs"], sorted(found["programs"])
    assert not found["forbidden"], sorted(found["forbidden"])
    assert len(found["programs"]) <= PROGRAM_LIMIT, f"{len(found['programs'])} programs: {sorted(found['programs'])}"


def main():
    uki = Path(sys.argv[1]).read_bytes()
    found = figures(uki)
    print(f"{len(uki) / 1e6:.1f} MB, {len(found['programs'])} programs, forbidden: {' '.join(sorted(found['forbidden'])) or 'none'}")
    for path in sorted(found["programs"]):
        print(path)


if __name__ == "__main__":
    main()
