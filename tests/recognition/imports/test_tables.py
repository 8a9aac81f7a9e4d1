"""Tables as people's programs write them."""

import unicodedata

import pytest
from archives import zipped

from faceplatform.errors import DomainError, InvalidInput
from recognition.imports.rows import LeftOut
from recognition.imports.sources import FileSource

LINES = "name,external_id,department,position,photo\nAnn Lee,7,Optics,,a.jpg\nZoë,,,,b.jpg\n"


def rows(folder, text: str | bytes, name: str = "people.csv") -> list[tuple]:
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return [(row.name, row.key, row.fields["department"], row.path) for row in FileSource(folder / name).rows()]


@pytest.mark.parametrize(
    "text",
    [
        LINES,
        LINES.replace(",", ";"),
        LINES.replace(",", "\t"),
        LINES.replace(",", "|"),
        LINES.replace("\n", "\r\n"),
        "sep=;\r\n" + LINES.replace(",", ";"),
        '"sep=,"\n' + LINES,
        "SEP=\t\n" + LINES.replace(",", "\t"),
        LINES.replace("name,external_id", " Name , External ID ").replace("photo", "PHOTO"),
        LINES.replace("external_id", "external-id").replace("department", '"Department"'),
        LINES.replace("Ann Lee", '"Ann Lee"') + "\n,,,,\n",
        LINES.encode("utf-8-sig"),
        LINES.encode("utf-16"),
        LINES.encode("utf-16-le"),
        LINES.encode("utf-16-be"),
        unicodedata.normalize("NFD", LINES),
    ],
)
def test_all_are_the_same_table(tmp_path, text):
    assert rows(tmp_path, text) == [("Ann Lee", "7", "Optics", "a.jpg"), ("Zoë", "Zoë", "", "b.jpg")]
    assert len(rows(tmp_path, text, "PEOPLE.TSV")) == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('name,photo\nAnn,a.jpg\n"Bo,b.jpg\nCy,c.jpg\nDi,d.jpg\n', "after line 2: a quotation mark"),
        ('name,photo\n"Ann,a.jpg\nBo",b.jpg\n', "in line 2: a quotation mark"),
        ('sep=,\nname,photo\nAnn,a.jpg\nBo,"b.jpg\nCy",c.jpg\n', "line 4: a quotation mark"),
        ("", "lacks the columns name, photo"),
        ("name,picture\nAnn,a.jpg\n", "lacks the columns photo"),
    ],
)
def test_a_table_that_would_lose_lines_is_refused(tmp_path, text, said):
    with pytest.raises(InvalidInput, match=said):
        rows(tmp_path, text)


def test_a_line_break_in_another_cell_is_a_cell_of_two_lines(tmp_path):
    text = 'name,photo,position\nAnn,a.jpg,"Head of\nOptics"\nAnn,a.jpg,\n'
    assert [row[3] for row in rows(tmp_path, text)] == ["a.jpg", "a.jpg (line 4)"]


def read(row) -> bytes | str:
    try:
        return row.read()
    except (DomainError, LeftOut) as error:
        return error.code


PATHS = [
    "photos\\a.jpg",
    "./photos/A.JPG",
    "PHOTOS/zoë.jpg",
    unicodedata.normalize("NFD", "photos/Zoë.jpg"),
    "photos//b.jpg",
]
FILES = {
    "photos/a.jpg": b"a",
    "photos/Zoë.jpg": b"zoe",
    "photos/B.JPG": b"b",
    "photos/c.jpg": b"c",
    "photos/C.jpg": b"C",
}
EXPECTED = [b"a", b"a", b"zoe", b"zoe", b"b", b"c", "photo_unclear", "photo_missing", "path_refused"]


@pytest.mark.parametrize("kind", ["table", "folder", "zip"])
def test_paths_however_they_are_written(tmp_path, kind):
    paths = [*PATHS, "photos/c.jpg", "Photos\\C.JPG", "photos/none.jpg", "C:\\photos\\a.jpg"]
    table = "name,photo\n" + "".join(f"Ann,{path}\n" for path in paths)
    members = {"people.csv": table.encode(), **FILES}
    for path, data in members.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(data)
    place = {"table": tmp_path / "people.csv", "folder": tmp_path, "zip": zipped(members)}[kind]
    assert [read(row) for row in FileSource(place).rows() if row.key] == EXPECTED


def test_two_tables_are_refused_with_both_names():
    """Before, both were ignored, and everybody's photos went to one person called “photos”."""
    members = {"set/list.csv": LINES.encode(), "set/old/LIST2.CSV": LINES.encode(), "set/photos/a.jpg": b"a"}
    with pytest.raises(InvalidInput, match=r"2 tables, set/list\.csv and set/old/LIST2\.CSV"):
        FileSource(zipped(members))


def test_a_table_beside_its_apple_double_is_the_table():
    members = {
        "set/list.csv": LINES.encode(),
        "__MACOSX/set/._list.csv": b"x",
        "set/._list.csv": b"x",
        "set/a.jpg": b"a",
    }
    source = FileSource(zipped(members | {"set/extra.jpg": b"x", "set/read me": b"hello"}))
    assert {row.path: read(row) for row in source.rows()} == {
        "a.jpg": b"a",
        "b.jpg": "photo_missing",
        "set/extra.jpg": "not_in_list",
        "set/read me": "not_a_photo",
        "set/list.csv": "list",
        "set/._list.csv": "system_file",
        "__MACOSX/set/._list.csv": "system_file",
    }
