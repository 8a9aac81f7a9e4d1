"""ZIPs whose table of contents is made to harm are refused before zipfile reads it."""

import io
import tracemalloc
import zipfile

import pytest
from archives import zipped

from faceplatform.errors import InvalidInput
from recognition.imports import sources
from recognition.imports.directory import ANY_RATIO_BYTES, MAX_FOLDERS, MAX_NAME, require_bounded


def refused(file: io.BytesIO, words: str, files: int = 1000) -> None:
    with pytest.raises(InvalidInput, match=words):
        require_bounded(file, files)


def test_good_ones_pass():
    for members in ({}, {"a/1.jpg": b"1", "a/2.jpg": b"2"}, {"/".join("a" * (MAX_FOLDERS + 1)): b"1"}):
        require_bounded(zipped(members), 2)
    with_prefix_and_comment = io.BytesIO(b"prefix" + zipped({"a/1.jpg": b"1"}).getvalue())
    with zipfile.ZipFile(with_prefix_and_comment, "a") as archive:
        archive.comment = b"a comment"
    require_bounded(with_prefix_and_comment, 1)


def test_zip64(monkeypatch):
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 1)
    file = zipped({"a/1.jpg": b"1", "a/2.jpg": b"2", "a/3.jpg": b"3"})
    assert zipfile.stringEndArchive64 in file.getvalue()
    require_bounded(file, 3)
    refused(file, "more than 2 files", files=2)


def test_too_many_files_long_names_and_deep_folders():
    refused(zipped({f"a/{number}.jpg": b"" for number in range(11)}), "more than 10 files", files=10)
    refused(zipped({"a" * (MAX_NAME + 1): b""}), "more than 1000 bytes")
    refused(zipped({"a/" * (MAX_FOLDERS + 1) + "1.jpg": b""}), "levels deep")


def test_a_table_that_is_too_large():
    file = zipped({})
    with zipfile.ZipFile(file, "a") as archive:
        info = zipfile.ZipInfo("a/1.jpg")
        info.comment = b"x" * 60_000
        archive.writestr(info, b"1")
    refused(file, "table of contents is too large", files=100)


def test_a_bomb():
    data = zipped({f"a/{number}.jpg": b"1" for number in range(2)}).getvalue()
    size = (ANY_RATIO_BYTES // 2 + 1).to_bytes(4, "little")
    start = data.index(b"PK\x01\x02")
    for _ in range(2):
        data = data[: start + 24] + size + data[start + 28 :]
        start = data.index(b"PK\x01\x02", start + 4) if b"PK\x01\x02" in data[start + 4 :] else start
    refused(io.BytesIO(data), "200 times its size")


def test_damaged_ones():
    whole = zipped({"a/1.jpg": b"1"}).getvalue()
    for data in (b"", b"PK\x03\x04", whole[:-10], whole.replace(b"PK\x01\x02", b"PK\x01\x00")):
        refused(io.BytesIO(data), "damaged")


def test_a_refusal_takes_little_memory(monkeypatch):
    monkeypatch.setattr(sources, "MAX_UPLOADED_FILES", 20_000)
    file = zipped({f"{number}/1.jpg": b"" for number in range(30_000)})
    tracemalloc.start()
    try:
        with pytest.raises(InvalidInput, match="more than 20000 files"):
            sources.FileSource(file)
        assert tracemalloc.get_traced_memory()[1] < 1024**2
    finally:
        tracemalloc.stop()
