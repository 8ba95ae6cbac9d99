"""A server that sends without end, and a client that fetches from it through tor and measures."""

import contextlib
import socket
import threading
import time

from network import SOCKS_PORT

SERVER_PORT = 8080


def serve():
    """Listens, and sends to each client until the client hangs up. Its threads end with the process."""
    listener = socket.create_server(("127.0.0.1", SERVER_PORT))

    def send(connection):
        with connection, contextlib.suppress(OSError):
            while True:
                connection.sendall(bytes(65536))

    def accept():
        while True:
            threading.Thread(target=send, args=[listener.accept()[0]], daemon=True).start()
    threading.Thread(target=accept, daemon=True).start()


def connect():
    """Returns a stream to the server through tor; raises OSError while there is no circuit. Source: RFC 1928."""
    stream = socket.create_connection(("127.0.0.1", SOCKS_PORT), 20)
    try:
        stream.sendall(b"\x05\x01\x00")
        if stream.recv(2) != b"\x05\x00":
            raise ConnectionError("no SOCKS 5")
        stream.sendall(b"\x05\x01\x00\x01" + socket.inet_aton("127.0.0.1") + SERVER_PORT.to_bytes(2))
        answer = stream.recv(10)
        if answer[1:2] != b"\x00":
            raise ConnectionError(f"SOCKS answer {answer.hex()}")
    except OSError:
        stream.close()
        raise
    return stream


class Fetch:
    """Fetches from the beginning of the block to its end, whatever happens to a circuit."""

    def __enter__(self):
        self.samples = [(time.time(), 0)]  # Each sample is a time, and the bytes that had arrived by then.
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()

    def run(self):
        while not self.ended.is_set():
            try:
                with connect() as stream:
                    while not self.ended.is_set() and (part := stream.recv(65536)):
                        self.samples.append((time.time(), self.samples[-1][1] + len(part)))
            except OSError:
                self.ended.wait(0.2)

    def octets(self):
        return self.samples[-1][1]

    def best_rate(self, until, window_s=10):
        """Returns the bytes per second in the best window that was over at that time, which is how tor measures."""
        samples = [sample for sample in self.samples if sample[0] <= until]
        best, first = 0, 0
        for at, octets in samples:
            while at - samples[first][0] > window_s:
                first += 1
            best = max(best, octets - samples[first][1])
        return best / window_s
