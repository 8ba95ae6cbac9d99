"""Measures the cost of snapshots and restorations, and their writes in a day: tests/bench/state.cpp, on a disk and a software TPM."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from bench_table import table

# The sizes of what a snapshot keeps of a relay: bytes of its state file and of its cached files.
SIZES = {"2 KB": (2 << 10, 0), "8 KB": (8 << 10, 0), "32 KB": (32 << 10, 0), "8 MB": (32 << 10, (8 << 20) - (32 << 10))}
TIMED = ("2 KB", "32 KB", "8 MB")
DAYS = {
    "tor's own writes, every 12 hours": ("8 KB", "32 KB"),
    "a change every hour": ("8 KB", "32 KB", "8 MB"),
    "all that the budget allows": ("8 KB", "32 KB", "8 MB"),
}


class Machine:
    """An enrolled machine: its store is on the disk where the cache is; its TPM and everything on tmpfs are in /dev/shm."""

    def __init__(self, program, size):
        self.program, self.size = program, list(map(str, SIZES[size]))

    def __enter__(self):
        self.store = tempfile.TemporaryDirectory(prefix="bench-state-", dir=os.environ["LETHE_CACHE"])
        self.memory = tempfile.TemporaryDirectory(prefix="lethe-bench-", dir="/dev/shm")
        return self

    def __exit__(self, *_):
        self.store.cleanup()
        self.memory.cleanup()

    def run(self, verb, *arguments):
        """Returns one dictionary for each line of JSON that the program prints."""
        done = subprocess.run([self.program, verb, self.store.name, Path(self.memory.name, "tpm"), *arguments], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, env=dict(os.environ, TSS2_LOG="all+none", TMPDIR=self.memory.name))
        if done.returncode != 0:
            sys.exit(f"bench-state {verb}: {done.stderr.strip()}")
        return list(map(json.loads, done.stdout.splitlines()))

    def day(self, what):
        if what.startswith("all"):
            return self.run("most", *self.size)[0]
        return self.run("day", *self.size, str(12 * 60 if "12 hours" in what else 60))[0]


def medians(runs):
    for key in ("writes", "syncs", "commands"):
        assert all(run[key] == runs[0][key] for run in runs), f"{key} differ from one run to the next"
    return {key: statistics.median(run[key] for run in runs) for key in runs[0]}


def octets(count):
    return f"{count:,.0f}".replace(",", " ")


def megabytes(count):
    return f"{count / 1e6:.0f} MB" if count < 1e9 else f"{count / 1e9:.0f} GB"


def times(what, taken):
    """Returns the processor time of each part, and the wall-clock time of the parts that wait for something."""
    def ms(nanoseconds):
        return f"{nanoseconds / 1e6:.2f} ms"
    rest = {clock: taken[f"all_{clock}"] - taken[f"sync_{clock}"] - taken[f"verbs_{clock}"] for clock in ("wall", "processor")}
    return (what, ms(rest["processor"]), ms(taken["verbs_processor"] - taken["commands_processor"]), ms(taken["commands_wall"]),
            ms(taken["sync_wall"]) if taken["syncs"] else "", ms(taken["read_wall"]))


def counts(what, taken):
    return (what, octets(taken["octets"]), octets(taken["writes"]), octets(taken["written_octets"]), octets(taken["syncs"]),
            octets(taken["commands"]), octets(taken["read_octets"]))


def bench_times(program, repeat):
    snapshots, restores = {}, {}
    for size in TIMED:
        with Machine(program, size) as machine:
            snapshots[f"Snapshot, {size}"] = machine.run("snapshot", *machine.size, str(repeat))
            restores[f"Restore, {size}"] = [machine.run("restore")[0] for _ in range(repeat)]
    taken = {what: medians(runs) for what, runs in {**snapshots, **restores}.items()}
    table(("", "All but TPM and sync", "ESAPI", "TPM commands", "Sync", "Reading the disk"), *(times(*row) for row in taken.items()))
    print()
    table(("", "Bytes of state", "Disk writes", "Bytes written", "Syncs", "TPM commands", "Bytes read"),
          *(counts(*row) for row in taken.items()))


def bench_days(program):
    cells = [("A day with", "State", "Disk writes", "Syncs", "TPM commands", "Bytes written", "In a year")]
    for what, sizes in DAYS.items():
        for size in sizes:
            with Machine(program, size) as machine:
                day = machine.day(what)
            cells.append((what, size, octets(day["writes"]), octets(day["syncs"]), octets(day["commands"]), octets(day["written_octets"]),
                          megabytes(day["written_octets"] * 365)))
    print()
    table(*cells)


def bench_state(program, repeat):
    bench_times(program, repeat)
    bench_days(program)
