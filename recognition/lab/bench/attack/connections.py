"""Connections that are held: silent ones, and clients that do not read their answers."""

import contextlib
import time
from collections import Counter
from socket import socket

from recognition.lab.bench.attack.target import Attack, connected, status_of

IDLE = 300
SLOW_READERS = 100
REQUESTS = 200  # sent one after another down each connection, whose answers nobody takes


class Idle(Attack):
    """300 connections that say nothing. Loopback has no limit for each address, so all may stay until their time is over."""

    def run(self, seconds: float) -> Counter[str]:
        return held([connected(self.target) for _ in range(IDLE)], seconds)


class SlowReaders(Attack):
    """100 clients that ask for the sign-in page 200 times each and read nothing."""

    def run(self, seconds: float) -> Counter[str]:
        opened = [connected(self.target) for _ in range(SLOW_READERS)]
        for connection in opened:
            send_what_fits(connection, b"GET /sign-in HTTP/1.1\r\nHost: localhost\r\n\r\n" * REQUESTS)
        return held(opened, seconds)


def send_what_fits(connection: socket, data: bytes) -> None:
    connection.settimeout(0.1)
    with contextlib.suppress(OSError):  # the server takes no more of it: that is the attack
        connection.sendall(data)


def held(opened: list[socket], seconds: float) -> Counter[str]:
    """Keeps them open for so long; what became of each."""
    time.sleep(seconds)
    said = Counter(map(status_of, opened))
    for connection in opened:
        connection.close()
    return said
