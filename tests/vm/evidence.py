"""What a failing check leaves behind of its machines: the console, and, as far as they still answer, the journal, the status and the store."""

import json
import re
import shutil
import subprocess

# What is asked inside, by the name of the file that keeps the answer.
QUESTIONS = {
    "status": ["lethectl", "status"],
    "status.json": ["lethectl", "status", "--json"],
    "update.json": ["lethectl", "--json", "update", "show"],
    "units": ["systemctl", "--no-pager", "list-units", "--all"],
    "journal": ["journalctl", "-b", "--no-pager", "-o", "short-monotonic"],
}
LIMIT = 60  # seconds for each: a machine that hangs is what some checks fail for


def keep(machines, folder):
    """Writes one folder for each machine that exists. Whatever cannot be had is named in `missing`."""
    for machine in machines:
        if (machine.folder / "vm.json").exists():
            place = folder / machine.name
            place.mkdir(parents=True, exist_ok=True)
            missing = [*kept_files(machine, place), *kept_answers(machine, place), *kept_store(machine, place)]
            if missing:
                (place / "missing").write_text("".join(f"{line}\n" for line in missing))


def kept_files(machine, place):
    for name in ("console.log", "vm.json", "run.json", "qemu.log", "swtpm.log"):
        if (machine.folder / name).exists():
            shutil.copyfile(machine.folder / name, place / name)
        else:
            yield name


def kept_answers(machine, place):
    if json.loads((machine.folder / "vm.json").read_text())["profile"] not in ("debug", "bare"):
        return
    for name, command in QUESTIONS.items():
        try:
            run = machine.vm("exec", "--limit", LIMIT, "--", *command, check=False, limit=2 * LIMIT)
        except subprocess.TimeoutExpired:
            yield f"{name}: no answer in {2 * LIMIT} s"
            return
        if run.returncode in (1, 3, 125) and not run.stdout:
            yield f"{name}: {run.stderr.decode(errors='replace').strip()[-300:]}"
            return  # it is off, or its agent does not answer
        (place / name).write_bytes(run.stdout + run.stderr)


def kept_store(machine, place):
    """As it is on the disk, which a running machine may not have written yet."""
    if not (machine.folder / "disk.raw").exists():
        yield "store: there is no disk"
        return
    (place / "store").mkdir(exist_ok=True)
    for file in machine.files("/lethe"):
        run = machine.vm("esp", "get", file, check=False)
        (place / "store" / file.rsplit("/", 1)[-1]).write_bytes(run.stdout)
    (place / "esp").write_text("\n".join(machine.files("/EFI/Linux")) + "\n")


def folder_name(text):
    return re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-")[:60]
