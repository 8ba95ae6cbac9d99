"""A private Tor network: three directory authorities, an exit and a client, on the loopback of a network namespace.

The ports are fixed, because nothing else can use them there.
"""

import concurrent.futures
import re
import subprocess
import urllib.error
import urllib.request

from tor import LIMIT, Tor, wait_for

AUTHORITIES = {"authority1": 1, "authority2": 2, "authority3": 3}
SOCKS_PORT = 9050
RATE = 2_000_000  # The client takes this many bytes per second.

AUTHORITY = """AuthoritativeDirectory 1
V3AuthoritativeDirectory 1
DirPort 700{number}
ContactInfo {name}@example.org
ExitPolicy reject *:*
V3AuthVotingInterval 10
V3AuthVoteDelay 2
V3AuthDistDelay 2
TestingV3AuthInitialVotingInterval 10
TestingV3AuthInitialVoteDelay 2
TestingV3AuthInitialDistDelay 2
TestingDirAuthVoteGuard *
TestingDirAuthVoteExit *
"""

# A consensus summarises an exit policy for public addresses only; from here no public address can be reached.
EXIT = """ExitRelay 1
ExitPolicy accept *:*
"""

# The relay under test is the middle of each of its circuits.
CLIENT = """SocksPort {port}
BandwidthRate {rate}
BandwidthBurst {rate}
ConfluxEnabled 0
EntryNodes {guards}
MiddleNodes {middle}
"""


class Network:
    def __init__(self, folder):
        self.folder, self.tors = folder, []

    def __enter__(self):
        self.folder.mkdir()
        with concurrent.futures.ThreadPoolExecutor() as pool:
            self.lines = "".join(pool.map(self.make_authority, AUTHORITIES))
        for name, number in AUTHORITIES.items():
            self.start(name, self.server(number) + AUTHORITY.format(name=name, number=number))
        self.start("exit", self.server(4) + EXIT)
        return self

    def __exit__(self, *_):
        for tor in self.tors:
            tor.kill()

    def make_authority(self, name):
        """Makes an authority's keys; returns the line by which all tors know it."""
        number, data, keys = AUTHORITIES[name], self.folder / name, self.folder / name / "keys"
        keys.mkdir(parents=True, mode=0o700)
        data.chmod(0o700)
        subprocess.run(["tor-gencert", "--create-identity-key", "--passphrase-fd", "0", "-m", "12", "-a", f"127.0.0.1:700{number}", "-i",
                        keys / "authority_identity_key", "-s", keys / "authority_signing_key", "-c", keys / "authority_certificate"],
                       input=b"\n", check=True, capture_output=True, timeout=LIMIT)
        listed = subprocess.run(["tor", "--quiet", "--ignore-missing-torrc", "-f", self.folder / "none", "--DataDirectory", data, "--ORPort", "1",
                                 "--Nickname", name, "--list-fingerprint"], check=True, capture_output=True, text=True, timeout=LIMIT).stdout
        fingerprint = listed.split(" ", 1)[1].replace(" ", "").strip()
        certificate = (keys / "authority_certificate").read_text()
        identity = re.search(r"^fingerprint (\w+)$", certificate, re.M)[1]
        return f"DirAuthority {name} orport=500{number} no-v2 v3ident={identity} 127.0.0.1:700{number} {fingerprint}\n"

    def common(self):
        """Returns what the torrc of each tor in this network has."""
        return ("TestingTorNetwork 1\n" + self.lines + "AssumeReachable 1\nPathsNeededToBuildCircuits 0.67\nServerDNSDetectHijacking 0\n"
                "ServerDNSTestAddresses\n" + Tor.OWNED)

    def server(self, number):
        return f"Address 127.0.0.1\nORPort 500{number}\nShutdownWaitLength 0\n"

    def start(self, name, text):
        data = self.folder / name
        data.mkdir(exist_ok=True, mode=0o700)
        role = "SocksPort 0\n" if "SocksPort" not in text else ""
        torrc = self.folder / f"{name}.torrc"
        torrc.write_text(f"DataDirectory {data}\nNickname {name}\nLog notice stdout\n" + role + self.common() + text)
        tor = Tor(name, ["tor", "--defaults-torrc", self.folder / "none", "--ignore-missing-torrc", "-f", torrc], self.folder / f"{name}.log")
        self.tors.append(tor)
        return tor

    def start_client(self, middle):
        guards = ",".join(re.findall(r"(\w{40})$", self.lines, re.M))
        return self.start("client", CLIENT.format(port=SOCKS_PORT, rate=RATE, guards=guards, middle=middle))

    # The methods below ask the first authority.

    def fetch(self, path):
        """Returns the document, or nothing while it does not exist."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:7001/tor/{path}", timeout=LIMIT) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError:
            return ""

    def wait_for_consensus(self, *names):
        def agreed():
            consensus = self.fetch("status-vote/current/consensus")
            return all(re.search(rf"^r {name} .*\n(?:.*\n)??s .*\bRunning\b", consensus, re.M) for name in names)
        wait_for("a consensus with " + ", ".join(names), agreed)

    def wait_for_descriptor(self, fingerprint, contact):
        """Returns the relay's descriptor, as soon as it is the one with this contact."""
        def published():
            descriptor = self.fetch(f"server/fp/{fingerprint}")
            return descriptor if f"\ncontact {contact}\n" in descriptor else None
        return wait_for(f"the descriptor of {contact}", published)
