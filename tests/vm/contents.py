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
# efi_pstore writes memory of a crashed kernel into the firmware's variables; through qemu_fw_cfg the host says what nothing measures.
MODULES_NOT_ADMITTED = {"efi_pstore", "qemu_fw_cfg"}
# What keeps a device of a real machine from memory that is not its driver's (docs/inputs.md, "Memory over DMA"), and a crash from the firmware.
METAL_COMMAND_LINE = {"intel_iommu=on", "iommu=force", "iommu.strict=1", "efi=disable_early_pci_dma", "erst_disable"}


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


def modules(uki):
    """The names of the kernel's modules, with underscores: {"initrd": set, "root": set}, those that are built in among them."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        uki_tree.unpack(uki, folder)
        for part in ("initrd", "root"):
            files = [file.name for file in Path(folder, part).rglob("*.ko*")]
            files += [Path(line).name for file in Path(folder, part).rglob("modules.builtin") for line in file.read_text().split()]
            found[part] = {re.sub(r"\.ko(\.\w+)?$", "", name).replace("-", "_") for name in files}
    return found


def check_modules(uki):
    """Raises AssertionError when a UKI, closed or not, has a module that it must not have."""
    for part, found in modules(uki).items():
        # Without these, which each image needs, the search finds nothing at all.
        assert {"erofs", "efivarfs", "pstore"} <= found, (part, sorted(found))
        assert not found & MODULES_NOT_ADMITTED, (part, found & MODULES_NOT_ADMITTED)


def check_metal_command_line(uki):
    words = set(uki_tree.sections(uki)[".cmdline"].rstrip(b"\0").decode().split())
    assert METAL_COMMAND_LINE <= words, f"not on the command line: {METAL_COMMAND_LINE - words}"
    # A later word of the same name would take one back.
    names = {word.partition("=")[0] for word in METAL_COMMAND_LINE}
    assert {word for word in words if word.partition("=")[0] in names} == METAL_COMMAND_LINE, words


def main():
    uki = Path(sys.argv[1]).read_bytes()
    found = figures(uki)
    print(f"{len(uki) / 1e6:.1f} MB, {len(found['programs'])} programs, forbidden: {' '.join(sorted(found['forbidden'])) or 'none'}")
    for path in sorted(found["programs"]):
        print(path)


if __name__ == "__main__":
    main()
