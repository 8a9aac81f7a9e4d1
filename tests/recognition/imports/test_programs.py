"""Folders and ZIPs as the programs of people write them, byte for byte. Every file is in the report, once."""

import io
import unicodedata

import pytest
from archives import DESCRIPTOR, DOS, ENCRYPTED, MACOS, NTFS, UNIX, UTF8, Member, raw_zip, unicode_path
from django.core.management import call_command
from factories import GalleryFactory, member

from accounts.actor import system_actor
from accounts.roles import Role
from gallery.models import Identity
from recognition.imports.models import Import
from recognition.imports.report import report_lines
from recognition.imports.running import run_import
from recognition.imports.services import create_import
from recognition.photos import in_process

APPLE_DOUBLE = b"\0\x05\x16\x07\0\x02\0\0Mac OS X        " + b"\0" * 40
DS_STORE = b"\0\0\0\x01Bud1" + b"\0" * 30
NFD = unicodedata.normalize("NFD", "Zoë")
UNIX_TIMES = b"ux\x0b\0\x01\x04\xf5\x01\0\0\x04\x14\0\0\0"
NTFS_TIMES = b"\x0a\0\x20\0\0\0\0\0\x01\0\x18\0" + b"\x11" * 24


def macos(hopper, collins):
    """Archive Utility: a folder around all, UTF-8 in NFD without its flag, sizes after the data, AppleDouble beside."""
    files = {
        "people/": b"",
        "people/.DS_Store": DS_STORE,
        "__MACOSX/people/._.DS_Store": APPLE_DOUBLE,
        f"people/{NFD}/": b"",
        f"people/{NFD}/1.jpg": hopper,
        f"__MACOSX/people/{NFD}/._1.jpg": APPLE_DOUBLE,
        "people/Eileen/ASTRONAUT.PNG": collins,
    }
    flags = {True: 0, False: DESCRIPTOR}
    return raw_zip(
        Member(name.encode(), data, flags[name.endswith("/")], 8 if data else 0, UNIX, extra=UNIX_TIMES)
        for name, data in files.items()
    )


def explorer(hopper, collins):
    """Windows' own “compressed folder”: an OEM code page without the flag, and names beyond it in UTF-8 with the flag."""
    return raw_zip(
        [
            Member("Zoë/1.jpg".encode("cp437"), hopper, system=DOS),
            Member("Zoë/Thumbs.db".encode("cp437"), b"\xd0\xcf\x11\xe0" + b"\0" * 60, system=DOS),
            Member("Eileen/Łódź.png".encode(), collins, UTF8, system=DOS),
            Member(b"Eileen/desktop.ini", b"[.ShellClassInfo]", system=DOS),
            Member(b"$RECYCLE.BIN/S-1-5-21/$RABC.jpg", hopper, system=DOS),
        ]
    )


def dotnet(hopper, collins):
    """.NET before 4.6.1: backslashes."""
    files = {"people\\Zoë\\1.jpg": hopper, "people\\Eileen\\2.png": collins, "people\\Eileen\\notes.txt": b"to do"}
    return raw_zip(Member(name.encode(), data, UTF8, system=DOS) for name, data in files.items())


def seven_zip(hopper, collins):
    """7-Zip: code page 437 where it can, else UTF-8 with the flag; NTFS times; an entry packed with LZMA by choice."""
    return raw_zip(
        [
            Member("Zoë/".encode("cp437"), method=0, system=NTFS, extra=NTFS_TIMES),
            Member("Zoë/1.jfif".encode("cp437"), hopper, system=NTFS, extra=NTFS_TIMES),
            Member("Eileen/宇航员.png".encode(), collins, UTF8, system=NTFS, extra=NTFS_TIMES),
            Member(b"Eileen/3.png", collins, 0, 14, NTFS, 63, NTFS_TIMES, packed=b"\x10\x02\x05\0" + b"\x5d" * 90),
        ]
    )


def info_zip(hopper, collins):
    """zip on Linux: UTF-8 with the flag, or a name in the local encoding with the real one in the field 0x7075."""
    broken = b"Zo#U00eb/1.jpg"
    return raw_zip(
        [
            Member(broken, hopper, extra=UNIX_TIMES + unicode_path(broken, "Zoë/1.jpg")),
            Member(b"Eileen/portrait", collins, 0, 0, extra=UNIX_TIMES),
            Member(b"Eileen/.Trash-1000/files/2.png", collins, extra=UNIX_TIMES),
            Member("Eileen/größe.txt".encode(), b"1.70", UTF8, extra=UNIX_TIMES),
        ]
    )


def synology(hopper, collins):
    """File Station: UTF-8 without the flag, thumbnails of each photo in @eaDir, a recycle bin."""
    files = {
        "photo/Zoë/1.jpg": hopper,
        "photo/Zoë/@eaDir/1.jpg/SYNOPHOTO_THUMB_XL.jpg": hopper,
        "photo/Zoë/@eaDir/1.jpg@SynoEAStream": b"eff",
        "photo/Eileen/2.png": collins,
        "photo/#recycle/old.jpg": hopper,
    }
    return raw_zip(Member(name.encode(), data, extra=UNIX_TIMES) for name, data in files.items())


EXPECTED = {
    macos: {
        "people/Zoë/1.jpg": "enrolled",
        "people/Eileen/ASTRONAUT.PNG": "enrolled",
        "people/.DS_Store": "system_file",
        "__MACOSX/people/._.DS_Store": "system_file",
        "__MACOSX/people/Zoë/._1.jpg": "system_file",
    },
    explorer: {
        "Zoë/1.jpg": "enrolled",
        "Eileen/Łódź.png": "enrolled",
        "Zoë/Thumbs.db": "system_file",
        "Eileen/desktop.ini": "system_file",
        "$RECYCLE.BIN/S-1-5-21/$RABC.jpg": "system_file",
    },
    dotnet: {
        "people/Zoë/1.jpg": "enrolled",
        "people/Eileen/2.png": "enrolled",
        "people/Eileen/notes.txt": "not_a_photo",
    },
    seven_zip: {"Zoë/1.jfif": "enrolled", "Eileen/宇航员.png": "enrolled", "Eileen/3.png": "unreadable"},
    info_zip: {
        "Zoë/1.jpg": "enrolled",
        "Eileen/portrait": "enrolled",
        "Eileen/.Trash-1000/files/2.png": "system_file",
        "Eileen/größe.txt": "not_a_photo",
    },
    synology: {
        "photo/Zoë/1.jpg": "enrolled",
        "photo/Eileen/2.png": "enrolled",
        "photo/Zoë/@eaDir/1.jpg/SYNOPHOTO_THUMB_XL.jpg": "system_file",
        "photo/Zoë/@eaDir/1.jpg@SynoEAStream": "system_file",
        "photo/#recycle/old.jpg": "system_file",
    },
}


@pytest.fixture
def gallery(db):
    return GalleryFactory(slug="staff")


def run(gallery, file, worker) -> Import:
    job = create_import(actor=system_actor(), gallery=gallery, name="people.zip", file=file)
    return run_import(job.pk, work=lambda requests: worker.run_once(only=requests))


def told(job: Import) -> dict[str, str]:
    """Path → what the report says; the totals agree with it."""
    lines = list(report_lines(job))[1:]
    states = [line[3] for line in lines]
    assert job.total == job.handled == len(lines)
    for state in ("enrolled", "skipped", "refused", "ignored"):
        assert states.count(state) == getattr(job, state)
    assert all(reason or state == "enrolled" for *_, state, _, reason in lines)
    return {path: code or state for _, _, path, state, code, _ in lines}


@pytest.mark.parametrize("program", EXPECTED, ids=lambda program: program.__name__)
def test_a_zip_made_by(program, gallery, worker, hopper, collins):
    job = run(gallery, program(hopper, collins), worker)
    assert (job.status, told(job)) == ("done", EXPECTED[program])
    assert set(Identity.objects.values_list("name", flat=True)) == {"Zoë", "Eileen"}


def unpack(expected: dict[str, str], data: dict[str, bytes], folder) -> None:
    for path, outcome in expected.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data[path] if outcome == "enrolled" else b"something else")


@pytest.mark.parametrize("program", [macos, explorer, synology, dotnet], ids=lambda program: program.__name__)
@pytest.mark.django_db(transaction=True)
def test_the_same_as_a_folder(program, worker, hopper, collins, tmp_path, monkeypatch, client):
    """The command, the page, the API and the report agree."""
    monkeypatch.setattr(in_process, "_worker", lambda: worker)
    gallery = GalleryFactory(slug="staff")
    expected = EXPECTED[program]
    photos = {path: hopper if "Zoë" in path else collins for path in expected}
    unpack(expected, photos, tmp_path)
    out = io.StringIO()
    call_command("import_faces", str(tmp_path), gallery="staff", stdout=out)
    job = Import.objects.get()
    assert told(job) == expected
    left_out = sum(code in ("system_file", "not_a_photo") for code in expected.values())
    assert (
        f"2 samples of 2 people enrolled, 0 were already enrolled, 0 refused, {left_out} files left out."
        in out.getvalue()
    )
    client.force_login(member(gallery, Role.CURATOR).user)
    page = client.get(f"/imports/{job.pk}/").content.decode()
    assert f"{len(expected)} of {len(expected)} files" in page and "Left out" in page
    assert client.get(f"/api/v1/imports/{job.pk}").json()["ignored"] == left_out


ODD = {
    b"Ann/encrypted.jpg": ({"flags": ENCRYPTED}, "encrypted", "without a password"),
    b"Ann/aes.jpg": ({"method": 99}, "encrypted", "without a password"),
    b"Ann/deflate64.jpg": ({"method": 9, "packed": b"x"}, "unreadable", "Deflate64"),
    b"Ann/bzip2.jpg": ({"method": 12, "packed": b"x"}, "unreadable", "bzip2"),
    b"Ann/lzma.jpg": ({"method": 14, "packed": b"x"}, "unreadable", "LZMA"),
    b"Ann/zstd.jpg": ({"method": 93, "packed": b"x"}, "unreadable", "Zstandard"),
    b"Ann/method77.jpg": ({"method": 77, "packed": b"x"}, "unreadable", "method 77"),
    b"Ann/crc.jpg": ({"crc": 1}, "unreadable", "damaged"),
    b"Ann/cut.jpg": ({"packed": b"\x4b"}, "unreadable", "damaged"),
    b"Ann/noise.jpg": ({"packed": b"\xff\xff\xff"}, "unreadable", "damaged"),
    b"Ann/encrypted.txt": ({"flags": ENCRYPTED}, "encrypted", "without a password"),
    b"../out.jpg": ({}, "path_refused", "leads out"),
    b"C:/Ann/drive.jpg": ({}, "path_refused", "leads out"),
    b"Ann/empty.jpg": ({"data": b""}, "invalid_image", "empty"),
    b"Ann/junk.jpg": ({"data": b"junk"}, "invalid_image", "not a photo"),
}


def test_one_odd_entry_is_one_refused_row(gallery, worker, hopper):
    """And an entry of version 9.9, and one whose flag says UTF-8 of a name that is not, are read all the same."""
    members = [Member(name, **{"data": b"photo", **options}) for name, (options, _, _) in ODD.items()]
    new = Member(b"Ann/version99.jpg", hopper, version=99, system=MACOS)
    lying = Member("Bö/2.jpg".encode("latin-1"), b"junk", UTF8)
    job = run(gallery, raw_zip([*members, new, lying]), worker)
    assert job.status == "done" and told(job).pop("Ann/version99.jpg") == "enrolled"
    rows = {row.path: row for row in job.rows.all()}
    for name, (_, code, words) in ODD.items():
        row = rows[name.decode()]
        assert (row.status, row.code) == ("refused", code) and words in row.reason, name
        assert not any(word in row.reason for word in ("Error", "Errno", "b'", "0x", "<"))
    assert len(rows) == len(ODD) + 2


def test_two_entries_of_one_name_are_two_rows(gallery, worker, hopper, hopper_again):
    job = run(gallery, raw_zip([Member(b"Ann/1.jpg", hopper), Member(b"Ann/1.jpg", hopper_again)]), worker)
    assert told(job) == {"Ann/1.jpg": "enrolled", "Ann/1.jpg (2)": "enrolled"}
