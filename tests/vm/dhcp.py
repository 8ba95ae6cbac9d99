"""A DHCP server and a router that answer a running machine instead of QEMU's own, which cannot offer a time server.

QEMU's filters lead what the machine's network card sends to one socket, and give the card what another socket says.
"""

import socket
import struct
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import dhcp6
from dhcp6 import HARDWARE_ADDRESS, domain

sys.path.insert(0, str(Path(__file__).parents[2] / "tools/lib"))
import vm

ADDRESS, SERVER, NAME_SERVER, TIME_SERVER = "10.0.2.77", "10.0.2.2", "10.0.2.99", "192.0.2.123"
DISCOVER, OFFER, REQUEST, ACK, NAK = 1, 2, 3, 5, 6
MAGIC = bytes.fromhex("63825363")

# Numbers of RFC 2132, and of 3361 (SIP), 3397 (search), 4833 (time zone), 8910 (portal).
OFFERED = {1: socket.inet_aton("255.255.255.0"), 3: socket.inet_aton(SERVER), 6: socket.inet_aton(NAME_SERVER), 12: b"evil", 15: b"evil.example",
           42: socket.inet_aton(TIME_SERVER), 51: struct.pack(">I", 3600), 101: b"Pacific/Kiritimati", 114: b"http://evil.example/",
           119: domain("evil.example"), 120: b"\1" + socket.inet_aton(TIME_SERVER)}


def options_of(message):
    """The options of a DHCP message by number."""
    found, position = {}, 240
    while position + 1 < len(message) and message[position] != 255:
        if message[position] == 0:
            position += 1
            continue
        length = message[position + 1]
        found[message[position]] = message[position + 2:position + 2 + length]
        position += 2 + length
    return found


def checksum(octets):
    """RFC 1071, of an even number of octets."""
    total = sum(struct.unpack(f">{len(octets) // 2}H", octets))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def answer(frame):
    """The frame that answers this one; nothing for what is no DHCP request."""
    if len(frame) < 14 + 20 + 8 + 240 or frame[12:14] != b"\x08\x00" or frame[14] != 0x45 or frame[23] != socket.IPPROTO_UDP or frame[36:38] != b"\0\x43":
        return None
    message = frame[42:]
    asked = options_of(message)
    kind = asked.get(53, b"\0")[0]
    if kind not in (DISCOVER, REQUEST):
        return None
    said = OFFER if kind == DISCOVER else ACK
    if kind == REQUEST and asked.get(50, socket.inet_aton(ADDRESS)) != socket.inet_aton(ADDRESS):
        said = NAK
    options = {53: bytes([said]), 54: socket.inet_aton(SERVER), **(OFFERED if said != NAK else {})}
    yours = socket.inet_aton(ADDRESS) if said != NAK else bytes(4)
    reply = struct.pack(">BBBB4sHH4s4s4s4s16s192x4s", 2, 1, 6, 0, message[4:8], 0, 0x8000, bytes(4), yours, bytes(4), bytes(4), message[28:44], MAGIC)
    reply += b"".join(bytes([number, len(value)]) + value for number, value in options.items()) + b"\xff"
    datagram = struct.pack(">HHHH", 67, 68, 8 + len(reply), 0) + reply
    header = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(datagram), 0, 0, 64, socket.IPPROTO_UDP, 0, socket.inet_aton(SERVER), b"\xff" * 4)
    header = header[:10] + struct.pack(">H", checksum(header)) + header[12:]
    return b"\xff" * 6 + HARDWARE_ADDRESS + b"\x08\x00" + header + datagram


def read_exactly(stream, size):
    octets = b""
    while len(octets) < size:
        more = stream.recv(size - len(octets))
        if not more:
            raise EOFError
        octets += more
    return octets


def serve(sent, given):
    """Answers frames, each with its length before it, until their socket is shut."""
    try:
        while True:
            frame = read_exactly(sent, struct.unpack(">I", read_exactly(sent, 4))[0])
            if said := dhcp6.answer(frame) if frame[12:14] == b"\x86\xdd" else answer(frame):
                given.sendall(struct.pack(">I", len(said)) + said)
    except (EOFError, OSError):
        pass


class Qmp(vm.Qmp):
    """QEMU's monitor of a machine, whatever the current folder is."""

    def __init__(self, folder):
        vm.Channel.__init__(self, str(folder / "qmp.sock"), 10)
        self.receive()
        self.ask("qmp_capabilities")

    def done(self, command, **arguments):
        said = self.ask(command, **arguments)
        assert "return" in said, (command, arguments, said)


@contextmanager
def dhcp_server(machine):
    """Within it a machine that was started with `--dhcp` meets this server, and no other network."""
    qmp = Qmp(machine.folder)
    sockets, server = {}, None
    try:
        for name, queue, end in (("sent", "rx", "outdev"), ("given", "tx", "indev")):
            path = str(machine.folder / f"{name}.sock")
            qmp.done("chardev-add", id=name, backend={"type": "socket", "data": {"addr": {"type": "unix", "data": {"path": path}}, "server": True, "wait": False}})
            sockets[name] = socket.socket(socket.AF_UNIX)
            sockets[name].connect(path)
            qmp.done("object-add", **{"qom-type": "filter-redirector", "id": f"{name}-frames", "netdev": "net", "queue": queue, end: name})
        server = threading.Thread(target=serve, args=(sockets["sent"], sockets["given"]))
        server.start()
        yield
    finally:
        for name, link in sockets.items():
            qmp.ask("object-del", id=f"{name}-frames")
            link.close() if server is None else link.shutdown(socket.SHUT_RDWR)
            qmp.ask("chardev-remove", id=name)
        if server:
            server.join()
        qmp.socket.close()
