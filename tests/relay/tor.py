"""Starts processes of tor, asks them over their control sockets, and stops them as systemd does."""

import os
import re
import signal
import socket
import subprocess
import time

LIMIT = 120  # No wait is longer than this many seconds. An idle machine needs a tenth of them.


def wait_for(what, condition):
    """Returns the result of the condition as soon as it is true. What the condition asks may not answer yet."""
    end = time.monotonic() + LIMIT
    while True:
        try:
            if result := condition():
                return result
        except OSError:
            pass
        assert time.monotonic() < end, f"waited {LIMIT} s for {what}"
        time.sleep(0.2)


class Tor:
    """One process. It ends with the test, however the test ends: tor watches the process that its torrc names."""

    OWNED = f"__OwningControllerProcess {os.getpid()}\n"

    def __init__(self, name, arguments, log, **options):
        self.name, self.log = name, log
        with log.open("a") as out:
            self.process = subprocess.Popen([str(argument) for argument in arguments], stdout=out, stderr=out, **options)

    def expect_running(self):
        assert self.process.poll() is None, f"{self.name} has ended with {self.process.returncode}:\n{self.log.read_text()[-2000:]}"
        return True

    def stop(self):
        """Stops tor as the unit's KillSignal= does; tor writes its state. Returns the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        return self.process.wait(LIMIT)

    def kill(self):
        self.process.kill()
        self.process.wait(LIMIT)


def ask(folder, command):
    """Returns tor's answer to one command on the control socket in this folder, without the status lines."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as control:
        control.settimeout(LIMIT)
        control.connect(str(folder / "control"))
        cookie = (folder / "control.authcookie").read_bytes().hex()
        control.sendall(f"AUTHENTICATE {cookie}\r\n{command}\r\nQUIT\r\n".encode())
        answer = b""
        while part := control.recv(65536):
            answer += part
    lines = answer.decode().split("\r\n")
    refused = [line for line in lines if re.match(r"[45]\d\d ", line)]
    assert not refused, f"{command}: {refused[0]}"
    return "\n".join(lines[1:])


def observed_bandwidth(descriptor):
    """Returns the third number of a descriptor's bandwidth line: bytes per second that the relay has carried."""
    return int(re.search(r"^bandwidth \d+ \d+ (\d+)$", descriptor, re.M)[1])
