"""What an attack knows of the platform, and what the attacks share: many clients at once, and raw connections."""

import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException

STRANGER = "127.0.0.2"  # attackers come from another address than honest callers, who come from 127.0.0.1
PATIENCE = 40.0  # seconds that a client waits for an answer


@dataclass(frozen=True, slots=True)
class Target:
    """port, key, gallery: of a platform of the bench's own. folder: its data directory. supervisor: its process id.

    photo: the path of one that a worker can read. environment: for manage.py commands of this platform.
    """

    port: int
    key: str
    gallery: str
    folder: str
    supervisor: int
    photo: str
    environment: dict[str, str] = field(repr=False, default_factory=dict)

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}", "Accept": "application/json"}


class Attack:
    """One attack, prepared. run: attacks for so many seconds and counts what became of it, by status.

    port: where honest callers should call; None for the target's own. web: the process id of the web process there.
    """

    port: int | None = None
    web: int | None = None

    def __init__(self, target: Target):
        self.target = target

    def run(self, seconds: float) -> Counter[str]:
        raise NotImplementedError

    def close(self) -> None:
        """Ends what the attack has started."""


def many(clients: int, work: Callable[[float], str], seconds: float) -> Counter[str]:
    """`clients` threads call `work`, which is told the deadline, again and again; how often it said what."""
    deadline, said, lock = time.monotonic() + seconds, Counter[str](), threading.Lock()

    def repeat() -> None:
        while time.monotonic() < deadline:
            try:
                word = work(deadline)
            except TimeoutError:
                word = "no answer"
            except (OSError, HTTPException):
                word = "closed"
            with lock:
                said[word] += 1

    threads = [threading.Thread(target=repeat, daemon=True) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return said


def connected(target: Target) -> socket.socket:
    return socket.create_connection(("127.0.0.1", target.port), timeout=PATIENCE, source_address=(STRANGER, 0))


def ask(target: Target, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> tuple[str, bytes, dict]:
    """Status, body and headers of an answer, over a connection of its own."""
    connection = HTTPConnection("127.0.0.1", target.port, timeout=PATIENCE, source_address=(STRANGER, 0))
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return str(answer.status), answer.read(), dict(answer.getheaders())
    finally:
        connection.close()


def status_of(connection: socket.socket) -> str:
    """The status that has come by now, or whether the connection is closed or still open."""
    connection.settimeout(0.01)
    try:
        line = connection.recv(64)
    except TimeoutError:
        return "open"
    except OSError:
        return "closed"
    return line.split()[1].decode() if line.startswith(b"HTTP/") else "closed"
