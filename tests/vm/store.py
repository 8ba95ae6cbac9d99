"""What becomes of a store that is older than its machine, or gone, and of an identity that the measured configuration does not name."""

import json

from inputs import expect_shut
from machine import Machine, credentials
from state_checks import configure, until

NOBODYS = "0123456789ABCDEF0123456789ABCDEF01234567"


def relays(machine):
    return {relay["name"]: relay for relay in machine.status()["relays"]}


def fingerprints(machine):
    return {name: relay["fingerprint"] for name, relay in relays(machine).items() if relay["state"] == "installed"}


def store_lane(check, machines):
    """`check` as in lanes.py."""
    machine = Machine("test-store")
    machines.append(machine)
    known = {}

    def enrols():
        machine.up("--secure-boot", "on", *credentials("a", "b"))
        known.update(fingerprints(machine))
        assert set(known) == {"a", "b"}, relays(machine)

    def pinned_does_not_run():
        configure(machine, f"Fingerprint=a {NOBODYS}")
        code = machine.sh("systemctl restart tor@a")[0]
        said = machine.ok("systemctl show -P ActiveState -P StatusText tor@a; journalctl -b -u tor@a --no-pager; systemctl stop tor@a")
        assert code != 0 and f"pins it to {NOBODYS}" in said and known["a"] in said, (code, said)
        machine.ok("systemctl is-active tor@b")
        configure(machine, f"Fingerprint=a {known['a']}")
        machine.ok("systemctl reset-failed tor@a; systemctl start tor@a && rm /etc/lethe.conf")

    def shown():
        return json.loads(machine.vm("exec", "--", "lethectl", "store", "show", "--json", check=False).stdout)

    def older_is_refused():
        machine.down()
        older = {path: machine.get(path) for path in machine.files("/lethe")}
        machine.up()
        old.update(shown())
        machine.ok(f"systemctl stop tor@b && lethectl identity forget b {known['b']}")
        configure(machine, f"Fingerprint=b {NOBODYS}")
        code, text = machine.sh("systemctl restart lethe-identityd && lethectl identity create b")
        assert code != 0 and "no new keys are made for it" in text and set(fingerprints(machine)) == {"a"}, (code, text, relays(machine))
        machine.down()
        for path in machine.files("/lethe"):
            machine.vm("esp", "rm", path)
        for path, octets in older.items():
            machine.put(path, octets)
        machine.up()
        expect_shut(machine, "older than this machine")
        store = shown()
        assert store["generation"] == old["generation"] < store["counted"], (old, store)

    def older_is_adopted():
        code, text = machine.sh("lethectl store accept")
        assert code == 4 and "--generation" in text and machine.status()["vault"]["state"] == "shut", (code, text)
        machine.ok(f"lethectl store accept --generation {old['generation']}")
        assert fingerprints(machine) == known, relays(machine)
        machine.down()
        machine.up()
        assert machine.status()["vault"]["state"] == "open" and fingerprints(machine) == known, machine.status()
        assert shown()["generation"] == shown()["counted"] > old["counted"], (old, shown())
        until(machine, "systemctl is-active tor@a && systemctl is-active tor@b")

    def lost():
        machine.down()
        for path in machine.files("/lethe"):
            machine.vm("esp", "rm", path)
        machine.up()
        expect_shut(machine, "the store is lost")
        code, text = machine.sh("lethectl status")
        assert code != 0 and "the store is lost" in text, (code, text)
        assert machine.ok("find /run/lethe /var/lib/tor-instances -name 'secret_id_key*' -o -name 'ed25519_*'") == ""
        machine.down()
        assert not [path for path in machine.files("/lethe") if "identity" in path or "vault" in path], machine.files("/lethe")

    old = {}
    if not check("a machine enrols two relays", enrols):
        return
    check("a relay that lethe.conf pins to another identity does not run, and with its own it does", pinned_does_not_run)
    if check("a pinned relay gets no new keys, and a store from before it was forgotten leaves the vault shut", older_is_refused):
        check("it is adopted by its generation, which has to be spelt out, and the next boot opens it", older_is_adopted)
    check("a machine whose store is gone says so, stays shut and makes nothing in its place", lost)
