"""What a boot has measured, beside what `lethectl measure` says of the files that it was booted from."""

import base64
import hashlib
import json
import re
import subprocess
import tempfile
from pathlib import Path

LETHECTL = Path(__file__).parents[2] / "build/src/lethectl/lethectl"
LOADER = "/EFI/BOOT/BOOTX64.EFI"
# What was recorded in PCR 12 since the stub has run; nothing where the vault was not opened.
WORDS = """grep -aoE '"string":"lethe-(opening|opened)"' /run/log/systemd/tpm2-measure.log || true"""
# One line for each thing: a word, and octets in Base64.
SHOWN = """
cd /sys/firmware/efi/efivars
show() { [ ! -e "$2" ] || echo "$1 $(base64 -w0 "$2")"; }
show image StubImageIdentifier-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f
show disk LoaderDevicePartUUID-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f
show secure_boot SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c
show log /sys/kernel/security/tpm0/binary_bios_measurements
for pcr in 4 7 9 11 12 13; do show "$pcr" /sys/class/tpm/tpm0/pcr-sha256/$pcr; done
"""


def without_tries(path):
    """The name of a UKI as it is when its boots are not counted: that of lethe_1+2-1.efi is lethe_1.efi."""
    return re.sub(r"\+\d+(-\d+)?\.efi$", ".efi", path)


def present_name(machine, image):
    """What the booted UKI is called now: the loader has counted this boot in its name, and a healthy one ends the counting. On FAT, capital
    letters are the same letters. None where the machine has taken it off: it was another release than its name said."""
    beside = machine.files(str(Path(image).parent))
    return next((file for file in beside if without_tries(file.lower()) == without_tries(image.lower())), None)


def predicted(machine, image, secure_boot, log):
    """The PCRs by number, from what lies on the machine's disk."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        def fetch(paths, place):
            (folder / place).mkdir()
            for path in paths:
                (folder / place / Path(path).name).write_bytes(machine.get(path))
            return folder / place

        (folder / "log").write_bytes(log)
        images = fetch({image, LOADER}, "images")
        options = [f"--extra-d={fetch(machine.files(without_tries(image) + '.extra.d'), 'beside')}",
                   f"--credentials={fetch(machine.files('/loader/credentials'), 'credentials')}",
                   f"--addons={fetch(machine.files('/loader/addons'), 'addons')}", f"--secure-boot={secure_boot}", f"--event-log={folder / 'log'}"]
        if image != LOADER:  # else the firmware has started the UKI itself
            options.append(f"--loader={images / Path(LOADER).name}")
        run = subprocess.run([LETHECTL, "--json", "measure", *options, images / Path(image).name], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def after_opening(machine, config):
    """What PCR 12 has come to in this boot, from its value before the vault was opened."""
    for word in re.findall(r"lethe-\w+", machine.ok(WORDS)):
        config = hashlib.sha256(bytes.fromhex(config) + hashlib.sha256(word.encode()).digest()).hexdigest()
    return config


def expect_predicted(machine):
    """After a boot from a disk, with a shell: each of the PCRs that a release decides on, and 7, holds what was predicted."""
    shown = {word: base64.b64decode(octets) for word, octets in map(str.split, machine.ok(SHOWN).splitlines())}
    if "image" not in shown or "disk" not in shown:
        return  # from the network
    image = shown["image"][4:].decode("utf-16-le").rstrip("\0").replace("\\", "/")
    secure_boot = "on" if shown.get("secure_boot", b"")[4:] == b"\1" else "off"
    present = present_name(machine, image)
    if present is None:
        return
    said = predicted(machine, present, secure_boot, shown["log"])
    observed = {pcr: shown[pcr].decode().strip().lower() for pcr in ("4", "7", "9", "11", "12", "13")}
    said["pcrs"]["12"] = after_opening(machine, said["pcrs"]["12"])
    wrong = [pcr for pcr in observed if said["pcrs"].get(pcr) != observed[pcr]]
    assert not wrong, f"PCRs {', '.join(wrong)} are not as predicted: {observed}, and not {json.dumps(said)}"
