"""How make_corpus.py writes a seed, and the parts that an input of a target has (Input in fuzz.hpp)."""

import struct
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
CORPUS = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "corpus"


def seed(target, name, *octets):
    file = CORPUS / target / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"".join(part.encode() if isinstance(part, str) else part for part in octets))


def u16(value):
    return struct.pack(">H", value)


def part(octets):
    octets = octets.encode() if isinstance(octets, str) else octets
    return u16(len(octets)) + octets
