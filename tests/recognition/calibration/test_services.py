"""Calibration: measured by a job, put in force by owners, bound to the pack."""

import json

import numpy as np
import pytest
from api_client import client_of, problem
from django.core.management import CommandError, call_command
from factories import GalleryFactory, IdentityFactory, SampleFactory, member, stranger

from accounts.models import AuditEvent
from accounts.roles import Role
from faceplatform.errors import Conflict, InvalidInput, NotAllowed
from gallery.models import Gallery
from gallery.services import update_gallery
from recognition.calibration import services
from recognition.calibration.models import CalibrationReport
from recognition.calibration.services import apply_calibration, draw_people, request_calibration, run_calibration
from recognition.lab.evaluation.neighbours import Faces
from recognition.photos.thresholds import threshold_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("pack_dir")]
PEOPLE, EACH = 30, 3


def fill(gallery: Gallery, people: int = PEOPLE, each: int = EACH) -> None:
    random = np.random.default_rng(0)
    for _ in range(people):
        person = IdentityFactory(gallery=gallery)
        centre = random.normal(size=128) / 16
        for _ in range(each):
            SampleFactory(identity=person, vector=centre + random.normal(size=128) / 60)


@pytest.fixture
def gallery():
    made = GalleryFactory(slug="staff", target_fpir=0.3)
    fill(made)
    return made


@pytest.fixture
def owner(gallery):
    return member(gallery, Role.OWNER)


def measure(gallery, actor, **values) -> CalibrationReport:
    return run_calibration(request_calibration(actor=actor, gallery=gallery, **values).pk)


def force(gallery) -> tuple[str, float | None]:
    gallery.refresh_from_db()
    return gallery.threshold_source, gallery.threshold_distance


def test_the_gallery_is_measured_and_the_advice_put_in_force_and_taken_back(gallery, owner):
    report = measure(gallery, owner)
    assert (report.status, report.pack, report.fpir) == ("done", "dlib-resnet", 0.3)
    result = report.result
    assert (result["people"], result["faces"]) == (PEOPLE, PEOPLE * EACH)
    assert result["pairs"] == {"genuine": PEOPLE * 3, "impostor": 30 * 29 // 2 * 9}
    assert result["searches"] == {"genuine": PEOPLE * EACH, "impostor": PEOPLE * EACH * 29}
    assert sum(result["histogram"]["impostor"]) == result["pairs"]["impostor"]
    advice = services.advice_for(report)
    assert advice["fpir"] == 0.3 and 0 < advice["distance"] <= result["threshold_1to1"]
    changed = apply_calibration(actor=owner, gallery=gallery)
    assert force(gallery) == ("calibrated", advice["distance"])
    assert (threshold_of(changed).source, threshold_of(changed).distance) == force(gallery)
    event = AuditEvent.objects.get(action="gallery.calibrated")
    assert event.details["threshold_distance"] == [None, advice["distance"]]
    assert event.details["threshold_source"] == ["size", "calibrated"]
    assert {"fpir", "far", "low", "high", "frr", "genuine", "impostor", "pack"} <= set(event.details)
    update_gallery(actor=owner, gallery=gallery, threshold_source="size", threshold_distance=None)
    assert force(gallery) == ("size", None)


def test_a_threshold_set_by_hand_does_not_pass_for_calibrated(gallery, owner):
    with pytest.raises(InvalidInput, match="Calibrate the gallery"):
        update_gallery(actor=owner, gallery=gallery, threshold_source="calibrated", threshold_distance=0.5)
    measure(gallery, owner)
    apply_calibration(actor=owner, gallery=gallery)
    before = force(gallery)
    with pytest.raises(InvalidInput):
        update_gallery(actor=owner, gallery=gallery, threshold_distance=0.9)
    assert force(gallery) == before
    update_gallery(actor=owner, gallery=gallery, threshold_source="manual", threshold_distance=0.4, name="New")
    assert force(gallery) == ("manual", 0.4)


def test_a_calibration_of_another_pack_is_not_put_in_force(gallery, owner):
    measure(gallery, owner)
    Gallery.objects.update(pack="another")
    with pytest.raises(Conflict) as caught:
        apply_calibration(actor=owner, gallery=gallery)
    assert caught.value.code == "pack_changed"
    assert force(gallery) == ("size", None)


def test_where_there_is_no_advice_nothing_is_put_in_force(gallery, owner):
    with pytest.raises(Conflict) as caught:
        apply_calibration(actor=owner, gallery=gallery)
    assert caught.value.code == "not_calibrated"
    report = measure(gallery, owner, fpir=0.001)
    assert services.advice_for(report)["needed_faces"] > 2_000
    with pytest.raises(Conflict) as caught:
        apply_calibration(actor=owner, gallery=gallery)
    assert caught.value.code == "too_few_faces"
    with pytest.raises(InvalidInput):
        apply_calibration(actor=owner, gallery=gallery, fpir=0.03)  # was not calculated
    assert force(gallery) == ("size", None)


@pytest.mark.parametrize("fpir", [0, 0.00001, 0.6, -1])
def test_what_cannot_be_wanted(gallery, owner, fpir):
    with pytest.raises(InvalidInput):
        request_calibration(actor=owner, gallery=gallery, fpir=fpir)
    assert not CalibrationReport.objects.exists()


def test_nobody_to_compare(owner, gallery):
    empty = GalleryFactory()
    report = measure(empty, member(empty, Role.OWNER))
    assert (report.status, report.computed_at) == ("failed", None) and "two people" in report.error_message


def test_the_same_photo_under_many_names_is_said_and_not_put_in_force(client, gallery, owner):
    face = np.ones(128) / 12
    for person in gallery.identities.all():
        SampleFactory(identity=person, vector=face)
    report = measure(gallery, owner)
    advice = services.advice_for(report)
    assert advice["distance"] is advice["needed_faces"] is advice["needed_people"] is None
    client.force_login(owner.user)
    assert "the very same photo" in client.get("/galleries/staff/calibration").content.decode()
    with pytest.raises(Conflict):
        apply_calibration(actor=owner, gallery=gallery)


def test_of_a_large_gallery_whole_people_are_drawn():
    faces = Faces(np.repeat(np.arange(50), 4), np.zeros((200, 2), "float32"))
    some = draw_people(faces, 90)
    assert len(some) == 88 and (some.sizes == 4).all()
    assert (draw_people(faces, 90).people == some.people).all()  # the same at every run
    assert draw_people(faces, 200) is faces


def test_a_curator_measures_but_does_not_apply(gallery, owner):
    curator = member(gallery, Role.CURATOR)
    measure(gallery, curator)
    with pytest.raises(NotAllowed):
        apply_calibration(actor=curator, gallery=gallery)
    assert force(gallery) == ("size", None)
    assert not AuditEvent.objects.filter(action="gallery.calibrated").exists()


def test_the_command(gallery, capsys):
    call_command("calibrate", gallery="staff", fpir=0.4, apply=True)
    out, error = capsys.readouterr()
    assert "90 faces of 30 people, 90 pairs of one person" in out and "> FPIR 0.4" in out and "faces are needed" in out
    assert f"In force: {force(gallery)[1]:.3f}" in error
    call_command("calibrate", gallery="staff", json=True)
    body = json.loads(capsys.readouterr().out)
    assert (body["gallery"], body["fpir"]) == ("staff", 0.3) and body["advice"] and body["rates"]
    with pytest.raises(CommandError, match="no gallery"):
        call_command("calibrate", gallery="nowhere")
    with pytest.raises(CommandError, match="too few faces, or"):
        call_command("calibrate", gallery="staff", fpir=0.001, apply=True)


def test_the_page(client, gallery, owner):
    client.force_login(owner.user)
    assert "Not measured yet" in client.get("/galleries/staff/calibration").content.decode()
    client.post("/galleries/staff/calibration/measure", {"percent": "40"})
    assert "Waiting for the job worker" in client.get("/galleries/staff/calibration").content.decode()
    report = run_calibration(gallery.pk)
    advised = services.advice_for(report)["distance"]
    page = client.get("/galleries/staff/calibration").content.decode()
    assert page.count('<svg class="chart"') == 2 and f"Use {advised:.3f}" in page and "rather than exact" in page
    page = client.post("/galleries/staff/calibration/apply", follow=True).content.decode()
    assert "is now in force" in page and "In force</button>" in page and force(gallery) == ("calibrated", advised)
    page = client.post("/galleries/staff/calibration/by-size", follow=True).content.decode()
    assert force(gallery) == ("size", None) and "following the gallery" in page
    page = client.post("/galleries/staff/calibration/measure", {"percent": "ninety"}, follow=True).content.decode()
    assert "Enter a percentage" in page
    client.post("/galleries/staff/calibration/measure", {"percent": "0.1"})
    run_calibration(gallery.pk)
    page = client.get("/galleries/staff/calibration").content.decode()
    assert "No threshold is advised" in page and "Use 0" not in page


def test_the_api(gallery, owner):
    api, address = client_of(owner), "/api/v1/galleries/staff/calibration"
    assert api.get(address).json() | {"status": "none", "result": None, "fpir": 0.3} == api.get(address).json()
    problem(api.post(address, {"fpir": 0.9}, format="json"), 400, "invalid_input")
    problem(api.post(f"{address}/apply"), 409, "not_calibrated")
    answer = api.post(address, {"fpir": 0.4}, format="json")
    assert (answer.status_code, answer.json()["status"]) == (202, "queued")
    run_calibration(gallery.pk)
    body = api.get(address).json()
    assert (body["status"], body["result"]["fpir"]) == ("done", 0.4)
    [advice] = [row for row in body["result"]["advice"] if row["fpir"] == 0.4]
    changed = api.post(f"{address}/apply", {"fpir": 0.4}, format="json").json()
    assert (changed["threshold_source"], changed["threshold_distance"]) == ("calibrated", advice["distance"])
    problem(api.get(f"{address}/apply"), 405, "method_not_allowed")


@pytest.mark.parametrize("role", [None, Role.VIEWER])
def test_viewers_and_strangers_see_and_change_nothing(client, gallery, owner, role):
    measure(gallery, owner)
    events, actor = AuditEvent.objects.count(), member(gallery, role) if role else stranger()
    client.force_login(actor.user)
    status = 403 if role else 404
    assert client.get("/galleries/staff/calibration").status_code == status
    for action in ("measure", "apply", "by-size"):
        assert client.post(f"/galleries/staff/calibration/{action}").status_code == status
    api = client_of(actor)
    assert api.get("/api/v1/galleries/staff/calibration").status_code == status
    for action in ("", "/apply"):
        assert api.post(f"/api/v1/galleries/staff/calibration{action}").status_code == status
    assert force(gallery) == ("size", None) and AuditEvent.objects.count() == events
