"""Retention: what is deleted when, who may set it, and what a dry run reports."""

import io
from datetime import timedelta

import pytest
from api_client import client_of, problem
from django.core.management import CommandError, call_command
from django.utils import timezone
from factories import member, stranger

from accounts.actor import system_actor
from accounts.models import AuditEvent
from accounts.roles import Role
from faceplatform.errors import InvalidInput
from recognition.photos.models import RecognitionRequest
from recognition.photos.services import Photo, submit_recognition
from recognition.privacy.retention import due_today
from recognition.privacy.services import apply_retention, set_retention
from recognition.privacy.tasks import clean_gallery

pytestmark = pytest.mark.django_db
ACTOR = system_actor()
SEEN_DEFAULT = {"sightings": "default", "unknown_sightings": "default", "alerts": "default"}


def age(model, days: int, **lookup) -> None:
    model.objects.filter(**lookup).update(finished_at=timezone.now() - timedelta(days=days))


def test_each_category_is_deleted_in_its_time(worker, lived_in, gallery, settings):
    settings.REQUEST_RETENTION_DAYS = 30
    stranger_seen = lived_in["eileen alone"]
    stranger_seen.faces.update(decision="unknown", identity=None)
    waiting = submit_recognition(
        actor=ACTOR, gallery=gallery, photo=Photo("a.png", bytes(stranger_seen.photo)), needs_worker=False
    )
    for row, days in ((lived_in["alone"], 31), (lived_in["both"], 15), (stranger_seen, 15)):
        age(RecognitionRequest, days, pk=row.pk)
    rules = set_retention(actor=ACTOR, gallery=gallery, photos="20", unknown_faces="14", imports="keep")
    assert rules == {
        "requests": "default", "photos": "20", "unknown_faces": "14", "imports": "keep", **SEEN_DEFAULT
    }  # fmt: skip
    dues = {due.category: due for due in due_today(gallery) if due.category not in SEEN_DEFAULT}
    assert {name: (due.count, due.days) for name, due in dues.items()} == {
        "requests": (1, 30), "photos": (1, 20), "unknown_faces": (1, 14), "imports": (0, None)
    }  # fmt: skip
    crop = len(stranger_seen.faces.get().crop)
    assert dues["unknown_faces"].bytes == crop and dues["photos"].bytes == len(lived_in["alone"].photo)
    assert dues["requests"].oldest < timezone.now() - timedelta(days=30)
    before = RecognitionRequest.objects.count()
    clean_gallery("retention", str(gallery.pk))
    assert RecognitionRequest.objects.count() == before - 1
    assert AuditEvent.objects.get(action="retention.applied").details == {
        "requests": 1, "photos": 0, "unknown_faces": 1, "imports": 0, "sightings": 0, "unknown_sightings": 0,
        "alerts": 0,
    }  # fmt: skip
    face = stranger_seen.faces.get()
    assert (bytes(face.crop), face.vector, face.decision) == (b"", None, "unknown")
    assert RecognitionRequest.objects.get(pk=stranger_seen.pk).photo is not None
    age(RecognitionRequest, 25, pk=stranger_seen.pk)
    assert apply_retention(actor=ACTOR, gallery=gallery)["photos"] == 1
    kept = RecognitionRequest.objects.get(pk=stranger_seen.pk)
    assert (kept.photo, kept.keep_photo) == (None, False)
    assert RecognitionRequest.objects.get(pk=waiting.pk).photo is not None
    assert not any(due.count for due in due_today(gallery))
    assert apply_retention(actor=ACTOR, gallery=gallery)["requests"] == 0
    assert AuditEvent.objects.filter(action="retention.applied").count() == 2


@pytest.mark.parametrize("bad", ["0", "-1", "x", "1e3", "99999", ""])
def test_a_bad_rule_is_refused(gallery, bad):
    with pytest.raises(InvalidInput, match="keep"):
        set_retention(actor=ACTOR, gallery=gallery, requests=bad)
    with pytest.raises(InvalidInput, match="Categories"):
        set_retention(actor=ACTOR, gallery=gallery, cameras="3")
    assert not gallery.retention_rules.exists()


def test_only_owners_change_retention_over_rest(gallery):
    address = f"/api/v1/galleries/{gallery.slug}/retention"
    curator = client_of(member(gallery, Role.CURATOR))
    assert [due["category"] for due in curator.get(address).json()] == [
        "requests",
        "photos",
        "unknown_faces",
        "sightings",
        "unknown_sightings",
        "alerts",
        "imports",
    ]
    problem(curator.patch(address, {"photos": "7"}, format="json"), 403, "not_allowed")
    problem(client_of(member(gallery, Role.VIEWER)).get(address), 403, "not_allowed")
    problem(client_of(stranger()).get(address), 404, "not_found")
    assert not gallery.retention_rules.exists()
    answer = client_of(member(gallery, Role.OWNER)).patch(address, {"photos": "7"}, format="json").json()
    assert [due["days"] for due in answer if due["category"] == "photos"] == [7]
    out = io.StringIO()
    call_command("retention", "--gallery", gallery.slug, "--dry-run", stdout=out)
    assert "Photos: kept 7 days; 0 overdue" in out.getvalue()
    with pytest.raises(CommandError, match="no gallery"):
        call_command("retention", "--gallery", "nowhere")
