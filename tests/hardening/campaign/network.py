"""Clients that hold connections: silent ones, slow uploads, and answers that nobody reads."""

import time
from collections import Counter

from recognition.lab.bench.attack.bodies import STEP, head, send_one_byte
from recognition.lab.bench.attack.connections import REQUESTS, held, send_what_fits
from recognition.lab.bench.attack.target import Target, connected, status_of
from tests.hardening.campaign.fault import Fault

IDLE = 2000
UPLOADS = 200
READERS = 100


class Held(Fault):
    """Says what became of the connections."""

    def run(self, seconds: float) -> str:
        said = self.hold(seconds)
        return ", ".join(f"{count} × {word}" for word, count in said.most_common())

    def hold(self, seconds: float) -> Counter[str]:
        raise NotImplementedError

    @property
    def target(self) -> Target:
        field = self.field
        return Target(field.platform.port, field.key, field.gallery, str(field.folder), field.platform.process.pid, "")


class Idle(Held):
    def hold(self, seconds: float) -> Counter[str]:
        return held([connected(self.target) for _ in range(IDLE)], seconds)


class SlowReaders(Held):
    """Each asks for the sign-in page 200 times and reads nothing."""

    def hold(self, seconds: float) -> Counter[str]:
        opened = [connected(self.target) for _ in range(READERS)]
        for connection in opened:
            send_what_fits(connection, b"GET /sign-in HTTP/1.1\r\nHost: localhost\r\n\r\n" * REQUESTS)
        return held(opened, seconds)


class SlowUploads(Held):
    """A member sends photos of 5 MB, two bytes a second."""

    def hold(self, seconds: float) -> Counter[str]:
        deadline, opened = time.monotonic() + seconds, []
        lines = [f"Authorization: Bearer {self.field.key}", "Content-Type: image/jpeg", "Content-Length: 5000000"]
        for _ in range(UPLOADS):
            connection = connected(self.target)
            connection.sendall(head("/api/v1/recognitions", *lines))
            opened.append(connection)
        said: Counter[str] = Counter()
        while time.monotonic() < deadline:
            for connection in opened:
                send_one_byte(connection)
            time.sleep(STEP)
        said += Counter(map(status_of, opened))
        for connection in opened:
            connection.close()
        return said
