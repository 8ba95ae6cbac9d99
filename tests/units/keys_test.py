#!/usr/bin/python3
"""keys_test.py SOURCE: tests the signing keys that tools/lib/keys.sh makes and hands out, and what tools/lib/enrolment.py writes for a
firmware.

Prints TAP. Needs root, for a file system in memory that only one command sees; runs on Debian 13, as the tests of the units do.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

SOURCE = Path(sys.argv[1])
sys.path.insert(0, str(SOURCE / "tools/lib"))
import enrolment

STUB = "/usr/lib/systemd/boot/efi/addonx64.efi.stub"
SOFTHSM = "/usr/lib/softhsm/libsofthsm2.so"
PIN, WRONG_PIN = "open sesame", "open barley"
SIGN_AS_MKOSI = """keys_run bash -euc '
    /usr/lib/systemd/systemd-keyutil validate --private-key-source provider:pkcs11 --private-key /run/lethe-keys/db.key --certificate /run/lethe-keys/db.pem
    ukify build --linux "$2" --no-sign-kernel --signtool systemd-sbsign --signing-provider pkcs11 --secureboot-private-key /run/lethe-keys/db.key \
        --secureboot-certificate /run/lethe-keys/db.pem --output "$1"' sign "$1" "$2" """


def shell(folder, script, *arguments, environment={}, stdin=subprocess.DEVNULL):
    """Runs a script after both libraries, with keys and cache only in this folder."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "XDG_DATA_HOME": str(folder / "data"), "LETHE_CACHE": str(folder / "cache"),
                   **environment}
    libraries = "set -euo pipefail; . tools/lib/trixie.sh; . tools/lib/keys.sh; "
    return subprocess.run(["bash", "-c", libraries + script, "keys_test", *map(str, arguments)], cwd=SOURCE, env=environment,
                          stdin=stdin, capture_output=True, text=True, timeout=120)


class Token:
    """A token in a folder, and the environment in which a program finds it."""

    def __init__(self, folder, label):
        self.folder, self.label = folder, label
        (folder / "tokens").mkdir()
        (folder / "softhsm2.conf").write_text(f"directories.tokendir = {folder}/tokens\nobjectstore.backend = file\nlog.level = ERROR\n")
        for name, text in (("right", PIN), ("wrong", WRONG_PIN)):
            (folder / name).write_text(text + "\n")
        self.environment = {"PATH": os.environ["PATH"], "SOFTHSM2_CONF": str(folder / "softhsm2.conf")}
        self.run("softhsm2-util", "--init-token", "--free", "--label", label, "--so-pin", "12345678", "--pin", PIN)

    def run(self, *command):
        return done(subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=60))

    def make_key(self, name, *options):
        self.run("pkcs11-tool", "--module", SOFTHSM, "--token-label", self.label, "--login", "--pin", PIN, "--keypairgen", "--key-type", "rsa:2048",
                 "--sensitive", "--label", name, *options)

    def uri(self, label=None):
        return f"pkcs11:token={label or self.label}?module-path={SOFTHSM}"

    def shell(self, script, *arguments, pin="right", uri=None):
        """Runs a script after the preparation of the production keys in the token; its own arguments begin at $1."""
        prepare = 'keys_choose production; keys_prepare "$1" "$2"; shift 2; '
        return shell(self.folder, prepare + script, self.folder / pin if pin else "", uri or self.uri(), *arguments,
                     environment={"SOFTHSM2_CONF": str(self.folder / "softhsm2.conf")})

    def certificates(self):
        return sorted(path.name for path in (self.folder / "data/lethe/production").glob("*"))


def done(run):
    assert run.returncode == 0, run.stderr
    return run.stdout


def refused(run, *says):
    assert run.returncode != 0 and "signed" not in run.stdout and all(part in run.stderr for part in says), (run.returncode, run.stdout, run.stderr)
    assert PIN not in run.stderr and PIN.split()[1] not in run.stderr and WRONG_PIN not in run.stderr, run.stderr


def read_octets(path):
    try:
        return path.read_bytes()
    except OSError:  # The process has ended.
        return b""


def der(kind, contents):
    size = len(contents).to_bytes(4, "big")
    return bytes([kind, 0x84]) + size + contents


class Checks:
    def __init__(self, folder):
        self.folder = folder
        self.sets = {name: folder / "data/lethe" / name for name in ("production", "debug")}

    def made_apart(self):
        for profile in ("production", "debug", "metal", "bare"):
            done(shell(self.folder, f"keys_choose {profile}; keys_prepare '' '' for-tests"))
        certificates = set()
        for folder in (self.folder / "data/lethe", *self.sets.values()):
            assert folder.stat().st_mode & 0o777 == 0o700, folder
        for folder in self.sets.values():
            assert {path.name for path in folder.iterdir()} == {f"{key}.{kind}" for key in ("PK", "KEK", "db") for kind in ("key", "pem")}
            assert all(path.stat().st_mode & 0o077 == 0 for path in folder.iterdir())
            certificates |= {path.read_text() for path in folder.glob("*.pem")}
        assert len(certificates) == 6, "keys that should differ are one"

    def cache_has_none(self):
        found = [path for path in (self.folder / "cache").rglob("*") if path.is_file() and "PRIVATE" in path.read_text(errors="replace")]
        assert not found and len(list((self.folder / "cache/certificates").rglob("*.pem"))) == 6, found

    def clear_in_memory_alone(self):
        script = "keys_choose debug; keys_run bash -c 'grep -l PRIVATE /run/lethe-keys/*.key | wc -l; findmnt -no FSTYPE /run/lethe-keys'"
        assert done(shell(self.folder, script)).split() == ["3", "tmpfs"]
        assert not os.path.isdir("/run/lethe-keys") or not os.listdir("/run/lethe-keys")

    def passphrase(self):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "right").write_text("open sesame\n")
            (folder / "wrong").write_text("open barley\n")
            sees = "keys_run grep -c 'BEGIN PRIVATE KEY' /run/lethe-keys/db.key"
            choose = 'keys_choose production; keys_prepare "$1"; '
            assert done(shell(folder, choose + sees, folder / "right")).split() == ["1"]
            key = (folder / "data/lethe/production/db.key").read_text()
            assert key.startswith("-----BEGIN ENCRYPTED PRIVATE KEY-----"), key[:40]
            assert done(shell(folder, choose + sees, folder / "right")).split() == ["1"]
            wrong = shell(folder, choose + sees, folder / "wrong")
            assert wrong.returncode != 0 and "passphrase" in wrong.stderr and "1" not in wrong.stdout, (wrong.stdout, wrong.stderr)
            none = shell(folder, choose + sees, "")
            assert none.returncode != 0 and "--passphrase-file" in none.stderr, none.stderr

    def without_terminal(self):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            made = folder / "data/lethe/production"
            refused(shell(folder, "keys_choose production; keys_prepare ''; echo signed"), "no terminal", "--passphrase-file", "--pkcs11", "--no-passphrase")
            refused(shell(folder, "keys_choose metal; keys_prepare ''; echo signed"), "no terminal")
            assert not list(made.iterdir())
            done(shell(folder, "keys_choose debug; keys_prepare ''"))
            done(shell(folder, "keys_choose production; keys_prepare '' '' for-tests"))
            assert all(key.read_text().startswith("-----BEGIN PRIVATE KEY-----") for key in made.glob("*.key")) and len(list(made.iterdir())) == 6
            later = shell(folder, "keys_choose production; keys_prepare ''; echo signed")
            assert done(later).split() == ["signed"] and "have no passphrase" in later.stderr + later.stdout, later.stderr

    def at_terminal(self):
        for typed, says in ((f"{PIN}\n{PIN}\n", None), (f"{PIN}\n{WRONG_PIN}\n", "do not match"), ("abc\nabc\n", "less than 4"), ("\n\n", "less than 4")):
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name)
                ours, theirs = os.openpty()
                os.write(ours, typed.encode())
                run = shell(folder, "keys_choose production; keys_prepare ''; echo signed", stdin=theirs)
                os.close(theirs)
                os.close(ours)
                keys = list((folder / "data/lethe/production").glob("*.key"))
                if says:
                    refused(run, says)
                    assert not keys, keys
                else:
                    assert done(run).split() == ["signed"] and PIN not in run.stderr, run.stderr
                    assert len(keys) == 3 and all("ENCRYPTED" in key.read_text() for key in keys)
                    (folder / "right").write_text(PIN + "\n")
                    done(shell(folder, 'keys_choose production; keys_prepare "$1"; keys_run true', folder / "right"))

    def options(self):
        """Checks what tools/image does with the options, before it builds anything."""
        with tempfile.TemporaryDirectory() as name:
            environment = {"PATH": os.environ["PATH"], "HOME": name, "LETHE_CACHE": name + "/cache"}
            both = subprocess.run(["tools/image", "--profile", "production", "--no-passphrase", "--pkcs11", "pkcs11:token=Lethe"], cwd=SOURCE, env=environment,
                                  stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
            refused(both, "--no-passphrase goes with neither")

    def signs_its_own(self):
        signed = self.folder / "signed"
        sign = 'keys_choose debug; keys_run sbsign --key /run/lethe-keys/db.key --cert /run/lethe-keys/db.pem --output "$1" "$2"'
        done(shell(self.folder, sign, signed, STUB))
        verified = {name: subprocess.run(["sbverify", "--cert", folder / "db.pem", signed], capture_output=True).returncode == 0
                    for name, folder in self.sets.items()}
        assert verified == {"debug": True, "production": False}, verified

    def enrolment_files(self):
        keys, out = self.sets["production"], self.folder / "auth"
        done(shell(self.folder, 'keys_choose production; keys_run python3 -B tools/lib/enrolment.py /run/lethe-keys "$1"', out))
        self.check_enrolment(keys, out)

    def check_enrolment(self, keys, out):
        for name, (vendor, signer) in enrolment.VARIABLES.items():
            octets = (out / f"{name}.auth").read_bytes()
            length = int.from_bytes(octets[16:20], "little")
            signature, payload = octets[40:16 + length], octets[16 + length:]
            assert payload == enrolment.signature_list(enrolment.certificate(keys, name)), name
            message = name.encode("utf-16-le") + vendor.bytes_le + (0x27).to_bytes(4, "little") + octets[:16] + payload
            assert self.verifies(signature, message, keys / f"{signer}.pem"), name
            assert not self.verifies(signature, message[:-1] + bytes([message[-1] ^ 1]), keys / f"{signer}.pem"), name
            assert not self.verifies(signature, message, self.sets["debug"] / f"{signer}.pem"), name

    def token_signs(self):
        with tempfile.TemporaryDirectory() as name:
            token = Token(Path(name), "Lethe")
            for key in enrolment.VARIABLES:
                token.make_key(key)
            signed, out, keys = token.folder / "signed", token.folder / "auth", token.folder / "data/lethe/production"
            signs = SIGN_AS_MKOSI + "; keys_run python3 -B tools/lib/enrolment.py /run/lethe-keys \"$3\""
            done(token.shell(signs, signed, STUB, out))
            assert token.certificates() == ["KEK.pem", "PK.pem", "db.pem"], token.certificates()
            made = {path: path.read_bytes() for path in keys.glob("*.pem")}
            verified = {certificate: subprocess.run(["sbverify", "--cert", certificate, signed], capture_output=True).returncode == 0
                        for certificate in made}
            assert verified == {path: path.name == "db.pem" for path in made}, verified
            self.check_enrolment(keys, out)
            seen = done(token.shell("keys_run bash -c 'cat /run/lethe-keys/*.key; cat /proc/*/cmdline /proc/*/environ 2>/dev/null | tr \\\\0 \\\\n'"))
            assert seen.count("BEGIN PKCS#11 PROVIDER URI") == 3 and "PRIVATE KEY" not in seen and PIN not in seen, seen
            assert made == {path: path.read_bytes() for path in keys.glob("*.pem")}, "the certificates were made twice"
            assert not [path for path in Path("/proc").glob("[0-9]*/environ") if name.encode() in read_octets(path)], "the token's server runs on"

            # The certificates belong to these keys: another token is refused, and so are keys in files, because those files are missing.
            another = Token(self.folder_in(name, "another"), "Another")
            another.make_key("PK")
            refused(shell(token.folder, 'keys_choose production; keys_prepare "$1" "$2"', token.folder / "right", another.uri(),
                          environment={"SOFTHSM2_CONF": another.environment["SOFTHSM2_CONF"]}), "certificate of another key than PK")
            refused(shell(token.folder, "keys_choose production; keys_prepare ''"), "PK.key", "--pkcs11")
            assert made == {path: path.read_bytes() for path in keys.glob("*")}

    def token_refuses(self):
        with tempfile.TemporaryDirectory() as name:
            token = Token(Path(name), "Lethe")
            for key in ("PK", "KEK"):
                token.make_key(key)
            refused(token.shell("echo signed"), "no private key db in the token pkcs11:token=Lethe")
            refused(token.shell("echo signed", pin="wrong"), "refuses the PIN")
            refused(token.shell("echo signed", uri=token.uri("Nix")), "no such token: pkcs11:token=Nix")
            refused(token.shell("echo signed", pin=None), "PIN", "--passphrase-file")
            refused(token.shell("echo signed", uri="pkcs11:token=Lethe?module-path=/nonexistent"), "no PKCS #11 module /nonexistent")
            for uri, said in ((f"pkcs11:token=Lethe?pin-value={PIN.split()[1]}", "PIN does not belong"), ("pkcs11:token=Lethe;object=db", "names the token"),
                              ("token=Lethe", "wants a URI"), ("pkcs11:token=Lethe&pin-value=1", "wants a URI")):
                refused(token.shell("echo signed", uri=uri), said)
            assert token.certificates() == [], token.certificates()
            token.make_key("db")
            assert done(token.shell("echo signed")).split() == ["signed"]

    def folder_in(self, folder, name):
        made = Path(folder) / name
        made.mkdir()
        return made

    def verifies(self, signature, message, certificate):
        """Verifies a signature with openssl, which wants the ContentInfo around it that the firmware does not want."""
        whole = der(0x30, bytes.fromhex("06092a864886f70d010702") + der(0xA0, signature))
        (self.folder / "signature").write_bytes(whole)
        (self.folder / "message").write_bytes(message)
        return subprocess.run(["openssl", "cms", "-verify", "-binary", "-inform", "DER", "-in", self.folder / "signature", "-content",
                               self.folder / "message", "-CAfile", certificate, "-certfile", certificate, "-nointern", "-purpose", "any"],
                              capture_output=True).returncode == 0


def main():
    with tempfile.TemporaryDirectory() as name:
        checks = Checks(Path(name))
        all_of_them = {
            "production and debug have keys of their own, which only their owner can read": checks.made_apart,
            "the cache gets certificates and no key": checks.cache_has_none,
            "keys are in clear for the command that signs, and gone with it": checks.clear_in_memory_alone,
            "a passphrase protects them; a wrong or missing passphrase is refused": checks.passphrase,
            "new production keys without a passphrase are refused where there is no terminal, and made in clear for tests alone": checks.without_terminal,
            "at a terminal their passphrase is asked for twice; two that do not match, and a short one, make no key": checks.at_terminal,
            "tools/image takes --no-passphrase with no passphrase and no token": checks.options,
            "what the debug key signs does not verify with the production certificate": checks.signs_its_own,
            "the files for the firmware hold the certificates and verify; a changed one does not": checks.enrolment_files,
            "keys in a token sign as mkosi does, and for the firmware; what is handed out is a reference": checks.token_signs,
            "a wrong PIN, no such token, no such key: each is reported, and nothing is made": checks.token_refuses,
        }
        print(f"1..{len(all_of_them)}")
        failed = 0
        for number, (sentence, check) in enumerate(all_of_them.items(), 1):
            try:
                check()
                print(f"ok {number} {sentence}", flush=True)
            except Exception as error:  # Any exception is a failure of that check.
                failed += 1
                print(f"# {error!r}\nnot ok {number} {sentence}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
