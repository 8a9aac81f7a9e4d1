"""What an import reads: folders, ZIPs and CSVs, valid and malicious ones."""

import io
import os

import pytest
from archives import zipped

from faceplatform.errors import DomainError, InvalidInput
from faceplatform.text import storable
from recognition.imports.sources import FileSource, LeftOut, person_name


def read(row) -> bytes | str:
    """The photo, or the code of the error that reading it raises."""
    try:
        return row.read()
    except (DomainError, LeftOut) as error:
        return error.code


def table(tmp_path, text: str | bytes):
    path = tmp_path / "people.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return FileSource(path)


def test_a_folder_per_person(tmp_path):
    for path in ("ann_lee/b.jpg", "ann_lee/a.PNG", "ann_lee/notes.txt", "Bo/x.heic", "loose.jpg"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(path.encode())
    rows = list(FileSource(tmp_path).rows())
    assert {row.path: read(row) for row in rows if not row.key} == {
        "loose.jpg": "no_folder",
        "ann_lee/notes.txt": "not_a_photo",
    }
    rows = [row for row in rows if row.key]
    assert [(row.path, row.key, row.name) for row in rows] == [
        ("Bo/x.heic", "Bo", "Bo"),
        ("ann_lee/a.PNG", "ann_lee", "ann lee"),
        ("ann_lee/b.jpg", "ann_lee", "ann lee"),
    ]
    assert rows[0].read() == b"Bo/x.heic"


def test_names_that_the_database_cannot_store(tmp_path):
    """A file name that is not UTF-8 is still read."""
    folder = tmp_path / os.fsdecode(b"J\xf6rg")
    folder.mkdir()
    (folder / "a.jpg").write_bytes(b"photo")
    [row] = FileSource(tmp_path).rows()
    assert (row.path, row.name, row.read()) == ("J?rg/a.jpg", "J?rg", b"photo")
    long = [storable("x" * 2000 + end, 1000) for end in "ab"]
    assert len(set(long)) == 2 and {len(text) for text in long} == {1000}


def test_a_zip_is_read_member_by_member():
    members = {"b/Ann Lee/2.jpg": b"2", "b/Ann Lee/1.jpg": b"1", "__MACOSX/b/Ann Lee/._1.jpg": b"x", "top.jpg": b"x"}
    rows = FileSource(zipped(members)).rows()
    assert [(row.path, row.name, read(row)) for row in rows] == [
        ("b/Ann Lee/1.jpg", "Ann Lee", b"1"),
        ("b/Ann Lee/2.jpg", "Ann Lee", b"2"),
        ("top.jpg", "", "no_folder"),
        ("__MACOSX/b/Ann Lee/._1.jpg", "", "system_file"),
    ]


@pytest.mark.parametrize("deeper", ["paris/ann/2.jpg", "ann/ann/2.jpg"])
def test_folders_of_one_name_at_two_places_are_refused(deeper):
    with pytest.raises(InvalidInput, match=r"Two folders have the same name: .*ann and .*ann"):
        FileSource(zipped({"london/ann/1.jpg": b"1", deeper: b"2"}))


def test_one_folder_written_in_two_ways_is_one_folder():
    members = {
        "london/ann/1.jpg": b"1",
        "./london/ann/2.jpg": b"2",
        "london/ann/notes/a.txt": b"x",
        "paris/ann/b.txt": b"x",
    }
    members |= {"__MACOSX/london/ann/._1.jpg": b"x", "ann.jpg": b"x", "london/ANN/1.jpg": b"3"}
    assert {row.key for row in FileSource(zipped(members)).rows() if row.key} == {"ann", "ANN"}


def test_a_bomb_is_refused_and_its_neighbour_is_not(settings):
    settings.MAX_PHOTO_BYTES = 1000
    file = zipped({"a/bomb.jpg": b"\0" * 10_000_000, "a/ok.jpg": b"fine"})
    assert [read(row) for row in FileSource(file).rows()] == ["image_too_large", b"fine"]


def test_a_bomb_that_lies_about_its_size_is_cut(settings):
    """The header says 10 bytes; no more than the limit is read, or the wrong checksum makes it unreadable."""
    settings.MAX_PHOTO_BYTES = 1000
    data = zipped({"a/bomb.jpg": b"\0" * 100_000}).getvalue()
    lie = data.replace((100_000).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    assert lie != data
    [row] = FileSource(io.BytesIO(lie)).rows()
    assert read(row) == "unreadable" or len(row.read()) <= 1001


def test_damaged_and_encrypted_members_are_refused_alone():
    data = bytearray(zipped({"a/1.jpg": b"1" * 50, "a/2.jpg": b"2"}).getvalue())
    data[data.index(b"a/1.jpg") + len("a/1.jpg")] ^= 0xFF  # the first byte of its data
    assert [read(row) for row in FileSource(io.BytesIO(data)).rows()] == ["unreadable", b"2"]
    data = bytearray(zipped({"a/1.jpg": b"1"}).getvalue())
    data[data.index(b"PK\1\2") + 8] |= 1  # the flag “encrypted”
    assert [read(row) for row in FileSource(io.BytesIO(data)).rows()] == ["encrypted"]


@pytest.mark.parametrize("data", [b"", b"PK", b"no zip at all", zipped({"a/1.jpg": b"1"}).getvalue()[:-10]])
def test_files_that_are_not_zips(data):
    with pytest.raises(InvalidInput, match="damaged"):
        FileSource(io.BytesIO(data))


def test_a_table_never_reaches_out_of_its_folder(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    (tmp_path / "in" / "a.jpg").write_bytes(b"a")
    photos = ["a.jpg", "../secret.jpg", str(tmp_path / "secret.jpg"), "x/../../secret.jpg", "", "gone.jpg", "\0a.jpg"]
    source = table(tmp_path / "in", "name,photo\n" + "".join(f"Ann,{photo}\n" for photo in photos))
    assert [read(row) for row in source.rows()] == [
        b"a", "path_refused", "path_refused", "path_refused", "photo_missing", "photo_missing", b"a",
    ]  # fmt: skip


def test_a_table_in_a_zip():
    text = "name;external_id;department;photo\nAnn Lee;7;Optics;photos/a.jpg\nBo;;;photos/none.jpg\n"
    file = zipped({"set/people.csv": text.encode("utf-8-sig"), "set/photos/a.jpg": b"a", "set/photos/b.jpg": b"b"})
    ann, bo, *others = FileSource(file).rows()
    assert {row.path: read(row) for row in others} == {"set/photos/b.jpg": "not_in_list", "set/people.csv": "list"}
    assert (ann.name, ann.key, ann.read()) == ("Ann Lee", "7", b"a")
    assert ann.fields == {"department": "Optics", "position": ""}
    assert (bo.key, read(bo)) == ("Bo", "photo_missing")


def test_the_paths_of_rows_are_unique(tmp_path):
    """Twice the same photo, short and long lines, quotes and empty cells."""
    text = 'name,photo,position\n"Lee, Ann",a.jpg,Chief\nBo,a.jpg\n,a.jpg,x,y,z\n'
    rows = list(table(tmp_path, text).rows())
    assert [(row.path, row.name) for row in rows] == [
        ("a.jpg", "Lee, Ann"),
        ("a.jpg (line 3)", "Bo"),
        ("a.jpg (line 4)", ""),
    ]


def test_tables_that_cannot_be_read(tmp_path, settings):
    for data, message in (
        (b"name,photo\nJ\xf6rg,a.jpg", "UTF-8"),
        (b"who,what\n", "columns name, photo"),
        (b"name,photo\n" + b"x" * 200_000 + b",a.jpg", "after line 1"),
    ):
        with pytest.raises(InvalidInput, match=message):
            table(tmp_path, data)
    settings.MAX_CSV_BYTES = 10
    with pytest.raises(InvalidInput, match="Split it"):
        table(tmp_path, "name,photo\nx,a.jpg")


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("amy", "amy"),
        ("Alex_Lacamoire", "Alex Lacamoire"),
        ("alex_lacamoire", "alex lacamoire"),
        ("McCoy Ann", "McCoy Ann"),
        ("s1", "s1"),
        ("AMY", "AMY"),
        ("Ann__Lee ", "Ann Lee"),
        ("Беларусь_人事", "Беларусь 人事"),
        ("_", "_"),
    ],
)
def test_person_name(folder, name):
    assert person_name(folder) == name
