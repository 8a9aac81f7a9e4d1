"""MJPEG cameras: an HTTP answer without end, each part of it a JPEG (multipart/x-mixed-replace)."""

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from typing import cast

from recognition.video.credentials import Basic, Digest, answer_to
from recognition.video.frame import JpegPicture, Picture
from recognition.video.source import Allowed, Reason, Source, SourceError, target_of
from recognition.video.watch import Watch
from recognition.video.wire import wired

MOST_BYTES = 8 * 2**20  # of a JPEG
LONGEST_LINE = 1024
MOST_HEADERS = 50
REFUSALS = {401: Reason.WRONG_PASSWORD, 403: Reason.FORBIDDEN, 404: Reason.NOT_FOUND, 410: Reason.NOT_FOUND}


@contextmanager
def open_mjpeg(source: Source, allowed: Allowed, watch: Watch, most_pixels: int) -> Iterator[Iterator[Picture | None]]:
    """The camera's pictures, as they come; None stands for one that is damaged. Raises SourceError, there too.

    The address is checked at each connection. Redirects are not followed, and no proxy is used.
    """
    with _answer(source, allowed, watch, None) as answer:
        if answer.status != 401:
            yield _pictures(answer, most_pixels)
            return
        credentials = answer_to(answer.headers, source)
    with _answer(source, allowed, watch, credentials) as answer:
        yield _pictures(answer, most_pixels)


@contextmanager
def _answer(
    source: Source, allowed: Allowed, watch: Watch, credentials: Basic | Digest | None
) -> Iterator[HTTPResponse]:
    target = target_of(source)
    headers = {"Accept": "multipart/x-mixed-replace, */*", "Connection": "close", "User-Agent": "Faceplatform"}
    if credentials:
        headers["Authorization"] = credentials.authorization(source, "GET", target.path)
    with wired(source, target, allowed, watch) as wire:
        connection = HTTPConnection(target.host, target.port)
        connection.sock = cast(socket.socket, wire)  # it only writes to it
        connection.request("GET", target.path, headers=headers)
        answer = HTTPResponse(cast(socket.socket, wire), method="GET")  # only makes a file of it
        answer.begin()
        yield answer


def _pictures(answer: HTTPResponse, most_pixels: int) -> Iterator[Picture | None]:
    for data in _parts(answer, _boundary(answer)):
        try:
            yield JpegPicture(data, most_pixels)
        except SourceError as error:
            if error.reason != Reason.BROKEN:
                raise
            yield None


def _boundary(answer: HTTPResponse) -> bytes:
    """What splits the parts, without its dashes: some cameras announce it with them, some without. Raises SourceError."""
    if answer.status // 100 == 3:
        raise SourceError(Reason.MOVED)
    if answer.status != 200:
        raise SourceError(REFUSALS.get(answer.status, Reason.NO_VIDEO))
    boundary = str(answer.headers.get_param("boundary", "")).strip("-")
    if answer.headers.get_content_maintype() != "multipart" or not boundary:
        raise SourceError(Reason.NO_VIDEO)
    return boundary.encode("latin-1", "replace")


def _parts(answer: HTTPResponse, boundary: bytes) -> Iterator[bytes]:
    """The bodies, without end: where the camera ends it, SourceError (lost)."""
    is_at_boundary = False
    while True:
        while not is_at_boundary:
            is_at_boundary = _is_boundary(_line(answer), boundary)
        length = _length(answer)
        if length is None:
            yield _until(answer, boundary)
        else:
            is_at_boundary = False
            data = answer.read(length)
            if len(data) < length:
                raise SourceError(Reason.LOST)
            yield data


def _length(answer: HTTPResponse) -> int | None:
    """Reads the headers of a part. None where it does not say its length. Raises SourceError."""
    length = None
    for _ in range(MOST_HEADERS):
        line = _line(answer).strip()
        if not line:
            return length
        if found := re.fullmatch(rb"(?i)content-length\s*:\s*(\d{1,18})", line):
            length = int(found[1])
            if length > MOST_BYTES:
                raise SourceError(Reason.TOO_LARGE)
    raise SourceError(Reason.BROKEN)


def _until(answer: HTTPResponse, boundary: bytes) -> bytes:
    """A body that ends at the next boundary, which is read, too. Raises SourceError."""
    lines, size = [], 0
    while not _is_boundary(line := _line(answer), boundary):
        lines.append(line)
        size += len(line)
        if size > MOST_BYTES:
            raise SourceError(Reason.TOO_LARGE)
    return b"".join(lines).removesuffix(b"\n").removesuffix(b"\r")


def _is_boundary(line: bytes, boundary: bytes) -> bool:
    return line.startswith(b"--") and line.strip().strip(b"-") == boundary


def _line(answer: HTTPResponse) -> bytes:
    """A line, or the part of it that is not too long."""
    line = answer.readline(LONGEST_LINE)
    if not line:
        raise SourceError(Reason.LOST)
    return line
