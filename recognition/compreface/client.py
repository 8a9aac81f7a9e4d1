"""Reads a running CompreFace over its REST API: subjects, faces page by page, their images."""

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

TIMEOUT = 30  # seconds without a byte
TRIES = 4
MOST_JSON = 64 * 1024 * 1024  # bytes of an answer
NO_IMAGE = (11, 44)  # CompreFace's codes for an image that is not there
Answer = TypeVar("Answer")


class Refusal(InvalidInput):
    """CompreFace answered with an error. number: its code."""

    def __init__(self, message: str, number: int | None = None):
        super().__init__(message)
        self.number = number


class CompreFaceClient:
    """url: http or https, with a path where CompreFace lies behind one. pause: seconds before the first new try.

    Raises Refusal where CompreFace refuses, InvalidInput where it is no CompreFace, SourceLost where it does not answer.
    """

    def __init__(self, url: str, key: str, *, pause: float = 1.0):
        if not _is_address(url):
            raise InvalidInput(f"{url} is no address of CompreFace. Give one such as http://compreface:8000")
        if not key.isascii() or not key.isprintable():
            raise InvalidInput("This is no API key of CompreFace.")
        self.url = url.rstrip("/")
        self._key = key
        self._pause = pause
        self._opener = urllib.request.build_opener(_NoRedirect)

    @property
    def place(self) -> str:
        """Tells this service's faces from those of another, without the key."""
        return f"{self.url} {hashlib.sha256(self._key.encode()).hexdigest()[:12]}"

    def subjects(self) -> list[str]:
        return self._read("recognition/subjects", lambda answer: [_text(name) for name in answer["subjects"]])

    def faces(self, page: int, size: int) -> tuple[list[tuple[str, str]], int]:
        """(image id, subject) of the faces on a page, from 0, and how many there are in all."""

        def faces_of(answer):
            faces = [(_text(face["image_id"]), _text(face["subject"])) for face in answer["faces"]]
            return faces, int(answer["total_elements"])

        return self._read(f"recognition/faces?page={page}&size={size}", faces_of)

    def image(self, image_id: str) -> bytes:
        """The image as it was added; empty where CompreFace has none. At most a byte more than a photo may have."""
        try:
            return self._get(f"recognition/faces/{quote(image_id, safe='')}/img", settings.MAX_PHOTO_BYTES)
        except Refusal as refusal:
            if refusal.number in NO_IMAGE:
                return b""
            raise SourceLost(refusal.message) from refusal

    def _read(self, path: str, convert: Callable[[Any], Answer]) -> Answer:
        try:
            return convert(json.loads(self._get(path, MOST_JSON)))
        except (ValueError, TypeError, KeyError) as error:
            raise InvalidInput(f"{self.url} does not answer as CompreFace does. Is the address right?") from error

    def _get(self, path: str, most: int) -> bytes:
        request = urllib.request.Request(f"{self.url}/api/v1/{path}", headers={"x-api-key": self._key})
        for attempt in range(TRIES):
            try:
                with self._opener.open(request, timeout=TIMEOUT) as answer:
                    return answer.read(most + 1)
            except urllib.error.HTTPError as error:
                with error:
                    if error.code < 500 and error.code != 429:
                        raise self._refusal(error) from error
                problem = f"HTTP {error.code}"
            except (OSError, http.client.HTTPException) as error:
                problem = str(getattr(error, "reason", error))
            if attempt < TRIES - 1:
                time.sleep(self._pause * 2**attempt)
        raise SourceLost(f"CompreFace at {self.url} does not answer ({problem}). Run the command again when it does.")

    def _refusal(self, error: urllib.error.HTTPError) -> Refusal:
        if 300 <= error.code < 400:
            return Refusal(
                f"{self.url} sends us on to {error.headers.get('Location')}. Give that address if it is right."
            )
        try:
            body = json.loads(error.read(100_000))
            return Refusal(f"CompreFace refuses: {body['message']}", body.get("code"))
        except (ValueError, TypeError, KeyError, AttributeError):
            return Refusal(f"{self.url} answers HTTP {error.code}, not as CompreFace does. Is the address right?")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """The key goes to the address given, nowhere else."""

    def redirect_request(self, *args, **kwargs):
        return None


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    more = parts.username or parts.query or parts.fragment
    return url.isascii() and parts.scheme in ("http", "https") and bool(parts.hostname) and not more


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{type(value).__name__} instead of a text")
    return value
