"""Whose photo a file is: the same for a folder and a ZIP."""

import io
import os

import pytest
from archives import zipped
from PIL import Image

from faceplatform.errors import DomainError, InvalidInput
from recognition.imports import files as files_module
from recognition.imports.layout import SUFFIXES
from recognition.imports.rows import LeftOut
from recognition.imports.sources import FileSource


def picture(kind: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (20, 20), "gray").save(out, kind)
    return out.getvalue()


PHOTO = picture("PNG")


def outcome(row) -> str:
    """The person, or the code of the reason why it is nobody's."""
    try:
        row.read()
    except (DomainError, LeftOut) as error:
        return error.code
    return row.key


@pytest.fixture(params=["folder", "zip"])
def people(request, tmp_path):
    """A function: files → path → the person or the reason."""

    def find(files: dict[str, bytes]) -> dict[str, str]:
        if request.param == "zip":
            return {row.path: outcome(row) for row in FileSource(zipped(files)).rows()}
        for path, data in files.items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_bytes(data)
        return {row.path: outcome(row) for row in FileSource(tmp_path).rows()}

    return find


@pytest.mark.parametrize(
    "expected",
    [
        {"Ann/1.jpg": "Ann", "Bo/1.jpg": "Bo", "loose.jpg": "no_folder"},
        {"people/Ann/1.jpg": "Ann", "people/Bo/1.jpg": "Bo", "people/loose.jpg": "no_folder"},
        {"a/people/Ann/1.jpg": "Ann", "a/people/Bo/1.jpg": "Bo"},
        {"people/Ann/1.jpg": "Ann"},
        {"Ann/1.jpg": "Ann"},
        {"Ann/1.jpg": "Ann", "Ann/2019/1.jpg": "folder_unclear", "Bo/1.jpg": "Bo"},
        {"Ann/2019/1.jpg": "folder_unclear", "Bo/1.jpg": "Bo"},
        {"sales/Ann/1.jpg": "Ann", "lab/Bo/1.jpg": "Bo", "lab/Bo/x/1.jpg": "folder_unclear"},
        {"sales/Ann/1.jpg": "Ann", "lab/Bo/1.jpg": "Bo", "lab/notes.txt": "not_a_photo", "read me.txt": "not_a_photo"},
        {"Ann/1.jpg": "Ann", ".thumbnails/1.jpg": "system_file", "LOST+FOUND/2.jpg": "system_file"},
        {"Ann/1.jpg": "Ann", "Ann/._1.jpg": "system_file", "Ann/THUMBS.DB": "system_file"},
    ],
)
def test_whose_it_is(people, expected):
    data = {path: b"some text" if path.endswith(".txt") else PHOTO for path in expected}
    assert people(data) == expected


def test_by_content_and_not_by_extension(people):
    """Every extension that people's photos have, none at all, and a wrong one."""
    photos = {f"Ann/{number}{suffix}": PHOTO for number, suffix in enumerate((*SUFFIXES, ".JPG", ".pic", "", ".dat"))}
    others = {"Ann/film.mov": b"\0\0\0\x14ftypqt  " + b"\0" * 40, "Ann/side.xmp": b"<x:xmpmeta>", "Ann/none": b""}
    found = people(photos | others)
    assert found == dict.fromkeys(photos, "Ann") | dict.fromkeys(others, "not_a_photo")


def test_nobody_in_it_is_no_import(people):
    assert people({"a.txt": b"x", "b.jpg": PHOTO}) == {"a.txt": "not_a_photo", "b.jpg": "no_folder"}
    assert FileSource(zipped({"a.txt": b"x", "b.jpg": PHOTO})).count() == 0


def test_what_cannot_be_looked_into_is_told(tmp_path, monkeypatch):
    """A folder that this user may not read, a broken link, a link in a circle, a pipe."""
    for name in ("Ann", "closed"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.jpg").write_bytes(PHOTO)
    (tmp_path / "Ann" / "gone.jpg").symlink_to(tmp_path / "nowhere")
    (tmp_path / "Ann" / "up").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "Ann" / "pipe.jpg")
    scandir = os.scandir

    def refusing(path):
        if path.name == "closed":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(files_module.os, "scandir", refusing)
    rows = list(FileSource(tmp_path).rows())
    unreadable = {"Ann/gone.jpg", "Ann/up/", "Ann/pipe.jpg", "closed/"}
    assert {row.path: outcome(row) for row in rows} == {"Ann/1.jpg": "Ann"} | dict.fromkeys(unreadable, "unreadable")
    [closed] = [row for row in rows if row.path == "closed/"]
    with pytest.raises(InvalidInput, match=r"^The file cannot be read: Permission denied\.$"):
        closed.read()
