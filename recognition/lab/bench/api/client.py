"""A client of the REST API that keeps one connection open."""

import json
import time
import uuid
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

TIMEOUT = 60.0  # seconds


class CallFailed(Exception):
    """A call that had to succeed was refused. The message is the platform's."""


@dataclass(frozen=True, slots=True)
class Answer:
    """status: 0 if the connection broke. ms: from the first byte sent to the last byte read."""

    status: int
    body: dict
    ms: float


class Client:
    """Calls the API at `address` with an API key. timeout: seconds without a byte. Not for several threads at once."""

    def __init__(self, address: str, key: str, *, timeout: float = TIMEOUT):
        parts = urlsplit(address)
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self._connection = kind(parts.hostname or "", parts.port, timeout=timeout)
        self._base = parts.path.rstrip("/") + "/api/v1"
        self._headers = {"Authorization": f"Bearer {key}", "Accept": "application/json"}

    def call(self, method: str, path: str, data: bytes | None = None, headers: dict[str, str] | None = None) -> Answer:
        """Calls a path below /api/v1. A broken connection is an answer with status 0, never an error."""
        started = time.perf_counter()
        try:
            self._connection.request(method, self._base + path, data, self._headers | (headers or {}))
            answer = self._connection.getresponse()
            status, content = answer.status, answer.read()
        except (OSError, HTTPException):
            self._connection.close()  # the next call opens it again
            status, content = 0, b""
        return Answer(status, _json_object(content), (time.perf_counter() - started) * 1000)

    def call_checked(self, method: str, path: str, body: dict | None = None) -> dict:
        """The body of a call that must succeed, on a new connection: the server closes idle ones. Raises CallFailed."""
        self.close()
        data = json.dumps(body).encode() if body is not None else None
        return self._checked_body(self.call(method, path, data, {"Content-Type": "application/json"}))

    @staticmethod
    def _checked_body(answer: Answer) -> dict:
        if not 200 <= answer.status < 300:
            raise CallFailed(f"{answer.status}: {answer.body.get('detail', 'no answer')}")
        return answer.body

    def close(self) -> None:
        self._connection.close()


def form(photos: dict[str, bytes], **fields: str) -> tuple[bytes, dict[str, str]]:
    """The body and the header of a multipart/form-data request. photos: field → JPEG."""
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


def _json_object(content: bytes) -> dict:
    try:
        found = json.loads(content)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
