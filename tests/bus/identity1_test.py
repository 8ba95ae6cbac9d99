#!/usr/bin/python3
"""identity1_test.py IDENTITYD LETHECTL RELAY MACHINE SOURCE: tests org.lethe.Identity1 and lethectl, the real binaries on a private bus.

Runs as root, because it plays two users. Prints TAP. Each check has a machine of its own.
"""

import json
import os
import re
import shutil
import xml.etree.ElementTree as ElementTree

from bench import GLOBAL, LIMIT, MANAGER, NOBODY, SYSTEMD, refused, relay
from checks import check, damage, enrolled, fingerprints, run, store_files

CREATE = "org.lethe.Identity1.Manager.CreateRelay"
RELOAD = "org.lethe.Identity1.Manager.Reload"
POLICY_KEYS = "org.lethe.Identity1.Manager.PolicyKeys"
VERIFY = "org.lethe.Identity1.Relay.Verify"
GET = "org.freedesktop.DBus.Properties.Get"


@check("two pending relays get keys, installed 0700 and 0600 for their user, and a manifest")
def _(bench):
    enrolled(bench, "a", "b")
    found = fingerprints(bench)
    assert set(found) == {"a", "b"} and found["a"] != found["b"], found
    for name, (rsa, ed25519) in found.items():
        assert re.fullmatch("[0-9A-F]{40}", rsa) and re.fullmatch("[A-Za-z0-9+/]{43}", ed25519)
        folder = bench.runtime / "keys" / name
        assert (folder.stat().st_mode & 0o7777, folder.stat().st_uid) == (0o700, NOBODY)
        assert {(path.stat().st_mode & 0o7777, path.stat().st_uid) for path in folder.iterdir()} == {(0o600, NOBODY)}
        assert json.loads((bench.runtime / "manifest" / name).read_text()) == {"fingerprint": rsa, "ed25519": ed25519}
    assert not list((bench.runtime / "scratch").iterdir())


@check("a restart of the daemon, and a boot with an empty /run, bring the same fingerprints and write nothing")
def _(bench):
    enrolled(bench, "a", "b")
    known, files = fingerprints(bench), store_files(bench)
    bench.restart()
    assert fingerprints(bench) == known
    bench.stop()
    os.rename(bench.runtime, bench.folder / "old")
    bench.runtime.mkdir()
    bench.start()
    assert fingerprints(bench) == known and store_files(bench) == files
    assert {path.name for path in (bench.runtime / "keys").iterdir()} == {"a", "b"}


@check("SIGTERM ends the daemon with status 0")
def _(bench):
    enrolled(bench)
    assert bench.stop() == 0


@check("when the bus goes away the daemon ends with status 1, so that systemd starts it again")
def _(bench):
    enrolled(bench, "a")
    bench.bus.kill()
    assert bench.daemon.wait(LIMIT) == 1, bench.daemon.returncode
    assert "<3>" in bench.journal.read_text()


@check("anyone may read, and root may verify")
def _(bench):
    enrolled(bench, "a")
    for user in (0, NOBODY):
        for arguments in (["identity", "list"], ["identity", "show", "a"], *([] if user else [["identity", "verify"], ["identity", "verify", "a"]])):
            status, out, err = bench.lethectl(*arguments, user=user)
            assert status == 0 and "a" in out, (arguments, user, status, out, err)
        status, out, err = bench.lethectl("status", user=user)
        assert re.search(r"a  [0-9A-F]{40}  keys installed", out), (user, status, out, err)
        bench.call(relay("a"), GET, "string:org.lethe.Identity1.Relay", "string:State", user=user)
    bench.call(relay("a"), VERIFY)


@check("only root may create, reload or verify: others are AccessDenied by the bus")
def _(bench):
    enrolled(bench, "a")
    known = fingerprints(bench)
    denied = "org.freedesktop.DBus.Error.AccessDenied"
    with refused(denied):
        bench.call(MANAGER, CREATE, "string:c", user=NOBODY)
    with refused(denied):
        bench.call(MANAGER, RELOAD, user=NOBODY)
    with refused(denied):
        bench.call(MANAGER, POLICY_KEYS, user=NOBODY)
    with refused(denied):
        bench.call(relay("a"), VERIFY, user=NOBODY)
    for arguments in (["create", "c"], ["verify"], ["verify", "a"]):
        status, _, err = bench.lethectl("identity", *arguments, user=NOBODY)
        assert status == 4 and "only root" in err, (arguments, status, err)
    assert fingerprints(bench) == known


@check("the daemon itself refuses them, too, on a bus whose policy lets everything pass")
def _(bench):
    bench.machine("enroll")
    config = bench.folder / "bus.conf"
    text = config.read_text()
    config.write_text(re.sub("<include>.*</include>", '<policy context="default"><allow own="*"/><allow send_destination="*"/></policy>', text))
    bench.call("/", "org.freedesktop.DBus.ReloadConfig", destination="org.freedesktop.DBus")
    bench.start()
    bench.call(MANAGER, CREATE, "string:a")
    with refused("org.freedesktop.DBus.Error.AccessDenied"):
        bench.call(relay("a"), VERIFY, user=NOBODY)
    for member, arguments in ((CREATE, ["string:c"]), (RELOAD, []), (POLICY_KEYS, [])):
        with refused("org.freedesktop.DBus.Error.AccessDenied"):
            bench.call(MANAGER, member, *arguments, user=NOBODY)
    bench.call(MANAGER, CREATE, "string:c")


@check("a machine without an id says so to whoever asks for it, and the daemon goes on")
def _(bench):
    bench.machine("enroll", "a")
    # The daemon sees an empty file as /etc/machine-id; the machine's own file stays.
    program = bench.folder / "without-id"
    program.write_text(f"#!/bin/sh\nexec unshare --mount sh -c '[ ! -e /etc/machine-id ] || mount --bind /dev/null /etc/machine-id; exec {bench.identityd}'\n")
    program.chmod(0o755)
    bench.identityd = program
    bench.start()
    for user in (NOBODY, 0):
        with refused("org.freedesktop.DBus.Error.NotSupported", "machine-id"):
            bench.call(MANAGER, "org.freedesktop.DBus.Peer.GetMachineId", user=user)
    bench.call(MANAGER, "org.freedesktop.DBus.Peer.Ping", user=NOBODY)
    assert bench.daemon.poll() is None and bench.status()["vault"]["state"] == "open"


@check("what changes the policy is for root, for as long as the vault is open")
def _(bench):
    bench.start()
    with refused("org.lethe.Error.WrongState", "not enrolled"):
        bench.call(MANAGER, POLICY_KEYS)
    bench.stop()
    enrolled(bench)
    assert "file descriptor" in bench.call(MANAGER, POLICY_KEYS)


@check("create makes a relay once: the second time it is AlreadyExists and nothing changes")
def _(bench):
    enrolled(bench)
    reply = bench.call(MANAGER, CREATE, "string:c")
    assert relay("c") in reply, reply
    known, files = fingerprints(bench), store_files(bench)
    with refused("org.lethe.Error.AlreadyExists", "exist"):
        bench.call(MANAGER, CREATE, "string:c")
    status, _, err = bench.lethectl("identity", "create", "c")
    assert status == 4 and "exist" in err, (status, err)
    assert fingerprints(bench) == known and store_files(bench) == files
    bench.restart()
    assert fingerprints(bench) == known


@check("errors have names from the table, whatever is asked")
def _(bench):
    enrolled(bench, "a")
    for name in ("", "A", "../a", "a b", "x" * 20):
        with refused("org.lethe.Error.InvalidArgument"):
            bench.call(MANAGER, CREATE, f"string:{name}")
    with refused("org.freedesktop.DBus.Error.UnknownObject"):
        bench.call(relay("z"), VERIFY)
    with refused("org.freedesktop.DBus.Error.InvalidArgs"):
        bench.call(MANAGER, CREATE, "int32:1")
    damage(bench, "identity-a.*")
    with refused("org.lethe.Error.Corrupt"):
        bench.call(relay("a"), VERIFY)
    for path in bench.store.glob("identity-a.*"):
        path.unlink()
    with refused("org.lethe.Error.NotFound"):
        bench.call(relay("a"), VERIFY)
    status, out, err = bench.lethectl("identity", "show", "z")
    assert status == 4 and "no such relay" in err, (status, err)


@check("busctl shows the tree, and introspection exactly what the XML documents")
def _(bench):
    enrolled(bench, "a")
    status, tree, _ = bench.busctl("tree", "--list", "org.lethe.Identity1", user=NOBODY)
    assert status == 0 and relay("a") in tree.split(), tree
    for path, interface in ((MANAGER, "Manager"), (relay("a"), "Relay")):
        _, text, _ = bench.busctl("introspect", "--xml-interface", "org.lethe.Identity1", path, user=NOBODY)
        documented = ElementTree.parse(bench.source / f"src/identityd/org.lethe.Identity1.{interface}.xml").find("interface")
        shown = next(found for found in ElementTree.fromstring(text).iter("interface") if found.get("name") == documented.get("name"))

        def members(of):
            return {(member.tag, member.get("name"), member.get("type"),
                     tuple((arg.get("name"), arg.get("type"), arg.get("direction")) for arg in member.findall("arg"))) for member in of
                    if member.tag != "annotation"}
        assert members(shown) == members(documented), members(shown) ^ members(documented)


@check("signals follow a change")
def _(bench):
    enrolled(bench)
    with bench.monitor() as next_line:
        bench.call(MANAGER, CREATE, "string:c")
        seen = ""
        while not ("InterfacesAdded" in seen and "PropertiesChanged" in seen):
            seen += next_line()


@check("another PCR value shuts the vault: no keys, the reason everywhere, status 3, the store unchanged")
def _(bench):
    enrolled(bench, "a")
    known, files = fingerprints(bench), store_files(bench)
    bench.stop()
    shutil.copy(bench.folder / "tpm", bench.folder / "tpm.saved")
    bench.machine("extend", 11)
    bench.runtime.rename(bench.folder / "old")
    bench.runtime.mkdir()
    bench.start()
    status, out, _ = bench.lethectl("status", user=NOBODY)
    assert status == 3 and re.search(r"^Vault: shut", out, re.M) and re.search(r"PCR .*11", out), (status, out)
    assert not re.search("[0-9A-F]{40}", out)
    state = bench.status()
    assert state["vault"]["error"] == "org.lethe.Error.PolicyMismatch", state
    assert [(entry["name"], entry["state"]) for entry in state["relays"]] == [("a", "shut")], state
    assert not list(bench.runtime.glob("keys/*")) and not list(bench.runtime.glob("manifest/*"))
    assert re.search(r"<3>the vault is shut: .*PCR .*11", bench.journal.read_text())
    with refused("org.lethe.Error.WrongState", "11"):
        bench.call(MANAGER, CREATE, "string:c")
    with refused("org.lethe.Error.WrongState", "11"):
        bench.call(relay("a"), VERIFY)
    assert store_files(bench) == files
    bench.stop()
    shutil.copy(bench.folder / "tpm.saved", bench.folder / "tpm")
    bench.start()
    assert fingerprints(bench) == known


@check("Secure Boot off is reported in red, permanently, with what an attacker can do; the vault of an earlier release opens anyway")
def _(bench):
    bench.machine("enroll-without-7")
    bench.secure_boot(0, 0)
    bench.start()
    bench.start_state()
    status, out, _ = bench.lethectl("status", user=NOBODY)
    assert status == 3 and "Vault: open" in out and re.search("^Insecure: Secure Boot is off, .* neither PCR 7 nor PCR 2", out, re.M), (status, out)
    assert "puts PCR 7 into the policy" in out and "<4>Secure Boot is off" in bench.journal.read_text(), out
    state = bench.status()
    assert state["secure_boot"] == "off" and "read the keys" in state["insecure"] and state["insecure_advice"], state
    for on, setup_mode, name in ((0, 1, "setup"), (1, 1, "setup"), (1, 0, "on")):
        bench.secure_boot(on, setup_mode)
        bench.restart()
        state = bench.status()
        assert state["secure_boot"] == name and state["insecure"], state
    assert "does not hold PCR 7" in state["insecure"], state


@check("with Secure Boot and PCR 7 in the policy nothing is reported; an EFI variable that steers systemd is")
def _(bench):
    enrolled(bench)
    bench.start_state()
    status, out, _ = bench.lethectl("status")
    assert status == 0 and "Insecure" not in out and "Warning" not in out, (status, out)
    bench.firmware_variable("SystemdOptions", SYSTEMD, b"\7\0\0\0" + "root=/dev/vdb".encode("utf-16-le"))
    bench.restart()
    status, out, _ = bench.lethectl("status", user=NOBODY)
    assert status == 3 and re.search("^Warning: the EFI variable SystemdOptions-8cf2644b.* is set", out, re.M) and "delete it" in out, (status, out)
    assert len(bench.status()["boot_warnings"]) == 1 and "SystemdOptions" in bench.journal.read_text()
    bench.firmware_variable("SecureBoot", GLOBAL, b"\7\0\0\0\1")
    bench.restart()
    state = bench.status()
    assert state["secure_boot"] == "off" and len(state["boot_warnings"]) == 2, state


@check("a machine that is not enrolled says so; enrolment and a reload open it")
def _(bench):
    bench.start()
    status, out, _ = bench.lethectl("status")
    assert status == 3 and "Vault: not-enrolled" in out and "lethectl enroll" in out, (status, out)
    bench.machine("enroll", "a")
    status, out, err = bench.lethectl("identity", "reload")
    assert status == 3 and "Vault: open" in out and re.search("[0-9A-F]{40}", out), (status, out, err)  # See the next check for 3.


@check("without lethe-stated the status shows the identities, says that the state is unknown and why, with status 3")
def _(bench):
    enrolled(bench, "a")
    status, out, _ = bench.lethectl("status", user=NOBODY)
    assert status == 3 and re.search(r"a  [0-9A-F]{40}  keys installed .*state unknown$", out, re.M), (status, out)
    assert re.search(r"^  state unknown: lethe-stated is not running; see `systemctl status lethe-stated`$", out, re.M), out
    state = bench.status()["state"]
    assert (state["state"], state["error"]) == ("unknown", "org.freedesktop.DBus.Error.ServiceUnknown"), state
    for words in (["show"], ["show", "a"], ["snapshot"], ["reset", "--yes"]):
        status, _, err = bench.lethectl("state", *words)
        assert status == 3 and "lethe-stated is not running" in err, (words, status, err)


@check("one damaged relay leaves the other; status names it and ends with 3")
def _(bench):
    enrolled(bench, "a", "b")
    known = fingerprints(bench)
    damage(bench, "identity-a.*")
    bench.restart()
    state = {entry["name"]: entry for entry in bench.status()["relays"]}
    assert state["a"]["state"] == "damaged" and state["a"]["reason"] and state["b"]["state"] == "installed", state
    assert fingerprints(bench)["b"] == known["b"]
    status, out, _ = bench.lethectl("status")
    assert status == 3 and "Vault: open" in out and "a: " in out, (status, out)
    status, out, _ = bench.lethectl("identity", "verify", "--json")
    assert status == 3 and [entry["good"] for entry in json.loads(out)] == [False, True], (status, out)
    assert {path.name for path in (bench.runtime / "manifest").iterdir()} == {"b"}


@check("without the daemon lethectl says so and what to do, with status 3")
def _(bench):
    status, _, err = bench.lethectl("status")
    assert status == 3 and "lethe-identityd is not running" in err, (status, err)
    status, out, _ = bench.lethectl("status", "--json")
    assert status == 3 and json.loads(out)["error"] == "org.freedesktop.DBus.Error.ServiceUnknown", out


@check("lethectl's usage, help and version")
def _(bench):
    for arguments, expected in (([], 2), (["nonsense"], 2), (["identity", "show"], 2), (["--help"], 0), (["--version"], 0)):
        assert bench.lethectl(*arguments)[0] == expected, arguments
    status, _, err = bench.lethectl("enroll", user=NOBODY)
    assert status == 4 and "only root" in err


@check("a relay that may not start says why, with status 78, and one whose keys were exchanged does not start")
def _(bench):
    def refusal(name):
        status, _, err = bench.relay(name)
        assert status == 78 and err.startswith(f"<3>relay {name} does not start: "), (status, err)
        assert bench.notified.startswith("STATUS=") and bench.notified[7:] in err, bench.notified
        return err
    assert "systemctl status lethe-identityd" in refusal("a")
    bench.start()
    assert "vault is not-enrolled" in refusal("a") and "lethectl enroll" in refusal("a")
    bench.stop()
    enrolled(bench, "a", "b")
    assert "lethectl identity create c" in refusal("c")
    assert "relay's name" in refusal("../a")
    assert "torrc" in refusal("a")  # Its keys are the sealed ones, and its torrc is missing.
    bench.torrc("KeyDirectory /tmp\n")
    assert "KeyDirectory" in refusal("a")
    keys = bench.runtime / "keys"
    (keys / "a").rename(keys / "old")
    (keys / "b").rename(keys / "a")
    assert "sealed identity" in refusal("a")
    shutil.rmtree(keys / "a")
    assert "keys/a" in refusal("a")
    damage(bench, "identity-a.*")
    bench.restart()
    assert "damaged" in refusal("a")
    bench.stop()
    bench.machine("extend", 11)
    bench.start()
    assert re.search("the vault is shut: .*PCR .*11", refusal("a"))


@check("no secret octet of the keys is in the store, in the journal or in what is printed")
def _(bench):
    enrolled(bench, "a")
    needles = [path.read_bytes()[-32:] for path in (bench.runtime / "keys/a").iterdir() if "secret" in path.name]
    assert needles
    printed = "".join(bench.lethectl(*words)[1] for words in (["status"], ["identity", "show", "a", "--json"])).encode()
    for content in [*store_files(bench).values(), bench.journal.read_bytes(), printed]:
        assert not any(needle in content for needle in needles)


run()
