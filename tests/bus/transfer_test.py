#!/usr/bin/python3
"""transfer_test.py IDENTITYD LETHECTL RELAY MACHINE SOURCE: imports, exports, recovers and forgets, as an operator does.

The real tor makes the keys that are brought. Runs as root, because it plays two users. Prints TAP.
"""

import json
import os
import shutil
import subprocess

from bench import LIMIT, MANAGER, NOBODY, refused
from checks import check, damage, enrolled, fingerprints, run, store_files

IMPORT = "org.lethe.Identity1.Manager.ImportRelay"
FORGET = "org.lethe.Identity1.Manager.ForgetRelay"
BEGIN_REKEYING = "org.lethe.Identity1.Manager.BeginRekeying"
SET_RECOVERY_KEY = "org.lethe.Identity1.Manager.SetRecoveryKey"


def running_relay(bench, name="brought"):
    """Makes the data directory of a relay that runs elsewhere; returns it and the relay's fingerprint."""
    data = bench.folder / name
    tor = ["tor", "--list-fingerprint", "--hush", "--defaults-torrc", "/nonexistent", "--ignore-missing-torrc", "-f", "/nonexistent",
           "--DataDirectory", data, "--ORPort", "9001", "--DisableNetwork", "1", "--PublishServerDescriptor", "0", "--ContactInfo", "none"]
    subprocess.run(tor, check=True, capture_output=True, timeout=LIMIT)
    return data, (data / "fingerprint").read_text().split()[1]


def done(outcome, words=""):
    status, out, err = outcome
    assert status == 0 and words in out, (status, out, err)
    return out


def not_done(outcome, status, words):
    assert outcome[0] == status and words in outcome[2], outcome


def secret_file(bench, name, text):
    path = bench.folder / name
    path.write_text(text)
    return path


@check("a running relay is imported from its data directory, is there after a restart, and is not imported twice")
def _(bench):
    enrolled(bench)
    data, fingerprint = running_relay(bench)
    done(bench.lethectl("identity", "import", "a", data), fingerprint)
    assert fingerprints(bench)["a"][0] == fingerprint
    installed = {path.name: path.read_bytes() for path in (bench.runtime / "keys/a").iterdir()}
    assert installed == {path.name: path.read_bytes() for path in (data / "keys").iterdir()}
    not_done(bench.lethectl("identity", "import", "a", data), 4, fingerprint)
    not_done(bench.lethectl("identity", "import", "b", data / "keys"), 2, "relay a")
    bench.restart()
    assert fingerprints(bench)["a"][0] == fingerprint


@check("a set that is partial, damaged, mixed, encrypted, readable by others or a link is refused by its file's name, and nothing is left")
def _(bench):
    enrolled(bench)
    data, fingerprint = running_relay(bench)
    other, _ = running_relay(bench, "other")
    files = store_files(bench)

    def attempt(change, words, status=(2, 3)):
        keys = bench.folder / "changed"
        shutil.rmtree(keys, ignore_errors=True)
        shutil.copytree(data / "keys", keys)
        change(keys)
        outcome = bench.lethectl("identity", "import", "a", keys)
        assert outcome[0] in status and words in outcome[2], (words, outcome)
        assert store_files(bench) == files and fingerprints(bench) == {}, words

    def truncate(keys):
        path = keys / "ed25519_signing_secret_key"
        path.write_bytes(path.read_bytes()[:50])

    def encrypt(keys):
        (keys / "ed25519_master_id_secret_key").rename(keys / "ed25519_master_id_secret_key_encrypted")
    master, rsa = "ed25519_master_id_secret_key", "secret_id_key"
    attempt(lambda keys: (keys / rsa).unlink(), rsa)
    attempt(truncate, "ed25519_signing_secret_key")
    attempt(lambda keys: shutil.copy(other / "keys" / master, keys / master), master)
    attempt(encrypt, "encrypted")
    attempt(lambda keys: (keys / rsa).chmod(0o644), rsa)
    attempt(lambda keys: (keys / "notes.txt").write_text("x"), "notes.txt")
    attempt(lambda keys: ((keys / rsa).unlink(), (keys / rsa).symlink_to(data / "keys" / rsa)), rsa)
    attempt(lambda keys: ((keys / rsa).unlink(), os.mkfifo(keys / rsa, 0o600)), rsa)
    not_done(bench.lethectl("identity", "import", "a", bench.folder / "nowhere"), 4, "nowhere")
    done(bench.lethectl("identity", "import", "a", data), fingerprint)


@check("replacing wants the fingerprint that is there")
def _(bench):
    enrolled(bench)
    data, first = running_relay(bench)
    other, second = running_relay(bench, "other")
    done(bench.lethectl("identity", "import", "a", data))
    not_done(bench.lethectl("identity", "import", "a", other, "--replace", second), 2, "does not have the identity")
    done(bench.lethectl("identity", "import", "--replace", first.lower(), "a", other), second)
    bench.restart()
    assert fingerprints(bench)["a"][0] == second
    assert json.loads((bench.runtime / "manifest/a").read_text())["fingerprint"] == second


@check("keys without the master key are a relay, and say until when")
def _(bench):
    enrolled(bench)
    data, fingerprint = running_relay(bench)
    (data / "keys/ed25519_master_id_secret_key").unlink()
    shown = json.loads(done(bench.lethectl("--json", "identity", "import", "a", data)))
    assert shown["fingerprint"] == fingerprint and not shown["has_master_key"] and shown["signing_key_expires"] > 0
    assert not (bench.runtime / "keys/a/ed25519_master_id_secret_key").exists()


@check("a family key comes with the relay, and its id is shown")
def _(bench):
    enrolled(bench)
    data, _ = running_relay(bench)
    subprocess.run(["tor", "--hush", "--ignore-missing-torrc", "-f", "/nonexistent", "--defaults-torrc", "/nonexistent", "--DataDirectory", bench.folder / "none",
                    "--keygen-family", data / "keys/fleet"], check=True, capture_output=True, timeout=LIMIT)
    family = (data / "keys/fleet.public_family_id").read_text().strip()
    assert json.loads(done(bench.lethectl("--json", "identity", "import", "a", data)))["family_ids"] == [family]
    status, _, _ = bench.relay("a")
    bench.torrc(f"ORPort 9001\nFamilyId {'A' * 43}\n")
    status, _, err = bench.relay("a")
    assert status == 78 and "A" * 43 in err, (status, err)


@check("an export to the recovery key, set afterwards, brings the relay back on another machine; the key is asked for by its name")
def _(bench):
    enrolled(bench, "a")
    known = fingerprints(bench)
    not_done(bench.lethectl("identity", "export", "a", bench.folder / "a.lethe"), 3, "recovery-key set")
    public = done(bench.lethectl("recovery-key", "new", bench.folder / "key", user=0)).strip()
    assert (bench.folder / "key").stat().st_mode & 0o777 == 0o600
    not_done(bench.lethectl("recovery-key", "new", bench.folder / "key"), 4, "exist")
    not_done(bench.lethectl("recovery-key", "set", public[:-1] + ("A" if public[-1] != "A" else "B")), 2, "")
    bench.stop()
    bench.machine("recovery-key", public)
    bench.start()
    done(bench.lethectl("identity", "export", "a", bench.folder / "a.lethe"), "a.lethe")
    not_done(bench.lethectl("identity", "export", "a", bench.folder / "a.lethe"), 4, "not overwritten")
    bench.restart()
    done(bench.lethectl("recovery-key", "show"), public)

    bench.another_machine()
    enrolled(bench)
    not_done(bench.lethectl("identity", "recover", bench.folder / "a.lethe"), 2, "--fingerprint")
    not_done(bench.lethectl("identity", "recover", "--fingerprint", known["a"][0], bench.folder / "a.lethe"), 2, public)
    wrong = bench.folder / "wrong"
    done(bench.lethectl("recovery-key", "new", wrong))
    not_done(bench.lethectl("identity", "recover", "--fingerprint", known["a"][0], "--key", wrong, bench.folder / "a.lethe"), 2, public)
    not_done(bench.lethectl("identity", "recover", "--fingerprint", "0" * 40, "--key", bench.folder / "key", bench.folder / "a.lethe"), 2, "asked for")
    assert fingerprints(bench) == {}
    not_done(bench.lethectl("identity", "recover", "--fingerprint", known["a"][0], "--key", bench.folder / "key", bench.folder / "a.lethe"), 2, "--foreign")
    assert fingerprints(bench) == {}
    done(bench.lethectl("identity", "recover", "--foreign", "--fingerprint", known["a"][0], "--key", bench.folder / "key", bench.folder / "a.lethe"), known["a"][0])
    assert fingerprints(bench) == known
    bench.restart()
    assert fingerprints(bench) == known


@check("an export under a passphrase comes back with it, and with no other")
def _(bench):
    enrolled(bench, "a")
    known = fingerprints(bench)["a"]
    good, bad = (secret_file(bench, name, text) for name, text in (("good", "correct horse battery\n"), ("bad", "another passphrase\n")))
    export = bench.folder / "a.lethe"
    not_done(bench.lethectl("identity", "export", "a", export, "--passphrase-file", secret_file(bench, "short", "short\n")), 2, "12")
    assert not export.exists()
    done(bench.lethectl("identity", "export", "--passphrase-file", good, "a", export))
    assert export.stat().st_mode & 0o777 == 0o600
    done(bench.lethectl("identity", "forget", "a", known[0]))
    not_done(bench.lethectl("identity", "recover", "--fingerprint", known[0], export, "--passphrase-file", bad), 2, "passphrase")
    damaged = bench.folder / "damaged"
    damaged.write_bytes(export.read_bytes()[:-1])
    not_done(bench.lethectl("identity", "recover", "--fingerprint", known[0], damaged, "--passphrase-file", good), 3, "")
    done(bench.lethectl("identity", "recover", "--fingerprint", known[0], "--name", "z", "--passphrase-file", good, export), known[0])
    assert fingerprints(bench) == {"z": known}


@check("forget wants the fingerprint, and leaves neither slots nor installed keys")
def _(bench):
    enrolled(bench, "a", "b")
    known = fingerprints(bench)
    not_done(bench.lethectl("identity", "forget", "a", known["b"][0]), 2, "another fingerprint")
    not_done(bench.lethectl("identity", "forget", "z", known["b"][0]), 4, "no relay z")
    assert fingerprints(bench) == known
    done(bench.lethectl("identity", "forget", "a", known["a"][0]), "forgotten")
    assert fingerprints(bench) == {"b": known["b"]}
    assert not list(bench.store.glob("identity-a.*")) and not (bench.runtime / "keys/a").exists() and not (bench.runtime / "manifest/a").exists()
    bench.restart()
    assert fingerprints(bench) == {"b": known["b"]}


@check("damaged keys are forgotten by the fingerprint that the status shows")
def _(bench):
    enrolled(bench, "a")
    known = fingerprints(bench)["a"][0]
    damage(bench, "identity-a.*")
    bench.restart()
    relay = bench.status()["relays"][0]
    assert relay["state"] == "damaged" and relay["fingerprint"] == known, relay
    done(bench.lethectl("identity", "forget", "a", known))
    done(bench.lethectl("identity", "create", "a"))


@check("only root may bring, take or wipe keys")
def _(bench):
    enrolled(bench, "a")
    data, _ = running_relay(bench)
    fingerprint = fingerprints(bench)["a"][0]
    key = done(bench.lethectl("recovery-key", "new", bench.folder / "key")).strip()
    secret = secret_file(bench, "passphrase", "correct horse battery")
    secret.chmod(0o644)
    for path in (data, data / "keys"):
        path.chmod(0o755)
    for path in (data / "keys").iterdir():
        os.chown(path, NOBODY, NOBODY)
    bench.folder.chmod(0o777)
    for words in (["identity", "import", "b", data], ["identity", "forget", "a", fingerprint], ["recovery-key", "set", key], ["recovery-key", "remove"],
                  ["identity", "export", "a", bench.folder / "out", "--passphrase-file", secret]):
        not_done(bench.lethectl(*words, user=NOBODY), 4, "only root")
    denied = "org.freedesktop.DBus.Error.AccessDenied"
    for member, *arguments in ((FORGET, "string:a", f"string:{fingerprint}"), (SET_RECOVERY_KEY, f"string:{key}"), (BEGIN_REKEYING,)):
        with refused(denied):
            bench.call(MANAGER, member, *arguments, user=NOBODY)
    assert fingerprints(bench)["a"][0] == fingerprint


@check("an option that a method does not know, or of another type, is an error and changes nothing")
def _(bench):
    enrolled(bench, "a")
    files = store_files(bench)
    for value in (("a{sv}", "1", "colour", "s", "red"), ("a{sv}", "1", "passphrase", "s", "in clear")):
        status, _, err = bench.busctl("call", "org.lethe.Identity1", MANAGER, "org.lethe.Identity1.Manager", "ExportRelay", "s" + value[0], "a", *value[1:])
        assert status != 0 and "option" in err, err
    assert store_files(bench) == files


@check("no secret octets in the journal, in what is printed, or in the store")
def _(bench):
    enrolled(bench)
    data, _ = running_relay(bench)
    printed = done(bench.lethectl("identity", "import", "a", data))
    passphrase = secret_file(bench, "good", "correct horse battery\n")
    printed += done(bench.lethectl("identity", "export", "--passphrase-file", passphrase, "a", bench.folder / "a.lethe"))
    printed += done(bench.lethectl("recovery-key", "new", bench.folder / "key"))
    needles = [path.read_bytes()[-32:] for path in (data / "keys").iterdir() if "secret" in path.name]
    needles += [b"correct horse", (bench.folder / "key").read_bytes().strip()[-20:]]
    for content in [*store_files(bench).values(), bench.journal.read_bytes(), printed.encode(), (bench.folder / "a.lethe").read_bytes()]:
        assert not any(needle in content for needle in needles)


run()
