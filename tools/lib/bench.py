"""What tools/bench measures; it calls this on Debian 13. Each part prints a table in Markdown."""

import os
import resource
import shutil
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench_measure import bench_measure
from bench_state import bench_state
from bench_table import table

RELAYS = 64
PCRS = (4, 11)
LIMIT = 30  # No wait is longer than this many seconds.


def run(arguments, environment=None):
    done = subprocess.run(list(map(str, arguments)), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                          env=dict(os.environ, TSS2_LOG="all+none", **(environment or {})), text=True)
    if done.returncode != 0:
        sys.exit(f"{Path(arguments[0]).name} {arguments[1]}: {done.stderr.strip()}")


class SoftwareTpm:
    """A swtpm that listens on a socket, with something measured into PCRs 4 and 11."""

    def __init__(self, folder):
        self.folder = folder
        self.socket = folder / "tpm.sock"
        self.tcti = f"swtpm:path={self.socket}"

    def __enter__(self):
        state = self.folder / "tpm"
        state.mkdir()
        run(["swtpm_setup", "--tpm2", "--tpmstate", state, "--pcr-banks", "sha256"])
        self.process = subprocess.Popen(
            ["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={state}", "--server", f"type=unixio,path={self.socket}", "--ctrl",
             f"type=unixio,path={self.socket}.ctrl", "--flags", "not-need-init,startup-clear"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.wait()
        for pcr in PCRS:
            run(["tpm2_pcrextend", f"{pcr}:sha256=" + f"{pcr:02x}" * 32], {"TPM2TOOLS_TCTI": self.tcti})
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def way(self, record):
        """The TCTI of a process, and what its environment needs. If the file `record` is given, the traffic is recorded there."""
        return (f"pcap:{self.tcti}", {"TCTI_PCAP_FILE": str(record)}) if record else (self.tcti, {})

    def wait(self):
        end = time.monotonic() + LIMIT
        while time.monotonic() < end:
            with socket.socket(socket.AF_UNIX) as probe:
                if probe.connect_ex(str(self.socket)) == 0:
                    return
            time.sleep(0.01)
        sys.exit("swtpm does not answer")


def traffic(file):
    """Counts commands, and bytes of commands and responses, in a file of tpm2-tss's TCTI `pcap`, where the TPM's port is the server's."""
    octets = file.read_bytes()
    commands = size = at = 0
    while at < len(octets):
        block, length = struct.unpack_from("<II", octets, at)
        if block == 6:  # This is an enhanced packet block: an IPv4 and a TCP header precede the TPM's.
            packet = octets[at + 28:at + 28 + struct.unpack_from("<I", octets, at + 20)[0]]
            commands += struct.unpack_from(">H", packet, 22)[0] == 2321
            size += len(packet) - 40
        at += length
    return commands, size


class Lethe:
    """What lethe-identityd does before it answers: it opens the vault, and installs every relay's keys, synced, in a new folder."""

    def __init__(self, program, tpm, folder, relays):
        self.program, self.tpm, self.folder = program, tpm, folder
        self.store, self.payloads, self.runtime = folder / "store", folder / "payloads", folder / "runtime"
        for path in (folder, self.store, self.payloads):
            path.mkdir()
        run([program, "make", self.store, self.payloads, relays], {"LETHE_TCTI": tpm.tcti})

    def prepare(self):
        shutil.rmtree(self.runtime, ignore_errors=True)
        self.runtime.mkdir()

    def run(self, record=None):
        tcti, environment = self.tpm.way(record and record / "lethe")
        run([self.program, "run", self.store, self.runtime], {"LETHE_TCTI": tcti, **environment})

    def payload(self):
        return b"".join(path.read_bytes() for path in sorted(self.payloads.iterdir()))


class SystemdCreds:
    """Runs `systemd-creds decrypt` for each of these contents, which are sealed to the same PCRs."""

    def __init__(self, tpm, folder, contents):
        self.tpm, self.folder = tpm, folder
        self.folder.mkdir()
        self.names = [f"relay{i}" for i in range(len(contents))]
        for name, content in zip(self.names, contents):
            (folder / name).write_bytes(content)
            run(["systemd-creds", "encrypt", f"--tpm2-device={tpm.tcti}", "--with-key=tpm2", "--tpm2-pcrs=" + "+".join(map(str, PCRS)),
                 f"--name={name}", folder / name, folder / f"{name}.cred"])

    def prepare(self):
        pass

    def run(self, record=None):
        for name in self.names:
            tcti, environment = self.tpm.way(record and record / name)
            run(["systemd-creds", "decrypt", f"--tpm2-device={tcti}", f"--name={name}", self.folder / f"{name}.cred", "-"], environment)


def count(work):
    """Returns the TPM commands and bytes of one run."""
    with tempfile.TemporaryDirectory(prefix="lethe-bench-") as name:
        work.prepare()
        work.run(Path(name))
        return tuple(map(sum, zip(*map(traffic, Path(name).iterdir()))))


def processor_ms():
    """Returns the processor time of the processes that have ended, including their time in the kernel."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (used.ru_utime + used.ru_stime) * 1e3


def processor_time(works, repeat):
    """Returns the median of each in milliseconds. They run in turn, so that other work of the machine affects all of them."""
    times = {work: [] for work in works}
    for _ in range(repeat):
        for work in works:
            work.prepare()
            begin = processor_ms()
            work.run()
            times[work].append(processor_ms() - begin)
    return {work: statistics.median(taken) for work, taken in times.items()}


def bench_restore(program, repeat):
    with tempfile.TemporaryDirectory(prefix="lethe-bench-") as name, SoftwareTpm(Path(name)) as tpm:
        folder = Path(name)
        one, many = Lethe(program, tpm, folder / "one", 1), Lethe(program, tpm, folder / "many", RELAYS)
        payload = one.payload()
        rows = {
            "Lethe, 1 relay": one,
            "systemd-creds, 1 credential": SystemdCreds(tpm, folder / "credential", [payload]),
            f"Lethe, {RELAYS} relays": many,
            f"systemd-creds, {RELAYS} credentials": SystemdCreds(tpm, folder / "credentials", [payload] * RELAYS),
            f"systemd-creds, 1 credential with all {RELAYS}": SystemdCreds(tpm, folder / "all", [many.payload()]),
        }
        counted = {work: count(work) for work in rows.values()}
        times = processor_time(rows.values(), repeat)
        cells = [("", "TPM commands", "TPM bytes", "Processor time", "Compared with Lethe")]
        for what, work in rows.items():
            lethe = work if isinstance(work, Lethe) else lethe  # The rows below are compared with this one.
            ratio = "" if work is lethe else (
                f"{counted[work][0] / counted[lethe][0]:.1f} times the commands, {times[work] / times[lethe]:.1f} the processor time")
            cells.append((what, *map(str, counted[work]), f"{times[work]:.1f} ms", ratio))
        table(*cells)


def sections(uki):
    import pefile
    image = pefile.PE(str(uki), fast_load=True)
    return {section.Name.rstrip(b"\0").decode(): section.Misc_VirtualSize for section in image.sections}


def bench_image():
    def megabytes(octets):
        return f"{octets / 1e6:.1f} MB"
    cells = [("Profile", "UKI", "kernel", "initrd, with the root file system")]
    for uki in sorted(Path(os.environ["LETHE_CACHE"], "image").glob("*/current/lethe.efi")):
        part = sections(uki)
        cells.append((uki.parts[-3], megabytes(uki.stat().st_size), megabytes(part[".linux"]), megabytes(part[".initrd"])))
    if len(cells) == 1:
        sys.exit("no image is built: tools/vm build --profile production")
    table(*cells)


def start_to_tor(machine):
    """Returns milliseconds of the machine's clock from the start of its first PID 1, in the initrd, to tor's READY=1."""
    shown = machine.ok("systemctl show -P InitRDTimestampMonotonic && systemctl show -P ActiveEnterTimestampMonotonic tor@a")
    first, ready = map(int, shown.split())
    assert 0 < first < ready, shown
    return (ready - first) / 1000


def bench_boot(repeat):
    """Boots two machines in turn, cleanly; the one with Lethe is enrolled. The clock of both counts their instructions."""
    sys.path.insert(0, str(Path(__file__).parents[2] / "tests/vm"))
    from machine import Machine, credentials
    machines = {"with Lethe": Machine("bench-boot", "debug"), "without": Machine("bench-boot-bare", "bare")}
    lethe, bare = machines.values()
    try:
        lethe.up(*credentials("a"))
        lethe.down()
        times = {name: [] for name in machines}
        for _ in range(repeat):
            for name, machine in machines.items():
                machine.up("--count-instructions")
                times[name].append(start_to_tor(machine))
                machine.down()
    finally:
        for machine in machines.values():
            machine.vm("rm", check=False)
    median = {name: statistics.median(taken) for name, taken in times.items()}
    spread = {name: (max(taken) - min(taken)) / median[name] * 100 for name, taken in times.items()}
    table(("Image", "From PID 1 to tor", "Spread", "Compared with the image without"),
          *((name, f"{median[name]:.0f} ms", f"{spread[name]:.1f} %", f"{(median[name] / median['without'] - 1) * 100:+.1f} %") for name in machines))


if __name__ == "__main__":
    part, *arguments = sys.argv[1:]
    if part == "restore":
        bench_restore(arguments[0], int(arguments[1]))
    elif part == "state":
        bench_state(arguments[0], int(arguments[1]))
    elif part == "measure":
        bench_measure(arguments[0], int(arguments[1]))
    elif part == "boot":
        bench_boot(int(arguments[0]))
    else:
        bench_image()
