#!/usr/bin/python3
"""keys_test.py SOURCE: the signing keys as tools/lib/keys.sh makes and hands them out, and what tools/lib/enrolment.py writes for a firmware.

Prints TAP. Needs root, for a file system in memory that one command sees; runs on Debian 13, as the tests of the units do.
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


def shell(folder, script, *arguments):
    """A script after both libraries, with keys and cache in this folder alone."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "XDG_DATA_HOME": str(folder / "data"), "LETHE_CACHE": str(folder / "cache")}
    libraries = "set -euo pipefail; . tools/lib/trixie.sh; . tools/lib/keys.sh; "
    return subprocess.run(["bash", "-c", libraries + script, "keys_test", *map(str, arguments)], cwd=SOURCE, env=environment,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)


def done(run):
    assert run.returncode == 0, run.stderr
    return run.stdout


def der(kind, contents):
    size = len(contents).to_bytes(4, "big")
    return bytes([kind, 0x84]) + size + contents


class Checks:
    def __init__(self, folder):
        self.folder = folder
        self.sets = {name: folder / "data/lethe" / name for name in ("production", "debug")}

    def made_apart(self):
        for profile in ("production", "debug", "metal", "bare"):
            done(shell(self.folder, f"keys_choose {profile}; keys_prepare ''"))
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
        for name, (vendor, signer) in enrolment.VARIABLES.items():
            octets = (out / f"{name}.auth").read_bytes()
            length = int.from_bytes(octets[16:20], "little")
            signature, payload = octets[40:16 + length], octets[16 + length:]
            assert payload == enrolment.signature_list(enrolment.certificate(keys, name)), name
            message = name.encode("utf-16-le") + vendor.bytes_le + (0x27).to_bytes(4, "little") + octets[:16] + payload
            assert self.verifies(signature, message, keys / f"{signer}.pem"), name
            assert not self.verifies(signature, message[:-1] + bytes([message[-1] ^ 1]), keys / f"{signer}.pem"), name
            assert not self.verifies(signature, message, self.sets["debug"] / f"{signer}.pem"), name

    def verifies(self, signature, message, certificate):
        """openssl wants the ContentInfo around it that the firmware does not."""
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
            "production and debug have keys of their own, which nobody else can read": checks.made_apart,
            "the cache gets certificates and no key": checks.cache_has_none,
            "keys are in clear for the command that signs, and gone with it": checks.clear_in_memory_alone,
            "a passphrase protects them; a wrong one and none are refused": checks.passphrase,
            "what the debug key signs does not verify with the production certificate": checks.signs_its_own,
            "the files for the firmware hold the certificates and verify; a changed one does not": checks.enrolment_files,
        }
        print(f"1..{len(all_of_them)}")
        failed = 0
        for number, (sentence, check) in enumerate(all_of_them.items(), 1):
            try:
                check()
                print(f"ok {number} {sentence}", flush=True)
            except Exception as error:  # whatever it meets is that check's failure
                failed += 1
                print(f"# {error!r}\nnot ok {number} {sentence}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
