#!/usr/bin/python3
"""update_ctl_test.py IDENTITYD LETHECTL RELAY MACHINE SOURCE STATED DOUBLE: tests lethectl's part of updates, with a double of Update1.

Runs as root, because it plays two users. Prints TAP. Each check has a bus of its own.
"""

import contextlib
import json
import os
import pty
import select
import subprocess
import sys
from pathlib import Path

from bench import LIMIT, NOBODY
from checks import check, enrolled, run

DOUBLE = Path(sys.argv[7]).resolve()
POLICY = """<policy context="default">
    <allow send_destination="org.lethe.Update1" send_interface="org.freedesktop.DBus.Properties"/>
  </policy>
  <policy user="root"><allow own="org.lethe.Update1"/><allow send_destination="org.lethe.Update1"/></policy>
</busconfig>"""
RUNNING = {"Running": {"version": "1.2", "file": "lethe_1.2.efi", "secure-boot": True, "trial": False}, "Admitted": ["1.2"], "PolicyState": "running"}
STAGED = {**RUNNING, "Staged": {"version": "2.0", "file": "lethe_2.0+3.efi", "state": "staged", "tries-left": 3, "tries-done": 0},
          "Admitted": ["1.2", "2.0"], "PolicyState": "staged"}
PLAN = {"running": "1.2", "staged": "2.0",
        "pcrs": [[4, [17] * 32, [[34] * 32, [34] * 32], "the UKI", True], [7, [51] * 32, [[51] * 32], "", True]],
        "relays": [{"name": "a", "mtbf": 1036800, "mtbf-after": 561600, "wfu": 0.998, "wfu-after": 0.9725, "time-known": 3456000,
                    "flags": ["Fast", "Guard"], "at-risk": ["Guard"], "why": "its WFU falls below 98 %"}, {"name": "b", "why": "nothing is known of it"}],
        "downtime": 45, "advised": 0, "advice": "the window is open"}
PROGRESS = [["checks the signature", 10], ["writes the release", 50], ["writes the release", 60], ["proves the policy", 90]]


class Service:
    """A double of org.lethe.Update1 on the bench's bus."""

    def __init__(self, bench):
        self.bench, self.folder = bench, bench.folder / "double"
        self.folder.mkdir()
        config = bench.folder / "bus.conf"
        config.write_text(config.read_text().replace("</busconfig>", POLICY))
        bench.call("/", "org.freedesktop.DBus.ReloadConfig", destination="org.freedesktop.DBus")
        self.process = bench.spawn(DOUBLE, bench.folder / "journal-double", UPDATE_DOUBLE=str(self.folder))

    def plays(self, *parts, **more):
        (self.folder / "script").write_text(json.dumps({name: value for part in (*parts, more) for name, value in part.items()}))

    def refuses(self, name, text):
        self.plays(refuse=[f"org.lethe.Error.{name}", text])

    def received(self):
        received = json.loads((self.folder / "received").read_text())
        return received["method"], received["arguments"]

    def file(self, name, text):
        (self.folder / name).write_text(text)
        return self.folder / name


@contextlib.contextmanager
def service(bench):
    double = Service(bench)
    try:
        yield double
    finally:
        double.process.kill()  # The double may be waiting.
        double.process.wait(LIMIT)


def succeeds(bench, *arguments):
    status, out, err = bench.lethectl("update", *arguments)
    assert (status, err) == (0, ""), (arguments, status, out, err)
    return out


def expect_exit(bench, wanted, words, *arguments, user=0):
    """Asserts that the command ends in this status and says these words; with --json, it says them in JSON."""
    status, out, err = bench.lethectl("update", *arguments, user=user)
    assert status == wanted and words in err and out == "", (arguments, status, out, err)
    status, out, _ = bench.lethectl("update", *arguments, "--json", user=user)
    assert status == wanted and words in json.loads(out)["message"], (arguments, status, out)


def on_terminal(bench, *arguments):
    """Returns the command's exit status, what it prints, and what it writes to standard error, which is a terminal."""
    master, slave = pty.openpty()
    with subprocess.Popen([bench.lethectl_path, *map(str, arguments)], stdout=subprocess.PIPE, stderr=slave, text=True,
                          env=dict(bench.environment, TERM="xterm")) as process:
        os.close(slave)
        out, _ = process.communicate(timeout=LIMIT)
    written = b""
    with contextlib.suppress(OSError):  # A terminal's output ends with an error.
        while part := os.read(master, 4096):
            written += part
    os.close(master)
    return process.returncode, out, written.decode()


@check("show tells anyone what runs, what is staged and what the policy admits")
def _(bench):
    with service(bench) as double:
        double.plays(STAGED, RebootAt=4102444800)
        for user in (0, NOBODY):
            status, out, err = bench.lethectl("update", "show", user=user)
            assert status == 0 and "staged   2.0      lethe_2.0+3.efi  the next boot tries it, 3 tries left" in out, (status, out, err)
            assert "Admitted  1.2, 2.0\n" in out and "Reboot    2100-01-01 00:00 UTC, in " in out, out
        shown = json.loads(succeeds(bench, "show", "--json"))
        assert shown["running"] == {"version": "1.2", "file": "lethe_1.2.efi", "secure_boot": True, "trial": False}, shown
        assert shown["staged"]["tries_left"] == 3 and shown["admitted"] == ["1.2", "2.0"] and shown["reboot_at"] == 4102444800, shown


@check("show ends in 3 when something needs attention")
def _(bench):
    with service(bench) as double:
        for trouble in ({"PolicyState": "mismatch"}, {"LastFailure": "2.0: tor did not bootstrap"}, {"Reason": "the ESP is full"}):
            double.plays(RUNNING, trouble)
            status, out, _ = bench.lethectl("update", "show")
            assert status == 3, (trouble, status, out)
            status, out, _ = bench.lethectl("update", "show", "--json")
            assert status == 3 and json.loads(out)["running"]["version"] == "1.2", (trouble, status, out)


@check("stage hands over the release, its records and the files beside it, and says what to do next")
def _(bench):
    with service(bench) as double:
        double.plays(answer="2.0")
        image = double.file("lethe_2.0.efi", "the image")
        out = succeeds(bench, "stage", image)
        assert out.startswith("2.0 is staged") and "`lethectl update reboot`" in out, out
        assert double.received() == ("Stage", {"image": "the image", "options": {}})
        double.file("lethe_2.0.pcrlock", "its records")
        a, b = double.file("lethe.torrc.a.cred", "a torrc"), double.file("b.sysext.raw", "an extension")
        out = succeeds(bench, "stage", image, "--beside", a, "--beside", b, "--drop", "c", "--drop", "d", "--allow-downgrade", "--json")
        assert json.loads(out) == {"staged": "2.0"}, out
        assert double.received() == ("Stage", {"image": "the image", "options": {
            "allow-downgrade": True, "records": "its records", "beside": {"lethe.torrc.a.cred": "a torrc", "b.sysext.raw": "an extension"},
            "drop": ["c", "d"]}})
        succeeds(bench, "stage", image, "--records", double.file("others", "other records"))
        assert double.received()[1]["options"] == {"records": "other records"}


@check("what the service refuses ends in 4 with its words; a wrong option in 2, a full disk in 1, a TPM that is away in 3")
def _(bench):
    with service(bench) as double:
        image = double.file("u.efi", "the image")
        for name, status in (("PolicyMismatch", 4), ("Corrupt", 4), ("Rollback", 4), ("AlreadyExists", 4), ("WrongState", 4), ("InvalidArgument", 2),
                             ("Io", 1), ("TpmUnavailable", 3), ("TpmLockedOut", 3)):
            double.refuses(name, f"no: {name}; do this next")
            for arguments in (["stage", image], ["configure", "--drop", "a.cred"], ["plan", image]):
                expect_exit(bench, status, f"no: {name}; do this next", *arguments)


@check("a file that does not exist, or is not a release, is refused before the service is asked")
def _(bench):
    with service(bench) as double:
        double.plays(answer="2.0")
        image = double.file("u.efi", "the image")
        expect_exit(bench, 4, "missing.efi", "stage", double.folder / "missing.efi")
        expect_exit(bench, 4, "not a regular file", "stage", double.folder)
        expect_exit(bench, 2, "given twice", "stage", image, "--beside", image, "--beside", image)
        expect_exit(bench, 2, "--set FILE or --drop NAME", "configure")
        assert not (double.folder / "received").exists()


@check("configure hands over files under their own names")
def _(bench):
    with service(bench) as double:
        double.plays(answer="1.2^1")
        torrc, other = double.file("lethe.torrc.a.cred", "a torrc"), double.file("lethe.conf.cred", "settings")
        out = succeeds(bench, "configure", "--set", torrc, "--set", other, "--drop", "b.cred")
        assert out.startswith("1.2^1 is staged"), out
        assert double.received() == ("StageConfiguration", {"files": {"lethe.torrc.a.cred": "a torrc", "lethe.conf.cred": "settings"}, "drop": ["b.cred"]})
        assert json.loads(succeeds(bench, "configure", "--drop", "b.cred", "--json")) == {"staged": "1.2^1"}
        assert double.received() == ("StageConfiguration", {"files": {}, "drop": ["b.cred"]})


@check("plan shows what the staged release changes, and what the reboot costs")
def _(bench):
    with service(bench) as double:
        double.plays(STAGED, Plan=PLAN)
        out = succeeds(bench, "plan")
        for line in ("From 1.2 to 2.0\n", f"4    {'11' * 8}  {'22' * 8}  the UKI\n", "99.80 % -> 97.25 %", "12 days -> 6.5 days", "  a: its WFU falls below 98 %\n", "b      -                    -  ",
                     "Reboot: 45 seconds without tor; advised now: the window is open\n"):
            assert line in out, (line, out)
        plan = json.loads(succeeds(bench, "plan", "--json"))
        assert plan["pcrs"][0] == {"pcr": 4, "present": "11" * 32, "predicted": ["22" * 32] * 2, "event": "the UKI", "required": True}, plan
        assert plan["relays"][0]["mtbf_after"] == 561600 and plan["relays"][0]["at_risk"] == ["Guard"] and plan["relays"][1]["wfu"] is None, plan
        double.plays(RUNNING)
        expect_exit(bench, 4, "nothing is staged", "plan")
        expect_exit(bench, 2, "about a FILE", "plan", "--drop", "a")


@check("a plan that cannot be made is reported, and leaves show and status alone")
def _(bench):
    enrolled(bench)
    bench.start_state()
    with service(bench) as double:
        double.plays(STAGED, refuse=["org.lethe.Error.Io", "the staged release cannot be read"])
        expect_exit(bench, 1, "the staged release cannot be read", "plan")
        assert "3 tries left" in succeeds(bench, "show")
        status, out, err = bench.lethectl("status")
        assert status == 0 and "update staged" in out, (status, out, err)


@check("plan of a file asks for a preview of it, with the options of stage")
def _(bench):
    with service(bench) as double:
        double.plays(answer={**PLAN, "staged": "3.0"})
        image = double.file("u.efi", "the image")
        assert succeeds(bench, "plan", image, "--drop", "a", "--allow-downgrade").startswith("From 1.2 to 3.0\n")
        assert double.received() == ("Preview", {"image": "the image", "options": {"allow-downgrade": True, "drop": ["a"]}})
        assert json.loads(succeeds(bench, "plan", "--json", image))["staged"] == "3.0"


@check("reboot passes the time on and says when it will be")
def _(bench):
    with service(bench) as double:
        for answer, arguments, options, words in (
                (1, [], {}, "rebooting"), (1, ["--when", "now", "--urgent"], {"when": "now", "urgent": True}, "rebooting"),
                (4102444800, ["--when", "quiet"], {"when": "quiet"}, "planned for 2100-01-01 00:00 UTC"),
                (4102444800, ["--when", "2100-01-01 00:00"], {"when": "2100-01-01 00:00"}, "`lethectl update reboot --when never`"),
                (0, ["--when", "never"], {"when": "never"}, "no reboot is planned")):
            double.plays(answer=answer)
            out = succeeds(bench, "reboot", *arguments)
            assert words in out and double.received() == ("Reboot", options), (arguments, out, double.received())
            assert json.loads(succeeds(bench, "reboot", *arguments, "--json")) == {"reboot_at": answer}
        expect_exit(bench, 2, "--urgent is now", "reboot", "--urgent", "--when", "quiet")
        double.refuses("WrongState", "relay a would lose Guard: wait, or --urgent")
        expect_exit(bench, 4, "relay a would lose Guard", "reboot")
        double.refuses("InvalidArgument", "that time is past")
        expect_exit(bench, 2, "that time is past", "reboot", "--when", "2020-01-01")


@check("a vault with the key of an earlier release gets a new one when the release that runs is alone")
def _(bench):
    bench.machine("enroll-earlier", "a")
    bench.start()
    with service(bench) as double:
        double.plays(STAGED)
        assert json.loads(succeeds(bench, "commit", "--json")) == {"committed": True, "new_vault_key": False}
        double.plays(RUNNING)
        expect_exit(bench, 3, "the running release is kept, and the vault has no new key in the place of the earlier release's: not here", "commit")
    assert json.loads(bench.lethectl("store", "show", "--json")[1])["earlier_key"]


@check("abort and commit work, are refused when there is nothing to do, and leave a policy that does not fit to the operator")
def _(bench):
    with service(bench) as double:
        for command, method, words in (("abort", "Abort", "is gone"), ("commit", "Commit", "is kept")):
            double.plays()
            assert words in succeeds(bench, command) and double.received() == (method, None)
            assert next(iter(json.loads(succeeds(bench, command, "--json")).values())) is True
            double.refuses("NotFound", "nothing is staged")
            expect_exit(bench, 4, "nothing is staged", command)
            double.refuses("WrongState", "it is on trial")
            expect_exit(bench, 4, "it is on trial", command)
            double.refuses("PolicyMismatch", "PCR 7 is in no policy")
            expect_exit(bench, 3, "PCR 7", command)


@check("retry stages what waits for the network, at once unless it is asked to wait for its time")
def _(bench):
    with service(bench) as double:
        for arguments, at_once in ((["retry"], True), (["retry", "--when-due"], False)):
            double.plays(answer="2.0")
            assert succeeds(bench, *arguments).startswith("2.0 is staged") and double.received() == ("Retry", at_once)
            assert json.loads(succeeds(bench, *arguments, "--json")) == {"staged": "2.0"}
        double.plays(answer="")
        assert "nothing to do" in succeeds(bench, "retry", "--when-due")
        double.refuses("NotFound", "no release waits for the network")
        expect_exit(bench, 4, "no release waits", "retry")


@check("steps are a line each with --verbose, a bar on a terminal, and nothing else")
def _(bench):
    with service(bench) as double:
        double.plays(answer="2.0", progress=PROGRESS)
        image = double.file("u.efi", "the image")
        assert succeeds(bench, "stage", image).startswith("2.0 is staged")
        for arguments in (["stage", image], ["configure", "--drop", "a"], ["abort"], ["commit"]):
            status, out, err = bench.lethectl("update", *arguments, "--verbose", "--json")
            assert status == 0 and json.loads(out), (status, out, err)
            assert err == " 10 %  checks the signature\n 50 %  writes the release\n 90 %  proves the policy\n", err
        status, out, shown = on_terminal(bench, "update", "stage", image)
        frames = shown.split("\r\x1b[K")
        assert frames[1:] == ["[##......................]  10 %  checks the signature", "[############............]  50 %  writes the release",
                              "[##############..........]  60 %  writes the release", "[#####################...]  90 %  proves the policy", ""], frames
        assert status == 0 and out.startswith("2.0 is staged") and "\x1b" not in out, (status, out)
        double.plays(progress=PROGRESS[:1], refuse=["org.lethe.Error.Rollback", "it is older"])
        status, _, shown = on_terminal(bench, "update", "stage", image)
        assert status == 4 and shown.endswith("signature\r\x1b[Klethectl: it is older\r\n"), (status, shown)


@check("a bus that ends in the middle of a call ends the call")
def _(bench):
    with service(bench) as double:
        double.plays(wait=True, progress=PROGRESS)
        image = double.file("u.efi", "the image")
        with subprocess.Popen([bench.lethectl_path, "update", "stage", "--verbose", image], stderr=subprocess.PIPE, text=True, env=bench.environment) as process:
            try:
                assert select.select([process.stderr], [], [], LIMIT)[0], "no step"  # From here on the call is under way.
                bench.bus.kill()
                _, err = process.communicate(timeout=LIMIT)
            finally:
                process.kill()
        assert process.returncode == 1 and "does not answer" in err, (process.returncode, err)


@check("a service that ends in the middle of a call does not answer")
def _(bench):
    with service(bench) as double:
        double.plays(end=True)
        status, _, err = bench.lethectl("update", "abort")
        assert status == 1 and "lethe-updated does not answer" in err, (status, err)


@check("only root may change anything, or have a file looked at")
def _(bench):
    with service(bench) as double:
        double.plays(STAGED, answer="2.0")
        image = double.file("u.efi", "the image")
        double.folder.chmod(0o755)
        for arguments in (["stage", image], ["configure", "--drop", "a"], ["plan", image], ["reboot"], ["abort"], ["commit"]):
            expect_exit(bench, 4, "only root", *arguments, user=NOBODY)
        assert not (double.folder / "received").exists()


@check("status has a line about updates, needs attention when an update failed, and stays quiet without the service")
def _(bench):
    enrolled(bench)
    bench.start_state()
    status, out, err = bench.lethectl("status")
    assert status == 0 and "update" not in out, (status, out, err)
    assert bench.status()["updates"] is None
    expect_exit(bench, 3, "lethe-updated is not running", "show")
    with service(bench) as double:
        for parts, wanted, words in (
                ((RUNNING,), 0, None), ((RUNNING, {"PolicyState": "none"}), 0, None), ((STAGED,), 0, "  update staged: the next boot tries 2.0\n"),
                ((RUNNING, {"PolicyState": "trial", "Running": {"version": "2.0", "trial": True}}), 0, "  update on trial: 2.0 is kept"),
                ((RUNNING, {"LastFailure": "2.0: tor did not bootstrap"}), 3, "  update failed: 2.0: tor did not bootstrap\n"),
                ((RUNNING, {"PolicyState": "mismatch", "Reason": "stage it again"}), 3, "  update mismatch: stage it again\n")):
            double.plays(*parts)
            status, out, err = bench.lethectl("status")
            assert status == wanted and (words in out if words else "update" not in out), (parts, status, out, err)
            assert bench.status()["updates"]["policy_state"] == {**RUNNING, **parts[-1]}["PolicyState"]


run()
