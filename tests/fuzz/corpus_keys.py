"""The seeds that are keys: tor makes fresh ones. Nothing else uses them, so they are no secret."""

import base64
import math
import struct
import subprocess
import tempfile
from pathlib import Path

from corpus_seed import part, seed, u16

REQUIRED = ["secret_id_key", "ed25519_master_id_secret_key", "ed25519_master_id_public_key", "ed25519_signing_secret_key",
            "ed25519_signing_cert"]
OPTIONAL = ["secret_onion_key", "secret_onion_key.old", "secret_onion_key_ntor", "secret_onion_key_ntor.old"]


def tor_keys():
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "torrc").write_text(f"DataDirectory {folder}\nORPort 9001\nNickname x\n")
        run = subprocess.run(["tor", "--list-fingerprint", "-f", f"{folder}/torrc", "--defaults-torrc", "/dev/null", "--quiet"],
                             stdout=subprocess.PIPE, check=True, text=True)
        fingerprint = bytes.fromhex("".join(run.stdout.split()[1:]))
        return fingerprint, {file.name: file.read_bytes() for file in sorted(Path(folder, "keys").iterdir())}


def keys(state):
    for relay in ("alice", "bob"):
        fingerprint, files = tor_keys()
        names = [name for name in files if name in REQUIRED + OPTIONAL]
        identity = u16(1) + fingerprint + files["ed25519_master_id_public_key"][32:] + u16(len(names))
        identity += b"".join(part(name) + part(files[name]) for name in sorted(names))
        seed("identity", relay, identity)
        seed("key_files", relay, *(bytes([(REQUIRED + OPTIONAL).index(name)]) + part(files[name]) for name in names))
    seed("identity", "cut", identity[:1000])
    seed("identity", "no_files", identity[:54], u16(0))
    seed("key_files", "no_master", *(bytes([REQUIRED.index(name)]) + part(files[name]) for name in REQUIRED if "master" not in name))
    seed("key_files", "other_names", b"\xff", part("family.secret_family_key"), part(b""), b"\xff", part("../x\n"), part(b""))
    compact(files)
    snapshot(files, state)
    seed("rsa_key", "whole", files["secret_id_key"])
    seed("rsa_key", "cut", files["secret_id_key"][:-100])
    seed("rsa_key", "pkcs8", subprocess.run(["openssl", "pkcs8", "-topk8", "-nocrypt"], input=files["secret_id_key"].rstrip(b"\0"),
                                            stdout=subprocess.PIPE, check=True).stdout)
    seed("rsa_key", "long_prime", pem(rsa_with_long_prime()))
    for name in ("whole", "cut"):
        seed("certificate", name, files["ed25519_signing_cert"][32:100 if name == "cut" else None])
    seed("tagged_file", "certificate", part("ed25519v1-cert: type4"), bytes([140]), files["ed25519_signing_cert"])
    seed("tagged_file", "long_title", part("a title that is longer than the header"), bytes([0]), b"== a title that is longer than th")


def compact(files):
    lines = files["secret_id_key"].rstrip(b"\0").split(b"\n")[1:-2]
    numbers = integers(base64.b64decode(b"".join(lines)))
    _, _, e, d, p, q = numbers[:6]
    least = d < math.lcm(p - 1, q - 1)
    primes = bytes([2 if least else 0]) + p.to_bytes(64, "big") + q.to_bytes(64, "big")
    online = primes + files["ed25519_master_id_secret_key"][32:]
    certificate = files["ed25519_signing_cert"][32:]
    offline = bytes([primes[0] | 1]) + primes[1:] + files["ed25519_master_id_public_key"][32:] + certificate[2:6] + certificate[-64:]
    offline += files["ed25519_signing_secret_key"][32:]
    family = files["ed25519_master_id_secret_key"][32:]  # any key does
    seed("compact_identity", "online", part("family"), part(family), online)
    seed("compact_identity", "offline", part(""), part(""), offline)
    seed("compact_ring", "one", b"\1\0\1\6family", family, b"\2\1a\1\4", part(online), b"\1\0", b"\1b\0\0")
    seed("compact_ring", "recovery_key", b"\1\1", bytes([9]), bytes(31), b"\0\1\6relay2\1\3", bytes(40))


def snapshot(files, state):
    onion = {name: files[name] for name in OPTIONAL if name in files}
    onion |= {name + ".old": octets for name, octets in onion.items()}
    for name, parts in {"whole": {"state": state, "cached-certs": "", **onion}, "state_only": {"state": state}, "no_state": onion, "foreign": {"state": state, "x\n": "x"},
                        "cut_key": {"state": state, "secret_onion_key_ntor": files["secret_onion_key_ntor"][:50]}}.items():
        octets = {file: text.encode() if isinstance(text, str) else text for file, text in parts.items()}
        seed("state_payload", name, u16(1), bytes(20 + 8), u16(len(octets)), *(part(n) + struct.pack(">I", len(octets[n])) + octets[n] for n in sorted(octets)))
    seed("state_payload", "order", u16(1), bytes(20 + 8), u16(2), *(part(n) + bytes(4) for n in ("state", "cached-certs")))


def integers(octets):
    """Of a DER sequence of integers."""
    at, numbers = 4, []
    while at < len(octets):
        length, at = octets[at + 1], at + 2
        if length & 128:
            length, at = int.from_bytes(octets[at:at + (length & 127)], "big"), at + (length & 127)
        numbers.append(int.from_bytes(octets[at:at + length], "big"))
        at += length
    return numbers


def der(tag, content):
    length = len(content)
    return bytes([tag]) + (bytes([length]) if length < 128 else bytes([0x81, length]) if length < 256 else b"\x82" + u16(length)) + content


def pem(octets):
    text = base64.encodebytes(octets).decode().replace("\n", "")
    lines = [text[i:i + 64] for i in range(0, len(text), 64)]
    return "-----BEGIN RSA PRIVATE KEY-----\n" + "\n".join(lines) + "\n-----END RSA PRIVATE KEY-----\n"


def rsa_with_long_prime():
    """A modulus of 1024 bits, and a Mersenne prime of 1279 in the place of a factor."""
    numbers = [0, (1 << 1023) | 1, 65537, 3, (1 << 1279) - 1, 3, 3, 3, 3]
    return der(0x30, b"".join(der(2, number.to_bytes(number.bit_length() // 8 + 1, "big")) for number in numbers))
