#!/usr/bin/python3
"""store_test.py IDENTITYD LETHECTL RELAY MACHINE SOURCE: puts back what lay on the disk before. Runs as root, because it plays two users.
Prints TAP."""

import os
import json
import re

from bench import MANAGER, NOBODY, refused
from checks import check, enrolled, fingerprints, run, store_files

ACCEPT = "org.lethe.Identity1.Manager.AcceptStore"


def put_back(bench, files):
    for path in bench.store.iterdir():
        path.unlink()
    for name, octets in files.items():
        (bench.store / name).write_bytes(octets)


def shown(bench):
    status, out, err = bench.lethectl("store", "show", "--json")
    assert status in (0, 3), (status, err)
    return json.loads(out)


@check("a store of an earlier release is taken over once, and says so")
def _(bench):
    bench.machine("enroll-earlier", "a")
    bench.start()
    store = shown(bench)
    assert store["generation"] == store["counted"] > 0 and store["taken_over"] and store["enrolled"] > 0, store
    assert store["earlier_key"] and "lethectl update commit" in store["reason"], store
    assert {entry["name"]: entry["state"] for entry in store["objects"]} == dict.fromkeys(("vault", "relays", "identity-a"), "current"), store
    assert "has been taken over" in bench.journal.read_text()
    for user in (0, NOBODY):
        status, out, err = bench.lethectl("store", "show", user=user)
        assert status == 3 and re.search(r"^generation \d+, taken over from an earlier release 20.*, with its vault key$", out, re.M), (status, out, err)
    assert re.search(r"^Store: generation \d+", bench.lethectl("status")[1], re.M)
    bench.restart()
    assert shown(bench) == store


@check("an older store is refused, and adopted when root spells its generation out")
def _(bench):
    enrolled(bench, "a")
    known, earlier, old = fingerprints(bench), store_files(bench), shown(bench)
    assert bench.lethectl("identity", "forget", "a", known["a"][0])[0] == 0
    bench.stop()
    put_back(bench, earlier)
    bench.start()
    store = shown(bench)
    assert store["generation"] == old["generation"] < store["counted"] and "older than this machine" in store["reason"], store
    assert not (bench.runtime / "keys/a").exists()
    status, out, _ = bench.lethectl("status")
    assert status == 3 and f"store accept --generation {old['generation']}" in out, (status, out)
    generation = str(old["generation"])
    for user, words, wanted, text in ((NOBODY, ["--generation", generation], 4, "only root"), (0, [], 4, "--generation"),
                                      (0, ["--generation", "0"], 2, "nothing has been adopted"), (0, ["--generation", "x"], 2, "a number")):
        status, _, err = bench.lethectl("store", "accept", *words, user=user)
        assert status == wanted and text in err, (words, status, err)
    with refused("org.freedesktop.DBus.Error.AccessDenied"):
        bench.call(MANAGER, ACCEPT, f"uint64:{generation}", user=NOBODY)
    with refused("org.lethe.Error.InvalidArgument"):
        bench.call(MANAGER, ACCEPT, "uint64:0")
    assert store_files(bench) == earlier
    status, out, err = bench.lethectl("store", "accept", "--generation", generation)
    assert status == 0, (status, out, err)
    assert fingerprints(bench) == known
    bench.restart()
    assert fingerprints(bench) == known and shown(bench)["generation"] > store["counted"]


@check("an identity that is put back is that relay's failure, and the store says which object it is")
def _(bench):
    enrolled(bench, "a", "b")
    known, earlier = fingerprints(bench), store_files(bench)
    assert bench.lethectl("identity", "forget", "a", known["a"][0])[0] == 0
    assert bench.lethectl("identity", "create", "a")[0] == 0
    bench.stop()
    for path in bench.store.glob("identity-a.*"):
        path.unlink()
    for name, octets in earlier.items():
        if name.startswith("identity-a."):
            (bench.store / name).write_bytes(octets)
    bench.start()
    states = {entry["name"]: entry["state"] for entry in bench.status()["relays"]}
    assert states == {"a": "damaged", "b": "installed"}, states
    assert {entry["name"]: entry["state"] for entry in shown(bench)["objects"]}["identity-a"] == "older"
    assert bench.lethectl("store", "show")[0] == 3


@check("a store that is gone stays gone")
def _(bench):
    enrolled(bench, "a")
    bench.stop()
    put_back(bench, {"enrolling.a": b""})
    os.rename(bench.runtime, bench.folder / "old")  # This stands for a boot.
    bench.runtime.mkdir()
    bench.start()
    status, out, _ = bench.lethectl("status")
    assert status == 3 and "the store is lost" in out, (status, out)
    assert not (bench.runtime / "keys/a").exists() and store_files(bench) == {"enrolling.a": b""}


run()
