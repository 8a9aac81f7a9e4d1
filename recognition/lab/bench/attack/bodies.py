"""Bodies that are large, slow, or costly to read."""

import contextlib
import io
import time
import zipfile
from collections import Counter
from socket import socket

from recognition.lab.bench.api.client import form
from recognition.lab.bench.attack.target import Attack, Target, ask, connected, many, status_of

HUGE = 2 * 2**30
PIECE = bytes(64 * 1024)
STREAMS = 8
SLOW = 200
STEP = 0.5  # seconds between two bytes of a slow upload


def head(path: str, *lines: str) -> bytes:
    return "\r\n".join([f"POST {path} HTTP/1.1", "Host: localhost", *lines, "", ""]).encode()


class Streams(Attack):
    """Strangers with a made-up cookie or key announce 2 GiB, or chunks without an end, and send."""

    def run(self, seconds: float) -> Counter[str]:
        return many(STREAMS, self._stream, seconds)

    def _stream(self, deadline: float) -> str:
        with connected(self.target) as connection:
            connection.sendall(head("/api/v1/imports", "Cookie: sessionid=made-up", f"Content-Length: {HUGE}"))
            while (status := status_of(connection)) == "open" and time.monotonic() < deadline:
                connection.settimeout(1)
                connection.sendall(PIECE)
            return status


class SlowUploads(Attack):
    """Uploads to the sign-in page, of 60,000 bytes each, two bytes a second."""

    def run(self, seconds: float) -> Counter[str]:
        deadline, opened = time.monotonic() + seconds, []
        for _ in range(SLOW):
            connection = connected(self.target)
            connection.sendall(head("/sign-in", "Content-Length: 60000"))
            opened.append(connection)
        try:
            while time.monotonic() < deadline:
                for connection in opened:
                    send_one_byte(connection)
                time.sleep(STEP)
            return Counter(map(status_of, opened))
        finally:
            for connection in opened:
                connection.close()


def send_one_byte(connection: socket) -> None:
    with contextlib.suppress(OSError):  # it was closed; its status is read at the end
        connection.sendall(b"a")


class NestedJson(Attack):
    """A member sends lists in lists, a megabyte of them, and a metadata of very many keys."""

    def __init__(self, target: Target):
        super().__init__(target)
        many_keys = ",".join(f'"k{n}":1' for n in range(60_000))
        self.bodies = [nested_lists(500_000), f'{{"name":"a","metadata":{{{many_keys}}}}}'.encode()]

    def run(self, seconds: float) -> Counter[str]:
        return many(2, self._send, seconds)

    def _send(self, deadline: float) -> str:
        self.bodies.reverse()
        headers = self.target.headers | {"Content-Type": "application/json"}
        return ask(self.target, "POST", "/api/v1/identities", self.bodies[0], headers)[0]


def nested_lists(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


class ZipDirectory(Attack):
    """A member uploads ZIPs with nothing but a directory of 300,000 files."""

    def __init__(self, target: Target):
        super().__init__(target)
        self.body, kind = form({"file": zip_of_empty_files(300_000)}, gallery=target.gallery)
        self.headers = target.headers | kind

    def run(self, seconds: float) -> Counter[str]:
        return many(1, self._send, seconds)

    def _send(self, deadline: float) -> str:
        return ask(self.target, "POST", "/api/v1/imports", self.body, self.headers)[0]


def zip_of_empty_files(count: int) -> bytes:
    """Only the table of contents is large. One entry is written properly and repeated."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("person/photo.jpg", b"")
    data = out.getvalue()
    start, end = data.index(b"PK\1\2"), data.index(b"PK\5\6")
    directory = data[start:end] * count
    shown = min(count, 0xFFFF).to_bytes(2, "little") * 2
    tail = data[end : end + 8] + shown + len(directory).to_bytes(4, "little") + start.to_bytes(4, "little") + b"\0\0"
    return data[:start] + directory + tail
