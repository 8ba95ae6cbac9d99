#!/usr/bin/python3
"""state1_test.py IDENTITYD LETHECTL RELAY MACHINE SOURCE STATED: tests org.lethe.State1 and lethectl, the real binaries on a private bus.

Runs as root, because it plays two users. Prints TAP. Each check has a machine of its own.
"""

import json
import os
import re
import shutil
import time

from bench import LIMIT, NOBODY, refused
from checks import check, enrolled, fingerprints, run

STATE = "/org/lethe/State1"
SNAPSHOT = "org.lethe.State1.Manager.Snapshot"


def state_text(octets_per_second):
    """Returns the state that tor writes after two days of this bandwidth."""
    def moment(seconds):
        return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds))
    now = time.time()
    lines = ["# Tor state file", "TorVersion Tor 0.4.9.15", f"LastWritten {moment(now)}"]
    for what in ("Read", "Write"):
        lines += [f"BWHistory{what}Ends {moment(now)}", f"BWHistory{what}Interval 86400",
                  f"BWHistory{what}Values {octets_per_second * 86400},{octets_per_second * 86400},1024",
                  f"BWHistory{what}Maxima {octets_per_second},{octets_per_second},1024"]
    return "\n".join(lines) + "\n"


def tor_writes(bench, relay, text):
    """Replaces the state as tor does: writes it under another name, then renames it."""
    folder = bench.instances / relay
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "state.tmp").write_text(text)
    os.chown(folder / "state.tmp", NOBODY, NOBODY)
    (folder / "state.tmp").rename(folder / "state")


def shown(bench):
    return json.loads(bench.lethectl("state", "show", "--json")[1])


def relay_shown(bench, relay):
    return next(entry for entry in shown(bench)["relays"] if entry["name"] == relay)


def wait_for(what, condition):
    end = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < end, f"waited {LIMIT} s for {what}"
        time.sleep(0.1)


def reboot(bench, end=0):
    """Reboots: the daemon ends with this status, then tor's folders and /run are empty."""
    assert bench.stop_state() == end, bench.state_journal.read_text()
    shutil.rmtree(bench.instances)
    shutil.rmtree(bench.state_runtime)
    bench.start_state()


def started(bench, *relays):
    enrolled(bench, *relays)
    bench.start_state()


def sealed(bench, *relays):
    """Starts the daemons, and takes a snapshot of what each relay's tor has written: 1 MB/s."""
    started(bench, *relays)
    for relay in relays:
        tor_writes(bench, relay, state_text(1_000_000))
    assert bench.lethectl("state", "snapshot")[0] == 0


@check("a snapshot on request comes back at the next boot, laid out for the relay's user alone")
def _(bench):
    started(bench, "a", "b")
    assert relay_shown(bench, "a")["source"] == "nothing"
    text = state_text(3_000_000)
    tor_writes(bench, "a", text)
    status, out, err = bench.lethectl("state", "snapshot")
    assert status == 0, (out, err)
    reboot(bench)
    a = relay_shown(bench, "a")
    assert a["source"] == "snapshot" and a["restored_bandwidth"] == 3_000_000, a
    laid_out = bench.state_runtime / "restored/a"
    assert (laid_out / "state").read_text() == text
    assert {path.stat().st_uid for path in laid_out.iterdir()} == {NOBODY} and laid_out.stat().st_mode & 0o7777 == 0o700
    assert {path.name for path in laid_out.iterdir()} >= {"state", "secret_onion_key_ntor"}, list(laid_out.iterdir())
    assert relay_shown(bench, "b")["source"] == "nothing"


@check("a snapshot is taken when tor replaces its state, and not when it writes beside it")
def _(bench):
    started(bench, "a")
    tor_writes(bench, "a", state_text(1_000_000))
    wait_for("the first snapshot", lambda: shown(bench)["generation"] > 0)
    first = shown(bench)["generation"]
    tor_writes(bench, "a", state_text(2_000_000))
    wait_for("the second snapshot", lambda: shown(bench)["generation"] == first + 1)
    (bench.instances / "a/lock").write_text("")
    tor_writes(bench, "a", state_text(3_000_000))
    wait_for("the third snapshot", lambda: shown(bench)["generation"] == first + 2)


@check("what tor has written last is sealed when the daemon stops")
def _(bench):
    sealed(bench, "a")
    tor_writes(bench, "a", state_text(5_000_000))
    reboot(bench)
    assert relay_shown(bench, "a")["restored_bandwidth"] == 5_000_000


@check("a store that was put back is refused, reported, and left as it is, until the operator gives it up")
def _(bench):
    started(bench, "a")
    copies = []
    for rate in (1, 2, 3, 4):
        tor_writes(bench, "a", state_text(rate * 1_000_000))
        assert bench.lethectl("state", "snapshot")[0] == 0
        copies.append({path.name: path.read_bytes() for path in bench.store.glob("state.*")})
    assert bench.stop_state() == 0
    for name, octets in copies[1].items():
        (bench.store / name).write_bytes(octets)
    shutil.rmtree(bench.instances)
    shutil.rmtree(bench.state_runtime)
    bench.start_state()
    state = shown(bench)
    assert state["state"] == "refused" and state["error"] == "org.lethe.Error.Rollback", state
    assert "put back" in state["reason"] and "put back" in bench.state_journal.read_text()
    status, out, _ = bench.lethectl("status")
    assert status == 3 and "state lost" in out and "put back" in out, (status, out)
    with refused("org.lethe.Error.Rollback"):
        bench.call(STATE, SNAPSHOT, destination="org.lethe.State1")
    assert {path.name: path.read_bytes() for path in bench.store.glob("state.*")} == copies[1]
    assert bench.lethectl("state", "reset")[0] == 4
    tor_writes(bench, "a", state_text(7_000_000))
    assert bench.lethectl("state", "reset", "--yes")[0] == 0
    assert bench.lethectl("state", "snapshot")[0] == 0
    reboot(bench)
    assert relay_shown(bench, "a")["restored_bandwidth"] == 7_000_000


@check("the state of a relay that is forgotten leaves both slots, without being asked for")
def _(bench):
    sealed(bench, "a", "b")
    taken = shown(bench)["generation"]
    fingerprint = fingerprints(bench)["a"][0]
    assert bench.lethectl("identity", "forget", "a", fingerprint)[0] == 0
    wait_for("two snapshots", lambda: shown(bench)["generation"] == taken + 2)
    assert [relay["name"] for relay in shown(bench)["relays"]] == ["b"]
    reboot(bench)
    assert relay_shown(bench, "b")["restored_bandwidth"] == 1_000_000


@check("a state that is not whole is named and never replaces a good one")
def _(bench):
    sealed(bench, "a", "b")
    tor_writes(bench, "a", state_text(2_000_000)[:-40])
    tor_writes(bench, "b", state_text(2_000_000))
    status, out, err = bench.lethectl("state", "snapshot")
    assert status == 3 and "a" in err, (status, out, err)
    assert relay_shown(bench, "a")["trouble"] and not relay_shown(bench, "b")["trouble"]
    reboot(bench, end=1)
    assert relay_shown(bench, "a")["restored_bandwidth"] == 1_000_000
    assert relay_shown(bench, "b")["restored_bandwidth"] == 2_000_000


@check("anyone may read, and only root may take or give up snapshots")
def _(bench):
    started(bench, "a")
    tor_writes(bench, "a", state_text(1_000_000))
    for arguments in (["state", "show"], ["state", "show", "a"]):
        status, out, err = bench.lethectl(*arguments, user=NOBODY)
        assert status == 0 and re.search(r"^a\s", out, re.M), (status, out, err)
    denied = "org.freedesktop.DBus.Error.AccessDenied"
    for method in ("Snapshot", "Reset", "Reload"):
        with refused(denied):
            bench.call(STATE, f"org.lethe.State1.Manager.{method}", destination="org.lethe.State1", user=NOBODY)


@check("the members on the bus are those of the documented interface")
def _(bench):
    started(bench, "a")
    for path, interface in ((STATE, "Manager"), (f"{STATE}/relay/a", "Relay")):
        text = (bench.source / f"src/stated/org.lethe.State1.{interface}.xml").read_text()
        documented = set(re.findall(r'<(?:method|property) name="(\w+)"', text))
        status, out, err = bench.busctl("introspect", "org.lethe.State1", path, f"org.lethe.State1.{interface}")
        assert status == 0 and documented == set(re.findall(r"^\.(\w+)", out, re.M)), (out, err, documented)


run()
