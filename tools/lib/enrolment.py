"""Writes what systemd-boot enrols in a firmware in setup mode: python3 enrolment.py KEYS OUT

KEYS has PK, KEK and db, each as NAME.pem, a certificate, and the first two also as NAME.key. OUT gets PK.auth, KEK.auth and db.auth: each
is an EFI_VARIABLE_AUTHENTICATION_2 with the EFI_SIGNATURE_LIST of one certificate (UEFI 2.10, 8.2.2 and 32.4.1). PK signs itself and KEK,
KEK signs db, so that even a firmware which checks all of them accepts them.
"""

import base64
import re
import struct
import subprocess
import sys
import uuid
from pathlib import Path

GLOBAL = uuid.UUID("8be4df61-93ca-11d2-aa0d-00e098032b8c")
IMAGE_SECURITY = uuid.UUID("d719b2cb-3d3a-4596-a3bc-dad00e67656f")
CERT_X509 = uuid.UUID("a5c059a1-94e4-4aa7-87b5-ab155c2bf072")
CERT_PKCS7 = uuid.UUID("4aafd29d-68df-49ee-8aa9-347d375665a7")
OWNER = uuid.UUID("6c657468-6500-4000-8000-000000000003")
ATTRIBUTES = 0x27  # These are: non-volatile, boot services, runtime, time-based authenticated write access.
# This is 2025-01-01 00:00:00, the image's own time: anything appended to a variable later needs a later time.
TIME = struct.pack("<HBBBBBBIhBB", 2025, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0)
WIN_CERT_TYPE_EFI_GUID = 0x0EF1
VARIABLES = {"PK": (GLOBAL, "PK"), "KEK": (GLOBAL, "PK"), "db": (IMAGE_SECURITY, "KEK")}


def certificate(keys, name):
    text = (keys / f"{name}.pem").read_text()
    return base64.b64decode(re.search("-----BEGIN CERTIFICATE-----(.*?)-----END", text, re.S)[1])


def signature_list(der):
    entry = OWNER.bytes_le + der
    return CERT_X509.bytes_le + struct.pack("<III", 28 + len(entry), 0, len(entry)) + entry


def length_at(der, at):
    """Returns the length of the DER element that begins at `at`, and where its contents begin."""
    first = der[at + 1]
    if first < 0x80:
        return first, at + 2
    size = first & 0x7F
    return int.from_bytes(der[at + 2:at + 2 + size], "big"), at + 2 + size


def signed_data(content_info):
    """Returns only the SignedData of a ContentInfo (RFC 5652, 3), as the firmware wants it: the second member, in a tag of its own."""
    _, inside = length_at(content_info, 0)
    size, start = length_at(content_info, inside)
    _, contents = length_at(content_info, start + size)
    return content_info[contents:]


def authenticated(keys, name):
    vendor, signer = VARIABLES[name]
    payload = signature_list(certificate(keys, name))
    message = name.encode("utf-16-le") + vendor.bytes_le + struct.pack("<I", ATTRIBUTES) + TIME + payload
    signature = signed_data(subprocess.run(
        ["openssl", "cms", "-sign", "-binary", "-noattr", "-md", "sha256", "-outform", "DER", "-signer", keys / f"{signer}.pem",
         "-inkey", keys / f"{signer}.key"], input=message, stdout=subprocess.PIPE, check=True).stdout)
    header = struct.pack("<IHH", 24 + len(signature), 0x0200, WIN_CERT_TYPE_EFI_GUID) + CERT_PKCS7.bytes_le
    return TIME + header + signature + payload


def main():
    keys, out = map(Path, sys.argv[1:])
    out.mkdir(parents=True, exist_ok=True)
    for name in VARIABLES:
        (out / f"{name}.auth").write_bytes(authenticated(keys, name))


if __name__ == "__main__":
    main()
