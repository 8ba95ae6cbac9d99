#!/usr/bin/python3
"""update1_test.py IDENTITYD LETHECTL RELAY MACHINE SOURCE STATED UPDATED CALLER: tests org.lethe.Update1 and lethectl, with the real
lethe-updated on a private bus: the state that it finds, who may change it, and what a release would change. tests/vm tests whole updates.

Runs as root, because it plays two users, in a mount namespace of its own: the folders of systemd-pcrlock belong to the test. Prints TAP.
"""

import json
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from bench import NOBODY, refused
from checks import check, run
from update_bench import ERROR, LOADER_FILE, MANAGER, OBJECT, isolate, refuses_file, release, unchanged, updates

DENIED = "org.freedesktop.DBus.Error.AccessDenied"
CALLS = {"Stage": ("ha{sv}", "FILE", 0), "StageConfiguration": ("a{sh}as", 0, 0), "Preview": ("ha{sv}", "FILE", 0), "Retry": ("b", 1), "Abort": ("",), "Commit": ("",),
         "Reboot": ("a{sv}", 1, "when", "s", "never")}


@check("a machine that runs its only release says so, and writes nothing to find it out")
def _(bench):
    with updates(bench) as machine:
        files = machine.files()
        status, shown = machine.shown()
        assert status == 0 and shown["policy_state"] == "running" and shown["admitted"] == ["1"], shown
        assert shown["running"] == {"version": "1", "file": "lethe_1.efi", "secure_boot": True, "trial": False}, shown
        assert not shown["staged"] and not shown["reason"] and not shown["last_failure"], shown
        assert machine.stop() == 0 and machine.files() == files
        assert not machine.asked(), "systemd-pcrlock is asked for nothing"


@check("a machine that is not enrolled needs attention; commit has nothing to do there")
def _(bench):
    with updates(bench, enrolled=False) as machine, unchanged(machine):
        status, shown = machine.shown()
        assert status == 3 and shown["policy_state"] == "not-enrolled" and "lethectl enroll" in shown["reason"] and not shown["running"]["version"], shown
        assert bench.lethectl("update", "commit")[0] == 0
        for arguments in (["stage", release("2")], ["configure", "--drop", "a.cred"], ["abort"]):
            status, _, err = bench.lethectl("update", *arguments)
            assert status == 4 and "lethectl enroll" in err, (arguments, status, err)


@check("a machine that boots from the network has no releases: its server updates it")
def _(bench):
    with updates(bench, esp=False) as machine:
        machine.text_variable("StubInfo", "systemd-stub 257")
        machine.stop()
        machine.start()
        with unchanged(machine):
            status, shown = machine.shown()
            assert status == 0 and shown["policy_state"] == "none" and "over the network" in shown["reason"], shown
            assert bench.lethectl("update", "commit")[0] == 0
            status, _, err = bench.lethectl("update", "stage", release("2"))
            assert status == 4 and "over the network" in err, (status, err)


@check("a release on trial is shown as such; it is not kept, and nothing is staged, before boot-complete.target")
def _(bench):
    with updates(bench, file="lethe_1+2-1.efi") as machine, unchanged(machine):
        status, shown = machine.shown()
        assert status == 0 and shown["policy_state"] == "trial" and shown["running"]["trial"] and shown["running"]["file"] == "lethe_1+2-1.efi", shown
        for arguments in (["commit"], ["stage", release("2")], ["configure", "--drop", "a.cred"]):
            status, _, err = bench.lethectl("update", *arguments)
            assert status == 4 and "on trial" in err, (arguments, status, err)


@check("a machine that was not booted from a UKI on an ESP has no releases, though it is enrolled")
def _(bench):
    with updates(bench, esp=False) as machine, unchanged(machine):
        status, shown = machine.shown()
        assert status == 0 and shown["policy_state"] == "none" and shown["reason"], shown
        assert bench.lethectl("update", "commit")[0] == 0


@check("a policy that is lost is a mismatch, and no sign of a machine without releases")
def _(bench):
    bench.machine("enroll")
    for path in bench.store.glob("policy.*"):
        path.unlink()
    with updates(bench, enrolled=False) as machine, unchanged(machine):
        status, shown = machine.shown()
        assert status == 3 and shown["policy_state"] == "mismatch" and "policy" in shown["reason"], shown
        assert bench.lethectl("update", "commit")[0] == 3


@check("commit takes away what was noted of the running release, and abort what was noted of another")
def _(bench):
    note = bench.store / "last-update"
    note.write_text("1\nthe boot before was not healthy\n")
    with updates(bench) as machine:
        status, out, err = bench.lethectl("update", "commit")
        assert status == 0 and "is kept" in out and not note.exists() and not machine.asked(), (status, out, err)
        assert machine.shown()[0] == 0
        note.write_text("2\nrelay a: no circuit\n")
        machine.stop()
        machine.start()
        assert machine.shown()[0] == 3
        assert bench.lethectl("update", "abort")[0] == 0 and not note.exists() and machine.shown()[0] == 0
        status, _, err = bench.lethectl("update", "abort")
        assert status == 4 and "no release is staged" in err, (status, err)


@check("a preview refuses a release that must not be taken, even if the cost of a reboot is not known")
def _(bench):
    with updates(bench) as machine, unchanged(machine):
        for file, words in ((release("2", signer="other"), "release 2"), (release("2"), "nothing is prepared for log")):
            err = bench.lethectl("update", "plan", file)[2]
            assert words in err, err


@check("once it counts as good it is the running release, under its new name")
def _(bench):
    with updates(bench, file="lethe_1+2-1.efi", on_disk="lethe_1.efi") as machine, unchanged(machine):
        status, shown = machine.shown()
        assert status == 0 and shown["policy_state"] == "running" and shown["running"]["file"] == "lethe_1.efi", shown


@check("what runs is a release whatever its file is called: its version is in the image")
def _(bench):
    with updates(bench, file="other.efi") as machine, unchanged(machine):
        status, shown = machine.shown()
        assert status == 3 and shown["policy_state"] == "running" and shown["admitted"] == ["1"], shown
        assert (shown["running"]["version"], shown["running"]["file"]) == ("1", "other.efi"), shown
        assert "rename it to lethe_1.efi" in shown["reason"], shown
        assert bench.lethectl("update", "commit")[0] == 0


@check("capital letters in the name of a file are small ones")
def _(bench):
    with updates(bench, file="LETHE_1.EFI") as machine, unchanged(machine):
        status, shown = machine.shown()
        assert status == 0 and shown["policy_state"] == "running" and shown["running"]["file"] == "LETHE_1.EFI", shown


@check("an image that runs and is on no ESP is no sign of a machine without releases: nothing is kept, and the operator is told")
def _(bench):
    with updates(bench) as machine:
        machine.stop()
        (machine.esp / "EFI/Linux/lethe_1.efi").unlink()
        machine.start()
        status, shown = machine.shown()
        assert status == 3 and shown["policy_state"] == "unknown" and "is on no ESP" in shown["reason"], shown
        status, _, err = bench.lethectl("update", "commit")
        assert status == 1 and "is on no ESP" in err, (status, err)


@check("a variable that another system has left is told of and removed, and the next boot is without it")
def _(bench):
    with updates(bench) as machine:
        machine.stop()
        machine.text_variable("LoaderBootCountPath", r"\EFI\Linux\lethe_9.9+3.efi", attributes=7)
        machine.text_variable("LoaderEntryDefault", "lethe_0.efi", attributes=7)
        machine.start()
        status, shown = machine.shown()
        assert status == 3 and shown["policy_state"] == "running" and "LoaderBootCountPath, LoaderEntryDefault" in shown["reason"], shown
        assert not machine.has_variable("LoaderBootCountPath") and not machine.has_variable("LoaderEntryDefault")
        assert machine.has_variable("StubImageIdentifier"), "of this boot"
        machine.stop()
        machine.start()
        status, shown = machine.shown()
        assert status == 0 and not shown["reason"], shown


@check("a boot whose variables are hidden is known by its log and by what the files hold")
def _(bench):
    bench.machine("enroll")
    bench.start()
    with updates(bench, enrolled=False) as machine:
        machine.stop()
        (machine.esp / "EFI/Linux/lethe_2.efi").write_bytes(release("2").read_bytes())
        machine.text_variable("StubImageIdentifier", r"\EFI\Linux\lethe_2.efi", attributes=7)
        machine.text_variable("LoaderImageIdentifier", r"\EFI\Linux\lethe_2.efi", attributes=7)
        machine.prepare("log", logged(bench, release("1")))
        for told in ("LoaderImageIdentifier, StubImageIdentifier", ""):
            machine.start()
            status, shown = machine.shown()
            assert shown["policy_state"] == "running" and shown["running"]["file"] == "lethe_1.efi", shown
            assert (status, told in shown["reason"]) == ((3 if told else 0), True), shown
            machine.stop()
        machine.start()


@check("a boot whose variables were taken away did not come over the network for that")
def _(bench):
    bench.machine("enroll")
    bench.start()
    with updates(bench, enrolled=False) as machine:
        machine.stop()
        for name in ("StubImageIdentifier", "LoaderImageIdentifier", "LoaderDevicePartUUID"):
            machine.remove_variable(name)
        machine.prepare("log", logged(bench, release("1")))
        machine.start()
        status, shown = machine.shown()
        assert status == 0 and shown["policy_state"] == "running" and shown["running"]["file"] == "lethe_1.efi", shown


@check("the note about a release that failed is shown, and needs attention")
def _(bench):
    (bench.store / "last-update").write_text("2\nrelay a: no circuit\n")
    with updates(bench) as machine, unchanged(machine):
        status, shown = machine.shown()
        assert status == 3 and shown["last_failure"] == "release 2 was tried and not kept: relay a: no circuit", shown
        assert "relay a: no circuit" in bench.lethectl("update", "show")[1]


@check("a boot that the policy does not admit is a mismatch, and nothing is staged on it")
def _(bench):
    bench.machine("enroll")
    bench.machine("extend", 4)
    with updates(bench, enrolled=False) as machine, unchanged(machine):
        status, shown = machine.shown()
        assert status == 3 and shown["policy_state"] == "mismatch" and "PCR 4" in shown["reason"], shown
        with refused(ERROR + "PolicyMismatch"):
            machine.call("Commit")
        with release("2").open("rb") as file:
            refuses_file(machine, "Stage", file, "PolicyMismatch", "PCR 4")


@check("anyone may read; only root may change anything: others are AccessDenied by the bus")
def _(bench):
    with updates(bench) as machine, release("2").open("rb") as file, unchanged(machine):
        assert bench.lethectl("update", "show", user=NOBODY)[0] == 0
        for member, (signature, *values) in CALLS.items():
            with refused(DENIED):
                machine.call(member, signature, *[file if value == "FILE" else value for value in values], user=NOBODY)
        for arguments in (["stage", release("2")], ["plan", release("2")], ["configure", "--drop", "a.cred"], ["retry"], ["abort"], ["commit"], ["reboot"]):
            status, _, err = bench.lethectl("update", *arguments, user=NOBODY)
            assert status == 4 and "only root" in err, (arguments, status, err)


@check("the daemon itself refuses them, too, on a bus whose policy lets everything pass")
def _(bench):
    config = bench.folder / "bus.conf"
    config.write_text(re.sub("<include>.*</include>", '<policy context="default"><allow own="*"/><allow send_destination="*"/></policy>', config.read_text()))
    bench.call("/", "org.freedesktop.DBus.ReloadConfig", destination="org.freedesktop.DBus")
    with updates(bench) as machine, release("2").open("rb") as file, unchanged(machine):
        for member, (signature, *values) in CALLS.items():
            with refused(DENIED):
                machine.call(member, signature, *[file if value == "FILE" else value for value in values], user=NOBODY)
        refuses_file(machine, "Stage", Path("/dev/null").open("rb"), "Corrupt")  # Root's call comes this far.


def measured(bench, file, phase="ready"):
    status, out, err = bench.lethectl("measure", "--json", "--secure-boot", "on", "--loader", LOADER_FILE, "--phase", phase, file)
    assert status == 0, err
    return json.loads(out)


def logged(bench, file):
    """Returns what systemd-pcrlock would say about a boot of this file."""
    events = [{"pcr": event["pcr"], "sha256": event["digest"], "phase": "F"} for event in measured(bench, file)["events"] if event["pcr"] in (4, 11)]
    return {"log": events, "pcrs": [{"pcr": pcr, "hashMatchesEventLog": True, "allEventsMatched": True, "noMissingComponents": True} for pcr in range(24)]}


@check("plan shows what a boot of a release will measure, as `lethectl measure` does, and writes nothing")
def _(bench):
    bench.machine("enroll")
    bench.start()
    with updates(bench, enrolled=False) as machine, unchanged(machine):
        machine.prepare("log", logged(bench, release("1")))
        status, out, err = bench.lethectl("update", "plan", "--json", release("2"))
        assert status == 0, err
        plan = json.loads(out)
        assert (plan["running"], plan["staged"]) == ("1", "2") and [row["pcr"] for row in plan["pcrs"]] == [4, 7, 9, 11, 12, 13], plan
        rows = {row["pcr"]: row for row in plan["pcrs"]}
        assert [pcr for pcr in rows if not rows[pcr]["required"]] == [9], rows
        for pcr in (4, 9, 11, 12, 13):
            values = [measured(bench, release("2"), phase)["pcrs"][str(pcr)] for phase in ("sysinit", "ready")]
            assert rows[pcr]["predicted"] == list(dict.fromkeys(values)), (pcr, rows[pcr], values)
        assert rows[4]["event"] == "UKI" and rows[11]["event"] == ".osrel: contents", rows
        assert all(rows[pcr]["predicted"] == [rows[pcr]["present"]] and not rows[pcr]["event"] for pcr in (7, 12, 13)), rows
        with release("2").open("rb") as image, (bench.folder / "a").open("w+b") as file:
            file.write(b"settings\n")
            file.flush()
            machine.call("Preview", "ha{sv}", image, 1, "beside", "a{sh}", 1, "lethe.conf.cred", file)
        assert bench.lethectl("update", "plan")[0] == 4, "nothing is staged"
        assert set(machine.asked()) == {"log"}, "no more than a look at the log"


@check("a preview on a boot that the log does not know is refused")
def _(bench):
    bench.machine("enroll")
    bench.start()
    with updates(bench, enrolled=False) as machine, unchanged(machine):
        machine.prepare("log", logged(bench, release("1.1")))
        status, _, err = bench.lethectl("update", "plan", release("2"))
        assert status == 4 and "not in the event log (PCR 4)" in err, (status, err)


@check("a plan that fails is not made again at once, no matter who asks")
def _(bench):
    with updates(bench) as machine:
        machine.stop()
        (machine.esp / "EFI/Linux/lethe_2+3.efi").write_bytes(release("2").read_bytes())
        machine.text_variable("LoaderEntryOneShot", "lethe_2.efi", attributes=7)
        machine.start()
        assert machine.shown()[1]["staged"]["state"] == "staged", machine.shown()
        for user in (NOBODY, NOBODY, 0):
            status, _, err = bench.lethectl("update", "plan", user=user)
            assert status == 1 and "nothing is prepared for log" in err, (user, status, err)
        assert machine.asked() == ["log"]


@check("busctl shows exactly what the XML documents")
def _(bench):
    with updates(bench):
        _, text, _ = bench.busctl("introspect", "--xml-interface", "org.lethe.Update1", OBJECT, user=NOBODY)
        documented = ElementTree.parse(bench.source / f"src/updated/{MANAGER}.xml").find("interface")
        shown = next(found for found in ElementTree.fromstring(text).iter("interface") if found.get("name") == MANAGER)

        def members(of):
            return {(member.tag, member.get("name"), member.get("type"), tuple((arg.get("name"), arg.get("type"), arg.get("direction")) for arg in member.findall("arg")))
                    for member in of if member.tag != "annotation"}
        assert members(shown) == members(documented), members(shown) ^ members(documented)


@check("a release that comes as far as the policy, and no farther, leaves the ESP again")
def _(bench):
    with updates(bench) as machine:
        before = machine.files(), machine.shown()
        status, _, err = bench.lethectl("update", "stage", "--verbose", release("2"))
        assert status == 1 and "nothing is prepared for lock-secureboot-policy" in err, (status, err)
        steps = re.findall(r"^ *(\d+) %  (.*)$", err, re.M)
        assert [step for _, step in steps] == ["checking the release", "writing the release to the ESP", "locking the running release", "undoing it", "locking the running release"], steps
        assert set(machine.asked()) == {"lock-secureboot-policy"}
        assert (machine.files(), machine.shown()) == before, machine.shown()


isolate()
run()
