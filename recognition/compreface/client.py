"""Reads from a running CompreFace over its REST API: subjects, pages of faces, and their images."""

import hashlib
import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

from django.conf import settings

from faceplatform.errors import InvalidInput
from recognition.imports.sources import SourceLost

TIMEOUT = 30  # seconds without receiving a byte
MAX_ATTEMPTS = 4
MAX_JSON_BYTES = 64 * 1024 * 1024
NO_IMAGE = (11, 44)  # CompreFace's codes for a missing image
Answer = TypeVar("Answer")


class Refusal(InvalidInput):
    """CompreFace answered with an error. number: the error code it gave, if any."""

    def __init__(self, message: str, number: int | None = None) -> None:
        super().__init__(message)
        self.number = number


class CompreFaceClient:
    """A client of one CompreFace recognition service.

    url: http or https, with CompreFace's path if it has one. pause: seconds before the first retry, doubled for each further
    one. Its methods raise Refusal if CompreFace refuses, InvalidInput if the server is not CompreFace, and SourceLost if it
    does not answer.
    """

    def __init__(self, url: str, key: str, *, pause: float = 1.0) -> None:
        if not _is_address(url):
            raise InvalidInput(f"{url} is not an address of CompreFace. Give one such as http://compreface:8000")
        if not key.isascii() or not key.isprintable():
            raise InvalidInput("This is not an API key of CompreFace.")
        self.url = url.rstrip("/")
        self._key = key
        self._pause = pause
        self._opener = urllib.request.build_opener(_NoRedirect)

    @property
    def place(self) -> str:
        """Identifies the service by its address and a hash of its key."""
        return f"{self.url} {hashlib.sha256(self._key.encode()).hexdigest()[:12]}"

    def subjects(self) -> list[str]:
        """The names of all subjects."""
        return self._read("recognition/subjects", lambda answer: [_text(name) for name in answer["subjects"]])

    def faces(self, page: int, size: int) -> tuple[list[tuple[str, str]], int]:
        """(image id, subject) of the faces on a page, counted from 0, and the number of faces on all pages."""

        def faces_of(answer: dict[str, Any]) -> tuple[list[tuple[str, str]], int]:
            faces = [(_text(face["image_id"]), _text(face["subject"])) for face in answer["faces"]]
            return faces, int(answer["total_elements"])

        return self._read(f"recognition/faces?page={page}&size={size}", faces_of)

    def image(self, image_id: str) -> bytes:
        """The image as it was added, empty if CompreFace has none; cut at one byte over the size limit for photos."""
        try:
            return self._get(f"recognition/faces/{quote(image_id, safe='')}/img", settings.MAX_PHOTO_BYTES)
        except Refusal as refusal:
            if refusal.number in NO_IMAGE:
                return b""
            raise SourceLost(refusal.message) from refusal

    def _read(self, path: str, convert: Callable[[Any], Answer]) -> Answer:
        try:
            return convert(json.loads(self._get(path, MAX_JSON_BYTES)))
        except (ValueError, TypeError, KeyError) as error:
            raise InvalidInput(f"{self.url} does not answer as CompreFace does. Check the address.") from error

    def _get(self, path: str, limit: int) -> bytes:
        request = urllib.request.Request(f"{self.url}/api/v1/{path}", headers={"x-api-key": self._key})
        for attempt in range(MAX_ATTEMPTS):
            try:
                with self._opener.open(request, timeout=TIMEOUT) as answer:
                    return answer.read(limit + 1)
            except urllib.error.HTTPError as error:
                with error:
                    if error.code < 500 and error.code != 429:
                        raise self._refusal(error) from error
                problem = f"HTTP {error.code}"
            except (OSError, http.client.HTTPException) as error:
                problem = str(getattr(error, "reason", error))
            if attempt < MAX_ATTEMPTS - 1:
                time.sleep(self._pause * 2**attempt)
        raise SourceLost(f"CompreFace at {self.url} does not answer ({problem}). Run the command again when it does.")

    def _refusal(self, error: urllib.error.HTTPError) -> Refusal:
        if 300 <= error.code < 400:
            return Refusal(
                f"{self.url} redirects to {error.headers.get('Location')}. If that is right, give that address instead."
            )
        try:
            body = json.loads(error.read(100_000))
            return Refusal(f"CompreFace refuses: {body['message']}", body.get("code"))
        except (ValueError, TypeError, KeyError, AttributeError):
            return Refusal(f"{self.url} answers HTTP {error.code}, but not as CompreFace does. Check the address.")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Never follows a redirect, so that the key is sent only to the address given."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    has_extras = parts.username or parts.query or parts.fragment
    return url.isascii() and parts.scheme in ("http", "https") and bool(parts.hostname) and not has_extras


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected a string, got {type(value).__name__}")
    return value
