"""evaluate and build_set as commands, what they keep, and who may read it."""

import json
import xml.etree.ElementTree as ElementTree

import pytest
from api_client import client_of, problem
from django.core.management import CommandError, call_command
from factories import GalleryFactory, UserFactory, member, stranger

from accounts.actor import Actor, Via, cli_actor
from accounts.keys.services import create_api_key
from accounts.models import AuditEvent
from accounts.roles import Role, Scope
from faceplatform.errors import NotAllowed
from recognition.evaluations.models import Evaluation
from recognition.evaluations.services import record_evaluation
from recognition.lab.evaluation.protocol import summarise
from recognition.photos.installed_packs import manifest_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def photos(tmp_path, hopper, hopper_again, collins, no_face):
    """LFW's layout, and its pairs.txt."""
    faces = {"Grace_Hopper": [hopper, hopper_again], "Eileen_Collins": [collins], "Cup": [no_face]}
    for name, files in faces.items():
        (tmp_path / name).mkdir()
        for number, data in enumerate(files, 1):
            (tmp_path / name / f"{name}_{number:04d}.jpg").write_bytes(data)
    lines = ["Grace_Hopper 1 2", "Grace_Hopper 1 Eileen_Collins 1", "Cup 1 Eileen_Collins 1"]
    (tmp_path / "pairs.txt").write_text("1\t2\n" + "\n".join(lines) + "\n")
    return tmp_path


def kept(name: str = "own", sha256: str = "a" * 64, *, seed: int = 0) -> Evaluation:
    """An evaluation of distances that are made up; the numbers are computed."""
    import numpy as np

    same = np.arange(400) % 2 == 0
    random = np.random.default_rng(seed)
    distances = np.where(same, random.normal(0.3, 0.1, 400), random.normal(0.8, 0.1, 400)).astype("float32")
    distances[:2] = np.nan
    result = summarise(distances, same, name=name, sha256=sha256, metric="L2", threshold=0.58)
    return record_evaluation(actor=cli_actor(), manifest=manifest_of("dlib-resnet"), result=result)


def test_lfw_pairs_through_the_command(pack_dir, photos, capsys, tmp_path):
    report = tmp_path / "report"
    call_command("evaluate", sets=[photos / "pairs.txt"], report=report)
    said = capsys.readouterr().out
    assert "dlib-resnet on pairs" in said and "not defined" in said
    assert "could not be used: Cup/Cup_0001.jpg: No face was found. (1 pairs)" in said
    [row] = Evaluation.objects.all()
    assert (row.pack, row.set_name, row.numbers["pairs"], row.numbers["compared"]) == ("dlib-resnet", "pairs", 3, 2)
    assert row.failures == [{"image": "Cup/Cup_0001.jpg", "reason": "No face was found.", "pairs": 1}]
    assert row.pack_sha256 == manifest_of("dlib-resnet").fingerprint
    assert AuditEvent.objects.get(action="evaluation.recorded").object_id == str(row.pk)
    page = (report / "index.html").read_text()
    assert "Cup_0001.jpg" in page and "<script" not in page and "http" not in page.replace("http-equiv", "")
    for chart in report.glob("*.svg"):
        assert ElementTree.parse(chart).getroot().tag == "{http://www.w3.org/2000/svg}svg"
    assert json.loads((report / "results.json").read_text())[0]["at_threshold"]["tar"] == 1


def test_json_alone_on_stdout_and_nothing_kept(pack_dir, photos, capsys):
    call_command("evaluate", packs=["dlib-resnet"], sets=[photos / "pairs.txt"], json=True, no_save=True)
    [found] = json.loads(capsys.readouterr().out)
    assert (found["pack"], found["set_name"], found["pairs"], found["auc"]) == ("dlib-resnet", "pairs", 3, 1.0)
    assert not Evaluation.objects.exists() and not AuditEvent.objects.exists()


def test_a_set_made_by_build_set_is_evaluated(pack_dir, photos, capsys):
    out = photos / "own.bin"
    call_command("build_set", photos / "pairs.txt", out, list=photos / "own.csv")
    said = capsys.readouterr().out
    assert "left out  Cup/Cup_0001.jpg: No face was found." in said
    assert "2 pairs, 1 of one person and 1 of two, from 3 photos." in said
    assert "Photos left out: 1. Pairs left out: 1." in said
    sets = ["--set", str(out), "--set", str(photos / "own.csv")]
    call_command("evaluate", *sets, "--photos", str(photos), "--json", "--no-save")
    crops, whole = json.loads(capsys.readouterr().out)
    for one in (crops, whole):
        assert (one["compared"], one["at_threshold"]["accuracy"]) == (2, 1)
    assert crops["spread"]["genuine"][1] == pytest.approx(whole["spread"]["genuine"][1], abs=0.15)
    with pytest.raises(CommandError, match="--force"):
        call_command("build_set", photos / "pairs.txt", out)


@pytest.mark.parametrize(
    "command, options, told",
    [
        ("evaluate", {"sets": ["none.bin"]}, "There is no set"),
        ("evaluate", {"sets": ["pairs.txt"], "packs": ["no-such-pack"]}, "packs install no-such-pack"),
        ("evaluate", {"sets": ["Cup"]}, "is not a set"),
        ("build_set", {"out": "o.bin", "source": "Cup"}, "no photos"),
        ("build_set", {"out": "o.bin", "source": "."}, "pairs at most"),
        ("build_set", {"out": "o.bin", "source": ".", "folds": 1}, "2 or more"),
        ("build_set", {"out": "none/o.bin", "source": "pairs.txt"}, "cannot be written"),
    ],
)
def test_what_cannot_be_done_is_told(pack_dir, photos, command, options, told):
    where = {name: photos / value for name, value in options.items() if name in ("source", "out")}
    where |= {"sets": [photos / name for name in options["sets"]]} if "sets" in options else {}
    arguments = [where.pop("source"), where.pop("out")] if command == "build_set" else []
    with pytest.raises(CommandError, match=told):
        call_command(
            command, *arguments, **{**options, **where} if not arguments else {"folds": options.get("folds", 10)}
        )
    assert not Evaluation.objects.exists() and not (photos / "o.bin").exists()


def test_only_operators_record(pack_dir):
    row = kept()
    assert row.created_as == cli_actor().name
    with pytest.raises(NotAllowed):
        record_evaluation(actor=member(GalleryFactory(), Role.OWNER), manifest=manifest_of("dlib-resnet"), result=None)
    assert Evaluation.objects.count() == 1


def test_names_that_a_database_cannot_hold(pack_dir):
    row = kept("a\0b\udcff" + "c" * 400)
    assert row.set_name.startswith("ab?") and len(row.set_name) <= 255
    assert Evaluation.objects.get().numbers["set_name"] == row.set_name


def staff() -> Actor:
    user = UserFactory(is_staff=True)
    return Actor(user=user, via=Via.API, name=user.username)


def test_who_may_read(pack_dir):
    row = kept()
    gallery = GalleryFactory()
    for actor in (staff(), member(gallery, Role.CURATOR), member(gallery, Role.OWNER)):
        client = client_of(actor)
        assert [found["id"] for found in client.get("/api/v1/evaluations").json()["results"]] == [str(row.pk)]
        assert client.get(f"/api/v1/evaluations/{row.pk}").status_code == 200
        assert client.get("/evaluations").status_code == client.get(f"/evaluations/{row.pk}/").status_code == 200
    for actor in (stranger(), member(gallery, Role.VIEWER)):
        client = client_of(actor)
        assert client.get("/api/v1/evaluations").json()["results"] == []
        problem(client.get(f"/api/v1/evaluations/{row.pk}"), 404, "not_found")
        for page in ("/evaluations", f"/evaluations/{row.pk}/", f"/evaluations/compare?id={row.pk}"):
            assert client.get(page).status_code == 404


def test_a_key_of_one_gallery_reads_as_its_curator(pack_dir, client):
    row = kept()
    curated, viewed = GalleryFactory(), GalleryFactory()
    user = member(curated, Role.CURATOR).user
    user.memberships.create(gallery=viewed, role=Role.VIEWER)
    for gallery, scopes, expected in ((curated, ["read"], 200), (viewed, ["read"], 404), (curated, ["recognize"], 403)):
        _, key = create_api_key(actor=cli_actor(), user=user, gallery=gallery, scopes=[Scope(s) for s in scopes])
        answer = client.get(f"/api/v1/evaluations/{row.pk}", HTTP_AUTHORIZATION=f"Bearer {key}")
        assert answer.status_code == expected


def test_the_api(pack_dir):
    row, other = kept(), kept("other", "b" * 64)
    client = client_of(staff())
    one = client.get(f"/api/v1/evaluations/{row.pk}").json()
    assert (one["pack"], one["pairs"], one["compared"], one["set_sha256"]) == ("dlib-resnet", 400, 398, "a" * 64)
    assert one["accuracy"] == row.numbers["accuracy"] and one["tar_at_far"][0]["far"] == 0.1
    assert one["curves"]["roc"][0][0] == 0 and one["numbers"]["best"]["threshold"] > 0
    listed = client.get("/api/v1/evaluations", {"set_sha256": "b" * 64}).json()["results"]
    assert [found["id"] for found in listed] == [str(other.pk)]
    assert client.get("/api/v1/evaluations", {"pack": "none"}).json()["results"] == []
    assert client.post("/api/v1/evaluations").status_code == 405


def test_the_pages(pack_dir, django_assert_max_num_queries):
    rows = [kept("own", seed=number) for number in range(3)] + [kept("<b>other", "b" * 64)]
    client = client_of(staff())
    with django_assert_max_num_queries(6):
        listed = client.get("/evaluations").content.decode()
    assert listed.count('type="checkbox"') == 4 and "&lt;b&gt;other" in listed and "<b>other" not in listed
    one = client.get(f"/evaluations/{rows[0].pk}/").content.decode()
    assert (
        one.count('<svg class="chart"') == 2
        and "best threshold" in one
        and "2 of 400 pairs could not be compared." in one
    )
    assert one.count("Compare with dlib-resnet") == 2
    both = client.get("/evaluations/compare", {"id": [rows[0].pk, rows[1].pk]}).content.decode()
    assert both.count("polyline") == 2 and "different sets" not in both and "dlib-resnet (2)" in both
    mixed = client.get("/evaluations/compare", {"id": [rows[0].pk, rows[3].pk]}).content.decode()
    assert "different sets" in mixed and "style=" not in mixed
    assert "Nothing was selected" in client.get("/evaluations/compare").content.decode()
    assert client.get("/evaluations/compare?id=x").status_code == 404
