"""Times `lethectl measure` of a release of 64 MB, and sha256sum of the same file."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench_table import table

STUB = "/usr/lib/systemd/boot/efi/linuxx64.efi.stub"
SIZE = 64 << 20
KERNEL = 12 << 20  # Debian's kernel has about this size.


def run(arguments):
    done = subprocess.run(list(map(str, arguments)), stdin=subprocess.DEVNULL, capture_output=True)
    if done.returncode != 0:
        sys.exit(f"{arguments[0]}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


def release(folder):
    """Makes a UKI of that size from random bytes. A kernel is a PE image: its bytes follow those of a stub, as a certificate would."""
    kernel, initrd, uki = folder / "kernel", folder / "initrd", folder / "lethe_1.efi"
    stub = Path(STUB).read_bytes()
    kernel.write_bytes(stub + os.urandom(KERNEL - len(stub)))
    initrd.write_bytes(os.urandom(SIZE - KERNEL - (1 << 20)))
    run(["ukify", "build", f"--linux={kernel}", f"--initrd={initrd}", "--cmdline=quiet", "--os-release=ID=lethe", "--uname=6.12", f"--output={uki}"])
    return uki


def bench_measure(lethectl, repeat):
    with tempfile.TemporaryDirectory(prefix="lethe-bench-") as name:
        uki = release(Path(name))
        works = {"`lethectl measure`": [lethectl, "--json", "measure", uki], "`sha256sum`": ["sha256sum", uki]}
        times = {work: [] for work in works}
        for _ in range(repeat):
            for work, arguments in works.items():
                begin = time.monotonic()
                out = run(arguments)
                times[work].append((time.monotonic() - begin) * 1e3)
                assert work != "`lethectl measure`" or len(json.loads(out)["pcrs"]) == 5, out
        median = {work: statistics.median(taken) for work, taken in times.items()}
        cells = [("", "Bytes", "Time", "Compared with sha256sum")]
        for work in works:
            cells.append((work, f"{uki.stat().st_size:,}".replace(",", " "), f"{median[work]:.0f} ms", f"{median[work] / median['`sha256sum`']:.2f}"))
        table(*cells)
