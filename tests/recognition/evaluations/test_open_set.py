"""Searches with strangers through the command: a folder of people, a gallery, what is kept and who may read it."""

import json

import numpy as np
import pytest
from api_client import client_of
from django.core.management import CommandError, call_command
from factories import GalleryFactory, IdentityFactory, SampleFactory, UserFactory

from accounts.actor import Actor, Via, cli_actor
from accounts.models import AuditEvent
from gallery.models import FaceEmbedding
from recognition.evaluations.models import Evaluation
from recognition.evaluations.services import record_evaluation
from recognition.lab.evaluation.open_set import LabelledFaces, Plan, evaluate_open_set
from recognition.photos.installed_packs import manifest_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("pack_dir")]
PEOPLE, EACH, DIM = 12, 3, 128


def vectors(seed: int = 0) -> np.ndarray:
    """float32 (PEOPLE, EACH, DIM), as of an L2 pack; everybody is far from everybody else."""
    random = np.random.default_rng(seed)
    centres = random.normal(size=(PEOPLE, 1, DIM)) / 16
    return (centres + random.normal(size=(PEOPLE, EACH, DIM)) / 200).astype("float32")


def kept(name: str = "people", sha256: str = "c" * 64) -> Evaluation:
    found = vectors().reshape(-1, DIM)
    faces = LabelledFaces(np.repeat(np.arange(PEOPLE), EACH), found, found, "L2")
    result = evaluate_open_set(faces, Plan(draws=10), name=name, sha256=sha256)
    return record_evaluation(actor=cli_actor(), manifest=manifest_of("dlib-resnet"), result=result)


def staff_client():
    user = UserFactory(is_staff=True)
    return client_of(Actor(user=user, via=Via.API, name=user.username))


@pytest.fixture
def gallery():
    made = GalleryFactory(slug="staff")
    for person in vectors():
        identity = IdentityFactory(gallery=made)
        for vector in person:
            SampleFactory(identity=identity, vector=vector)
    return made


@pytest.fixture
def people(tmp_path, faces_dir):
    """Ten real people, of one of whom there is one photo; and a file that is none."""
    folder = tmp_path / "people"
    for number in range(1, 11):
        (folder / f"s{number}").mkdir(parents=True)
        for photo in range(1, 2 if number == 10 else 5):
            (folder / f"s{number}" / f"{photo}.pgm").symlink_to(faces_dir / "orl" / f"s{number}" / f"{photo}.pgm")
    (folder / "s1" / "broken.jpg").write_bytes(b"no photo")
    return folder


def test_a_folder_of_real_people(people, capsys, tmp_path):
    report = tmp_path / "report"
    call_command("evaluate", people=[people], draws=4, report=report)
    said = capsys.readouterr().out
    assert "dlib-resnet on people" in said and "10, with 37 faces" in said
    assert "1. Nearest sample: FNIR at FPIR 0.1 " in said and "6. s-norm, means alone: rank-1" in said
    assert "Of 1 of the people there is one photo." in said and "s1/broken.jpg: " in said and "(0 pairs)" not in said
    [row] = Evaluation.objects.all()
    assert row.open_set["people"] == 10 and row.open_set["rank1"]["value"] > 0.95
    assert row.curves.keys() == {"det"} and "det" not in row.numbers
    assert [failure["image"] for failure in row.failures] == ["s1/broken.jpg"]
    assert row.numbers["at_threshold"]["distance"] <= manifest_of("dlib-resnet").threshold_1to1
    assert AuditEvent.objects.get(action="evaluation.recorded").object_id == str(row.pk)
    assert "FPIR" in (report / "index.html").read_text() and len(list(report.glob("det-*.svg"))) == 1
    call_command("evaluate", people=[people], draws=4, json=True, no_save=True)
    [again] = json.loads(capsys.readouterr().out)
    assert again["policies"] == row.numbers["policies"] and again["set_sha256"] == row.set_sha256
    assert Evaluation.objects.count() == 1


def test_a_gallery(gallery, capsys):
    before = FaceEmbedding.objects.count()
    call_command("evaluate", gallery="staff", draws=4, json=True)
    [found] = json.loads(capsys.readouterr().out)
    assert (found["pack"], found["set_name"], found["people"], found["faces"]) == (
        gallery.pack,
        "gallery staff",
        12,
        36,
    )
    assert found["enrolled"] == {"people": 6, "faces": 18} and found["searches"] == {"enrolled": 72, "strangers": 72}
    assert [policy["rank1"]["value"] for policy in found["policies"]] == [1] * 6
    assert "as they are enrolled" in found["notes"][-1]
    # Its figures are its own curators' business, and an evaluation belongs to no gallery.
    assert not Evaluation.objects.exists() and not AuditEvent.objects.filter(action="evaluation.recorded").exists()
    assert FaceEmbedding.objects.count() == before


def test_a_gallery_is_judged_at_its_own_threshold_and_without_who_is_not_searched(gallery, capsys):
    gallery.threshold_distance, gallery.threshold_source = 0.25, "manual"
    gallery.save()
    inactive = gallery.identities.first()
    inactive.active = False
    inactive.save()
    call_command("evaluate", gallery="staff", draws=2, samples=1, json=True)
    [found] = json.loads(capsys.readouterr().out)
    assert found["at_threshold"]["distance"] == 0.25
    assert (found["people"], found["enrolled"]) == (11, {"people": 6, "faces": 6})


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({}, "Say what to evaluate on"),
        ({"gallery": "nobody"}, "There is no gallery"),
        ({"gallery": "empty"}, "has no enrolled faces"),
        ({"gallery": "empty", "packs": ["dlib-resnet"]}, "Leave --pack out"),
        ({"people": ["none"]}, "There are no photos in"),
        ({"people": ["none"], "strangers": 1.5}, "between 0 and 1"),
        ({"people": ["none"], "draws": 0}, "at least one draw"),
        ({"people": ["two"]}, "faces of 2 people, but searches with strangers need at least 8"),
        ({"people": ["cups"]}, "None of the 1 photos can be used. The first: No face was found."),
    ],
)
def test_what_cannot_be_done_is_told(tmp_path, hopper, collins, no_face, options, told):
    GalleryFactory(slug="empty")
    for name, data in {"two/hopper/1.jpg": hopper, "two/collins/1.png": collins, "cups/cup/1.png": no_face}.items():
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_bytes(data)
    folders = {"people": [tmp_path / name for name in options["people"]]} if "people" in options else {}
    with pytest.raises(CommandError, match=told):
        call_command("evaluate", **{**options, **folders})
    assert not Evaluation.objects.exists()


def test_the_api_and_the_pages(django_assert_max_num_queries):
    row = kept("<i>people")
    client = staff_client()
    one = client.get(f"/api/v1/evaluations/{row.pk}").json()
    assert (one["pairs"], one["compared"], one["accuracy"], one["auc"], one["tar_at_far"]) == (
        None,
        None,
        None,
        None,
        [],
    )
    assert one["open_set"]["people"] == PEOPLE and one["open_set"]["at_fpir"][0]["fnir"]["value"] == 0
    assert len(one["numbers"]["policies"]) == 6 and one["curves"]["det"]["nearest"][-1][0] == 1
    [listed] = client.get("/api/v1/evaluations").json()["results"]
    assert listed["open_set"] == one["open_set"] and "curves" not in listed
    with django_assert_max_num_queries(6):
        page = client.get("/evaluations").content.decode()
    assert "12 people, with strangers" in page and "&lt;i&gt;people" in page and "0.0000" in page
    page = client.get(f"/evaluations/{row.pk}/").content.decode()
    assert (
        page.count('<svg class="chart"') == 1
        and "2. Best three samples: FNIR at FPIR 0.1" in page
        and "style=" not in page
    )
    page = client.get("/evaluations/compare", {"id": [row.pk, kept("again").pk]}).content.decode()
    assert '<svg class="chart"' not in page and "dlib-resnet (2)" in page
