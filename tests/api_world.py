"""One row of each kind that the API has an address for, for tests that call all of it; and what they change."""

import base64
import io
import zipfile
from datetime import timedelta
from typing import Any

import numpy as np
from django.apps import apps
from django.db import connection
from django.utils import timezone
from factories import GalleryFactory, IdentityFactory, SampleFactory, UserFactory, member, unit
from PIL import Image
from rest_framework.schemas.generators import EndpointEnumerator

from accounts.actor import system_actor
from accounts.keys.services import create_api_key
from accounts.models import ApiKey, AuditEvent
from accounts.roles import Role
from gallery.services import delete_identity
from recognition.engine.base import Box, Crop, Face, PhotoAnalysis, Quality
from recognition.evaluations.models import Evaluation
from recognition.health.models import HealthFinding
from recognition.imports.models import Import
from recognition.photos import queue
from recognition.photos.models import Purpose, RecognitionFace, RecognitionRequest, Worker
from recognition.privacy.models import Erasure
from recognition.reembedding.models import ReEmbedding

NUMBERS = dict.fromkeys(("pairs", "compared", "accuracy", "deviation", "auc", "eer"), 1) | {"tar_at_far": []}
# What an address's {id} and the rest stand for, by its first word.
IDS = {
    "api-keys": "key",
    "health-findings": "finding",
    "galleries": "reembedding",
    "identities": "identity",
    "samples": "sample",
    "recognitions": "recognition",
    "undo": "event",
}


def in_address(path: str, rows: dict[str, Any]) -> dict[str, Any]:
    """What stands in a path of the schema, by name."""
    word = path.split("/")[3]
    return rows | ({"id": rows[IDS.get(word, word)]} if "{id}" in path else {})


class _BesideTheSchema(EndpointEnumerator):
    def should_include_endpoint(self, path, callback):
        return getattr(callback, "cls", None) is not None and callback.cls.schema is None


def operations_beside_the_schema() -> set[str]:
    """Those of the API that openapi.json leaves out: CompreFace's."""
    return {f"{method} {path.rstrip('/')}" for path, method, _ in _BesideTheSchema().get_api_endpoints()}


def make_rows() -> dict[str, Any]:
    gallery = GalleryFactory(slug="staff")
    ada, ben, gone = (IdentityFactory(gallery=gallery, name=name) for name in ("Ada", "Ben", "Gone"))
    samples = [SampleFactory(identity=ada, vector=unit(number)) for number in range(2)]
    SampleFactory(identity=ben, vector=unit(2))
    queue.register_worker(host="test", process_id=1)
    Worker.objects.update(last_seen_at=timezone.now() + timedelta(hours=1))  # however long the test takes
    delete_identity(actor=system_actor(), identity=gone)
    photo = picture()
    requests = {purpose: make_request(gallery, purpose, photo, samples[0]) for purpose in Purpose if purpose != "enrol"}
    found = RecognitionFace.objects.create(
        request=requests["recognize"], index=0, box=[10, 10, 50, 50], landmarks=[[0, 0]] * 5, detection_score=0.9,
        quality_score=0.9, crop=photo, crop_landmarks=[[0, 0]] * 5, decision="unknown", vector=unit(5),
    )  # fmt: skip
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
        "imports": Import.objects.create(gallery=gallery, name="a.zip", status="stopped").pk,
        "erasures": Erasure.objects.create(
            gallery=gallery, gallery_slug="staff", identities=[ada.pk], reason="x", event_id=ada.pk
        ).pk,
        "evaluations": Evaluation.objects.create(
            pack="dlib-resnet", pack_sha256="a", set_name="set", set_sha256="b", numbers=NUMBERS, curves={}
        ).pk,
        "recognition": requests["recognize"].pk,
        "detections": requests["detect"].pk,
        "embeddings": requests["embed"].pk,
        "comparisons": requests["compare"].pk,
        "name": "dlib-resnet",
        "index": found.index,
    }


def new_key(user, scopes, gallery=None, **fields) -> str:
    """fields: of its row."""
    row, key = create_api_key(actor=system_actor(), user=user, scopes=list(scopes), gallery=gallery)
    # Used just now, or the next call would write that.
    ApiKey.objects.filter(pk=row.pk).update(last_used_at=timezone.now(), **fields)
    return key


def make_request(gallery, purpose: str, photo: bytes, sample) -> RecognitionRequest:
    options = {"reference": {"sample": str(sample.pk)}, "threshold": None} if purpose == "compare" else {}
    ended = {"status": "done", "finished_at": timezone.now()} if purpose == "recognize" else {}
    return RecognitionRequest.objects.create(
        gallery=gallery, purpose=purpose, pack="dlib-resnet", photo=photo, photo_sha256="a", keep_photo=True,
        image_width=100, image_height=100, options=options, threshold_distance=0.5,
        threshold_source="size", **ended,
    )  # fmt: skip


def make_reembedding(gallery) -> ReEmbedding:
    return ReEmbedding.objects.create(
        gallery=gallery, old_pack="dlib-resnet", old_embedding_id="a", pack="second", embedding_id="b"
    )


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
    """Stands in for a loaded pack: every photo has one good face, of somebody unknown."""

    engine = {}

    def analyse(self, photos, **options) -> list[PhotoAnalysis]:
        points = np.full((5, 2), 30, "float32")
        quality = Quality(0.9, {}, (), True)
        face = Face(Box(10, 10, 50, 50), points, 1.0, quality, Crop(picture(), 100, 100, points), unit(9))
        return [PhotoAnalysis(100, 100, 0, (face,))] * len(photos)


def state() -> list:
    """Rows and content of every table."""
    tables = sorted({model._meta.db_table for model in apps.get_models(include_auto_created=True)} & set(existing()))
    one = "SELECT '{0}', count(*), md5(string_agg(md5(t::text), '' ORDER BY md5(t::text))) FROM \"{0}\" t"
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(one.format(table) for table in tables))
        return sorted(cursor.fetchall())


def existing() -> list[str]:
    with connection.cursor() as cursor:
        return connection.introspection.table_names(cursor)
