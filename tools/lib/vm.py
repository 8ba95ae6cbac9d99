"""Manages virtual machines with OVMF and a TPM; tools/vm calls this on Debian 13. See the usage below, or tools/vm --help.

A machine is a folder, $LETHE_CACHE/vm/NAME:
  disk.raw OVMF_VARS.fd tpm/   what a real machine would keep
  network/lethe.efi            what it boots over the network, instead of a disk
  offer.erofs                  a second disk, read-only, with files for the guest
  vm.json                      profile, Secure Boot, network
  run.json                     process ids with start times, of the last start
  console.log                  the serial console since the machine was made
  *.sock                       sockets, named relative to the folder (a socket's path has at most 108 bytes)
"""

import argparse
import base64
import fcntl
import json
import os
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import time
import tty
import uuid
from pathlib import Path

CACHE = Path(os.environ["LETHE_CACHE"])
OVMF = Path("/usr/share/OVMF")
MEMORY_MB = 1024
# QEMU's devices for the disk and for the network card.
HARDWARE = {"virtio": ("virtio-blk-pci", None), "nvme": ("nvme,serial=lethe", "e1000e"), "ahci": ("ide-hd,bus=ide.0", "igb")}
OWNER = "6c657468-6500-4000-8000-000000000003"  # This owner is of the Secure Boot keys.

USAGE = """\
tools/vm build [--profile P] [--version V]    build the image, see tools/image --help
tools/vm up NAME [options]                    make the machine if it does not exist, and start it
tools/vm exec NAME [-i] -- COMMAND...         run a command in it (debug profile), return its output and exit status; -i: pass stdin, too
tools/vm console NAME                         open its console: a root shell with the debug profile; leave with Ctrl-]
tools/vm reboot NAME                          power it off cleanly, then start it
tools/vm next NAME                            wait for the boot after a reset that the guest itself begins, one at a time
tools/vm down NAME                            power it off cleanly (the ACPI power button)
tools/vm cut NAME                             cut its power: QEMU and swtpm die at once
tools/vm memory NAME                          dump its physical memory into memory.raw in the machine's folder
tools/vm in-use NAME REGEX                    wait for a line of its console; print the last figure of memory in use before it, in bytes
tools/vm esp NAME ls [PATH] | get PATH | put PATH | rm PATH
                                              access files on its ESP while it is off; get writes to stdout, put reads stdin
tools/vm log NAME                             print the serial console of the last start
tools/vm wait NAME REGEX                      wait for a line of that log
tools/vm list                                 list the machines
tools/vm rm NAME                              cut its power and delete it

exit status: 0 done, 1 refused or failed, 2 wrong usage, 3 a wait timed out, 125 exec could not run; otherwise exec returns the guest's.
"""


class Failure(Exception):
    def __init__(self, message, status=1):
        super().__init__(message)
        self.status = status


def note(message):
    print(f"vm: {message}", file=sys.stderr, flush=True)


# Processes ---------------------------------------------------------------------------------------------------------------------------

def start_time(pid):
    """Returns the start time of a live process, in clock ticks since the boot; None if it does not exist or is a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else int(fields[19])


def spawn(arguments, log):
    """Starts a process that outlives this one. Returns its id and start time, so that a reused process id is recognised."""
    with open(log, "ab") as out:
        child = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)
    return {"pid": child.pid, "start": start_time(child.pid)}


def alive(process):
    return process is not None and process["start"] is not None and start_time(process["pid"]) == process["start"]


def kvm_works():
    """Returns whether a machine under KVM stays alive: on some hosts /dev/kvm opens, but QEMU dies at its first instruction."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    known = CACHE / "kvm"
    if known.exists() and known.read_text().split()[:1] == [boot]:
        return known.read_text().split()[1] == "yes"
    answer = "no"
    if os.access("/dev/kvm", os.R_OK | os.W_OK):
        probe = subprocess.Popen(["qemu-system-x86_64", "-machine", "q35", "-accel", "kvm", "-cpu", "max", "-m", "128", "-nodefaults",
                                  "-display", "none", "-bios", OVMF / "OVMF_CODE_4M.fd", "-qmp", "stdio"],
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        time.sleep(4)  # By now the firmware runs, or the machine has stopped: no event tells.
        try:
            out, _ = probe.communicate(b'{"execute":"qmp_capabilities"}{"execute":"query-status"}{"execute":"quit"}', 10)
            if b'"status": "running"' in out:
                answer = "yes"
        except subprocess.TimeoutExpired:
            probe.kill()
            probe.wait()
    known.write_text(f"{boot} {answer}\n")
    note(f"KVM {'works' if answer == 'yes' else 'does not work here: emulating, which is slow'}")
    return answer == "yes"


# Emulating all that QEMU knows of a processor takes half as long again as emulating this one, on which the kernel mitigates less.
PLAIN_CPU = "qemu64,+ssse3,+sse4.1,+sse4.2,+popcnt,+cx16,+aes,+pclmulqdq,+rdrand"


def processor(count_instructions, hypervisor_bit):
    *accelerator, model = accelerated(count_instructions)
    return [*accelerator, model if hypervisor_bit else model + ",-hypervisor"]


def accelerated(count_instructions):
    # 4 ns an instruction, whatever the host does meanwhile; an idle machine's clock goes on by itself.
    if count_instructions:
        return ["-accel", "tcg,thread=single", "-icount", "shift=2", "-cpu", "max"]
    return ["-accel", "kvm", "-cpu", "max"] if kvm_works() else ["-accel", "tcg,thread=multi", "-cpu", PLAIN_CPU]


# A machine ---------------------------------------------------------------------------------------------------------------------------

class Machine:
    def __init__(self, name, must_exist=True):
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,40}", name):
            raise Failure(f"not a machine name: {name}", 2)
        self.name = name
        self.folder = CACHE / "vm" / name
        if must_exist:
            if not (self.folder / "vm.json").exists():
                raise Failure(f"no machine {name}; tools/vm up {name} makes one")
            self.enter()

    def enter(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        os.chdir(self.folder)
        self.settings = json.loads(Path("vm.json").read_text()) if Path("vm.json").exists() else {}

    def run(self):
        return json.loads(Path("run.json").read_text()) if Path("run.json").exists() else {}

    def running(self):
        return alive(self.run().get("qemu"))

    def is_open(self):
        """Returns whether the image has a shell and an agent."""
        return self.settings["profile"] in ("debug", "bare")

    def must_run(self):
        if not self.running():
            raise Failure(f"{self.name} is off; tools/vm up {self.name} starts it")

    def must_be_off(self):
        if self.running():
            raise Failure(f"{self.name} is running; tools/vm down {self.name} first")

    # Making and starting

    def prepare(self, options):
        """Makes what is missing, and changes what the options say."""
        profile = options.profile or self.settings.get("profile", "debug")
        secure_boot = options.secure_boot or self.settings.get("secure_boot", "on")
        hardware = options.hardware or self.settings.get("hardware", "virtio")
        network = bool(options.network_from) or (self.settings.get("network", False) and not options.disk_from)
        if options.network_from:
            Path("network").mkdir(exist_ok=True)
            with open(options.network_from, "rb") as uki:
                subprocess.run(["cp", "/dev/stdin", "network/lethe.efi"], stdin=uki, check=True)
            Path("disk.raw").unlink(missing_ok=True)
        elif not network and (options.disk_from or not Path("disk.raw").exists()):
            source = options.disk_from or CACHE / "image" / profile / "current" / "lethe.raw"
            if not options.disk_from and not source.exists():
                raise Failure(f"no image; run tools/vm build --profile {profile} first")
            with open(source, "rb") as disk:
                subprocess.run(["cp", "--sparse=always", "/dev/stdin", "disk.new"], stdin=disk, check=True)
            os.rename("disk.new", "disk.raw")
        if secure_boot != self.settings.get("secure_boot") or not Path("OVMF_VARS.fd").exists():
            self.make_variables(secure_boot, "production" if profile in ("production", "metal") else "debug")
        if options.new_tpm or not Path("tpm").exists():
            shutil.rmtree("tpm", ignore_errors=True)
            os.mkdir("tpm", 0o700)
            # The TPM has one bank, as on most machines; each further bank costs every measurement again.
            made = subprocess.run(["swtpm_setup", "--tpm2", "--tpmstate", "tpm", "--pcr-banks", "sha256", "--logfile", "swtpm.log"],
                                  stdout=subprocess.DEVNULL)
            if made.returncode != 0:
                raise Failure(f"swtpm_setup failed; see {self.folder}/swtpm.log")
        self.settings = {"profile": profile, "secure_boot": secure_boot, "network": network, "hardware": hardware}
        Path("vm.json").write_text(json.dumps(self.settings))
        for credential in options.cred:
            name, _, file = credential.partition("=")
            self.esp_put(f"/loader/credentials/{name}.cred", Path(file).read_bytes())
        if options.offer:
            self.make_offer(dict(offered.split("=", 1) for offered in options.offer))

    def make_offer(self, files):
        """Makes the disk with these files by name. Content that files share takes up space once."""
        with tempfile.TemporaryDirectory(dir=".") as folder:
            for name, file in files.items():
                shutil.copyfile(file, Path(folder, name))
            Path("offer.erofs").unlink(missing_ok=True)
            subprocess.run(["mkfs.erofs", "-d0", "--chunksize=65536", "offer.erofs", folder], check=True, stdout=subprocess.DEVNULL)

    def make_variables(self, secure_boot, keys):
        """Makes the firmware's variables. With Secure Boot on, the profile's keys are enrolled, so that this needs no boot; in setup mode
        there are no keys, and the boot loader enrols those that lie on the disk."""
        if secure_boot != "on":
            shutil.copyfile(OVMF / "OVMF_VARS_4M.fd", "OVMF_VARS.fd")
            return
        keys = CACHE / "certificates" / keys
        if not (keys / "db.pem").exists():
            raise Failure("no Secure Boot keys; tools/vm build makes them")
        subprocess.run(["virt-fw-vars", "--loglevel", "error", "-i", OVMF / "OVMF_VARS_4M.fd", "-o", "OVMF_VARS.fd",
                        "--set-pk", OWNER, keys / "PK.pem", "--add-kek", OWNER, keys / "KEK.pem", "--add-db", OWNER, keys / "db.pem", "--secure-boot"], check=True)

    def start(self, smbios=(), count_instructions=False, date=None, fw_cfg=(), dhcp=None, hypervisor_bit=True, more=()):
        for path in Path(".").glob("*.sock"):
            path.unlink()
        console = Path("console.log")
        run = {"console": console.stat().st_size if console.exists() else 0}
        run["swtpm"] = spawn(["swtpm", "socket", "--tpm2", "--tpmstate", "dir=tpm", "--ctrl", "type=unixio,path=swtpm.sock"], "swtpm.log")
        Path("run.json").write_text(json.dumps(run))
        wait_for("the TPM's socket", 10, lambda: Path("swtpm.sock").exists())

        def chardev(name, *more):
            return ["-chardev", ",".join([f"socket,id={name},path={name}.sock,server=on,wait=off", *more])]

        secure = self.settings["secure_boot"] != "off"
        code = OVMF / ("OVMF_CODE_4M.secboot.fd" if secure else "OVMF_CODE_4M.fd")
        arguments = [
            "qemu-system-x86_64", "-name", f"lethe-{self.name}", "-nodefaults", "-display", "none", "-smp", "2", "-m", str(MEMORY_MB),
            "-machine", "q35,smm=on" if secure else "q35,smm=off",
            *processor(count_instructions, hypervisor_bit),
            *(["-rtc", f"base={date}"] if date else []),
            *(["-global", "driver=cfi.pflash01,property=secure,value=on"] if secure else []),
            "-drive", f"if=pflash,format=raw,unit=0,readonly=on,file={code}",
            "-drive", "if=pflash,format=raw,unit=1,file=OVMF_VARS.fd",
            *self.boot_device(dhcp),
            "-chardev", "socket,id=tpm,path=swtpm.sock", "-tpmdev", "emulator,id=tpm0,chardev=tpm", "-device", "tpm-crb,tpmdev=tpm0",
            "-object", "rng-random,id=rng,filename=/dev/urandom", "-device", "virtio-rng-pci,rng=rng",
            *chardev("serial", "logfile=console.log,logappend=on"), "-serial", "chardev:serial",
            "-device", "virtio-balloon-pci,id=balloon",
            "-device", "virtio-serial-pci",
            *chardev("hvc"), "-device", "virtconsole,chardev=hvc",
            *chardev("agent"), "-device", "virtserialport,chardev=agent,name=org.qemu.guest_agent.0",
            *chardev("qmp"), "-mon", "chardev=qmp,mode=control",
        ]
        for value in smbios:
            arguments += ["-smbios", "type=11,value=" + value.replace(",", ",,")]
        for setting in fw_cfg:
            name, _, value = setting.partition("=")
            arguments += ["-fw_cfg", f"name={name},string=" + value.replace(",", ",,")]
        run["qemu"] = spawn([*arguments, *more], "qemu.log")
        Path("run.json").write_text(json.dumps(run))
        # Whoever asks it something next finds it there; of one that has ended at once, qemu.log says why.
        wait_for("QEMU's socket", 60, lambda: Path("qmp.sock").exists() or not alive(run["qemu"]))

    def boot_device(self, dhcp):
        """Gives it a disk and no network; or no disk, and a network that reaches only the UKI on QEMU's own TFTP server.

        Like a real machine, it may have a disk and a card that reaches nothing; network.pcap keeps what the card sends.
        """
        if self.settings["network"]:
            return ["-netdev", "user,id=net,restrict=on,tftp=network,bootfile=lethe.efi",
                    "-device", "virtio-net-pci,netdev=net,bootindex=0,romfile="]
        disk, card = HARDWARE[self.settings["hardware"]]
        # With cache=none the guest sees a disk with a write cache, and flushes it or not, as on a real machine.
        devices = ["-drive", "if=none,id=disk,format=raw,file=disk.raw,cache=none", "-device", f"{disk},drive=disk,bootindex=0"]
        if Path("offer.erofs").exists():
            devices += ["-drive", "if=none,id=offer,format=raw,file=offer.erofs,readonly=on", "-device", "virtio-blk-pci,drive=offer,serial=offer"]
        if dhcp is not None:
            return [*devices, "-netdev", f"user,id=net,restrict=on,{dhcp}", "-device", "virtio-net-pci,netdev=net,romfile="]
        if card is None:
            return ["-nic", "none", *devices]
        return [*devices, "-netdev", "user,id=net,restrict=on", "-device", f"{card},netdev=net,romfile=",
                "-object", "filter-dump,id=sent,netdev=net,file=network.pcap"]

    def wait_until_up(self, limit):
        begin = time.monotonic()
        if self.is_open():
            # Each question starts a program in the guest, which would take the processor from the boot. So the agent is asked when the
            # console shows the last target, and now and then, since a boot that failed does not come that far.
            self.wait_running("the guest's agent", limit, self.agent_answers)
            self.asked = time.monotonic()
            state = self.wait_running("the end of the boot", limit, self.boot_state)
        else:
            # systemd's own lines are on the last of the kernel's consoles, which in profile metal is the screen.
            self.wait_running("the relays' state on the console", limit, lambda: re.search(r"^Vault: ", self.console_text(), re.M))
            state = "up"
        note(f"{self.name} is up after {time.monotonic() - begin:.0f} s: {state}")

    def agent_answers(self):
        try:
            return Agent(2).ask("guest-ping") is not None
        except (OSError, Failure):
            return False

    def boot_state(self):
        if "Reached target multi-user" not in self.console_text() and time.monotonic() - self.asked < 30:
            return None
        self.asked = time.monotonic()
        try:
            state = Agent(10).run(["systemctl", "is-system-running"], limit=30)[1].decode().strip()
        except (OSError, Failure):
            return None
        return state if state not in ("", "initializing", "starting", "offline", "unknown") else None

    def wait_running(self, what, limit, condition):
        """Waits as wait_for does, prints signs of life, and stops when the machine goes off."""
        begin = told = time.monotonic()
        while not (value := condition()):
            now = time.monotonic()
            if not self.running():
                tail = Path("qemu.log").read_text().strip().splitlines()[-1:]
                raise Failure(f"{self.name} went off while waiting for {what}; see tools/vm log {self.name} {' '.join(tail)}")
            if now - begin > limit:
                raise Failure(f"{self.name}: waited {limit} s for {what}; the last line of the console: {self.last_line()}", 3)
            if now - told > 15:
                note(f"{self.name}: {now - begin:.0f} s: {self.last_line()}")
                told = now
            time.sleep(0.5)
        return value

    def console_text(self):
        """Returns the console since the last start, without the terminal's escape sequences."""
        Path("console.log").touch()  # QEMU makes the file a moment after the start.
        with open("console.log", "rb") as file:
            file.seek(self.run().get("console", 0))
            text = file.read().decode(errors="replace")
        return re.sub(r"\x1b(\[[0-9;:?=!]*[A-Za-z]|\].*?(\x07|\x1b\\)|[()].|[=>78cM])", "", text).replace("\r", "")

    def enter_next_boot(self):
        """Returns whether the firmware has started a boot loader again; the console then begins with that boot."""
        run = self.run()
        with open("console.log", "rb") as file:
            file.seek(run["console"])
            starts = [found.start() for found in re.finditer(rb"BdsDxe: starting Boot", file.read())]
        if len(starts) > 1:
            run["console"] += starts[1]
            Path("run.json").write_text(json.dumps(run))
        return len(starts) > 1

    def last_line(self):
        lines = [line for line in self.console_text().splitlines() if line.strip()]
        return lines[-1].strip()[:120] if lines else "(nothing yet)"

    # Stopping

    def power_button(self, limit):
        self.must_run()
        end = time.monotonic() + limit
        while self.running():
            try:
                Qmp().ask("system_powerdown")  # The button is pressed again while the machine runs: a press during the boot has no effect.
            except OSError:
                pass
            if time.monotonic() > end:
                raise Failure(f"{self.name}: waited {limit} s for the power-off; tools/vm cut {self.name} ends it the hard way", 3)
            next_press = time.monotonic() + 20
            while self.running() and time.monotonic() < next_press:
                time.sleep(0.2)
        wait_for("the TPM to end", 10, lambda: not alive(self.run().get("swtpm")))

    def cut(self):
        run = self.run()
        processes = [process for process in (run.get("qemu"), run.get("swtpm")) if alive(process)]
        for process in processes:
            os.kill(process["pid"], signal.SIGKILL)
        wait_for("the processes to die", 10, lambda: not any(alive(process) for process in processes))

    # The ESP

    def esp(self, *command, **more):
        """Runs an mtools command on the first partition of the disk."""
        with open("disk.raw", "rb") as disk:
            disk.seek(2 * 512)  # Here is the GPT's first entry: type, id, first and last block.
            first = struct.unpack_from("<16s16sQQ", disk.read(128))[2]
        return subprocess.run([command[0], "-i", f"disk.raw@@{first * 512}", *command[1:]],
                              env={**os.environ, "MTOOLS_SKIP_CHECK": "1"}, **more)

    def esp_put(self, path, data):
        folder = ""
        for part in Path(path.strip("/")).parts[:-1]:
            folder += "/" + part
            self.esp("mmd", "-D", "s", "::" + folder, stderr=subprocess.DEVNULL)
        Path("put.tmp").write_bytes(data)
        failed = self.esp("mcopy", "-o", "put.tmp", "::/" + path.strip("/")).returncode
        os.unlink("put.tmp")
        if failed:
            raise Failure(f"can't write {path}")


def wait_for(what, limit, condition):
    end = time.monotonic() + limit
    while not condition():
        if time.monotonic() > end:
            raise Failure(f"waited {limit} s for {what}", 3)
        time.sleep(0.05)


class Channel:
    """A channel of JSON lines over a socket of the machine in the current folder."""

    def __init__(self, path, limit):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(limit)
        self.socket.connect(path)
        self.buffer = b""

    def send(self, message, before=b""):
        self.socket.sendall(before + json.dumps(message).encode() + b"\n")

    def receive(self):
        while b"\n" not in self.buffer:
            data = self.socket.recv(1 << 16)
            if not data:
                raise OSError("the connection was closed")
            self.buffer += data
        line, _, self.buffer = self.buffer.partition(b"\n")
        return line


class Qmp(Channel):
    def __init__(self):
        super().__init__("qmp.sock", 10)
        self.receive()
        self.ask("qmp_capabilities")

    def ask(self, command, **arguments):
        self.send({"execute": command, "arguments": arguments})
        while True:
            answer = json.loads(self.receive())
            if "event" not in answer:
                return answer


class Agent(Channel):
    """The QEMU guest agent of the debug profile."""

    def __init__(self, limit=10):
        super().__init__("agent.sock", limit)
        # What an earlier client left unread comes first: this skips to the answer to its own request.
        mark = uuid.uuid4().int >> 80
        self.send({"execute": "guest-sync", "arguments": {"id": mark}}, before=b"\xff")
        while True:
            line = self.receive().rpartition(b"\xff")[2]
            try:
                if json.loads(line).get("return") == mark:
                    return
            except ValueError:
                pass

    def ask(self, command, **arguments):
        self.send({"execute": command, "arguments": arguments})
        answer = json.loads(self.receive())
        if "error" in answer:
            raise Failure(f"{command}: {answer['error'].get('desc')}", 125)
        return answer["return"]

    def run(self, command, stdin=None, limit=600):
        """Returns exit status, output and errors of a command in the guest."""
        arguments = {"path": command[0], "arg": command[1:], "capture-output": True}
        if stdin is not None:
            arguments["input-data"] = base64.b64encode(stdin).decode()
        try:
            pid = self.ask("guest-exec", **arguments)["pid"]
        except Failure as failure:
            if "No such file" in str(failure):
                raise Failure(f"{command[0]}: no such command in the guest", 127) from None
            raise
        end, pause = time.monotonic() + limit, 0.05
        while not (status := self.ask("guest-exec-status", pid=pid))["exited"]:
            if time.monotonic() > end:
                raise Failure(f"waited {limit} s for the end of {' '.join(command)}", 3)
            self.socket.close()  # Other clients may ask in the meantime.
            time.sleep(pause)
            pause = min(pause * 1.5, 1)
            self.__init__(60)
        if status.get("out-truncated") or status.get("err-truncated"):
            raise Failure("more than 16 MB of output: write it to a file in the guest and fetch it in parts", 125)
        code = status["exitcode"] if "exitcode" in status else 128 + status["signal"]
        return code, base64.b64decode(status.get("out-data", "")), base64.b64decode(status.get("err-data", ""))


# The verbs ---------------------------------------------------------------------------------------------------------------------------

def up(options):
    machine = Machine(options.name, must_exist=False)
    machine.enter()
    machine.must_be_off()
    machine.cut()  # a TPM left over
    machine.prepare(options)
    machine.start(options.smbios, options.count_instructions, options.date, options.fw_cfg, options.dhcp, not options.no_hypervisor_bit,
                  options.qemu)
    if not options.no_wait:
        machine.wait_until_up(options.limit)


def execute(options):
    machine = Machine(options.name)
    machine.must_run()
    if not machine.is_open():
        raise Failure("only the profiles debug and bare have a channel for commands", 125)
    if not options.command:
        raise Failure("no command; see tools/vm --help", 2)
    try:
        code, out, err = Agent(30).run(options.command, sys.stdin.buffer.read() if options.stdin else None, options.limit)
    except OSError as error:
        raise Failure(f"the guest's agent does not answer: {error}", 125) from None
    sys.stdout.buffer.write(out)
    sys.stdout.flush()
    sys.stderr.buffer.write(err)
    return code


def console(options):
    machine = Machine(options.name)
    machine.must_run()
    link = socket.socket(socket.AF_UNIX)
    link.connect("hvc.sock" if machine.is_open() else "serial.sock")
    note("connected; Ctrl-] leaves")
    terminal = sys.stdin.fileno() if sys.stdin.isatty() else None
    saved = termios.tcgetattr(terminal) if terminal is not None else None
    try:
        if saved:
            tty.setraw(terminal)
        link.sendall(b"\r")
        while True:
            ready, _, _ = select.select([link, sys.stdin.buffer], [], [])
            if link in ready:
                data = link.recv(4096)
                if not data:
                    return
                os.write(sys.stdout.fileno(), data)
            if sys.stdin.buffer in ready:
                data = os.read(sys.stdin.fileno(), 4096)
                if not data or b"\x1d" in data:
                    return
                link.sendall(data)
    finally:
        if saved:
            termios.tcsetattr(terminal, termios.TCSADRAIN, saved)


def reboot(options):
    machine = Machine(options.name)
    machine.power_button(options.limit)
    machine.start()
    machine.wait_until_up(options.limit)


def next_boot(options):
    machine = Machine(options.name)
    machine.wait_running("the next boot", options.limit, machine.enter_next_boot)
    if not options.no_wait:
        machine.wait_until_up(options.limit)


def down(options):
    Machine(options.name).power_button(options.limit)


def cut(options):
    Machine(options.name).cut()


def memory(options):
    """Dumps its physical memory, page by page from 0, while it is stopped. With less than 2 GB, its memory has no hole."""
    machine = Machine(options.name)
    machine.must_run()
    qmp = Qmp()
    qmp.ask("stop")
    answer = qmp.ask("pmemsave", val=0, size=MEMORY_MB << 20, filename=str(machine.folder / "memory.raw"))
    qmp.ask("cont")
    if "error" in answer:
        raise Failure(f"{machine.name}: {answer['error']['desc']}")


def in_use(options):
    """Prints total minus available memory in bytes, as its kernel counts them each second: the last figure before a line on its console."""
    machine = Machine(options.name)
    machine.must_run()
    device, before = "/machine/peripheral/balloon", re.compile(options.regex)
    last = [None]

    def line_came():
        if before.search(machine.console_text()):
            return True
        answer = Qmp().ask("qom-get", path=device, property="guest-stats")["return"]
        if answer["last-update"]:
            last[0] = answer["stats"]
        return False

    Qmp().ask("qom-set", path=device, property="guest-stats-polling-interval", value=1)
    machine.wait_running(f"a console line with {options.regex}", options.limit, line_came)
    Qmp().ask("qom-set", path=device, property="guest-stats-polling-interval", value=0)
    if last[0] is None:
        raise Failure(f"{machine.name} told no figures of its memory before that line")
    print(last[0]["stat-total-memory"] - last[0]["stat-available-memory"])


def esp(options):
    machine = Machine(options.name)
    if options.verb in ("put", "rm"):
        machine.must_be_off()
    path = "::/" + options.path.strip("/")
    if options.verb == "put":
        return machine.esp_put(options.path, sys.stdin.buffer.read())
    if options.verb == "get":
        return min(machine.esp("mtype", path).returncode, 1)
    if options.verb == "rm":
        return min(machine.esp("mdel", path).returncode, 1)
    found = machine.esp("mdir", "-b", path, stdout=subprocess.PIPE)
    for line in found.stdout.decode().splitlines():
        print(line.removeprefix("::"))
    return min(found.returncode, 1)


def log(options):
    sys.stdout.write(Machine(options.name).console_text())


def wait(options):
    machine = Machine(options.name)
    pattern = re.compile(options.regex)

    def find():
        return next((line for line in machine.console_text().splitlines() if pattern.search(line)), None)

    print(find() or machine.wait_running(f"a console line with {options.regex}", options.limit, find))


def remove(options):
    machine = Machine(options.name, must_exist=False)
    if machine.folder.exists():
        machine.enter()
        machine.cut()
        shutil.rmtree(machine.folder)


def list_machines(_):
    for folder in sorted((CACHE / "vm").glob("*/vm.json")):
        machine = Machine(folder.parent.name)
        print(f"{machine.name:20} {'running' if machine.running() else 'off':8} profile {machine.settings['profile']}, "
              f"Secure Boot {machine.settings['secure_boot']}")


def main():
    parser = argparse.ArgumentParser(prog="tools/vm", usage=USAGE, add_help=True)
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    def verb(name, action, limit=None, machine=True):
        sub = verbs.add_parser(name)
        sub.set_defaults(action=action)
        if machine:
            sub.add_argument("name", metavar="NAME")
        if limit:
            sub.add_argument("--limit", type=float, default=limit, metavar="SECONDS", help=f"how long to wait (default {limit})")
        return sub

    sub = verb("up", up, 300)
    sub.add_argument("--disk-from", metavar="FILE", help="boot a copy of this disk, not of the newest image")
    sub.add_argument("--network-from", metavar="FILE", help="boot a copy of this UKI over the network, without a disk")
    sub.add_argument("--profile", help="use this image: debug (default) or production")
    sub.add_argument("--secure-boot", choices=["on", "off", "setup"],
                     help="setup: use a firmware that has no keys yet and waits for some (default: as before, on for a new machine)")
    sub.add_argument("--hardware", choices=list(HARDWARE), help="of the disk and the network card (default: as before, virtio at first)")
    sub.add_argument("--smbios", action="append", default=[], metavar="STRING", help="an SMBIOS type 11 string, for this start only")
    sub.add_argument("--fw-cfg", action="append", default=[], metavar="NAME=STRING", help="a file of QEMU's firmware configuration, likewise")
    sub.add_argument("--qemu", action="append", default=[], metavar="ARGUMENT", help="one more argument of QEMU's (--qemu=-device --qemu=...), likewise")
    sub.add_argument("--no-hypervisor-bit", action="store_true", help="its processor says that it is a real machine's, likewise")
    sub.add_argument("--dhcp", metavar="OPTIONS", help="a network card whose DHCP server says this (QEMU's -netdev user), likewise")
    sub.add_argument("--cred", action="append", default=[], metavar="NAME=FILE", help="put FILE on the ESP as credential NAME")
    sub.add_argument("--offer", action="append", default=[], metavar="NAME=FILE",
                     help="put FILE as NAME on a disk /dev/disk/by-id/virtio-offer, from now on instead of what was offered before")
    sub.add_argument("--count-instructions", action="store_true", help="emulate it with a clock that counts instructions, this time only")
    sub.add_argument("--date", metavar="YYYY-MM-DDTHH:MM:SS", help="set its clock, in UTC, for this start only (default: the right time)")
    sub.add_argument("--new-tpm", action="store_true", help="replace the TPM with an empty one")
    sub.add_argument("--no-wait", action="store_true", help="do not wait until it is up")
    sub = verb("exec", execute, 600)
    sub.add_argument("-i", dest="stdin", action="store_true", help="send standard input, too")
    verb("console", console)
    verb("reboot", reboot, 300)
    sub = verb("next", next_boot, 300)
    sub.add_argument("--no-wait", action="store_true", help="do not wait until it is up")
    verb("down", down, 120)
    verb("cut", cut)
    verb("memory", memory)
    sub = verb("in-use", in_use, 300)
    sub.add_argument("regex", metavar="REGEX")
    sub = verb("esp", esp)
    sub.add_argument("verb", choices=["ls", "get", "put", "rm"])
    sub.add_argument("path", nargs="?", default="/", metavar="PATH")
    verb("log", log)
    sub = verb("wait", wait, 300)
    sub.add_argument("regex", metavar="REGEX")
    verb("rm", remove)
    verb("list", list_machines, machine=False)

    arguments, command = sys.argv[1:], []
    if arguments[:1] == ["exec"] and "--" in arguments:
        split = arguments.index("--")
        arguments, command = arguments[:split], arguments[split + 1:]
    options = parser.parse_args(arguments)
    options.command = command
    try:
        if "name" in options:
            (CACHE / "vm").mkdir(exist_ok=True)
            # One command at a time changes a machine; commands that only read do not wait.
            if options.action in (up, reboot, next_boot, down, esp, remove):
                lock = open(CACHE / "vm" / f".{options.name}.lock", "w")
                fcntl.flock(lock, fcntl.LOCK_EX)
        return options.action(options)
    except Failure as failure:
        note(failure)
        return failure.status
    except (OSError, subprocess.CalledProcessError) as error:
        note(error)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
