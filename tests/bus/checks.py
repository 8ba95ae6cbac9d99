"""Runs checks that have sentences for names, and provides what they ask of a bench."""

import os
import sys
import traceback

from bench import Bench

CHECKS = []


def check(sentence):
    def add(function):
        CHECKS.append((sentence, function))
        return function
    return add


def enrolled(bench, *names):
    bench.machine("enroll", *names)
    bench.start()


def fingerprints(bench):
    return {entry["name"]: (entry["fingerprint"], entry["ed25519_identity"]) for entry in bench.status()["relays"]}


def store_files(bench):
    return {path.name: path.read_bytes() for path in bench.store.iterdir()}


def damage(bench, pattern):
    for path in bench.store.glob(pattern):
        octets = bytearray(path.read_bytes())
        octets[100] ^= 1
        path.write_bytes(octets)


def run():
    """Runs every check on a bench of its own, prints TAP and ends the process."""
    if os.getuid() != 0:
        print("1..0 # SKIP needs root")
        sys.exit(0)
    print(f"1..{len(CHECKS)}")
    failed = 0
    for number, (sentence, function) in enumerate(CHECKS, 1):
        try:
            with Bench(*sys.argv[1:7]) as bench:
                try:
                    function(bench)
                except Exception:
                    if bench.daemon:
                        print("# journal: " + bench.journal.read_text().replace("\n", "\n# "))
                    raise
            print(f"ok {number} {sentence}", flush=True)
        except Exception:
            failed += 1
            print("# " + traceback.format_exc().replace("\n", "\n# "))
            print(f"not ok {number} {sentence}", flush=True)
    sys.exit(1 if failed else 0)
