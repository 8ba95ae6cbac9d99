"""A router and a DHCPv6 server: what they answer to the frames of a machine, beside addresses and name servers all that they could steer."""

import socket
import struct

PREFIX, ADDRESS = "fd6c:6574:6865::", "fd6c:6574:6865::77"
ROUTER_NAME_SERVER, SERVER_NAME_SERVER, TIME_SERVER = "2001:db8::98", "2001:db8::99", "2001:db8::123"
HARDWARE_ADDRESS = bytes.fromhex("525400000001")
ROUTER = "fe80::2"
ALL_NODES = "ff02::1"
ROUTER_SOLICITATION, ROUTER_ADVERTISEMENT = 133, 134  # RFC 4861
SOLICIT, ADVERTISE, REQUEST, RENEW, REPLY, INFORMATION_REQUEST = 1, 2, 3, 5, 7, 11  # RFC 8415
CLIENT, SERVER, ADDRESSES, ADDRESS_OPTION, RAPID_COMMIT = 1, 2, 3, 5, 14
HOUR = 3600


def packed(address):
    return socket.inet_pton(socket.AF_INET6, address)


def domain(name):
    """RFC 1035, section 3.1."""
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


def in_words(kind, content):
    """An option of a router: its length counts eight octets."""
    padded = content + bytes(-(2 + len(content)) % 8)
    return bytes([kind, (2 + len(padded)) // 8]) + padded


# Numbers of RFC 4861, 8106 (name servers and search), 8781 (NAT64), 8910 (portal), 9463 (encrypted resolver).
ADVERTISED = b"".join((
    in_words(1, HARDWARE_ADDRESS),
    in_words(3, struct.pack(">BBIII", 64, 0xC0, HOUR, HOUR, 0) + packed(PREFIX)),
    in_words(25, struct.pack(">HI", 0, HOUR) + packed(ROUTER_NAME_SERVER)),
    in_words(31, struct.pack(">HI", 0, HOUR) + domain("evil.example")),
    in_words(37, b"http://evil.example/"),
    in_words(38, struct.pack(">H", HOUR) + packed("2001:db8:64::")[:12]),
    in_words(144, struct.pack(">HIH", 1, HOUR, len(domain("evil.example"))) + domain("evil.example")),
))
# Numbers of RFC 3319 (SIP), 3646 (name servers and search), 4075 and 5908 (time servers), 4704 (name), 4833 (time zone), 8910, 9463.
OFFERED = {21: domain("evil.example"), 22: packed(TIME_SERVER), 23: packed(SERVER_NAME_SERVER), 24: domain("evil.example"), 31: packed(TIME_SERVER),
           39: b"\1" + domain("evil.evil.example"), 41: b"EVIL-14", 42: b"Pacific/Kiritimati", 56: struct.pack(">HH", 1, 16) + packed(TIME_SERVER),
           103: b"http://evil.example/", 144: struct.pack(">HH", 1, len(domain("evil.example"))) + domain("evil.example")}


def checksum(source, destination, protocol, content):
    """RFC 8200, section 8.1."""
    octets = packed(source) + packed(destination) + struct.pack(">II", len(content), protocol) + content + bytes(len(content) % 2)
    total = sum(struct.unpack(f">{len(octets) // 2}H", octets))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return struct.pack(">H", ~total & 0xFFFF)


def frame(receiver, destination, protocol, content, checksum_at):
    """A frame with this content, into which its checksum is put."""
    content = content[:checksum_at] + checksum(ROUTER, destination, protocol, content) + content[checksum_at + 2:]
    header = struct.pack(">IHBB", 6 << 28, len(content), protocol, 255) + packed(ROUTER) + packed(destination)
    return receiver + HARDWARE_ADDRESS + b"\x86\xdd" + header + content


def option(number, content):
    return struct.pack(">HH", number, len(content)) + content


def options_of(message):
    found, position = {}, 4
    while position + 4 <= len(message):
        number, length = struct.unpack_from(">HH", message, position)
        found[number] = message[position + 4:position + 4 + length]
        position += 4 + length
    return found


def dhcp_reply(message):
    """What the server says to this message; nothing for one that wants no answer."""
    kind, asked = message[0], options_of(message)
    if kind not in (SOLICIT, REQUEST, RENEW, INFORMATION_REQUEST) or CLIENT not in asked and kind != INFORMATION_REQUEST:
        return None
    said = option(SERVER, b"\0\3\0\1" + HARDWARE_ADDRESS)
    if CLIENT in asked:
        said += option(CLIENT, asked[CLIENT])
    if ADDRESSES in asked:
        lease = option(ADDRESS_OPTION, packed(ADDRESS) + struct.pack(">II", HOUR, HOUR))
        said += option(ADDRESSES, asked[ADDRESSES][:4] + struct.pack(">II", HOUR // 2, HOUR) + lease)
    if rapid := kind == SOLICIT and RAPID_COMMIT in asked:
        said += option(RAPID_COMMIT, b"")
    said += b"".join(option(number, content) for number, content in OFFERED.items())
    return bytes([ADVERTISE if kind == SOLICIT and not rapid else REPLY]) + message[1:4] + said


def answer(sent):
    """The frame that answers this one of IPv6; nothing for what asks neither for a router nor for an address."""
    if len(sent) < 14 + 40 + 8:
        return None
    protocol, content = sent[20], sent[54:]
    if protocol == socket.IPPROTO_ICMPV6 and content[0] == ROUTER_SOLICITATION:
        managed_and_other = 0xC0
        said = struct.pack(">BBHBBHII", ROUTER_ADVERTISEMENT, 0, 0, 64, managed_and_other, HOUR // 2, 0, 0) + ADVERTISED
        return frame(b"\x33\x33\0\0\0\1", ALL_NODES, protocol, said, checksum_at=2)
    if protocol == socket.IPPROTO_UDP and content[2:4] == struct.pack(">H", 547):
        if said := dhcp_reply(content[8:]):
            client = socket.inet_ntop(socket.AF_INET6, sent[22:38])
            return frame(sent[6:12], client, protocol, struct.pack(">HHHH", 547, 546, 8 + len(said), 0) + said, checksum_at=6)
    return None
