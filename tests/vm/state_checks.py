"""What becomes of the relays' state on the running image."""

import json
import re
import shlex
import time
from pathlib import Path

# tor writes its state and ends at once; after the SIGINT that a stop begins with, it gives its clients half a minute.
STOP = "systemctl kill -s TERM tor@%(relay)s; systemctl stop tor@%(relay)s"

# Two days at 3 MB/s.
SEED = (Path(__file__).parents[2] / "tools/lib/history.sh").read_text()
SEEDED = 3_000_000
SHOWN = r"[23]\.\d MB/s"

# A state with the shell's $number, by rename as tor does, into the folder of a relay whose tor is stopped. tor does not know that key, and
# keeps it.
WRITE_NUMBER = r"""cd /var/lib/tor-instances/%(relay)s &&
printf 'TorVersion Tor 0.4.9.15\nLastWritten %%(%%F %%T)T\nLetheNumber %%s\n' -1 $number >state.numbered &&
chown _tor-%(relay)s: state.numbered && chmod 600 state.numbered && mv state.numbered state"""

SLOTS = ("state.a", "state.b")
PUT_BACK = "older ones have been put back"
COUNTER = "0x01800105"


def seed(machine, relay):
    """Gives a relay a history as if it had run for days. Returns the digest of its onion key."""
    machine.vm("exec", "--", "bash", "-c", SEED, "history", relay)
    return onion_key(machine, relay)


def onion_key(machine, relay):
    return machine.ok(f"sha256sum /run/lethe/keys/{relay}/secret_onion_key_ntor").split()[0]


def number_of(machine, relay):
    """The number that its tor has kept; None when it has none."""
    status, text = machine.sh(f"grep '^LetheNumber ' /var/lib/tor-instances/{relay}/state")
    return int(text.split()[1]) if status == 0 else None


def shown(machine, relay):
    states = json.loads(machine.vm("exec", "--", "lethectl", "state", "show", "--json", check=False).stdout)
    return states, next(entry for entry in states["relays"] if entry["name"] == relay)


def until(machine, script):
    """Waits in the guest until a script succeeds."""
    machine.ok(f"timeout 120 bash -c {shlex.quote(f'until {script}; do sleep 0.5; done')}")


def expect_status(machine, relay, status, state):
    """What a person sees first: the relay's line has this state, and the exit status is this; without Secure Boot it is always 3."""
    code, text = machine.sh("lethectl status")
    assert code == (3 if machine.status()["insecure"] else status) and re.search(rf"(?m)^\S+ +{relay} .* tor active +state {state}", text), (code, text)


def expect_history(machine, relay, state):
    # tor loses some octets of each number when it loads it.
    assert 0.9 * SEEDED <= state["restored_bandwidth"] <= SEEDED, state
    machine.ok(f"systemctl is-active tor@{relay}")
    assert "BWHistoryReadMaxima" in machine.ok(f"cat /var/lib/tor-instances/{relay}/state")


def expect_restored(machine, relay, key):
    """The history and the onion key of before are there, tor has them, and nothing needs a person."""
    states, state = shown(machine, relay)
    assert states["state"] == "open" and state["source"] == "snapshot" and not state["reason"], states
    expect_history(machine, relay, state)
    assert onion_key(machine, relay) == key, "another onion key"
    code, text = machine.sh("lethectl state show")
    assert code == 0 and re.search(rf"(?m)^{relay} +newest snapshot +{SHOWN} ", text), (code, text)
    expect_status(machine, relay, 0, SHOWN)


def expect_minimal(machine, relay, lost):
    """The history is there and nothing else of the state: because that was lost, which a person is told, or because no more is ever kept."""
    states, state = shown(machine, relay)
    assert states["state"] == ("open" if lost else "minimal"), states
    assert state["source"] == "minimal" and bool(state["reason"]) == lost, states
    expect_history(machine, relay, state)
    expect_status(machine, relay, 3 if lost else 0, f"lost but {SHOWN}" if lost else SHOWN)


def configure(machine, setting):
    """For what is started from now on, until that file is removed: it goes before the credential, which the boot measures."""
    machine.ok(rf"printf 'WaitForClock=no\n{setting}\n' >/etc/lethe.conf && chmod 644 /etc/lethe.conf")


def snapshot(machine):
    return json.loads(machine.ok("lethectl --json state snapshot"))["generation"]


def new_snapshot(machine, relay, number):
    """Ends the relay's tor and writes another state for it, which a snapshot has to take up as a later one."""
    before = shown(machine, relay)[0]["generation"]
    machine.ok(f"{STOP}; number={number}; {WRITE_NUMBER}" % {"relay": relay})
    taken = snapshot(machine)
    states, state = shown(machine, relay)
    assert before < taken <= state["generation"] and not state["trouble"], (before, taken, states)


def slots(machine):
    """The octets of both slots, in a machine that runs."""
    return {slot: machine.vm("exec", "--", "cat", f"/var/lib/lethe/{slot}").stdout for slot in SLOTS}


def expect_refused(machine, relay, error, reason):
    """No snapshot is restored to a relay that has no state, none is taken, and everybody is told why."""
    states, state = shown(machine, relay)
    assert (states["state"], states["error"]) == ("refused", error) and reason in states["reason"], states
    assert state["source"] not in ("snapshot", "previous"), state
    for command, status in {"lethectl state snapshot": (1, 3, 4), "lethectl state show": (3,), "lethectl status": (3,)}.items():
        code, text = machine.sh(command)
        assert code in status and reason in text, (command, code, text)
    assert reason in machine.ok("journalctl -b -u lethe-stated --no-pager"), "the journal does not say why"


def rollback_checks(check, machine):
    """What somebody who has the disk, or the TPM's owner, does to the snapshots of a running machine with relays a and b. Returns whether it
    is of use for more."""
    def put_back():
        older = slots(machine)
        for number in (1001, 1002):
            new_snapshot(machine, "b", number)
        machine.down()
        for slot, octets in older.items():
            machine.put(f"/lethe/{slot}", octets)
        machine.up()
        for relay in ("a", "b"):
            expect_refused(machine, relay, "org.lethe.Error.Rollback", PUT_BACK)
            machine.ok(f"systemctl is-active tor@{relay}")
        assert {relay["name"]: relay["state"] for relay in machine.status()["relays"]} == {"a": "installed", "b": "installed"}
        assert number_of(machine, "b") is None, "tor has an older state"
        assert slots(machine) == older, "a refused snapshot was written"

    def required():
        machine.ok(f"{STOP}; rm -f /var/lib/tor-instances/b/state" % {"relay": "b"})
        configure(machine, "RequireState=yes")
        status, _ = machine.sh("systemctl start tor@b")
        said = machine.ok("systemctl show -P ActiveState -P StatusText tor@b; lethectl status || true; rm /etc/lethe.conf")
        machine.ok("systemctl reset-failed tor@b && systemctl start tor@b")
        assert status != 0 and "failed" in said and said.count("RequireState=yes") >= 2, (status, said)

    def reset():
        status, text = machine.sh("lethectl state reset")
        assert status == 4 and "--yes" in text, (status, text)
        assert shown(machine, "a")[0]["state"] == "refused"
        machine.ok("lethectl state reset --yes")
        new_snapshot(machine, "b", 1)
        assert shown(machine, "b")[0]["state"] == "open"

    def another_counter():
        # A relay that has no state is given what lethe-stated restores when it is started again.
        again = f"{STOP}; rm -f /var/lib/tor-instances/b/state; systemctl reset-failed lethe-stated; systemctl restart lethe-stated" % {"relay": "b"}
        machine.ok(f"tpm2_nvundefine -C o {COUNTER} && {again}")
        expect_refused(machine, "b", "org.lethe.Error.Rollback", "is gone from the TPM")
        machine.ok(f"tpm2_nvdefine -C o -s 8 -a 'authread|authwrite|no_da|nt=counter' {COUNTER} && tpm2_nvincrement {COUNTER} && {again}")
        expect_refused(machine, "b", "org.lethe.Error.WrongState", "was redefined")
        assert machine.sh("ls /run/lethe-state/restored/b/state")[0] != 0
        machine.ok("lethectl state reset --yes")
        new_snapshot(machine, "b", 1)

    if not check("an older copy of the snapshots that is put back is refused and reported, and the relays are up without state", put_back):
        return False
    check("with RequireState=yes such a relay does not start", required)
    return (check("no snapshot is taken until a person resets them", reset)
            and check("a counter that the TPM's owner removes, or makes anew, brings none back", another_counter))


def loss_checks(check, machine):
    """Both snapshots go while the machine is off."""
    def lost():
        seed(machine, "a")
        snapshot(machine)
        machine.down()
        for slot in SLOTS:
            machine.vm("esp", "rm", f"/lethe/{slot}")
        machine.up()
        expect_minimal(machine, "a", lost=True)
        assert "snapshot" in shown(machine, "a")[1]["reason"]
        new_snapshot(machine, "b", 2)

    check("a disk that has lost the snapshots leaves the bandwidth history in the TPM, which is said, and new ones are taken", lost)


def clock_checks(check, machine, relays):
    """Boots a machine, of which the first relay has a history, with a clock in the year 2000; then sets that right."""
    state = f"/var/lib/tor-instances/{relays[0]}/state"

    def waits():
        # systemd moves a clock that is behind its own release to the day of that: still before anything that these relays have written.
        machine.up("--no-wait", "--date", "2000-01-01T00:00:00")
        machine.vm("wait", f"Starting tor@{relays[0]}")
        for relay in relays:
            until(machine, f"systemctl show -P StatusText tor@{relay} | grep -q '^tor waits: the clock says .* written at .*; set the clock'")
            assert machine.ok(f"systemctl show -P ActiveState tor@{relay}") == "activating"
        assert machine.sh("pgrep -x tor")[0] == 1
        text = machine.sh("lethectl status")[1]
        assert re.search(rf"(?m)^\S+ +{relays[0]} .* tor activating .*the clock says", text), text

    def fails():
        relay = relays[1]
        configure(machine, "ClockTimeout=2s")
        status, _ = machine.sh(f"systemctl restart tor@{relay}")
        machine.ok("rm /etc/lethe.conf")
        said = machine.ok(f"journalctl -b -u tor@{relay} --no-pager")
        assert status != 0 and f"relay {relay} does not start: waited 2 s: the clock says" in said, (status, said)

    def starts():
        machine.ok(f"date -s @{int(time.time())}")
        for relay in relays:
            until(machine, f"systemctl is-active -q tor@{relay}")
        # What tor writes when it ends is what it has taken up.
        machine.ok(STOP % {"relay": relays[0]})
        maxima = machine.ok(f"grep '^BWHistoryReadMaxima ' {state}").split()[1]
        assert max(map(int, maxima.split(","))) >= 0.9 * SEEDED, maxima
        machine.ok(f"systemctl start tor@{relays[0]}")

    check("with a clock in the year 2000 tor waits, and says for what", waits)
    check("it fails after ClockTimeout= with the reason", fails)
    check("when the clock is set, tor starts and has its history", starts)
