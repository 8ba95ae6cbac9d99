"""Runs a command that signs with keys in a PKCS #11 token: python3 pkcs11.py FOLDER SET URI COMMAND ...

Reads the PIN from the first line of standard input. Run it in a mount namespace of its own: the command finds PK, KEK and db in
/run/lethe-keys, in memory, each as NAME.pem, a certificate, and as NAME.key. Such a key is a reference, which OpenSSL follows to the token:
the token signs, and the private key never leaves it. FOLDER keeps the certificates; the token makes a missing certificate for its key.

URI names the token (RFC 7512); if p11-kit does not know the module, ?module-path=FILE names it. The keys are the token's objects PK, KEK
and db. The module runs in a process of its own, p11-kit's server, so that it finds its configuration and devices even if the command, like
mkosi, signs in a sandbox that sees only /run of the machine.
"""

import base64
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import unquote

HERE = Path("/run/lethe-keys")
SOCKET, DEBUG = HERE / "token", HERE / "debug"
LIBRARIES = "/usr/lib/x86_64-linux-gnu"
NAMES = ("PK", "KEK", "db")
CKR_PIN_LOCKED = 0xA4
CONFIGURATION = f"""openssl_conf = openssl
[openssl]
providers = providers
[providers]
default = default_provider
pkcs11 = pkcs11_provider
[default_provider]
activate = 1
[pkcs11_provider]
activate = 1
module = {LIBRARIES}/ossl-modules/pkcs11.so
pkcs11-module-path = {LIBRARIES}/pkcs11/p11-kit-client.so
pkcs11-module-token-pin = file:{HERE}/pin
pkcs11-module-quirks = no-deinit
[req]
distinguished_name = name
[name]
"""


class Refused(Exception):
    pass


def parsed(uri):
    """Returns the URI of the token alone, and the module, if the URI names one."""
    path, _, query = uri.partition("?")
    attributes = path.removeprefix("pkcs11:").split(";")
    asked = dict(part.partition("=")[::2] for part in query.split("&") if part)
    if not re.fullmatch(r"pkcs11:[A-Za-z0-9%=;._~:@$+,()*'!/\[\]-]+", path) or not all("=" in attribute for attribute in attributes):
        raise Refused(f"--pkcs11 wants a URI as pkcs11:token=NAME: {path}")
    if asked.keys() & {"pin-value", "pin-source"}:
        raise Refused("the PIN does not belong in the URI: give it with --passphrase-file, or at the terminal")
    if asked.keys() - {"module-path"}:
        raise Refused(f"nothing but module-path may follow the ? of the URI: {query}")
    names = {attribute.partition("=")[0] for attribute in attributes}
    if names - {"token", "serial", "manufacturer", "model"}:
        raise Refused(f"the URI names the token (token, serial, manufacturer, model); the keys in it are PK, KEK and db: {path}")
    module = unquote(asked.get("module-path", ""))
    if module and not os.access(module, os.R_OK):
        raise Refused(f"no PKCS #11 module {module}: install it on the Debian 13 that builds")
    return path, module


def element(kind, contents):
    size = len(contents)
    length = bytes([size]) if size < 0x80 else bytes([0x82]) + size.to_bytes(2, "big")
    return bytes([kind]) + length + contents


def reference(uri):
    """Returns what pkcs11-provider takes for a key: SEQUENCE { VisibleString, UTF8String }."""
    der = element(0x30, element(0x1A, b"PKCS#11 Provider URI v1.0") + element(0x0C, uri.encode()))
    return f"-----BEGIN PKCS#11 PROVIDER URI-----\n{base64.encodebytes(der).decode()}-----END PKCS#11 PROVIDER URI-----\n"


def openssl(*arguments, **options):
    return subprocess.run(["openssl", *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


def public_half(*arguments):
    """Returns a public key in one form of DER, whatever program wrote it; returns nothing if there is no key."""
    found = openssl(*arguments)
    same = found.returncode == 0 and subprocess.run(["openssl", "pkey", "-pubin", "-pubout", "-outform", "DER"], input=found.stdout,
                                                    env={"PATH": os.environ["PATH"]}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return same.stdout if same and same.returncode == 0 else b""


def why_not(token, name):
    """Explains a key that the provider did not find, by its log. A wrong PIN is tried only once: three attempts lock most tokens."""
    log = DEBUG.read_text(errors="replace") if DEBUG.exists() else ""
    refused = re.search(r"Error (\d+) returned by C_Login", log)
    if refused and int(refused[1]) == CKR_PIN_LOCKED:
        return f"the token {token} is locked after wrong PINs: unlock it with its own tool"
    if refused:
        return f"the token {token} refuses the PIN; most tokens lock after three wrong ones"
    if "Attempt Login" not in log:
        return f"no such token: {token}; plug it in, or name its module with ?module-path=FILE"
    return f"no private key {name} in the token {token}; make it there, for example with pkcs11-tool --keypairgen --label {name}"


def find_keys(folder, signing_set, token):
    """Checks all keys before it makes the missing certificates, so that a refusal leaves nothing behind."""
    missing = []
    for name in NAMES:
        key, certificate = HERE / f"{name}.key", HERE / f"{name}.pem"
        key.write_text(reference(f"{token};object={name};type=private"))
        public = public_half("pkey", "-in", key, "-pubout")
        if not public:
            raise Refused(why_not(token, name))
        if not (folder / f"{name}.pem").exists():
            missing.append(name)
            continue
        certificate.write_bytes((folder / f"{name}.pem").read_bytes())
        if public_half("x509", "-in", certificate, "-noout", "-pubkey") != public:
            raise Refused(f"{folder}/{name}.pem is the certificate of another key than {name} in the token {token}; move the files in {folder} "
                          "away to sign with the token's keys")
    for name in missing:
        made = openssl("req", "-quiet", "-new", "-x509", "-sha256", "-days", "3650", "-subj", f"/CN=Lethe {signing_set} {name}/",
                       "-key", HERE / f"{name}.key", "-out", HERE / f"{name}.pem")
        if made.returncode != 0:
            raise Refused(f"the token {token} does not sign with its key {name}: {made.stderr.decode(errors='replace').strip()}")
    for name in missing:
        (folder / f"{name}.pem").write_bytes((HERE / f"{name}.pem").read_bytes())


def serve(token, module):
    server = subprocess.Popen(["p11-kit", "server", "--foreground", "--name", SOCKET, *(["--provider", module] if module else []), token],
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    while not SOCKET.exists():
        if server.poll() is not None:
            raise Refused("p11-kit server ended before it offered the token")
        time.sleep(0.02)
    return server


def main():
    folder, signing_set, uri, *command = sys.argv[1:]
    token, module = parsed(uri)
    os.umask(0o077)
    HERE.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=700,size=1M", "lethe-keys", HERE], check=True)
    (HERE / "pin").write_text(sys.stdin.readline().rstrip("\n") + "\n")
    (HERE / "openssl.cnf").write_text(CONFIGURATION)
    server = serve(token, module)
    try:
        os.environ |= {"OPENSSL_CONF": f"{HERE}/openssl.cnf", "P11_KIT_SERVER_ADDRESS": f"unix:path={SOCKET}"}
        os.environ["PKCS11_PROVIDER_DEBUG"] = f"file:{DEBUG}"
        find_keys(Path(folder), signing_set, token)
        del os.environ["PKCS11_PROVIDER_DEBUG"]
        DEBUG.unlink(missing_ok=True)
        os.umask(0o022)
        return subprocess.run(command, stdin=subprocess.DEVNULL).returncode
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Refused as refusal:
        sys.exit(str(refusal))
