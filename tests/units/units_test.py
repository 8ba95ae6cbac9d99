#!/usr/bin/python3
"""units_test.py SOURCE: runs systemd-analyze verify and security on every unit of Lethe, in a tree with systemd's and tor's own units.

Prints TAP; the exposure of each service is in the diagnostics. Offline: needs no running systemd.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SOURCE = Path(sys.argv[1])
UNITS = Path("usr/lib/systemd/system")
THRESHOLD = 15  # The thresholds are in tenths.
EXPOSED = {"lethe-health.service": 20, "lethe-updated.service": 20}  # As root, these reach sockets of other users and ports.
ENVIRONMENT = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}


def make_tree(tree):
    """Makes a tree with the host's units and ours, and a stub for every program that ours run. Returns the names of our units."""
    shutil.copytree("/" / UNITS, tree / UNITS, symlinks=True)
    names = set()
    for folder in (SOURCE / "units", SOURCE / "mkosi.extra" / UNITS, SOURCE / "mkosi.images/initrd/mkosi.extra" / UNITS):
        for path in folder.glob("*"):
            if path.suffix == ".d":
                shutil.copytree(path, tree / UNITS / path.name, dirs_exist_ok=True)
            elif path.suffix in (".service", ".mount", ".target", ".socket", ".timer"):
                shutil.copy(path, tree / UNITS / path.name)
                names.add(path.name)
    for path in [tree / UNITS / name for name in names] + list((tree / UNITS).glob("*/lethe.conf")) + list((tree / UNITS).glob("tor*.service")):
        for program in re.findall(r"^Exec\w+=[-+!:@]*(/\S+)", path.read_text(), re.M):
            stub = tree / program[1:]
            stub.parent.mkdir(parents=True, exist_ok=True)
            stub.touch(0o755)
    return sorted(name.replace("@.", "@a.") for name in names) + ["tor@a.service"]


def analyze(tree, *arguments):
    run = subprocess.run(["systemd-analyze", f"--root={tree}", "--no-pager", *arguments], capture_output=True, text=True, timeout=60,
                         env=ENVIRONMENT)
    return run.returncode, run.stdout, run.stderr


def main():
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder)
        names = make_tree(tree)
        services = [name for name in names if name.endswith(".service") and name.startswith(("lethe-", "tor@"))]
        print(f"1..{len(names) + len(services) + 3}")
        number = failed = 0

        def report(good, sentence, notes):
            nonlocal number, failed
            number += 1
            failed += not good
            print("".join(f"# {line}\n" for line in notes.splitlines()), end="")
            print(f"{'ok' if good else 'not ok'} {number} {sentence}", flush=True)

        for name in names:
            status, out, err = analyze(tree, "verify", "--man=no", "--recursive-errors=no", name)
            report(status == 0 and not out and not err, f"{name} verifies without a word", out + err)
        for name in services:
            threshold = EXPOSED.get(name, THRESHOLD)
            status, out, _ = analyze(tree, "security", "--offline=true", f"--threshold={threshold}", name)
            exposure = "".join(re.findall(r"Overall exposure level for .*", out))
            report(status == 0, f"{name} is exposed {threshold / 10} at most", exposure or out)

        # systemd-analyze does not check this: a tor that an attacker has taken over reaches nothing on the system bus.
        text = (tree / UNITS / "tor@.service.d/lethe.conf").read_text()
        hidden = [path for line in re.findall(r"^InaccessiblePaths=(.*)", text, re.M) for path in line.split()]
        report("-/run/dbus" in hidden and "NotifyAccess=main" in text, "tor's units do not see the system bus, and notify systemd", text)

        # These are the refusals: without them, a systemd-analyze that finds nothing would pass.
        (tree / UNITS / "broken.service").write_text("[Service]\nExecStart=/nonexistent\nNoSuchOption=yes\n")
        status, out, err = analyze(tree, "verify", "--man=no", "broken.service")
        report(status != 0 and "NoSuchOption" in err and "/nonexistent" in err, "a broken unit is found", "")
        status, _, _ = analyze(tree, "security", "--offline=true", f"--threshold={THRESHOLD}", "broken.service")
        report(status != 0, "a unit without a sandbox is found", "")
    return 1 if failed else 0


sys.exit(main())
