"""Keeps in an image only the programs that lists name, and the libraries that they need: prune.py ROOT LIST...

A LIST has one pattern per line, of paths without the leading slash; '#' starts a comment. Programs are all files with an execute bit
outside /usr/lib/modules, and scripts without one; libraries are *.so* files. A library stays if a program that stays needs it, or if a LIST
names it (dlopen). What is not listed is removed, so a new package brings no program along. Set-user-id bits are removed, too.
"""

import fnmatch
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

root = Path(sys.argv[1])
lines = [line for file in sys.argv[2:] for line in Path(file).read_text().splitlines()]
patterns = [pattern for line in lines if (pattern := line.partition("#")[0].strip())]
LIBRARIES = ["usr/lib64", "usr/lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu/systemd", "usr/lib/systemd"]


def files():
    for folder, folders, names in os.walk(root):
        here = Path(folder).relative_to(root)
        if str(here) in ("usr/lib/modules", "efi", "boot"):
            folders.clear()
            continue
        for name in names + [name for name in folders if (root / here / name).is_symlink()]:
            yield here / name


def resolve(path):
    """Returns the links on the way to a file, and the file itself; follows links within the root."""
    steps = []
    while True:
        steps.append(path)
        if not (root / path).is_symlink() or len(steps) > 20:
            return steps
        target = os.readlink(root / path)
        base = Path(target[1:]) if target.startswith("/") else path.parent / target
        path = Path(os.path.normpath(base))
        if path.parts and path.parts[0] in ("bin", "sbin", "lib", "lib64"):
            path = Path("usr") / path


def needed(paths):
    """Returns the names of the libraries and interpreters that ELF files ask for."""
    text = subprocess.run(["readelf", "-dl", *(root / path for path in paths)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          text=True).stdout
    return set(re.findall(r"\(NEEDED\).*\[(.*)\]", text)) | {os.path.basename(i) for i in re.findall(r"interpreter: (.*)\]", text)}


def is_library(path):
    return re.search(r"\.so(\.|$)", path.name) is not None


def is_program(path):
    status = os.lstat(root / path)
    if stat.S_ISLNK(status.st_mode):
        target = root / resolve(path)[-1]
        return target.is_file() and os.access(target, os.X_OK)
    return stat.S_ISREG(status.st_mode) and (bool(status.st_mode & 0o111) or is_script(path))


def is_script(path):
    with open(root / path, "rb") as file:
        return file.read(2) == b"#!"


candidates = [path for path in files() if is_library(path) or is_program(path)]
kept, queue = set(), [path for path in candidates if any(fnmatch.fnmatchcase(str(path), pattern) for pattern in patterns)]
for pattern in patterns:
    if not any(fnmatch.fnmatchcase(str(path), pattern) for path in candidates):
        print(f"prune: nothing matches {pattern}", file=sys.stderr)
while queue:
    fresh = [step for path in queue for step in resolve(path) if step not in kept and os.path.lexists(root / step)]
    kept.update(fresh)
    queue = []
    for name in needed([path for path in fresh if not (root / path).is_symlink()]):
        found = [Path(folder) / name for folder in LIBRARIES if os.path.lexists(root / folder / name)]
        if not found:
            sys.exit(f"prune: a program needs {name}, which is not in the image: add its package")
        queue += found

for path in candidates:
    if path not in kept:
        os.unlink(root / path)
programs = 0
for path in kept:
    status = os.lstat(root / path)
    if stat.S_ISREG(status.st_mode):
        # The loader is the only library that the kernel executes.
        os.chmod(root / path, status.st_mode & (0o666 if is_library(path) and not path.name.startswith("ld-") else 0o777))
        programs += not is_library(path)
print(f"prune: {programs} programs and {sum(is_library(path) and not (root / path).is_symlink() for path in kept)} libraries stay, "
      f"{len(candidates) - len(kept)} files went")
