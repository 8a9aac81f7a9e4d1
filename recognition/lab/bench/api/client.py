"""A client of the REST API on one connection that stays open."""

import json
import time
import uuid
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

TIMEOUT = 60.0  # seconds


class CallFailed(Exception):
    """A call of the set-up was refused. The message is the platform's."""


@dataclass(frozen=True, slots=True)
class Answer:
    """status: 0 where the connection broke. ms: from the first byte sent to the last one read."""

    status: int
    body: dict
    ms: float


class Client:
    def __init__(self, address: str, key: str):
        parts = urlsplit(address)
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self._connection = kind(parts.hostname, parts.port, timeout=TIMEOUT)
        self._base = parts.path.rstrip("/") + "/api/v1"
        self._headers = {"Authorization": f"Bearer {key}", "Accept": "application/json"}

    def call(self, method: str, path: str, data: bytes | None = None, headers: dict[str, str] | None = None) -> Answer:
        started = time.perf_counter()
        try:
            self._connection.request(method, self._base + path, data, self._headers | (headers or {}))
            answer = self._connection.getresponse()
            status, content = answer.status, answer.read()
        except (OSError, HTTPException):
            self._connection.close()  # the next call opens it again
            status, content = 0, b""
        return Answer(status, _parsed(content), (time.perf_counter() - started) * 1000)

    def set_up(self, method: str, path: str, body: dict | None = None) -> dict:
        """A call that must succeed, on a new connection: the server ends idle ones. Raises CallFailed."""
        self.close()
        data = json.dumps(body).encode() if body is not None else None
        return self.must(self.call(method, path, data, {"Content-Type": "application/json"}))

    @staticmethod
    def must(answer: Answer) -> dict:
        if not 200 <= answer.status < 300:
            raise CallFailed(f"{answer.status}: {answer.body.get('detail', 'no answer')}")
        return answer.body

    def close(self) -> None:
        self._connection.close()


def form(photos: dict[str, bytes], **fields: str) -> tuple[bytes, dict[str, str]]:
    """multipart/form-data: the body and its header."""
    boundary = uuid.uuid4().hex
    lines: list[bytes] = []
    for name, value in fields.items():
        lines += [
            b"--" + boundary.encode(),
            f'Content-Disposition: form-data; name="{name}"'.encode(),
            b"",
            value.encode(),
        ]
    for name, photo in photos.items():
        head = f'Content-Disposition: form-data; name="{name}"; filename="{name}.jpg"'
        lines += [b"--" + boundary.encode(), head.encode(), b"Content-Type: image/jpeg", b"", photo]
    lines += [b"--" + boundary.encode() + b"--", b""]
    return b"\r\n".join(lines), {"Content-Type": f"multipart/form-data; boundary={boundary}"}


def _parsed(content: bytes) -> dict:
    try:
        found = json.loads(content)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
