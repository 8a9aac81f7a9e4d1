"""After an erasure nothing of the person is left: in any column of any table, in the planner's statistics, in any file.

The person comes in by every way there is, with values that nothing else has.
"""

import base64
import json
from types import SimpleNamespace

import pytest
from api_client import client_of, problem, upload
from api_world import new_key
from archives import zipped
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.backends.db import SessionStore
from django.db import connection
from django.db.models import Q
from django.db.models.functions import Length
from factories import GalleryFactory, member, unit
from rest_framework.test import APIClient
from seen import sight
from subjects import erase
from traces_left import traces_of

from accounts.actor import system_actor
from accounts.audit import chain
from accounts.models import AuditEvent, IdempotentAnswer
from accounts.roles import Role, Scope
from gallery.closing import close_gallery
from gallery.curation.history import undo
from gallery.models import FaceCrop, FaceEmbedding, FaceSample, Identity
from recognition.alerts.models import Alert, WebhookAttempt
from recognition.alerts.services import create_endpoint, create_rule, raise_for
from recognition.cameras.models import Sighting, SightingFace
from recognition.health.services import request_health, run_health
from recognition.imports.models import Import
from recognition.imports.running import run_import
from recognition.photos import queue
from recognition.photos.models import RecognitionFace, RecognitionRequest
from recognition.privacy.erasure import report_of
from recognition.privacy.gallery_deletion import delete_due
from recognition.privacy.subject import find_subject
from recognition.reembedding.models import PreviewedFace, ReEmbedding, ReEmbeddingPart
from recognition.sightings.corrections import name_sighting, reject_name
from recognition.sightings.models import Suggestion
from recognition.sightings.services import merge_unknowns, name_unknown

pytestmark = pytest.mark.django_db
ACTOR = system_actor()
NAME, FORMER, NUMBER, DEPARTMENT = "Zerline Quastenflosser", "Zerline Knopfkiste", "zq-77341", "Zwirnhalle"
WORDS = ("Quastenflosser", "Knopfkiste", NUMBER, DEPARTMENT, "Fingerhut", "Stecknadel", "Nähkorb")
# What stays, and it is ids alone: those in the report, those in the erasure's own event, and in the audit on what something was
# done. The planner's statistics are of these columns.
KEPT = {"recognition_erasure.identities", "accounts_auditevent.details", "accounts_auditevent.object_id"}
KEPT |= {f"statistics of {column}" for column in KEPT}

# Ids again: on what something was done, and the imports of jobs that have ended, until these are deleted.
KEPT_OF_A_GALLERY = {"accounts_auditevent.object_id", "procrastinate_jobs.args", "procrastinate_jobs.queueing_lock"}
KEPT_OF_A_GALLERY |= {f"statistics of {column}" for column in KEPT_OF_A_GALLERY}


@pytest.fixture
def gallery():
    return GalleryFactory(slug="staff", keep_photos=True)


@pytest.fixture
def at_once(worker, monkeypatch, lasting_workers):
    """Who waits for a photo looks at it, in the test's own transaction."""
    arrival_of = queue.arrival_of

    def looked_at(ids):
        worker.run_once(only=ids)
        return arrival_of(ids)

    monkeypatch.setattr(queue, "arrival_of", looked_at)
    queue.register_worker(host="test", process_id=1)
    return worker


@pytest.fixture
def world(gallery, at_once, hopper, hopper_again, collins, both):
    """A person who came in by every way there is, and Eileen, who stays."""
    owner = member(gallery, Role.OWNER)
    world = SimpleNamespace(owner=owner, gallery=gallery, worker=at_once, client=client_of(owner), keys=0)
    eileen = post(world, "identities", gallery="staff", name="Eileen Collins")["id"]
    post(world, f"identities/{eileen}/samples", photos=[text(collins)])
    world.eileen = Identity.objects.get(pk=eileen)
    fields = {"external_id": NUMBER, "department": DEPARTMENT, "metadata": {"hobby": "Stecknadel"}}
    world.pk = post(world, "identities", key=f"create {NUMBER}", gallery="staff", name=FORMER, **fields)["id"]
    change = {"name": NAME, "consent": "given", "consent_by": "Frau Fingerhut", "consent_at": "2026-01-02"}
    world.client.patch(f"/api/v1/identities/{world.pk}", change | {"consent_note": "im Nähkorb"}, format="json")
    post(world, f"identities/{world.pk}/samples", photos=[text(hopper)])
    by_compreface(world, hopper_again)
    by_import(world, hopper, collins)
    merge_and_undo(world)
    recognise(world, hopper, hopper_again, both)
    analyse(world, hopper)
    rejected_as_eileen(world, hopper_again)
    seen_by_cameras(world)
    told_of(world)
    by_jobs(world)
    in_the_admin_site(world)
    chain.seal()
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return world


def post(world, path: str, *, key: str = "", **body):
    """A POST with a key against repeats; waits for photos."""
    world.keys += 1
    headers = {"HTTP_IDEMPOTENCY_KEY": key or f"call {world.keys}"}
    answer = world.client.post(f"/api/v1/{path}", body, format="json", **headers)
    assert answer.status_code < 300, (path, answer.content)
    return answer.json()


def text(photo: bytes) -> str:
    return base64.b64encode(photo).decode()


def by_compreface(world, photo) -> None:
    world.compreface = APIClient(HTTP_X_API_KEY=new_key(world.owner.user, Scope, world.gallery))
    address = f"/api/v1/recognition/faces?subject={NAME}"
    answer = world.compreface.post(address, {"file": upload(photo, "quastenflosser.jpg")}, format="multipart")
    assert answer.status_code in (200, 201, 409), answer.content


def by_import(world, hopper, collins) -> None:
    """One import by folders, one by CSV, and one that was stopped and keeps its upload."""
    table = f"photo,name,external_id\na.jpg,{NAME},{NUMBER}\nb.png,Eileen Collins,\n".encode()
    for files in (
        {f"{NAME}/1.jpg": hopper + b"\0", "Eileen/2.png": collins},
        {"people.csv": table, "a.jpg": hopper, "b.png": collins},
    ):
        body = {"gallery": "staff", "file": upload(zipped(files).getvalue(), f"{NAME}.zip")}
        answer = world.client.post(
            "/api/v1/imports", body, format="multipart", HTTP_IDEMPOTENCY_KEY=f"import {len(files)} {NAME}"
        )
        assert answer.status_code == 202, answer.content
        run_import(Import.objects.latest("id").pk, work=lambda ids: world.worker.run_once(only=ids))
    body = {"gallery": "staff", "file": upload(zipped({f"{NAME}/1.jpg": hopper}).getvalue(), f"{NAME}.zip")}
    stopped = world.client.post("/api/v1/imports", body, format="multipart").json()["id"]
    assert world.client.post(f"/api/v1/imports/{stopped}/stop").status_code == 200


def merge_and_undo(world) -> None:
    double = post(world, "identities", gallery="staff", name=f"{NAME} again")["id"]
    post(world, f"identities/{world.pk}/merge", others=[double])
    samples = [str(pk) for pk in Identity.objects.get(pk=world.pk).samples.values_list("pk", flat=True)[:1]]
    event = post(world, f"identities/{world.pk}/split", samples=samples, name=f"{NAME} split")["event"]
    post(world, f"undo/{event}")


def recognise(world, hopper, hopper_again, both) -> None:
    """Alone, with Eileen, without a name before the face is known, and at the page."""
    for name, photo in (("at the door.jpg", hopper_again), (f"{NAME} and eileen.jpg", both), ("same.jpg", hopper)):
        body = {"gallery": "staff", "photo": upload(photo, name)}
        headers = {"HTTP_IDEMPOTENCY_KEY": f"{name}"}
        assert world.client.post("/api/v1/recognitions", body, format="multipart", **headers).status_code == 201
    nobody = RecognitionRequest.objects.filter(photo_name="same.jpg").get()
    nobody.faces.update(decision="unknown", identity=None)
    world.compreface.post("/api/v1/recognition/recognize", {"file": upload(hopper_again)}, format="multipart")


def analyse(world, hopper) -> None:
    sample = str(Identity.objects.get(pk=world.pk).samples.first().pk)
    for path, extra in (("detections", {}), ("embeddings", {}), ("comparisons", {"sample": sample})):
        post(world, path, gallery="staff", photo=text(hopper), **extra)


def rejected_as_eileen(world, photo) -> None:
    """The person was taken for Eileen, and a curator said “not Eileen”: a sample of Eileen's with the person's face."""
    body = {"gallery": "staff", "photo": upload(photo, "mistaken.jpg")}
    pk = world.client.post("/api/v1/recognitions", body, format="multipart").json()["id"]
    face = RecognitionFace.objects.get(request=pk)
    face.candidates.all().delete()
    for rank, person in enumerate((world.eileen, Identity.objects.get(pk=world.pk))):
        face.candidates.create(rank=rank, identity=person, sample=person.samples.first(), distance=0.1, score=0.9)
    RecognitionFace.objects.filter(pk=face.pk).update(identity=world.eileen)
    post(world, f"recognitions/{pk}/faces/0/reject", identity=str(world.eileen.pk))


def told_of(world) -> None:
    """From here on, whoever is seen is told: to a webhook that echoes the name, and by e-mail."""
    create_rule(actor=ACTOR, gallery=world.gallery, name="All", kind="known", cooldown=0, emails=["a@example.org"])
    create_rule(actor=ACTOR, gallery=world.gallery, name="Strangers", kind="unknown", cooldown=0)
    create_endpoint(actor=ACTOR, gallery=world.gallery, url="http://192.168.1.1/")
    for sighting in Sighting.objects.filter(Q(identity=world.pk) | Q(decision="unknown")):
        raise_for(sighting)
    for alert in Alert.objects.filter(identity=world.pk):
        WebhookAttempt.objects.create(
            delivery=alert.deliveries.get(), status=200, milliseconds=1, answer=f"Hello {NAME}"
        )
        post(world, f"alerts/{alert.pk}/seen")


def seen_by_cameras(world) -> None:
    """As themselves; as an unknown person who was named and another who was merged into that one; and as Eileen, until a
    curator said that it is not her. An unknown person may still be them."""
    person = Identity.objects.get(pk=world.pk)
    sight(world.gallery, unit(3, 0.71234), identity=person)
    first, second = (sight(world.gallery, unit(axis, 0.71234), later=60, threshold=0.1) for axis in (4, 5))
    merge_unknowns(actor=world.owner, into=first.unknown, others=[second.unknown])
    event = name_unknown(actor=world.owner, unknown=first.unknown, name=f"{NAME} seen").event
    undo(actor=world.owner, event=event)
    name_unknown(actor=world.owner, unknown=first.unknown, identity=person)
    mistaken = sight(world.gallery, unit(6, 0.71234), identity=world.eileen, later=120)
    reject_name(actor=world.owner, sighting=mistaken, identity=world.eileen)
    name_sighting(actor=world.owner, sighting=mistaken, identity=person)
    corrected = sight(world.gallery, unit(60), identity=person, later=180)
    corrected = reject_name(actor=world.owner, sighting=corrected, identity=person).sighting
    Suggestion.objects.create(gallery=world.gallery, unknown=corrected.unknown, identity=person, distance=0.5)
    world.corrected = corrected


def by_jobs(world) -> None:
    """Health; and a re-embedding that is under way. Its rows are made here: a second pack takes long to load."""
    request_health(actor=ACTOR, gallery=world.gallery)
    run_health(world.gallery.pk)
    sample = Identity.objects.get(pk=world.pk).samples.first()
    face = RecognitionFace.objects.filter(identity=world.pk).first()
    job = ReEmbedding.objects.create(
        gallery=world.gallery, old_pack="dlib-resnet", old_embedding_id="a", pack="second", embedding_id="b",
        cursor=sample.pk, face_cursor=face.pk,
    )  # fmt: skip
    previewed = PreviewedFace.objects.create(job=job, face=face, before_identity_id=world.pk)
    kept = world.eileen.samples.first().pk
    ReEmbeddingPart.objects.create(job=job, kind="samples", items=[sample.pk, kept])
    ReEmbeddingPart.objects.create(job=job, kind="faces", items=[previewed.pk])
    FaceEmbedding.objects.create(gallery=world.gallery, pack="second", sample=sample, vector=unit(7, 0.77123).tolist())


def in_the_admin_site(world) -> None:
    kind = ContentType.objects.get_for_model(Identity)
    LogEntry.objects.create(
        user=world.owner.user, content_type=kind, object_id=world.pk, object_repr=NAME, action_flag=CHANGE
    )
    SessionStore().create()


def needles_of(pk) -> dict[str, list]:
    """What must be gone: ids, hashes, vectors and pictures of the person as the database has them now."""
    subject = find_subject(Identity.with_deleted.get(pk=pk).pk)
    samples = FaceSample.with_deleted.filter(pk__in=subject.samples)
    own = samples.filter(rejected=False)  # the others are not the person's face
    jpegs = map(bytes, FaceCrop.objects.filter(sample__in=own).values_list("jpeg", flat=True))
    crops = [jpeg[len(jpeg) // 2 :][:32] for jpeg in jpegs]
    seen = Sighting.objects.filter(identity__in=subject.people)
    seen_crops = [bytes(face.jpeg)[-400:-360] for face in SightingFace.objects.filter(sighting__in=seen)]
    vectors = FaceEmbedding.objects.filter(sample__in=own).extra(select={"as_text": "vector::text"})
    return {
        "texts": list(WORDS),
        "ids": [*map(str, subject.people), *map(str, subject.samples)],
        "photos": [*samples.values_list("photo_sha256", flat=True)],
        "pictures": crops + seen_crops,
        "sightings": [*map(str, seen.values_list("pk", flat=True)), *map(str, seen.values_list("unknown", flat=True))],
        "seen vectors": ["0.7124"],
        "vectors": [text[1:60] for text in vectors.values_list("as_text", flat=True)],
    }


def next_one() -> Identity | None:
    """The person, and those split off and imported under another number, who are people of their own: the longest name first."""
    people = Identity.with_deleted.filter(merged_into=None, name__contains="Quastenflosser")
    return people.order_by(Length("name").desc(), "-pk").first()


def test_nothing_of_an_erased_person_is_left_anywhere(world, hopper, tmp_path, django_capture_on_commit_callbacks):
    needles = needles_of(world.pk) | {"photo": [hopper[9000:9032]]}
    before = {name: traces_of(*values) for name, values in needles.items()}
    assert all(before.values()), before
    assert {
        "gallery_identity.name", "gallery_identityhistory.name", "accounts_auditevent.object_name",
        "accounts_idempotentanswer.body", "accounts_idempotentanswer.key", "recognition_importrow.name",
        "recognition_recognitionrequest.photo_name", "django_admin_log.object_repr", "statistics of gallery_identity.name",
    } <= before["texts"]  # fmt: skip
    assert {"alerts_webhookdelivery.body", "alerts_webhookattempt.answer"} <= before["texts"]
    assert {"recognition_reembeddingpart.items", "recognition_reembedding.cursor"} <= before["ids"]

    erasures = []
    with django_capture_on_commit_callbacks(execute=True):
        while person := next_one():
            erasures.append(erase(person, actor=world.owner))
    after = {name: traces_of(*values, files=tmp_path) for name, values in needles.items()}
    assert after.pop("ids") <= KEPT | {"erasures.jsonl"} and after.pop("sightings") <= KEPT
    assert Sighting.objects.get().pk == world.corrected.pk
    assert not any(after.values()), after
    kept = [json.loads(line) for line in (tmp_path / "erasures.jsonl").read_text().splitlines()]
    assert [report["identities"] for report in kept] == [[str(pk) for pk in row.identities] for row in erasures]
    assert sum(report["counts"].get("accounts_idempotentanswer", 0) for report in kept) >= 5
    assert world.eileen.samples.filter(rejected=False).exists() and traces_of("Eileen Collins")
    assert chain.verify().broken == ""


def test_nothing_of_anybody_is_left_after_the_gallery_was_deleted(
    world, hopper, settings, tmp_path, django_capture_on_commit_callbacks
):
    """Everybody's names, also of those who were purged before; the names of its members stay."""
    settings.GALLERY_DELETION_DAYS = 0
    needles = needles_of(world.pk) | {"photo": [hopper[9000:9032]]}
    needles["texts"] += ["Eileen Collins", "Quastenflosser again"]
    needles["ids"] += map(str, [world.eileen.pk, *Import.objects.values_list("pk", flat=True)])
    with django_capture_on_commit_callbacks(execute=True):
        close_gallery(actor=world.owner, gallery=world.gallery)
        [erasure] = delete_due(actor=ACTOR)
    after = {name: traces_of(*values, files=tmp_path) for name, values in needles.items()}
    assert after.pop("ids") | after.pop("sightings") <= KEPT_OF_A_GALLERY
    assert not any(after.values()), after
    report = json.loads((tmp_path / "erasures.jsonl").read_text())
    assert report == report_of(erasure) and report["whole_gallery"] and report["erased_by"] == world.owner.name
    assert report["counts"]["gallery_identity"] >= 3 and report["counts"]["accounts_idempotentanswer"] >= 10
    event = AuditEvent.objects.get(action="gallery.closed")
    assert (event.object_name, event.user) == ("Staff", world.owner.user)
    assert chain.verify().broken == ""


def test_a_call_whose_answer_was_erased_is_not_carried_out_again(world):

    made = post(world, "identities", key="plain", gallery="staff", name="Ottilie Zwirn")["id"]
    erase(Identity.objects.get(pk=made))
    headers = {"HTTP_IDEMPOTENCY_KEY": "plain"}
    answer = world.client.post(
        "/api/v1/identities", {"gallery": "staff", "name": "Ottilie Zwirn"}, format="json", **headers
    )
    problem(answer, 409, "answer_erased")
    assert not Identity.objects.filter(name="Ottilie Zwirn").exists()
    assert IdempotentAnswer.objects.get(key="plain").fingerprint == ""
