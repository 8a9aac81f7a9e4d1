"""Multipart forms as clients really write them.

Django's parser reads on in the middle of a photo if its name is not UTF-8, empty, `..`, or too long, and takes a photo without a
name for text. So each part gets a plain header before Django sees it. What is between the headers stays as it is.
"""

import html
import re
from collections.abc import Iterator, Mapping
from typing import IO, Any
from urllib.parse import unquote_to_bytes

from django.http.multipartparser import MultiPartParser as DjangoParser
from django.utils.http import parse_header_parameters
from rest_framework import parsers

BLOCK = 64 * 1024
LONGEST_HEADER = 16 * 1024  # of a part, as it is sent; Django takes 1 KiB
LONGEST_NAME, LONGEST_LINE = 200, 100  # characters
LOOKED_AT = 512  # bytes of a part, to see whether it is text
KEPT = ("content-type", "content-transfer-encoding")
END_OF_HEADER = re.compile(rb"\r?\n\r?\n")
FOLD = re.compile(rb"\r?\n[ \t]+")
PARAMETER = re.compile(r""";\s*([^\s=;"]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^;]*)""")
NO_TEXT = re.compile(rb"[\0-\x08\x0e-\x1a\x1c-\x1f]")


class MultiPartParser(parsers.MultiPartParser):
    def parse(
        self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> parsers.DataAndFiles:
        return super().parse(tidied(stream, media_type or ""), media_type, parser_context)


def tidied(form: Any, content_type: str) -> Any:
    """The same form to read, with plain headers; as it is if it has no boundary, which Django then says."""
    boundary = parse_header_parameters(content_type)[1].get("boundary", "")
    return _Tidied(form, boundary.encode()) if DjangoParser.boundary_re.fullmatch(boundary) else form


class _Tidied:
    def __init__(self, form: IO[bytes], boundary: bytes) -> None:
        self._blocks = _blocks(_Scanner(form, b"--" + boundary))

    def read(self, size: int = -1) -> bytes:
        """The next block, whatever its size: that is all Django's parser needs."""
        return next(self._blocks, b"")


class _Scanner:
    """Reads a form block by block. mark: what begins each part."""

    def __init__(self, form: IO[bytes], mark: bytes) -> None:
        self.mark = mark
        self._form, self._buffer = form, b""

    def _more(self) -> bool:
        block = self._form.read(BLOCK)
        self._buffer += block
        return bool(block)

    def take(self, size: int) -> bytes:
        taken, self._buffer = self._buffer[:size], self._buffer[size:]
        return taken

    def look(self, size: int) -> bytes:
        """The next bytes, which stay there."""
        while len(self._buffer) < size and self._more():
            pass
        return self._buffer[:size]

    def content(self) -> Iterator[bytes]:
        """What comes before the next mark. It is followed by that mark, or by the end."""
        while (place := self._buffer.find(self.mark)) < 0:
            if block := self.take(max(0, len(self._buffer) - len(self.mark))):
                yield block
            if not self._more():
                place = len(self._buffer)
                break
        if place:
            yield self.take(place)

    def header(self) -> bytes | None:
        """The lines up to an empty one; None if there is none nearby."""
        start = self.look(BLOCK)
        found = END_OF_HEADER.search(start, 0, LONGEST_HEADER)
        if found is None:
            return None
        return self.take(found.end())[: found.start()]

    def beginning(self) -> bytes:
        """The first bytes of a part's content."""
        return self.look(LOOKED_AT + len(self.mark)).partition(self.mark)[0][:LOOKED_AT]


def _blocks(scanner: _Scanner) -> Iterator[bytes]:
    yield from scanner.content()
    while mark := scanner.take(len(scanner.mark)):
        yield mark
        is_last = scanner.look(2) == b"--"
        header = None if is_last else scanner.header()
        if header is not None:
            yield b"\r\n" + _plain(header, scanner.beginning()) + b"\r\n\r\n"
        yield from scanner.content()


def _plain(header: bytes, content: bytes) -> bytes:
    """A part's header in UTF-8, with what Django needs of it. content: the first bytes of the part."""
    lines = {}
    for line in FOLD.sub(b" ", header).splitlines():
        name, _, value = _text(line).partition(":")
        lines[name.strip().lower()] = value.strip()
    disposition = lines.get("content-disposition", "")
    parameters = {name.lower(): _unquoted(value) for name, value in PARAMETER.findall(disposition)}
    name = parameters.get("name", "")[:LONGEST_NAME]
    plain = [f'Content-Disposition: form-data; name="{_escaped(name)}"']
    given = _extended(parameters.get("filename*", "")) or parameters.get("filename", "")
    if given or NO_TEXT.search(content):
        # Django undoes HTML's entities in names of files.
        file_name = html.escape(_base_name(given) or _base_name(name) or "file", quote=False)[-LONGEST_NAME:]
        plain[0] += f'; filename="{_escaped(file_name)}"'
    plain += [f"{kept}: {lines[kept]}" for kept in KEPT if lines.get(kept, "").isascii() and _is_short(lines, kept)]
    return "\r\n".join(plain).encode()


def _is_short(lines: Mapping[str, str], name: str) -> bool:
    return 0 < len(lines.get(name, "")) <= LONGEST_LINE


def _text(line: bytes) -> str:
    """Old clients write Latin-1."""
    try:
        return line.decode()
    except UnicodeDecodeError:
        return line.decode("latin-1")


def _unquoted(value: str) -> str:
    value = value.strip()
    if len(value) > 1 and value[0] == value[-1] == '"':
        return re.sub(r'\\(["\\])', r"\1", value[1:-1])
    return value


def _escaped(value: str) -> str:
    return re.sub(r'(["\\])', r"\\\1", value)


def _extended(value: str) -> str:
    """A name like UTF-8''Zo%C3%AB.jpg (RFC 5987)."""
    charset, _, rest = value.partition("'")
    raw = unquote_to_bytes(rest.partition("'")[2])
    try:
        return raw.decode(charset or "utf-8")
    except (LookupError, ValueError):
        return _text(raw)


def _base_name(name: str) -> str:
    """Without folders and characters that do not print; empty if nothing is left."""
    base = "".join(character for character in re.split(r"[/\\]", html.unescape(name))[-1] if character.isprintable())
    return "" if base.strip() in ("", ".", "..") else base.strip()
