"""Sightings as personal data: how long they are kept, the export, and what follows a merge."""

import io
import json
import zipfile
from datetime import timedelta

import pytest
from django.utils import timezone
from factories import CameraFactory, GalleryFactory, IdentityFactory, member, unit
from seen import near, sight

from accounts.actor import system_actor
from accounts.roles import Role
from gallery.curation.history import undo
from gallery.curation.services import merge_identities, purge_deleted
from gallery.models import Identity, history_of
from recognition.alerts.models import Alert, AlertRule
from recognition.cameras.models import Sighting, SightingEmbedding, SightingFace, UnknownEmbedding, UnknownPerson
from recognition.privacy.export import export_blocks
from recognition.privacy.retention import due_today
from recognition.privacy.services import apply_retention, set_retention
from recognition.privacy.sightings import purge_unknowns
from recognition.privacy.subject import find_subject
from recognition.privacy.tasks import clean_gallery
from recognition.sightings.services import merge_unknowns, name_unknown

pytestmark = pytest.mark.django_db
SYSTEM = system_actor()


@pytest.fixture
def gallery():
    return GalleryFactory(threshold_source="manual", threshold_distance=0.6)


def days_ago(days: float):
    return timezone.now() - timedelta(days=days)


def test_sightings_are_kept_as_long_as_their_camera_or_else_their_gallery_says(gallery, settings):
    settings.REQUEST_RETENTION_DAYS = 30
    short = CameraFactory(gallery=gallery, retention_days=3, unknown_retention_days=1)
    long = CameraFactory(gallery=gallery, retention_days=300, unknown_retention_days=300)
    usual = CameraFactory(gallery=gallery)
    ada = IdentityFactory(gallery=gallery)
    seen = {
        (camera.pk, kind, days): sight(
            gallery, unit(number), camera=camera, at=days_ago(days), identity=ada if kind == "known" else None,
            decision=kind,
        ).pk
        for number, (camera, kind, days) in enumerate(
            (camera, kind, days)
            for camera in (short, long, usual)
            for kind in ("known", "unknown", "unusable")
            for days in (2, 10, 40)
        )
    }  # fmt: skip
    sight(gallery, unit(90), at=days_ago(500), closed=False)  # goes on
    set_retention(actor=SYSTEM, gallery=gallery, unknown_sightings="7")
    dues = {due.category: due for due in due_today(gallery)}
    assert (dues["sightings"].count, dues["unknown_sightings"].count) == (3, 10)
    assert dues["unknown_sightings"].bytes > 0
    assert apply_retention(actor=SYSTEM, gallery=gallery) | {"imports": 0} == {
        "requests": 0, "photos": 0, "unknown_faces": 0, "imports": 0, "sightings": 3, "unknown_sightings": 10,
        "alerts": 0,
    }  # fmt: skip
    left = {key for key, pk in seen.items() if Sighting.objects.filter(pk=pk).exists()}
    kept = {(short.pk, "known", 2)} | {
        (long.pk, kind, d) for kind in ("known", "unknown", "unusable") for d in (2, 10, 40)
    }
    kept |= {(usual.pk, "known", d) for d in (2, 10)} | {(usual.pk, kind, 2) for kind in ("unknown", "unusable")}
    assert left == kept
    set_retention(actor=SYSTEM, gallery=gallery, sightings="keep", unknown_sightings="keep")
    Sighting.objects.filter(camera=short).update(first_seen=days_ago(6), last_seen=days_ago(5))
    assert [due.count for due in due_today(gallery) if "sightings" in due.category] == [1, 0]


def test_with_the_last_sighting_goes_the_unknown_person_and_with_others_their_traces(gallery):
    curator = member(gallery, Role.CURATOR)
    old = sight(gallery, unit(0), at=days_ago(40))
    newer = sight(gallery, near(unit(0), 0.4), at=days_ago(1))
    gone = sight(gallery, unit(5), at=days_ago(40)).unknown
    merged = sight(gallery, unit(6), at=days_ago(40)).unknown
    merge_unknowns(actor=curator, into=gone, others=[merged])
    set_retention(actor=SYSTEM, gallery=gallery, unknown_sightings="30")
    clean_gallery("retention", str(gallery.pk))
    assert [row.pk for row in UnknownPerson.objects.all()] == [old.unknown_id]
    unknown = UnknownPerson.objects.get()
    assert (unknown.sightings_count, unknown.first_seen) == (1, newer.first_seen)
    assert UnknownEmbedding.objects.get().vector == SightingEmbedding.objects.get().vector
    for model in (Sighting, UnknownPerson):
        assert not history_of(model).objects.exclude(pgh_obj_id__in=[newer.pk, unknown.pk]).exists()


def test_unknown_people_without_sightings_go_once_no_undo_can_need_them(gallery):
    curator = member(gallery, Role.CURATOR)
    people = [sight(gallery, unit(axis), at=days_ago(40)).unknown for axis in (0, 1)]
    event = merge_unknowns(actor=curator, into=people[0], others=people[1:]).event
    assert purge_unknowns(gallery, before=days_ago(30)) == 0  # made just now
    undo(actor=curator, event=event)
    merge_unknowns(actor=curator, into=people[0], others=people[1:])
    UnknownPerson.objects.update(created_at=days_ago(40))
    assert purge_unknowns(gallery, before=days_ago(30)) == 0  # merged just now
    history_of(UnknownPerson).objects.update(pgh_created_at=days_ago(31))
    assert purge_unknowns(gallery, before=days_ago(30)) == 1
    assert UnknownPerson.objects.get() == people[0] and Sighting.objects.filter(unknown=people[0]).count() == 2


def test_the_export_has_sightings_with_pictures(gallery):
    curator = member(gallery, Role.CURATOR)
    ada, ben = IdentityFactory.create_batch(2, gallery=gallery)
    known = sight(gallery, unit(0), identity=ada)
    strange = sight(gallery, unit(1), later=60)
    sight(gallery, unit(2), identity=ben, later=120)
    name_unknown(actor=curator, unknown=strange.unknown, identity=ada, faces=[])
    with zipfile.ZipFile(io.BytesIO(b"".join(export_blocks(find_subject(ada.pk))))) as archive:
        rows = [json.loads(line) for line in archive.read("sightings.jsonl").splitlines()]
        vectors = [json.loads(line) for line in archive.read("sighting_vectors.jsonl").splitlines()]
        pictures = {name: archive.read(name) for name in archive.namelist() if name.startswith("sightings/")}
    assert [row["id"] for row in rows] == [str(known.pk), str(strange.pk)]
    assert [bool(row["named_at"]) for row in rows] == [False, True] and rows[0]["camera"].startswith("Camera")
    assert {row["sighting_id"] for row in vectors} == {str(known.pk), str(strange.pk)}
    faces = SightingFace.objects.filter(sighting__in=[known, strange])
    assert pictures == {f"sightings/{face.sighting_id}-{face.rank}.jpg": bytes(face.jpeg) for face in faces}
    assert curator.name not in str(rows)


def test_sightings_follow_people_who_were_merged_before_these_are_purged(gallery, settings):
    settings.PURGE_DAYS = 30
    curator = member(gallery, Role.CURATOR)
    ada, double = IdentityFactory.create_batch(2, gallery=gallery)
    sighting = sight(gallery, unit(0), identity=double)
    strange = sight(gallery, unit(1), later=60)
    name_unknown(actor=curator, unknown=strange.unknown, identity=double, faces=[])
    rule = AlertRule.objects.create(gallery=gallery, name="Both", kind="known")
    rule.people.set([ada, double])
    rule.but_not.set([double])
    day = sighting.first_seen.date()
    for person, date in ((double, None), (double, day), (ada, day)):
        Alert.objects.create(
            gallery=gallery,
            rule=rule,
            rule_name="Both",
            kind="known",
            identity=person,
            date=date,
            raised_at=days_ago(1),
        )
    event = merge_identities(actor=curator, into=ada, others=[double]).event
    clean_gallery("purge", str(gallery.pk))
    assert Sighting.objects.filter(identity=double).count() == 2  # the merge can be undone
    undo(actor=curator, event=event)
    merge_identities(actor=curator, into=ada, others=[double])
    Identity.with_deleted.filter(pk=double.pk).update(deleted_at=days_ago(40))
    clean_gallery("purge", str(gallery.pk))
    assert not Identity.with_deleted.filter(pk=double.pk).exists()
    assert Sighting.objects.filter(identity=ada).count() == 2 and UnknownPerson.objects.get().identity == ada
    sighting.refresh_from_db()
    assert sighting.identity == ada
    assert list(rule.people.all()) == list(rule.but_not.all()) == [ada]
    assert [(alert.identity, alert.date) for alert in Alert.objects.order_by("id")] == [(ada, None), (ada, day)]
    Identity.with_deleted.filter(pk=ada.pk).update(deleted_at=days_ago(40))
    purge_deleted(before=days_ago(30), gallery=gallery)
    sighting.refresh_from_db()
    assert (sighting.decision, sighting.identity) == ("known", None)  # shown as a deleted person
