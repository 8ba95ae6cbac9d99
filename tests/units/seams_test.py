#!/usr/bin/python3
"""seams_test.py PROGRAM... [--with-seams PROGRAM...]: tests that installed programs take no place in the machine from their environment,
which a second command line of systemd could set, and that the programs of the tests do. Prints TAP."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path


def names_in(program):
    return sorted(set(re.findall(rb"LETHE_[A-Z_]+", Path(program).read_bytes())))


def relays_from(generator):
    """Returns the relays for which a generator starts a tor when its environment names a store with a torrc credential."""
    with tempfile.TemporaryDirectory() as folder:
        store, out = Path(folder) / "store", Path(folder) / "out"
        store.mkdir()
        out.mkdir()
        (store / "lethe.torrc.planted").touch()
        subprocess.run([generator, out, out, out], check=True, timeout=30, stderr=subprocess.DEVNULL, env=dict(os.environ, LETHE_CREDSTORE=str(store)))
        return [link.name for link in out.rglob("tor@*.service")]


arguments = sys.argv[1:]
split = arguments.index("--with-seams") if "--with-seams" in arguments else len(arguments)
installed, seamed = arguments[:split], arguments[split + 1:]
generators = [next((path for path in paths if Path(path).name == "lethe-generator"), None) for paths in (installed, seamed)]
checks = [(f"{Path(path).name} as installed has no seam", lambda path=path: not names_in(path), lambda path=path: names_in(path)) for path in installed]
checks.append(("the installed generator starts nothing that its environment plants", lambda: relays_from(generators[0]) == [], lambda: relays_from(generators[0])))
# This is the counter-check: without it, a search that finds nothing would pass.
checks += [(f"{Path(path).name} of the tests has seams", lambda path=path: bool(names_in(path)), lambda path=path: names_in(path)) for path in seamed]
if generators[1]:
    checks.append(("the generator of the tests starts that", lambda: relays_from(generators[1]) == ["tor@planted.service"], lambda: relays_from(generators[1])))
print(f"1..{len(checks)}")
failed = 0
for number, (sentence, holds, found) in enumerate(checks, 1):
    good = holds()
    failed |= not good
    print(f"{'ok' if good else 'not ok'} {number} {sentence}" + ("" if good else f"\n# {found()}"), flush=True)
sys.exit(failed)
