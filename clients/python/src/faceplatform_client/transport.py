"""HTTP with the standard library: sends JSON and photos, returns JSON, raises ApiError and ConnectionFailed."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Sequence
from http.client import HTTPException
from os import PathLike
from pathlib import Path
from typing import Any, Union
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode, urljoin
from urllib.request import Request, urlopen

from faceplatform_client.errors import ApiError, ConnectionFailed

Photo = Union[bytes, str, "PathLike[str]"]  # its content, or its path
Part = tuple[str, str | tuple[str, bytes]]


class Transport:
    """Sends each call with the key. If the connection breaks, sends a GET or POST again; a POST still takes effect only once."""

    def __init__(self, address: str, key: str, timeout: float):
        self.base = address.rstrip("/") + "/api/v1/"
        self.key = key
        self.timeout = timeout

    def get(self, path: str, query: dict[str, Any] | None = None) -> Any:
        given = {name: _text(value) for name, value in (query or {}).items() if value is not None}
        return self.send("GET", path + (f"?{urlencode(given)}" if given else ""))

    def post_json(self, path: str, body: dict[str, Any]) -> Any:
        data = json.dumps({name: value for name, value in body.items() if value is not None}).encode()
        return self.send("POST", path, data, {"Content-Type": "application/json"})

    def post_photos(self, path: str, fields: dict[str, Any], photos: Sequence[tuple[str, Photo]], wait: float) -> Any:
        """photos: (field, photo). wait: seconds after which the platform answers even if there is no result yet."""
        parts: list[Part] = [(name, _text(value)) for name, value in fields.items() if value is not None]
        parts += [(name, read(photo)) for name, photo in photos]
        kind, data = _multipart(parts)
        return self.send("POST", path, data, {"Content-Type": kind, "Prefer": f"wait={int(wait)}"})

    def send(self, method: str, path: str, data: bytes | None = None, headers: dict[str, str] | None = None) -> Any:
        headers = {"Authorization": f"Bearer {self.key}", "Accept": "application/json", **(headers or {})}
        if method == "POST":
            headers["Idempotency-Key"] = str(uuid.uuid4())
        request = Request(urljoin(self.base, path), data, headers, method=method)
        try:
            return self._send_once(request)
        except ConnectionFailed:
            if method not in ("GET", "POST"):
                raise
            return self._send_once(request)

    def _send_once(self, request: Request) -> Any:
        try:
            with urlopen(request, timeout=self.timeout) as answer:
                body = answer.read()
        except HTTPError as error:
            with error:
                raise _problem(error) from None
        except (URLError, HTTPException, OSError) as error:
            raise ConnectionFailed(f"{request.full_url}: {getattr(error, 'reason', error)}") from error
        return json.loads(body) if body else None


def read(photo: Photo) -> tuple[str, bytes]:
    """The photo's name and content."""
    if isinstance(photo, bytes):
        return "photo", photo
    path = Path(photo)
    return path.name, path.read_bytes()


def _problem(error: HTTPError) -> Exception:
    body = error.read()
    try:
        content = json.loads(body)
    except ValueError:
        content = {"status": error.code, "detail": body[:200].decode("utf-8", "replace")}
    if "results" in content:  # an enrolment that refused every photo: a result, not an error
        return NothingEnrolled(content)
    after = error.headers.get("Retry-After")
    return ApiError(content, float(after) if after else None)


class NothingEnrolled(Exception):
    """No photo was enrolled. content: the enrolment, as JSON."""

    def __init__(self, content: Any):
        super().__init__()
        self.content = content


def _multipart(parts: Iterable[Part]) -> tuple[str, bytes]:
    boundary = uuid.uuid4().hex
    lines: list[bytes] = []
    for name, value in parts:
        lines.append(f"--{boundary}".encode())
        if isinstance(value, str):
            lines += [f'Content-Disposition: form-data; name="{name}"'.encode(), b"", value.encode()]
        else:
            file = value[0].replace("\\", "_").replace('"', "_").replace("\r", "_").replace("\n", "_")
            head = f'Content-Disposition: form-data; name="{name}"; filename="{file}"'
            lines += [head.encode(), b"Content-Type: application/octet-stream", b"", value[1]]
    lines += [f"--{boundary}--".encode(), b""]
    return f"multipart/form-data; boundary={boundary}", b"\r\n".join(lines)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
