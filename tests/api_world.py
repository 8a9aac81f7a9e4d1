"""For tests that call every operation of the API: one row of each kind it has a path for, and the state of the database."""

import base64
import io
import zipfile
from typing import Any

import numpy as np
from django.apps import apps
from django.db import connection
from django.utils import timezone
from factories import CameraFactory, GalleryFactory, IdentityFactory, SampleFactory, UserFactory, member, show, unit
from PIL import Image
from rest_framework.schemas.generators import EndpointEnumerator
from seen import sight

from accounts.actor import system_actor
from accounts.keys.services import create_api_key
from accounts.models import ApiKey, AuditEvent
from accounts.roles import Role
from gallery.services import delete_identity
from recognition.alerts.models import Alert, WebhookDelivery
from recognition.alerts.services import create_endpoint, create_rule, raise_for
from recognition.attendance.models import AttendanceCorrection
from recognition.cameras.live import note_watched
from recognition.cameras.models import Camera
from recognition.engine.base import Box, Crop, Face, PhotoAnalysis, Quality
from recognition.evaluations.models import Evaluation
from recognition.health.models import HealthFinding
from recognition.imports.models import Import
from recognition.kiosks.services import make_kiosk
from recognition.photos import queue
from recognition.photos.models import Purpose, RecognitionFace, RecognitionRequest
from recognition.privacy.models import Erasure
from recognition.reembedding.models import ReEmbedding

NUMBERS = dict.fromkeys(("pairs", "compared", "accuracy", "deviation", "auc", "eer"), 1) | {"tar_at_far": []}
# Which of `make_rows` a path's {id} stands for, by the path's first word.
IDS = {
    "api-keys": "key",
    "health-findings": "finding",
    "galleries": "reembedding",
    "identities": "identity",
    "samples": "sample",
    "recognitions": "recognition",
    "undo": "event",
    "attendance-corrections": "correction",
    "sightings": "sighting",
    "unknowns": "unknown",
}


def path_values(path: str, rows: dict[str, Any]) -> dict[str, Any]:
    """The values for the parameters of a path in the schema, by name. rows: from `make_rows`."""
    word = path.split("/")[3]
    return rows | ({"id": rows[IDS.get(word, word)]} if "{id}" in path else {})


class _UndocumentedEndpoints(EndpointEnumerator):
    def should_include_endpoint(self, path, callback):
        return getattr(callback, "cls", None) is not None and callback.cls.schema is None


def undocumented_operations() -> set[str]:
    """The operations that openapi.json leaves out: CompreFace's."""
    return {f"{method} {path.rstrip('/')}" for path, method, _ in _UndocumentedEndpoints().get_api_endpoints()}


def make_rows() -> dict[str, Any]:
    """A gallery with a row of each kind; returns what identifies them in paths and bodies, by name.

    Its worker lives for as long as the test takes if the test uses the fixture `lasting_workers`.
    """
    gallery = GalleryFactory(slug="staff")
    ada, ben, deleted = (IdentityFactory(gallery=gallery, name=name) for name in ("Ada", "Ben", "Deleted"))
    samples = [SampleFactory(identity=ada, vector=unit(number)) for number in range(2)]
    SampleFactory(identity=ben, vector=unit(2))
    queue.register_worker(host="test", process_id=1)
    delete_identity(actor=system_actor(), identity=deleted)
    photo = picture()
    requests = {purpose: make_request(gallery, purpose, photo, samples[0]) for purpose in Purpose if purpose != "enrol"}
    face = RecognitionFace.objects.create(
        request=requests["recognize"], index=0, box=[10, 10, 50, 50], landmarks=[[0, 0]] * 5, detection_score=0.9,
        quality_score=0.9, crop=photo, crop_landmarks=[[0, 0]] * 5, decision="unknown", vector=unit(5),
    )  # fmt: skip
    seen = [sight(gallery, unit(8), later=60 * number) for number in range(2)]
    known, other_unknown = sight(gallery, unit(0), identity=ada), sight(gallery, unit(9)).unknown
    operator = UserFactory(is_superuser=True)
    key, _ = create_api_key(actor=system_actor(), user=operator, scopes=["manage"])
    return {
        "gallery": gallery,
        "slug": "staff",
        "username": member(gallery, Role.VIEWER).user.username,
        "identity": ada.pk,
        "subject": "Ada",
        "other_name": "Ben",
        "other": str(ben.pk),
        "sample": str(samples[0].pk),
        "image_id": str(samples[0].pk),
        "jpeg": photo,
        "photo": base64.b64encode(photo).decode(),
        "vector": unit(0).tolist(),
        "zip": zipped({"Cy/1.jpg": photo}),
        "operator": operator,
        "key": key.pk,
        "event": AuditEvent.objects.get(action="identity.deleted").pk,
        "finding": HealthFinding.objects.create(
            gallery=gallery, kind="weak", reason="single", rank=1, identity=ada, total=2
        ).pk,
        "reembedding": make_reembedding(gallery).pk,
        "imports": Import.objects.create(
            gallery=gallery, name="a.zip", status="stopped", finished_at=timezone.now()
        ).pk,
        "erasures": Erasure.objects.create(
            gallery=gallery, gallery_slug="staff", identities=[ada.pk], reason="x", event_id=ada.pk
        ).pk,
        "evaluations": Evaluation.objects.create(
            pack="dlib-resnet", pack_sha256="a", set_name="set", set_sha256="b", numbers=NUMBERS, curves={}
        ).pk,
        "correction": AttendanceCorrection.objects.create(
            gallery=gallery, identity=ada, date="2026-05-03", presence="absent", reason="ill"
        ).pk,
        **make_alert(ada),
        **make_camera_and_kiosk(gallery, photo),
        "recognition": requests["recognize"].pk,
        "sighting": known.pk,
        "rank": 0,
        "unknown": seen[0].unknown_id,
        "unknown_other": str(other_unknown.pk),
        "unknown_sighting": str(seen[1].pk),
        "ada": str(ada.pk),
        "detections": requests["detect"].pk,
        "embeddings": requests["embed"].pk,
        "comparisons": requests["compare"].pk,
        "name": "dlib-resnet",
        "index": face.index,
    }


def new_key(user, scopes, gallery=None, **fields) -> str:
    """A new API key. fields: further columns of its row."""
    row, key = create_api_key(actor=system_actor(), user=user, scopes=list(scopes), gallery=gallery)
    # As if used just now; otherwise the next call would record its use, and so change the database.
    ApiKey.objects.filter(pk=row.pk).update(last_used_at=timezone.now(), **fields)
    return key


def make_request(gallery, purpose: str, photo: bytes, sample) -> RecognitionRequest:
    options = {"reference": {"sample": str(sample.pk)}, "threshold": None} if purpose == "compare" else {}
    end = {"status": "done", "finished_at": timezone.now()} if purpose == "recognize" else {}
    return RecognitionRequest.objects.create(
        gallery=gallery, purpose=purpose, pack="dlib-resnet", photo=photo, photo_sha256="a", keep_photo=True,
        image_width=100, image_height=100, options=options, threshold_distance=0.5,
        threshold_source="size", **end,
    )  # fmt: skip


def make_reembedding(gallery) -> ReEmbedding:
    return ReEmbedding.objects.create(
        gallery=gallery, old_pack="dlib-resnet", old_embedding_id="a", pack="second", embedding_id="b"
    )


def make_alert(person) -> dict[str, Any]:
    """An alert about a sighting of the person, with its rule and what was sent of it."""
    gallery = person.gallery
    rule = create_rule(actor=system_actor(), gallery=gallery, name="Anybody", kind="known")
    endpoint, _ = create_endpoint(actor=system_actor(), gallery=gallery, url="http://192.168.1.1/hook")
    raise_for(sight(gallery, unit(0), identity=person))
    WebhookDelivery.objects.update(status="delivered", next_at=None)
    return {
        "alerts": Alert.objects.get().pk,
        "alert-rules": rule.pk,
        "webhook-endpoints": endpoint.pk,
        "webhook-deliveries": WebhookDelivery.objects.get().pk,
    }


def make_camera_and_kiosk(gallery, jpeg: bytes) -> dict[str, Any]:
    camera = make_camera(gallery, jpeg)
    kiosk, _ = make_kiosk(actor=system_actor(), camera=camera, name="Tablet")
    return {"cameras": camera.pk, "kiosks": kiosk.pk}


def make_camera(gallery, jpeg: bytes) -> Camera:
    camera = CameraFactory(gallery=gallery, name="Entrance 1", slug="entrance-1")
    show(camera, jpeg)
    note_watched(camera.pk)
    return camera


def picture() -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.full((100, 100, 3), 90, "uint8")).save(out, "JPEG")
    return out.getvalue()


def zipped(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


class OneFace:
    """Stands in for a loaded pack: every photo has one good face, that of an unknown person."""

    engine = {}

    def analyse(self, photos, **options) -> list[PhotoAnalysis]:
        points = np.full((5, 2), 30, "float32")
        quality = Quality(0.9, {}, (), True)
        face = Face(Box(10, 10, 50, 50), points, 1.0, quality, Crop(picture(), 100, 100, points), unit(9))
        return [PhotoAnalysis(100, 100, 0, (face,))] * len(photos)


def database_state() -> list:
    """The number of rows and a hash of the content of every table, but for those in which a refusal, and when a session was
    last used, are written down."""
    tables = sorted({model._meta.db_table for model in apps.get_models(include_auto_created=True)} & set(table_names()))
    tables = [table for table in tables if table not in ("accounts_look", "django_session", "usersessions_usersession")]
    query = "SELECT '{0}', count(*), md5(string_agg(md5(t::text), '' ORDER BY md5(t::text))) FROM \"{0}\" t"
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(query.format(table) for table in tables))
        return sorted(cursor.fetchall())


def table_names() -> list[str]:
    with connection.cursor() as cursor:
        return connection.introspection.table_names(cursor)
