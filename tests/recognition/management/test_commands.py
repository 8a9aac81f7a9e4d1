import errno
import io
import json
import os
import zipfile
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from factories import GalleryFactory, UserFactory
from PIL import Image

from accounts.models import ApiKey
from gallery.models import FaceSample, Gallery, Identity
from recognition.photos import in_process

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def loaded(worker, monkeypatch):
    """The commands work photos off with the pack that is loaded already."""
    monkeypatch.setattr(in_process, "_worker", lambda: worker)


@pytest.fixture
def folder(tmp_path, hopper, collins, both):
    for person, photos in {"grace_hopper": [hopper, b"junk"], "Eileen Collins": [collins, both]}.items():
        (tmp_path / "people" / person).mkdir(parents=True)
        for number, data in enumerate(photos):
            (tmp_path / "people" / person / f"{number}.jpg").write_bytes(data)
    return tmp_path / "people"


def run(*arguments, **options) -> str:
    out = io.StringIO()
    call_command(*map(str, arguments), stdout=out, **options)
    return out.getvalue()


def test_import_a_folder_twice_without_doubles(folder, tmp_path):
    said = run("import_faces", folder, "--gallery", "staff", "--create", "--report", tmp_path / "report.csv")
    assert "2 samples of 2 people enrolled, 0 were already enrolled, 2 refused." in said
    assert sorted(Identity.objects.values_list("name", "external_id")) == [
        ("Eileen Collins", "Eileen Collins"),
        ("grace hopper", "grace_hopper"),
    ]
    report = (tmp_path / "report.csv").read_text().splitlines()
    assert report[0] == "name,external_id,photo,status,code,reason"
    assert sorted(line.split(",")[4] for line in report[1:]) == ["", "", "invalid_image", "multiple_faces"]
    assert "0 samples of 0 people enrolled, 2 were already enrolled, 2 refused." in run(
        "import_faces", folder, "--gallery", "staff"
    )
    assert FaceSample.objects.count() == 2


def test_import_a_zip_with_tricks(tmp_path, hopper, settings):
    settings.MAX_PHOTO_BYTES = len(hopper)
    path = tmp_path / "people.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../../tmp/eileen/a.jpg", hopper)
        archive.writestr("grace_hopper/a.jpg", hopper)
        archive.writestr("bomb/b.jpg", b"\0" * (len(hopper) * 50))
        archive.writestr("notes.txt", "no photo")
    said = run("import_faces", path, "--gallery", "staff", "--create")
    assert "1 samples of 1 people enrolled" in said
    assert "image_too_large" in said and "path_refused" in said and "not_a_photo" in said


def test_import_a_csv(tmp_path, hopper):
    (tmp_path / "a.jpg").write_bytes(hopper)
    (tmp_path / "people.csv").write_text(
        "name,external_id,department,position,photo\nGrace,7,Navy,Admiral,a.jpg\nNobody,8,,,missing.jpg\n"
    )
    said = run("import_faces", tmp_path / "people.csv", "--gallery", "staff", "--create")
    assert "missing.jpg" in said
    grace = Identity.objects.get(external_id="7")
    assert (grace.name, grace.department, grace.position, grace.samples.count()) == ("Grace", "Navy", "Admiral", 1)


@pytest.mark.parametrize("text", ["", "person,file\n", "name\nx\n"])
def test_a_csv_without_its_columns(tmp_path, text):
    (tmp_path / "people.csv").write_text(text)
    with pytest.raises(CommandError, match="photo"):
        run("import_faces", tmp_path / "people.csv", "--gallery", "staff", "--create")
    assert not Gallery.objects.exists()


def test_import_says_what_is_missing(tmp_path):
    with pytest.raises(CommandError, match="does not exist"):
        run("import_faces", tmp_path / "nowhere", "--gallery", "staff", "--create")
    with pytest.raises(CommandError, match="a folder per person"):
        run("import_faces", tmp_path, "--gallery", "staff", "--create")
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "a.jpg").write_bytes(b"x")
    with pytest.raises(CommandError, match="--create"):
        run("import_faces", tmp_path, "--gallery", "staff")


def test_recognize_prints_one_json_list_in_order(folder, tmp_path, hopper_again, no_face):
    run("import_faces", folder, "--gallery", "staff", "--create")
    paths = []
    for name, data in (("a.jpg", hopper_again), ("junk.jpg", b"junk"), ("c.png", no_face)):
        paths.append(tmp_path / name)
        paths[-1].write_bytes(data)
    out = io.StringIO()
    with pytest.raises(CommandError, match=r"1 of 3 photos could not be used: junk\.jpg"):
        call_command("recognize", *map(str, paths), "--gallery", "staff", "--json", stdout=out)
    first, junk, empty = json.loads(out.getvalue())
    assert [face["identity"]["name"] for face in first["faces"]] == ["grace hopper"]
    assert (junk["status"], junk["error"]["code"], junk["photo"]) == ("failed", "invalid_image", "junk.jpg")
    assert (empty["status"], empty["faces"], empty["error"]) == ("done", [], None)


def test_recognize_draws_and_tells(folder, tmp_path, both):
    run("import_faces", folder, "--gallery", "staff", "--create")
    (tmp_path / "both.jpg").write_bytes(both)
    said = run("recognize", tmp_path / "both.jpg", "--gallery", "staff", "--annotate", tmp_path / "out.jpg")
    assert "both.jpg: 2 faces" in said
    assert "grace hopper  (score" in said and "Eileen Collins  (score" in said
    with Image.open(tmp_path / "out.jpg") as drawn:
        assert drawn.size == (1024, 600)


def test_recognize_says_that_a_file_ends_too_early(folder, tmp_path, hopper):
    run("import_faces", folder, "--gallery", "staff", "--create")
    (tmp_path / "cut.jpg").write_bytes(hopper[: len(hopper) * 3 // 4])
    assert "(look with care: the file ends too early" in run("recognize", tmp_path / "cut.jpg", "--gallery", "staff")


def test_recognize_names_the_galleries_there_are(tmp_path):
    GalleryFactory(slug="staff")
    with pytest.raises(CommandError, match=r"no gallery “guests”\. Galleries: staff"):
        run("recognize", tmp_path / "x.jpg", "--gallery", "guests")


def recognized(*arguments) -> tuple[dict[str, dict], str]:
    """The answers by the photo's name, and the sentence that the command ended with."""
    out, ended = io.StringIO(), ""
    try:
        call_command("recognize", *map(str, arguments), "--gallery", "staff", "--json", stdout=out)
    except CommandError as error:
        ended = str(error)
    return {answer["photo"]: answer for answer in json.loads(out.getvalue())}, ended


def test_each_argument_of_recognize_stands_for_itself(tmp_path, hopper, collins):
    GalleryFactory(slug="staff")
    latin = os.fsdecode(b"Zo\xeb.jpg")
    (tmp_path / latin).write_bytes(hopper)
    for path, data in {
        "trip/b.jpg": collins,
        "trip/day 2/a.png": hopper,
        "trip/.hidden": b"",
        "trip/Thumbs.db": b"",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(data)
    (tmp_path / "empty").mkdir()
    (tmp_path / "trip" / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    answers, ended = recognized(
        tmp_path / "missing.jpg", tmp_path / latin, tmp_path / "trip", tmp_path / "empty", "/dev/null"
    )
    assert {name: len(answer["faces"]) for name, answer in answers.items() if not answer["error"]} == {
        "Zo\ufffd.jpg": 1, "trip/b.jpg": 1, "trip/day 2/a.png": 1
    }  # fmt: skip
    refused = {name: answer["error"] for name, answer in answers.items() if answer["error"]}
    assert refused["missing.jpg"]["detail"] == "missing.jpg cannot be read: No such file or directory."
    assert refused["trip/gone.jpg"]["detail"] == "trip/gone.jpg is no file."
    assert refused[str(tmp_path / "empty")]["detail"].endswith("holds no files.")
    assert refused["null"]["code"] == "invalid_image" and len(refused) == 4
    assert ended.startswith("4 of 7 photos could not be used: missing.jpg, ")


def test_a_folder_that_may_not_be_read_is_told_and_the_others_are_recognised(tmp_path, hopper, monkeypatch):
    GalleryFactory(slug="staff")
    for name in ("closed", "open"):
        (tmp_path / "all" / name).mkdir(parents=True)
        (tmp_path / "all" / name / "1.jpg").write_bytes(hopper)
    closed_to_us(monkeypatch, tmp_path / "all" / "closed")
    answers, ended = recognized(tmp_path / "all")
    assert len(answers["all/open/1.jpg"]["faces"]) == 1
    assert answers["all/closed"]["error"]["detail"] == "all/closed cannot be read: Permission denied."
    assert ended == "1 of 2 photos could not be used: all/closed"


@pytest.mark.parametrize("place", ["", "nowhere/report.csv", "people/grace_hopper/0.jpg/report.csv"])
def test_a_report_that_cannot_be_written_is_told_before_anything_is_imported(folder, tmp_path, place):
    with pytest.raises(CommandError, match=r"cannot be written to .*Nothing was imported"):
        run("import_faces", folder, "--gallery", "staff", "--create", "--report", tmp_path / place)
    assert not Gallery.objects.exists()


def test_an_import_that_does_not_begin_leaves_no_report_and_keeps_the_last_one(folder, tmp_path):
    last = tmp_path / "last.csv"
    last.write_text("the last one")
    for report in (tmp_path / "new.csv", last):
        with pytest.raises(CommandError, match="There is no gallery"):
            run("import_faces", folder, "--gallery", "staff", "--report", report)
    assert not (tmp_path / "new.csv").exists() and last.read_text() == "the last one"


def test_an_import_leaves_out_a_folder_that_may_not_be_read_and_says_so(folder, monkeypatch):
    closed_to_us(monkeypatch, folder / "grace_hopper")
    said = run("import_faces", folder, "--gallery", "staff", "--create", "--quality", "off")
    assert "grace_hopper/: The file cannot be read: Permission denied." in said
    assert sorted(Identity.objects.values_list("name", flat=True)) == ["Eileen Collins"]
    assert "1 samples of 1 people enrolled, 0 were already enrolled, 2 refused." in said


def closed_to_us(monkeypatch, closed: Path) -> None:
    """As for a user who is not root: root may read every folder."""
    scandir = os.scandir

    def refusing(path):
        if Path(path) == closed:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)


def test_an_import_of_a_folder_whose_name_is_no_text(tmp_path, hopper):
    folder = tmp_path / os.fsdecode(b"\xe9quipe")
    (folder / os.fsdecode(b"Zo\xeb")).mkdir(parents=True)
    (folder / os.fsdecode(b"Zo\xeb") / "1.jpg").write_bytes(hopper)
    assert "1 samples of 1 people enrolled" in run("import_faces", folder, "--gallery", "staff", "--create")
    assert "0 samples of 0 people enrolled, 1 were already" in run("import_faces", folder, "--gallery", "staff")


def test_api_key_prints_the_key_alone():
    user = UserFactory(username="door", is_superuser=True)
    GalleryFactory(slug="staff")
    key = run("api_key", "create", "--user", "door", "--gallery", "staff", "--scopes", "recognize", "--expires", "30")
    assert key.startswith("fp_") and key.count("\n") == 1
    row = ApiKey.objects.get()
    assert (row.user, row.gallery.slug, row.scopes) == (user, "staff", ["recognize"])
    assert row.prefix in run("api_key", "list")
    run("api_key", "revoke", row.prefix)
    assert "revoked" in run("api_key", "list")
    with pytest.raises(CommandError, match="no user"):
        run("api_key", "create", "--user", "nobody")


def test_the_pack_commands():
    assert "dlib-resnet" in run("packs", "list")
    assert "8 files are intact" in run("packs", "verify", "dlib-resnet")
    with pytest.raises(CommandError, match="There is no pack"):
        run("packs", "install", "no-such-pack")
