"""Parses the JSON of requests, and refuses what would cost too much or fail later; and takes pictures as they are."""

import io
import json
import re
from collections.abc import Mapping
from typing import IO, Any

from rest_framework import parsers
from rest_framework.exceptions import ParseError

ESCAPED_SURROGATE = (b"\\ud", b"\\uD")
MAX_LEVELS = 32
MAX_VALUES = 100_000  # 100 vectors of the largest pack have half of that
MAX_NAMES = 10_000  # a metadata of 1,000 is the largest that is stored; a text may have colons, too
MAX_CONTAINERS = 10_000  # lists and objects
TOO_DEEP = f"The JSON is nested too deeply. Send it with at most {MAX_LEVELS} levels."
TOO_MANY = f"The JSON has too many values. Send at most {MAX_VALUES} at once."
TOO_MANY_NAMES = f"The JSON has too many names. Send at most {MAX_NAMES} at once."
TOO_MANY_CONTAINERS = f"The JSON has too many lists and objects. Send at most {MAX_CONTAINERS} at once."
BRACKETS = re.compile(rb"[\[{]+|[\]}]+")


class JSONParser(parsers.JSONParser):
    """Refuses JSON that has too many levels or values, before it takes memory, and text with half a surrogate pair, which cannot
    be stored or sent back."""

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        data = stream.read()
        _require_bounded(data)
        try:
            content = super().parse(io.BytesIO(data), media_type, parser_context)
            if any(escape in data for escape in ESCAPED_SURROGATE):
                json.dumps(content, ensure_ascii=False).encode()
        except RecursionError as error:
            raise ParseError(TOO_DEEP) from error
        except UnicodeEncodeError as error:
            raise ParseError(
                f"A text contains half a surrogate pair: {error.object[error.start]!a}. Remove it and try again."
            ) from error
        return content


class JpegParser(parsers.BaseParser):
    """The body is one JPEG: `request.data` has its bytes."""

    media_type = "image/jpeg"

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        return stream.read()


def _require_bounded(data: bytes) -> None:
    """Counts what can begin a value, also inside texts: photos as base64 have none of these characters."""
    opening = data.count(b"[") + data.count(b"{")
    if opening + data.count(b",") > MAX_VALUES:
        raise ParseError(TOO_MANY)
    if data.count(b":") > MAX_NAMES:
        raise ParseError(TOO_MANY_NAMES)
    if opening > MAX_CONTAINERS:
        raise ParseError(TOO_MANY_CONTAINERS)
    if opening > MAX_LEVELS and _is_too_deep(data):
        raise ParseError(TOO_DEEP)


def _is_too_deep(data: bytes) -> bool:
    outside = b"".join(data.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')[::2])  # of texts
    level = 0
    for run in BRACKETS.findall(outside):
        level += len(run) if run[:1] in b"[{" else -len(run)
        if level > MAX_LEVELS:
            return True
    return False
