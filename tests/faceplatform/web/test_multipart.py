"""Parts of forms with odd headers: read by Django's own parser once their headers are tidied."""

import io
from random import Random

import pytest
from django.core.files.uploadhandler import MemoryFileUploadHandler
from django.http.multipartparser import MultiPartParser

from faceplatform.web.multipart import tidied

JPEG = b"\xff\xd8\xff\xe0\0\x10JFIF" + Random(1).randbytes(5000)
KIND = "multipart/form-data; boundary=x"


class InPieces:
    """A body of which each read gives a little."""

    def __init__(self, data: bytes, size: int) -> None:
        self._data, self._size = io.BytesIO(data), size

    def read(self, size: int = -1) -> bytes:
        return self._data.read(self._size)


def part(disposition: bytes, data: bytes = JPEG, *lines: bytes) -> bytes:
    return b"\r\n".join([b"--x", b"Content-Disposition: " + disposition, *lines, b"", data, b""])


def parsed(*parts: bytes, size: int = 65536, end: bytes = b"--x--\r\n") -> tuple[dict, dict]:
    """The texts and the files (name, content) of a form, by field. Behind them comes one more field, which must be found."""
    body = b"".join(parts) + part(b'form-data; name="last"', b"there") + end
    meta = {"CONTENT_TYPE": KIND, "CONTENT_LENGTH": str(len(body))}
    texts, files = MultiPartParser(meta, tidied(InPieces(body, size), KIND), [MemoryHandler()], "utf-8").parse()
    assert texts["last"] == "there"
    return texts.dict() | {"last": None}, {name: (file.name, file.read()) for name, file in files.items()}


class MemoryHandler(MemoryFileUploadHandler):
    def __init__(self) -> None:
        super().__init__()
        self.activated = True

    def handle_raw_input(self, *arguments: object, **more: object) -> None:
        self.activated = True


NAMES = {
    b'filename="a.jpg"': "a.jpg",
    b"filename=a.jpg": "a.jpg",
    'filename="Zoë.jpg"'.encode(): "Zoë.jpg",
    'filename="Zoë.jpg"'.encode("latin-1"): "Zoë.jpg",
    b"filename*=UTF-8''Zo%C3%AB.jpg": "Zoë.jpg",
    b"filename=\"Zo_.jpg\"; filename*=utf-8'en'Zo%C3%AB.jpg": "Zoë.jpg",
    b"filename*=utf-8''Zo%C3%AB.jpg; filename=\"Zo_.jpg\"": "Zoë.jpg",
    b"filename*=iso-8859-1''Zo%EB.jpg": "Zoë.jpg",
    b"filename*=unheard-of''Zo%C3%AB.jpg": "Zoë.jpg",
    b"filename*=utf-8''Zo%EB.jpg": "Zoë.jpg",
    b'filename="..".': "photo",
    b'filename=".."': "photo",
    b'filename="."': "photo",
    b'filename="a/"': "photo",
    b'filename="a/b.jpg"': "b.jpg",
    b'filename="C:\\photos\\new.jpg"': "new.jpg",
    b'filename="\x01\x02"': "photo",
    b'filename="&#46;&#46;"': "photo",
    b'filename="R&amp;D.jpg"': "R&D.jpg",
    b'filename="R&D; 1.jpg"': "R&D; 1.jpg",
    b'filename="a \\"b\\".jpg"': 'a "b".jpg',
    b'filename=""': "photo",
    b"filename=": "photo",
    b"x=1": "photo",
    b'filename="' + "я".encode() * 1500 + b'.jpg"': "я" * 196 + ".jpg",
}


@pytest.mark.parametrize("given", NAMES, ids=lambda given: ascii(given)[2:40])
def test_a_photo_arrives_whatever_its_name_is(given):
    for size in (65536, 7):
        texts, files = parsed(part(b'form-data; name="photo"; ' + given), size=size)
        assert files == {"photo": (NAMES[given], JPEG)}
        assert texts == {"last": None}


@pytest.mark.parametrize(
    "line",
    [
        b"Content-Type: image/jpeg",
        b"Content-Type:",
        b"Content-Type: text/plain; charset=utf-16",
        b"Content-Type: \xff\xfe",
        b"Content-Type: " + b"x" * 3000,
        b"X-Anything: " + b"y" * 3000,
        b"no header at all",
        b"CONTENT-TYPE: image/png",
        b"Content-Transfer-Encoding: binary",
        b"Content-Length: 3",
    ],
    ids=lambda line: ascii(line)[2:40],
)
def test_the_other_lines_of_a_header_do_not_matter(line):
    disposition = b'form-data; name="photo"; filename="a.jpg"'
    for lines in ([line], [line, b"Content-Type: image/jpeg"]):
        assert parsed(part(disposition, JPEG, *lines))[1] == {"photo": ("a.jpg", JPEG)}


def test_base64_and_folded_headers_and_bare_newlines():
    folded = b'form-data;\r\n name="photo";\r\n\tfilename="a.jpg"'
    assert parsed(part(folded, b"AAEC", b"Content-Transfer-Encoding: base64"))[1] == {"photo": ("a.jpg", b"\0\1\2")}
    bare = b'--x\nContent-Disposition: form-data; name="photo"; filename="a.jpg"\n\n' + JPEG + b"\n"
    assert parsed(bare)[1] == {"photo": ("a.jpg", JPEG)}


def test_text_stays_text():
    """An empty choice of a file, as browsers send it, is none."""
    fields = {b"name": "Zoë\r\n\tand more", b"base64": "/9j/4AAQ", b"empty": ""}
    parts = [part(b'form-data; name="%b"' % name, text.encode()) for name, text in fields.items()]
    chosen = part(b'form-data; name="photo"; filename=""', b"", b"Content-Type: application/octet-stream")
    texts, files = parsed(*parts, chosen)
    assert texts == {name.decode(): text for name, text in fields.items()} | {"photo": "", "last": None}
    assert files == {}


@pytest.mark.parametrize("size", [1, 3, 1024, 65536])
def test_what_looks_like_a_boundary_across_reads_is_content(size):
    data = JPEG + b"\r\n-" * 200 + b"\r\n--" + JPEG
    assert parsed(part(b'form-data; name="photo"; filename="a"', data), size=size)[1] == {"photo": ("a", data)}
    assert parsed(b"a preamble\r\n", part(b'form-data; name="photo"; filename="a"', b""), size=size)[1] == {
        "photo": ("a", b"")
    }
    assert parsed(part(b'form-data; name="photo"; filename="a"'), size=size, end=b"--x--")[1]["photo"][1] == JPEG


def test_a_part_without_any_header_does_not_hide_the_next():
    assert (
        parsed(b"--x\r\n\r\n" + JPEG + b"\r\n", part(b'form-data; name="photo"; filename="a"'))[1]["photo"][1] == JPEG
    )


def test_a_form_cut_short_is_no_crash():
    whole = part(b'form-data; name="photo"; filename="a.jpg"') + b"--x--\r\n"
    for end in (1, 3, 4, 20, 70, len(whole) - 3):
        body = whole[:end]
        meta = {"CONTENT_TYPE": KIND, "CONTENT_LENGTH": str(len(body))}
        MultiPartParser(meta, tidied(io.BytesIO(body), KIND), [MemoryHandler()], "utf-8").parse()
