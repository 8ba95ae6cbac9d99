#!/usr/bin/python3 -B
"""make_corpus.py [FOLDER]: writes the seeds of the fuzz targets that are valid inputs, or nearly, into corpus/ beside this file. Seeds that
tools/fuzz has found are left alone."""

import hashlib
import json
import struct
import subprocess

from corpus_keys import keys
from corpus_seed import HERE, part, seed, u16

DATA = HERE.parent / "unit/data"


def texts():
    seed("base", "hex", "00ff7fABcd")
    seed("base", "base64", "AAECAwQ=")
    seed("base", "fields", part(bytes(range(7))), bytes([9, 0, 1, 0, 0, 0, 2, *range(8)]), part("sized"), b"\0\0", part("sized"), b"sixsix")
    seed("torrc", "plain", "# a relay\nNickname lethe\nORPort 9001\n+ExitPolicy reject *:*\n/ContactInfo\nLog notice \\\n stdout # x\n")
    seed("control_reply", "protocol", "250-PROTOCOLINFO 1\r\n250-AUTH METHODS=COOKIE,SAFECOOKIE COOKIEFILE=\"/run/\\\"\\303x\"\r\n250-VERSION Tor=\"0.4.9\"\r\n250 OK\r\n")
    seed("control_reply", "values", "650 STATUS_CLIENT NOTICE X\r\n250-a=1\r\n250+ns/id/X=\r\nr x\r\n..\r\ns Running\r\n.\r\n250 OK\r\n552 Unrecognized key \"x\"\r\n")
    seed("control_reply", "two_statuses", "250-a=1\r\n551 no\r\n")
    seed("control_reply", "no_key", "250-a\r\n250 OK\r\n")
    seed("control_reply", "cut", "250+a=\r\n.")
    seed("control_reply", "torrc", "ControlSocket 0\n+ControlSocket unix:\"/run/x y\" GroupWritable\n/ControlSocket\nControlPort 127.0.0.1:9051\n")
    seed("torrc", "quoted", 'ContactInfo "a \\"b\\" \\n" # c\r\nNickname b\n')
    for name in ("DataDirectory /x", "+KeyDirectory /x", "%include /x", "user x", "Foo \\\n# c\nDataD x", "Data\\\nDirectory x"):
        seed("torrc", "refused_" + "".join(c for c in name if c.isalnum()).lower(), "Nickname x\n", name, "\n")
    seed("family_ids", "one", "+FamilyId \"", "A" * 43, "\"\nfamilyid /", "A" * 20, "\\\n", "A" * 22, "= # x\n")
    seed("family_ids", "any", "Nickname x\n/FamilyId *\n")
    group, meminfo = "0::/system.slice/tor@a.service\n", "MemTotal:        1000000 kB\nMemFree: 1 kB\nMemAvailable:   800000 kB\n"
    seed("memory", "limits", bytes([2]), part("0::/unit\n"), part("268435456\n"), part("max\n"), meminfo)
    seed("memory", "no_relays", bytes([0]), part(group), part("max\n"), part("max\n"), meminfo)
    seed("memory", "upwards", bytes([1]), part("0::/../..\n"), part("18446744073709551615\n"), part("x"), meminfo)
    seed("manifest", "whole", json.dumps({"fingerprint": "0A" * 20, "ed25519": "A" * 43}), "\n")
    seed("manifest", "not_texts", '{"fingerprint":1,"ed25519":["x"]}')
    seed("credentials", "torrc", "lethe.torrc.a.cred")
    seed("credentials", "foreign", "systemd.extra-unit.x.cred")
    for name, words in {"import": ["identity", "import", "a", "--replace", "0A", "/x"], "status": ["status", "--json"], "create": ["identity", "create", "--", "a"], "help": ["identity", "-h"],
                        "enroll": ["enroll", "--x", "-y"], "version": ["--version"], "unknown": ["--no", "identity"]}.items():
        seed("command_line", name, "\0".join(words))
    seed("identity_service", "two", bytes([1, 0, 1, 1, 2, 0, 5, 2, 1, 0]))
    seed("identity_service", "replaced-name", bytes.fromhex("530000ff00080001ff000800010a01020001010000"))  # was printed as it is
    seed("identity_service", "again", bytes([1, 0, 1, 0, 7, 1, 1, 0, 0]))
    seed("identity_service", "shut", bytes([1, 0, 4, 1, 0, 1, 1, 2, 0, 4, 0, 5, 2, 0]))
    seed("identity_service", "damaged", bytes([1, 0, 3, 0, 1, 0, 100, 1, 5, 1, 0, 2, 0]))
    seed("identity_service", "names", bytes([1, 9]), part("../a"), bytes([1, 9]), part("relay2"), bytes([2, 9]), part("relay2"))
    seed("identity_service", "import", bytes([8, 0, 0, 255, 0, 8, 0, 1, 255, 0, 8, 0, 1, 255, 1, 2, 0]))
    seed("identity_service", "forget", bytes([1, 0, 9, 0, 0, 9, 0, 1, 1, 0]))
    seed("identity_service", "recover", bytes([1, 0, 10, 1, 11, 0, 9, 0, 1, 12, 0, 0, 0, 0, 0, 2, 0]))
    seed("identity_service", "no_user", bytes([6, 1, 0, 5, 6, 5, 2, 0]))


def history(traffic, ends, maxima, values, interval=86400):
    return (f"BWHistory{traffic}Ends {ends}\nBWHistory{traffic}Interval {interval}\n"
            f"BWHistory{traffic}Maxima {maxima}\nBWHistory{traffic}Values {values}\n")


def state():
    written = "LastWritten 2026-05-01 12:00:00\n"
    end = written + "TorVersion Tor 0.4.9.15\n"
    two = "".join(history(traffic, "2026-05-02 00:00:00", "1048576,5242880,2097152", "86400000000,186400000000,96400000000") for traffic in ("Read", "Write"))
    guard = "Guard in=default rsa_id=" + "0123456789ABCDEF" * 2 + "01234567 nickname=x sampled_on=2026-05-01T00:00:00 listed=1\n"
    bins = "TotalBuildTimes 5\nCircuitBuildAbandonedCount 2\nCircuitBuildTimeBin 525 2\nCircuitBuildTimeBin 575 1\n"
    accounting = "AccountingBytesReadInInterval 5\nAccountingIntervalStart 2026-05-01 00:00:00\nAccountingSecondsActive 7\n"
    seed("state_file", "relay", "# Tor state file\n\n", two, "Dormant 0\n", end)
    seed("state_file", "rest", accounting, bins, guard, end, "TransportProxy obfs4 127.0.0.1:9\nUnknown x y\n")
    seed("state_file", "six", *(history(traffic, "2026-05-01 11:00:00", "0", "0") for traffic in ("Read", "Write", "IPv6Read", "IPv6Write", "DirRead", "DirWrite")), end)
    seed("state_file", "hours", history("Read", "2026-05-01 13:00:00", ",".join(["01024"] * 30), ",".join(["7"] * 30), 3600), end)
    seed("state_file", "cut", two, written[:-1])
    for name, lines in {"twice": written, "other_case": "lastwritten 2026-05-01 12:00:00\n", "short": "LastW 2026-05-01 12:00:00\n", "quoted": 'X  "a"\n', "continued": "X a\\\nb\n",
                        "comment": "X a#b\n", "nul": "X\0\n"}.items():
        seed("state_file", name, end, lines)
    seed("state_file", "high_rate", history("Read", "2026-05-01 12:00:00", "2147483648", "0"), end)
    numbers = b"".join(struct.pack(">BIHB", 0, value, maximum, 0) for value, maximum in ((84375000, 4), (94140625, 20), (0, 0)))
    one = struct.pack(">QIB", 1777680000, 86400, 3) + numbers
    seed("minimal_state", "whole", b"\1", struct.pack(">Q", 1777636800), one, one)
    seed("minimal_state", "six", b"\1", struct.pack(">Q", 1777636800), *[struct.pack(">QIB", 1777680000, 86400, 6) + numbers * 2] * 2)
    seed("minimal_state", "late", b"\1", struct.pack(">Q", 1777580000), one, one)
    seed("minimal_state", "cut", b"\1", struct.pack(">Q", 1777636800), one, one[:-1])
    seed("minimal_state", "seven", b"\1", struct.pack(">Q", 1777636800), one[:12], b"\7", numbers)
    seed("minimal_state", "from_a_state", "# Tor state file\n\n", two, end)
    return two + end


def consensus():
    def figures(name, outage, run, stats, thresholds="", time="now"):
        seed("consensus_figures", name, struct.pack(">I", outage << 8)[:3], b"\0", struct.pack(">I", run), part(stats), part(thresholds), time)

    usual = ("flag-thresholds stable-uptime=613624 stable-mtbf=2505783 fast-speed=26000 guard-wfu=98.000% guard-tk=691200 guard-bw-inc-exits=29000000 "
             "guard-bw-exc-exits=29000000 enough-mtbf=1 ignoring-advertised-bws=1")
    figures("usual", 1800, 864000, "stats wfu=0.998765 tk=1040813 mtbf=259200", usual, "2026-11-23 03:00")
    figures("short", 90, 0, "stats wfu=1.000000 tk=14724748 mtbf=14724748", "flag-thresholds guard-wfu=90.5% stable-mtbf=86400", "quiet")
    figures("long", 2**24 - 1, 2**32 - 1, "stats wfu=0.000000 tk=0 mtbf=0", "flag-thresholds enough-mtbf=0", "never")
    figures("most", 2560, 5, "stats wfu=1 tk=3162240000 mtbf=3162240000", "flag-thresholds a=b", "9998-12-31 23:59")
    figures("refused", 0, 0, "stats wfu=nan tk=1 mtbf=1", "flag-thresholds guard-wfu=101%", "1970-01-32 00:00")
    entry = ("r alice ABEiM0RVZneImaq7zN3u/wARIjM AAAAAAAAAAAAAAAAAAAAAAAAAAA 2038-01-01 00:00:00 192.0.2.1 9001 0\na [2001:db8::1]:9001\n"
             "s Fast Guard HSDir Running Stable V2Dir Valid\nw Bandwidth=5120\np reject 1-65535\n")
    valid, dirauth = part("2026-11-21 23:00:00"), "r dirauth x\ns Authority Running\nv Tor 0.4.9.15\nw Bandwidth=20\n"
    seed("own_figures", "listed", part(entry), part("864000"), valid, dirauth, dirauth.replace("15", "14-dev\r"))
    seed("own_figures", "not_listed", part(""), part("60"), valid, dirauth.replace("v Tor 0.4.9.15\n", ""))
    seed("own_figures", "no_consensus", part(entry), part(""), part(""))
    seed("own_figures", "other_relay", part(entry.replace("ABEi", "BBEi")), part("1\r\n"), valid, dirauth.replace("0.4", "x"))


def framed(kind, name, generation, payload):
    header = b"LETHEOBJ" + struct.pack(">HBBQ32sII24s", 1, kind, 0, generation, name.encode(), len(payload), len(payload) + 32, b"")
    return header + payload + hashlib.blake2b(header + payload, digest_size=32).digest()


def vault():
    policy = (DATA / "pcrlock-policy.json").read_bytes()
    seed("object", "policy", framed(2, "", 3, policy[:200]))
    seed("object", "padded", framed(2, "", 1, b""), bytes(100))
    seed("object", "other_kind", framed(1, "", 1, b"x"))
    seed("object", "payload", u16(100), bytes([1]), b"some payload")
    sealed = b"LETHEOBJ" + struct.pack(">HBBQ32sII24s", 1, 4, 1, 1, b"alice", 4, 33, b"")
    seed("sealed_object", "header", sealed, bytes(33))
    seed("sealed_object", "payload", u16(90), bytes([128]), b"some payload " * 20)
    seed("sealed_object", "unchanged", u16(0), bytes([0]), b"")
    public = ecc_public()
    root, index = reference(0x81000001, 1, public), reference(0x01800100, 2, nv_public())
    record = u16(1) + part(part(public)) + part(part(bytes(100))) + b"".join(part(field) for field in (*root, *index))
    seed("vault_record", "whole", record)
    seed("vault_record", "cut", record[:-3])
    seed("reference", "root", bytes([1]), part(root[1]), root[0])
    seed("reference", "index", bytes([1]), part(index[1]), index[0])
    seed("reference", "fitting_root", bytes([0]), part(b""), public)
    seed("reference", "fitting_index", bytes([0]), part(b""), nv_public())
    seed("public_area", "ecc", part(public))
    seed("public_area", "keyed_hash", part(struct.pack(">HHIH32sHH32s", 8, 11, 0x40, 32, bytes(32), 0x10, 32, bytes(32))))
    seed("public_area", "rsa", part(struct.pack(">HHIHHHHHHIH", 1, 11, 0x30072, 0, 6, 128, 0x43, 0x10, 2048, 0, 0)))
    seed("public_area", "private", part(bytes(64)))
    seed("roster", "version_1", u16(1), u16(2), part("a"), b"\1", part("relay2"), b"\0")
    seed("roster", "version_2", u16(2), u16(2), part("a"), b"\1\1", bytes(20), part("relay2"), b"\0\0")
    seed("roster", "empty", u16(1), u16(0))
    digest, enrolled = bytes(range(32)), bytes(4) + b"\x6a\x90\0\0"
    seed("ledger", "settled", u16(1), enrolled, b"\0", u16(3), b"\1\0\1", digest, b"\3\0\1", digest, b"\4\1a\1", digest)
    seed("ledger", "changing", u16(1), enrolled, b"\1", u16(3), b"\3\0\7", digest, digest, b"\4\1a\3", digest, b"\4\1b\6", digest)
    seed("ledger", "empty", u16(1), enrolled, b"\0", u16(0))
    zstd = subprocess.run(["zstd", "-q"], input=b"plain " * 50, stdout=subprocess.PIPE, check=True).stdout
    seed("recovery_key", "public", "lethe-recovery-1:", "A" * 48)
    seed("recovery_key", "other_half", "lethe-recovery-secret-1:", "A" * 48, "\n")
    seed("recovery_key", "octets", bytes([9]), bytes(31))
    seed("recovery_key", "setting", u16(1), bytes([9]), bytes(31))
    seed("sealed_export", "payload", u16(100), bytes([1]), b"some payload " * 20)
    seed("compact_ring", "empty", b"\1\0\0\0")
    seed("last_update", "whole", "1.2\nrelay a: no circuit\n")
    seed("last_update", "torn", "1.2\nrelay a")
    seed("last_update", "longer", "1\x1b\n\x7f\t\nmore\n")
    seed("configuration", "health", "HealthNeeds=consensus\nHealthDeadline=20min\n")
    seed("configuration", "automatic", "# where\nStore=automatic\nStore = tpm # x\n")
    seed("compression", "frame", u16(300), zstd)
    seed("compression", "other_length", u16(30), zstd)
    listed = u16(1) + u16(2) + part("a") + struct.pack(">I", 120) + part("relay2") + struct.pack(">I", 2**32 - 1)
    seed("snapshot", "listed", u16(0), bytes([0]), part(listed), part(bytes(200)))
    seed("snapshot", "written", u16(300), bytes([1]), part(u16(1) + u16(0)), part(b""), part("a"), part("state"), part("b"), part("state of b"))
    seed("snapshot", "no_relay", u16(0), bytes([0]), part(b""), part(b""), part("../a"), part("state"))
    slots = [bytes([2]) + struct.pack(">Q", generation) + part("slot") for generation in (1, 2, 2**64 - 1)]
    seed("store", "two", slots[0], slots[1], "next")
    seed("store", "first", bytes(2), "next")
    seed("store", "torn", slots[1], bytes([1]), struct.pack(">Q", 0), part("torn"), "next")
    seed("store", "last_generation", slots[2], slots[0], "next")


def ecc_public():
    """TPMT_PUBLIC of a storage root key, TCG's template for ECC P-256."""
    return struct.pack(">HHIHHHHHHH", 0x23, 11, 0x00030472, 0, 6, 128, 0x43, 0x10, 3, 0x10) + part(bytes(32)) + part(bytes(32))


def nv_public():
    return struct.pack(">IHIH32sH", 0x01800100, 11, 0x22070028 | 0x20000000, 32, bytes(32), 34)


def reference(handle, kind, public):
    name = u16(11) + hashlib.sha256(public).digest()
    return struct.pack(">I", handle) + part(name) + struct.pack(">I", kind) + part(public), name


def pcrlock():
    policy = json.loads((DATA / "pcrlock-policy.json").read_text())
    log = json.loads((DATA / "pcrlock-log.json").read_text())
    uki = (DATA / "pcrlock-uki.json").read_bytes()
    small = {"log": [event for event in log["log"] if event["pcr"] in (4, 7, 11, 12, 13)][:30], "pcrs": log["pcrs"]}
    seed("policy_file", "real", json.dumps(policy, separators=(",", ":")))
    seed("policy_file", "descending", json.dumps({**policy, "pcrValues": policy["pcrValues"][::-1]}))
    seed("policy_file", "twice", json.dumps({**policy, "pcrValues": policy["pcrValues"][:1] * 2}))
    seed("event_log", "real", part("Couldn't find component '750-enter-initrd' in event log.\n"), json.dumps(small, separators=(",", ":")))
    seed("event_log", "empty", part("Couldn't find component '"), '{"log":[],"pcrs":[]}')
    seed("component", "uki", uki)
    seed("component", "other_bank", '{"records":[{"pcr":4,"digests":[{"hashAlg":"sha1","digest":"00"}]}]}')
    seed("json", "policy", json.dumps(policy["pcrValues"], separators=(",", ":")))
    seed("json", "members", '[{"pcr":24,"values":true,"text":"\\u0000x","":-1},{"pcr":1e9,"text":null},[[[]]]]')
    path = "\\EFI\\Linux\\lethe_1.efi\0".encode("utf-16-le")
    loader = "\\EFI\\loader.efi\0".encode("utf-16-le")
    attributes = struct.pack("<I", 6)
    seed("booted_image", "counted", b"\0", part("lethe_1+3-0.efi"), part(attributes + b"\1"), part(attributes + path), part(attributes + loader))
    seed("booted_image", "no_loader", b"\0", part("a+.efi"), part(b""), part(attributes + path), part(b""))
    seed("booted_image", "upwards", b"\0", part("+1"), part(b""), part(attributes + "\\..\\x\0".encode("utf-16-le")), part(b"\0"))
    seed("booted_image", "network", b"\2", part("a"), part(b""), part(attributes + path), part(b""))
    seed("policy", "single", bytes([4, 1, 9, 11, 2, 1, 2]))
    seed("policy", "many", bytes([11, 8, *range(8), 7, 9, *range(8), 7, 23, 1, 0]))
    seed("policy", "twice", bytes([4, 1, 9, 4, 1, 9]))


BANKS = {"sha1": 0x0004, "sha256": 0x000B}


def tcg_data(octets):
    return struct.pack("<I", len(octets)) + octets


def tcg_sha1(pcr, kind, data, digest=None):
    return struct.pack("<II", pcr, kind) + (digest or hashlib.sha1(data).digest()) + tcg_data(data)


def tcg_agile(pcr, kind, data, banks=tuple(BANKS)):
    digests = b"".join(struct.pack("<H", BANKS[bank]) + hashlib.new(bank, data).digest() for bank in banks)
    return struct.pack("<III", pcr, kind, len(banks)) + digests + tcg_data(data)


def tcg_spec_id(*algorithms, vendor=b"\0"):
    data = b"Spec ID Event03\0" + struct.pack("<IBBBBI", 0, 0, 2, 0, 2, len(algorithms)) + b"".join(struct.pack("<HH", *algorithm) for algorithm in algorithms)
    return tcg_sha1(0, 3, data + vendor, bytes(20))


def userspace(pcr, kind, content, banks=("sha256",), **rest):
    digests = [{"hashAlg": bank, "digest": hashlib.new(bank, content.encode()).hexdigest()} for bank in banks]
    record = {"pcr": pcr, "digests": digests, "content_type": "systemd", "content": {"string": content, "timestamp": 9618812, "eventType": kind}, **rest}
    return "\x1e" + json.dumps(record, separators=(",", ":")) + "\n"


def logs():
    both = tcg_spec_id((4, 20), (11, 32))
    locality, separator = b"StartupLocality\0\3", bytes(4)
    seed("tcg_log", "sha1", tcg_sha1(0, 8, b"v\0"), tcg_sha1(7, 4, separator))
    seed("tcg_log", "older", tcg_sha1(0, 3, b"Spec ID Event02\0", bytes(20)), tcg_sha1(4, 13, b""))
    seed("tcg_log", "agile", both, tcg_agile(0, 3, locality), tcg_agile(0, 8, b"v\0"), tcg_agile(11, 13, b".linux\0"), tcg_agile(7, 4, separator))
    seed("tcg_log", "missing", both, tcg_agile(4, 0x80000003, b"x", ("sha256",)), tcg_agile(0x01C40200, 3, b"SP800-155 Event\0"))
    seed("tcg_log", "vendor", tcg_spec_id((0x12, 32), (11, 32), vendor=b"\4abcd"), tcg_agile(23, 6, b"tag", ("sha256",)))
    seed("tcg_log", "localities", both, tcg_agile(0, 3, locality), tcg_agile(0, 3, locality))
    seed("tcg_log", "no_pcr", both, tcg_agile(24, 13, b"x"))
    seed("tcg_log", "counts", both, struct.pack("<III", 4, 13, 2**32 - 1))
    seed("tcg_log", "size", both, struct.pack("<IIII", 4, 13, 0, 2**32 - 1), b"x")
    phases = userspace(11, "phase", "enter-initrd") + userspace(15, "machine-id", "machine-id:0")
    seed("userspace_log", "phases", phases)
    seed("userspace_log", "banks", userspace(11, "phase", "ready", ("sha1", "sha256", "sha384", "sha512", "sha3_256")))
    seed("userspace_log", "bare", '\x1e{"pcr":11,"digests":[]}\n')
    seed("userspace_log", "cut", phases[:-1])
    seed("userspace_log", "no_pcr", userspace(None, "nvpcr-init", "x", nv_index=0x01D10200))


def pe(sections, plus=True, certificates=b"", **fields):
    """A PE image of (name, contents, VirtualSize) in which fields (optional_size, directories, headers_size) may lie."""
    table, raw, address = b"", b"", 4096
    headers_size = 64 + 24 + (240 if plus else 224) + 40 * len(sections)
    for name, contents, size in sections:
        table += struct.pack("<8s6I2HI", name.encode(), size, address, len(contents), headers_size + len(raw), 0, 0, 0, 0, 0)
        raw += contents
        address += (size + 4095) // 4096 * 4096
    end = headers_size + len(raw)
    coff = struct.pack("<4s2H3I2H", b"PE", 0x8664, len(sections), 0, 0, 0, fields.get("optional_size", 240 if plus else 224), 0)
    optional = struct.pack("<H58x2I", 0x20b if plus else 0x10b, fields.get("headers_size", headers_size), 0x1234)
    optional = optional.ljust(108 if plus else 92, b"\0") + struct.pack("<I", fields.get("directories", 16)) + bytes(32)
    optional += struct.pack("<2I", end if certificates else 0, len(certificates))
    return struct.pack("<2s58xI", b"MZ", 64) + coff + optional.ljust(240 if plus else 224, b"\0") + table + raw + certificates


def images():
    plain = [(".text", b"some code", 9), (".data", b"data", 100)]
    seed("pe", "plus", pe(plain))
    seed("pe", "pe32", pe(plain, plus=False))
    seed("pe", "signed", pe(plain, certificates=bytes(16)))
    seed("pe", "two_directories", pe(plain, directories=2))
    seed("pe", "many_directories", pe(plain, directories=17))
    seed("pe", "short_headers", pe(plain, headers_size=300))
    seed("pe", "long_optional", pe(plain, optional_size=65535))
    seed("pe", "cut", pe(plain)[:-1])
    uki = [(".osrel", b"ID=x", 4), (".pcrsig", b"{}", 2), (".linux", b"kernel", 600), (".cmdline", b"quiet caf\xc3\xa9\n", 12)]
    profiles = [(".profile", b"ID=a", 4), (".profile", b"ID=b", 4), (".cmdline", b"", 0), (".dtbauto", b"tree", 4)]
    seed("uki", "plain", bytes(2), pe(uki))
    seed("uki", "profile", bytes([1, 1]), pe(uki + profiles))
    seed("uki", "no_profile", bytes([9, 0]), pe(uki + profiles))
    seed("uki", "zeros", bytes(2), pe([(".linux", b"kernel", 2**32 - 4096)]))
    release = {".osrel": b"IMAGE_ID=lethe\nIMAGE_VERSION=1.2~rc1\n", ".sdmagic": b"#### LoaderInfo: systemd-stub 257.13-1~deb13u1 ####",
               ".cmdline": b"quiet lethe.profile=production", ".linux": b"kernel"}

    def release_image(name, **changes):
        sections = {**release, **{f".{section}": contents for section, contents in changes.items()}}
        seed("release_image", name, pe([(section, contents, len(contents)) for section, contents in sections.items() if contents]))
    release_image("production")
    release_image("debug", cmdline=b"lethe.profile=production lethe.profile=debug", osrel=b'IMAGE_VERSION="3"\nIMAGE_ID="lethe"\n')
    release_image("other_systemd", sdmagic=b"#### LoaderInfo: systemd-stub 258 ####", cmdline=b"")
    release_image("longer_number", sdmagic=b"#### LoaderInfo: systemd-stub 2570 ####")
    release_image("bare_number", sdmagic=b"#### LoaderInfo: systemd-stub 257 ####")
    release_image("no_stub", sdmagic=b"")
    release_image("other_image", osrel=b"IMAGE_ID=other\nIMAGE_VERSION=1\n")
    release_image("upwards", osrel=b"IMAGE_ID=lethe\nIMAGE_VERSION=../1\n")
    release_image("no_kernel", linux=b"")
    addon = pe([(".cmdline", b"debug \xf0\x9f\x98\x80", 10), (".uname", b"6.12", 4)])
    seed("uki", "addon", bytes(2), addon)
    kernel = pe([(".text", b"kernel", 6)])
    whole = part(pe([(".linux", kernel, len(kernel)), (".osrel", b"ID=x", 4), (".cmdline", b"quiet", 5), (".initrd", b"0707", 4)] + profiles))
    more = b"\x01" + part(b"extension") + b"\x40" + part(b"credential") + b"\x83" + part(addon)
    x509, digests = bytes.fromhex("a159c0a5e494a74a87b5ab155c2bf072"), bytes.fromhex("2616c4c14c509240aca941f936934328")
    lists = b"".join(kind + struct.pack("<III", 28 + 16 + len(entry), 0, 16 + len(entry)) + bytes(16) + entry for kind, entry in ((x509, b"0\3\2\1\0"), (digests, bytes(32))))
    entry = struct.pack("<IHH", 8 + 13, 0x200, 2) + bytes.fromhex("300b06092a864886f70d010702")
    seed("signature", "lists", part(lists), part(b""), pe(plain))
    seed("signature", "signed", part(lists), part(lists), pe(plain, certificates=entry + bytes(3)))
    seed("signature", "no_list", part(lists[:-1]), part(b""), pe(plain, certificates=bytes(16)))
    seed("prediction", "plain", b"\0", whole)
    seed("prediction", "secure_boot", b"\1", whole, more)
    seed("prediction", "profile", b"\2", whole, more)
    seed("prediction", "twice", b"\0", whole, b"\0" + part(b"1"), b"\0" + part(b"2"))


keys(state())
for make in (texts, consensus, vault, pcrlock, logs, images):
    make()
