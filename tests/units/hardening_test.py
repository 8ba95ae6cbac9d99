#!/usr/bin/python3
"""hardening_test.py BUILD PROGRAM...: tests what compiler and linker put into installed programs against memory errors. Prints TAP.

It reads from the file what leaves its mark there. For everything else it reads the commands that compile the programs and the static
libraries they are linked from: all of the build outside tests/.
"""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

BUILD, PROGRAMS = Path(sys.argv[1]), sys.argv[2:]
NEEDED = ("-fstack-clash-protection", "-ftrivial-auto-var-init=zero", "-D_GLIBCXX_ASSERTIONS", "-D_FORTIFY_SOURCE=3", "-fstack-protector-strong",
          "-fcf-protection")
# These options take one of the protections back.
UNDONE = re.compile(r"-fno-stack-clash-protection|-ftrivial-auto-var-init=(?!zero$).*|-U ?_GLIBCXX_ASSERTIONS|-U ?_FORTIFY_SOURCE|"
                    r"-fno-stack-protector|-fcf-protection=none")


def readelf(option, path):
    return subprocess.run(["readelf", "-W", option, path], check=True, capture_output=True, text=True).stdout


def not_bound_at_start(path):
    dynamic = readelf("-d", path)
    return [] if re.search(r"\(FLAGS\) .*BIND_NOW", dynamic) and re.search(r"\(FLAGS_1\) .*\bNOW\b", dynamic) else [dynamic]


def not_pie(path):
    return [] if re.search(r"\(FLAGS_1\) .*\bPIE\b", readelf("-d", path)) and re.search(r"(?m)^ *Type: +DYN ", readelf("-h", path)) else [path]


def writable_code(path):
    """Returns segments that are writable and executable, and a stack that is executable or not marked otherwise."""
    segments = re.findall(r"(?m)^ +(\w+) +0x\w+ 0x\w+ 0x\w+ 0x\w+ 0x\w+ ([R ][W ][E ])", readelf("-l", path))
    kinds = [kind for kind, _ in segments]
    wrong = [f"{kind} {flags}" for kind, flags in segments if "W" in flags and "E" in flags]
    return wrong + [f"no {kind}" for kind in ("LOAD", "GNU_STACK", "GNU_RELRO") if kind not in kinds]


def compiled_without(entries, flag):
    return [entry["output"] for entry in entries if flag not in entry["words"]]


def compiled_with_less(entries):
    return [f"{entry['output']}: {word}" for entry in entries for word in entry["words"] if UNDONE.fullmatch(word)]


entries = [dict(entry, words=shlex.split(entry["command"])) for entry in json.loads((BUILD / "compile_commands.json").read_text())]
installed = [entry for entry in entries if not entry["output"].startswith("tests/")]
not_compiled = {name for name in (Path(path).name for path in PROGRAMS) if not any(f"/{name}.p/" in entry["output"] for entry in installed)}

# This finds installed programs that are not among the arguments and would escape the test.
known = json.loads((BUILD / "meson-info/intro-installed.json").read_text())
left_out = sorted(path for path in known if Path(path).is_file() and Path(path).read_bytes()[:4] == b"\x7fELF"
                  and Path(path).resolve() not in {Path(program).resolve() for program in PROGRAMS})

checks = [("every installed program is looked at", lambda: left_out if PROGRAMS else ["no programs"]),
          ("the commands that compile each of them are known", lambda: sorted(not_compiled))]
for path in PROGRAMS:
    name = Path(path).name
    checks += [(f"{name} binds its symbols at its start", lambda path=path: not_bound_at_start(path)),
               (f"{name} is loaded at any address", lambda path=path: not_pie(path)),
               (f"{name} has no writable code, no executable stack, and relocations that become read-only", lambda path=path: writable_code(path))]
checks += [(f"all that is installed is compiled with {flag}", lambda flag=flag: compiled_without(installed, flag)) for flag in NEEDED]
checks.append(("no such protection is taken back", lambda: compiled_with_less(installed)))
# This is the counter-check: without it, a search that finds nothing would pass.
checks.append(("tests, which are compiled without some of them, are found out", lambda: [] if compiled_with_less(
    [entry for entry in entries if entry not in installed]) else ["no test is compiled with -U_FORTIFY_SOURCE"]))
print(f"1..{len(checks)}")
failed = 0
for number, (sentence, wrong) in enumerate(checks, 1):
    found = wrong()
    failed |= bool(found)
    print(f"{'not ok' if found else 'ok'} {number} {sentence}" + "".join(f"\n# {line}" for text in found[:20] for line in text.splitlines()), flush=True)
sys.exit(failed)
