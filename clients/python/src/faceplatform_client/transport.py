"""HTTP with the standard library: sends JSON and photos, returns JSON, raises ApiError and ConnectionFailed."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator, Sequence
from email.message import Message
from http.client import HTTPException
from os import PathLike
from pathlib import Path
from typing import IO, Any, Union
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode, urljoin
from urllib.request import Request, build_opener

from faceplatform_client.errors import AddressRefused, ApiError, ConnectionFailed
from faceplatform_client.origin import SameOrigin, require_same_origin
from faceplatform_client.retry_after import seconds_of

NOT_JSON = "This is not an answer of Faceplatform. Check the address that was given to Client."
Photo = Union[bytes, str, "PathLike[str]"]  # its content, or its path
Part = tuple[str, str | tuple[str, bytes]]


class Transport:
    """Sends each call with the key, to the origin of `address` alone: a redirect or a page elsewhere raises AddressRefused.

    If the connection breaks, sends a GET or POST again; a POST still takes effect only once.
    """

    def __init__(self, address: str, key: str, timeout: float):
        self.base = address.rstrip("/") + "/api/v1/"
        self.key = key
        self.timeout = timeout
        self._opener = build_opener(SameOrigin)
        require_same_origin(self.base, self.base)

    def get(self, path: str, query: dict[str, Any] | None = None) -> Any:
        given = {name: _text(value) for name, value in (query or {}).items() if value is not None}
        return self.send("GET", path + (f"?{urlencode(given)}" if given else ""))

    def get_picture(self, path: str) -> bytes:
        picture: bytes = self.send("GET", path, headers={"Accept": "image/jpeg"})
        return picture

    def pictures(self, path: str) -> Iterator[bytes]:
        """The JPEGs of a multipart/x-mixed-replace answer, until it ends."""
        url = urljoin(self.base, path)
        require_same_origin(self.base, url)
        accept = "multipart/x-mixed-replace, application/json"
        request = Request(url, headers={"Authorization": f"Bearer {self.key}", "Accept": accept})
        try:
            with self._opener.open(request, timeout=self.timeout) as answer:
                yield from _parts(answer)
        except HTTPError as error:
            with error:
                raise _problem(error.code, error.headers.get("Retry-After"), error.read()) from None
        except (URLError, HTTPException, OSError) as error:
            raise ConnectionFailed(f"{url}: {getattr(error, 'reason', error)}") from error

    def post_json(self, path: str, body: dict[str, Any]) -> Any:
        return self.send_json("POST", path, {name: value for name, value in body.items() if value is not None})

    def send_json(self, method: str, path: str, body: dict[str, Any]) -> Any:
        return self.send(method, path, json.dumps(body).encode(), {"Content-Type": "application/json"})

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
        url = urljoin(self.base, path)
        require_same_origin(self.base, url)
        request = Request(url, data, headers, method=method)
        try:
            return self._send_once(request)
        except AddressRefused:
            raise
        except ConnectionFailed:
            if method not in ("GET", "POST"):
                raise
            return self._send_once(request)

    def _send_once(self, request: Request) -> Any:
        try:
            status, headers, body = self._exchange(request)
        except (URLError, HTTPException, OSError) as error:
            raise ConnectionFailed(f"{request.full_url}: {getattr(error, 'reason', error)}") from error
        if status >= 300:
            raise _problem(status, headers.get("Retry-After"), body)
        if headers.get_content_maintype() == "image":
            return body
        try:
            return json.loads(body) if body else None
        except ValueError:
            raise ApiError({"status": status, "code": "not_json", "detail": NOT_JSON}) from None

    def _exchange(self, request: Request) -> tuple[int, Message, bytes]:
        """The answer's status, headers and body, whatever the status."""
        try:
            with self._opener.open(request, timeout=self.timeout) as answer:
                return answer.status, answer.headers, answer.read()
        except HTTPError as error:
            with error:
                return error.code, error.headers, error.read()


def _parts(answer: IO[bytes]) -> Iterator[bytes]:
    """Each part has its length in its head."""
    size = 0
    while line := answer.readline():
        name, _, value = line.decode("latin-1").partition(":")
        if name.lower() == "content-length":
            size = int(value)
        elif not line.strip() and size:
            part = answer.read(size)
            if len(part) < size:
                return
            yield part
            size = 0


def read(photo: Photo) -> tuple[str, bytes]:
    """The photo's name and content."""
    if isinstance(photo, bytes):
        return "photo", photo
    path = Path(photo)
    return path.name, path.read_bytes()


def _problem(status: int, retry_after: str | None, body: bytes) -> Exception:
    try:
        content = json.loads(body)
    except ValueError:
        content = None
    if not isinstance(content, dict):
        content = {"detail": body[:200].decode("utf-8", "replace")}
    if "results" in content:  # an enrolment that refused every photo: a result, not an error
        return NothingEnrolled(content)
    return ApiError({**content, "status": status}, seconds_of(retry_after))


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
