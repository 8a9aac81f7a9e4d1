"""Every operation of the API called by every kind of caller: who may, who is refused and how, and that a refusal changes nothing.

Fails if an operation has no row in TABLE or, for those of CompreFace, in COMPREFACE. All calls of a caller run on the same data;
each one is rolled back.
"""

import json
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from api_client import client_of, compreface_error, upload
from api_world import database_state, make_rows, new_key, path_values, undocumented_operations
from django.db import transaction
from django.utils import timezone
from factories import GalleryFactory, member
from rest_framework.test import APIClient

from accounts.actor import Actor
from accounts.models import User
from accounts.roles import Role, Scope
from gallery.models import FaceSample, Identity

OPENAPI = json.loads((Path(__file__).resolve().parents[1] / "openapi.json").read_text())
ANYBODY, OPERATOR = 0, 99  # signed in; beside the roles
RECOGNIZE, READ, ENROL, MANAGE = ({scope} for scope in Scope)
OWN_ANSWERS = READ | RECOGNIZE


@dataclass(frozen=True)
class Row:
    """What an operation needs, and how it answers.

    least: the lowest role that may. scopes: those of which a key needs one. body: JSON; a text in braces is replaced by the value
    of that name in the world's `rows`, a field `file` makes it multipart, and one text alone is sent as it is, as a JPEG.
    Statuses: ok for those who may, below for a lower role, outside for a stranger, elsewhere for an operator's key of another
    gallery, if not the same as outside.
    """

    least: int
    scopes: set[Scope]
    ok: int = 200
    body: dict[str, Any] | list | str | None = None
    below: int = 403
    outside: int = 404
    elsewhere: int | None = None


VIEWER, CURATOR, OWNER = Role.VIEWER, Role.CURATOR, Role.OWNER
PHOTO = {"gallery": "staff", "photo": "{photo}"}
HIDDEN = {"below": 404}
CORRECTION = {"date": "2026-05-04", "presence": "present", "reason": "at a customer's"}
GALLERY, PERSON = "/api/v1/galleries/{slug}", "/api/v1/identities/{id}"
ALERT, ALERT_RULE = "/api/v1/alerts/{id}", "/api/v1/alert-rules/{id}"
WEBHOOK, DELIVERY = "/api/v1/webhook-endpoints/{id}", "/api/v1/webhook-deliveries/{id}"
SAMPLE, RECOGNITION, CAMERA = "/api/v1/samples/{id}", "/api/v1/recognitions/{id}", "/api/v1/cameras/{id}"
SIGHTING, UNKNOWN = "/api/v1/sightings/{id}", "/api/v1/unknowns/{id}"
TABLE = {
    "GET /api/v1/me": Row(ANYBODY, READ),
    "GET /api/v1/api-keys": Row(ANYBODY, MANAGE),
    "POST /api/v1/api-keys": Row(ANYBODY, MANAGE, 201, {"scopes": ["manage"]}, elsewhere=403),
    "GET /api/v1/api-keys/{id}": Row(OPERATOR, MANAGE, **HIDDEN),
    "DELETE /api/v1/api-keys/{id}": Row(OPERATOR, MANAGE, 204, **HIDDEN),
    "POST /api/v1/api-keys/{id}/rotate": Row(OPERATOR, MANAGE, 201, {}, **HIDDEN),
    "GET /api/v1/audit-events": Row(ANYBODY, READ),
    "GET /api/v1/version": Row(ANYBODY, READ),
    "GET /api/v1/packs": Row(ANYBODY, READ),
    "GET /api/v1/packs/{name}": Row(ANYBODY, READ),
    "GET /api/v1/evaluations": Row(ANYBODY, READ),
    "GET /api/v1/evaluations/{id}": Row(CURATOR, READ, elsewhere=200, **HIDDEN),  # of no gallery
    # Galleries
    "GET /api/v1/galleries": Row(ANYBODY, READ),
    "POST /api/v1/galleries": Row(OPERATOR, MANAGE, 201, {"name": "Another"}, outside=403),
    f"GET {GALLERY}": Row(VIEWER, READ),
    f"PATCH {GALLERY}": Row(OWNER, MANAGE, 200, {"name": "Changed"}),
    f"DELETE {GALLERY}": Row(OWNER, MANAGE, 202),
    f"GET {GALLERY}/deletion": Row(OWNER, READ, **HIDDEN),
    f"DELETE {GALLERY}/deletion": Row(OWNER, MANAGE, 409, **HIDDEN),  # it is not being deleted
    f"GET {GALLERY}/members": Row(OWNER, MANAGE),
    f"PUT {GALLERY}/members/{{username}}": Row(OWNER, MANAGE, 200, {"role": "curator"}),
    f"DELETE {GALLERY}/members/{{username}}": Row(OWNER, MANAGE, 204),
    f"GET {GALLERY}/retention": Row(CURATOR, READ),
    f"PATCH {GALLERY}/retention": Row(OWNER, MANAGE, 200, {"recognitions": "7"}),
    f"GET {GALLERY}/calibration": Row(CURATOR, READ),
    f"POST {GALLERY}/calibration": Row(CURATOR, MANAGE, 202, {}),
    f"POST {GALLERY}/calibration/apply": Row(OWNER, MANAGE, 409, {}),  # nothing is calibrated yet
    f"GET {GALLERY}/health": Row(CURATOR, READ),
    f"POST {GALLERY}/health": Row(CURATOR, ENROL, 202),
    f"GET {GALLERY}/health/findings": Row(CURATOR, READ),
    "POST /api/v1/health-findings/{id}/dismiss": Row(CURATOR, ENROL, **HIDDEN),
    "POST /api/v1/health-findings/{id}/restore": Row(CURATOR, ENROL, 409, **HIDDEN),  # it is shown
    f"GET {GALLERY}/reembeddings": Row(OWNER, READ),
    f"POST {GALLERY}/reembeddings": Row(OWNER, MANAGE, 409, {"pack": "dlib-resnet"}),  # in force already
    f"GET {GALLERY}/reembeddings/{{id}}": Row(OWNER, READ, **HIDDEN),
    f"GET {GALLERY}/reembeddings/{{id}}/preview": Row(OWNER, READ, **HIDDEN),
    f"POST {GALLERY}/reembeddings/{{id}}/cut-over": Row(OWNER, MANAGE, 409, **HIDDEN),  # not embedded yet
    f"POST {GALLERY}/reembeddings/{{id}}/stop": Row(OWNER, MANAGE, **HIDDEN),
    f"POST {GALLERY}/pack/back": Row(OWNER, MANAGE, 409),  # there was no other
    f"POST {GALLERY}/pack/forget-old": Row(OWNER, MANAGE, 409),  # while one runs
    f"GET {GALLERY}/attendance": Row(VIEWER, READ),
    f"GET {GALLERY}/attendance.csv": Row(VIEWER, READ),
    "POST /api/v1/attendance-corrections": Row(CURATOR, ENROL, 201, CORRECTION | {"identity": "{other}"}),
    "DELETE /api/v1/attendance-corrections/{id}": Row(CURATOR, ENROL, 204),
    # Alerts
    "GET /api/v1/alerts": Row(ANYBODY, READ),
    "POST /api/v1/alerts/seen": Row(VIEWER, READ, 200, {"gallery": "staff"}),
    f"GET {ALERT}": Row(VIEWER, READ),
    f"POST {ALERT}/seen": Row(VIEWER, READ),
    f"GET {ALERT}/picture.jpg": Row(VIEWER, READ),
    "GET /api/v1/alert-rules": Row(ANYBODY, MANAGE),
    "POST /api/v1/alert-rules": Row(OWNER, MANAGE, 201, {"gallery": "staff", "name": "Door", "kind": "known"}),
    f"GET {ALERT_RULE}": Row(OWNER, MANAGE, **HIDDEN),
    f"PATCH {ALERT_RULE}": Row(OWNER, MANAGE, 200, {"but_not": ["{other}"]}, **HIDDEN),
    f"DELETE {ALERT_RULE}": Row(OWNER, MANAGE, 204, **HIDDEN),
    "GET /api/v1/webhook-endpoints": Row(ANYBODY, MANAGE),
    "POST /api/v1/webhook-endpoints": Row(OWNER, MANAGE, 201, {"gallery": "staff", "url": "http://192.168.1.1/"}),
    f"GET {WEBHOOK}": Row(OWNER, MANAGE, **HIDDEN),
    f"PATCH {WEBHOOK}": Row(OWNER, MANAGE, 200, {"enabled": False}, **HIDDEN),
    f"DELETE {WEBHOOK}": Row(OWNER, MANAGE, 204, **HIDDEN),
    f"POST {WEBHOOK}/rotate-secret": Row(OWNER, MANAGE, 201, **HIDDEN),
    f"POST {WEBHOOK}/test": Row(OWNER, MANAGE, 202, **HIDDEN),
    "GET /api/v1/webhook-deliveries": Row(ANYBODY, MANAGE),
    f"GET {DELIVERY}": Row(OWNER, MANAGE, **HIDDEN),
    f"POST {DELIVERY}/replay": Row(OWNER, MANAGE, 202, **HIDDEN),
    # People
    "GET /api/v1/identities": Row(ANYBODY, READ),
    "POST /api/v1/identities": Row(CURATOR, ENROL, 201, {"gallery": "staff", "name": "New"}),
    f"GET {PERSON}": Row(VIEWER, READ),
    f"PATCH {PERSON}": Row(CURATOR, ENROL, 200, {"name": "Changed"}),
    f"DELETE {PERSON}": Row(CURATOR, ENROL, 204),
    f"GET {PERSON}/samples": Row(VIEWER, READ),
    f"POST {PERSON}/samples": Row(CURATOR, ENROL, 202, {"photos": ["{photo}"]}),
    f"POST {PERSON}/merge": Row(CURATOR, ENROL, 200, {"others": ["{other}"]}),
    f"POST {PERSON}/split": Row(CURATOR, ENROL, 200, {"samples": ["{sample}"], "name": "Split"}),
    f"GET {PERSON}/export": Row(CURATOR, ENROL),
    f"GET {PERSON}/views": Row(OWNER, MANAGE),
    f"POST {PERSON}/erasure": Row(OWNER, MANAGE, 201, {"confirm": "Ada", "reason": "asked for"}),
    "GET /api/v1/erasures": Row(ANYBODY, READ),
    "GET /api/v1/erasures/{id}": Row(OWNER, READ, **HIDDEN),
    f"GET {SAMPLE}": Row(VIEWER, READ),
    f"PATCH {SAMPLE}": Row(CURATOR, ENROL, 200, {"identity": "{other}"}),
    f"DELETE {SAMPLE}": Row(CURATOR, ENROL, 204),
    f"GET {SAMPLE}/crop.jpg": Row(VIEWER, READ),
    f"POST {SAMPLE}/reject": Row(CURATOR, ENROL),
    "POST /api/v1/undo/{id}": Row(OWNER, ENROL, **HIDDEN),  # of what somebody else did
    # Photos
    "GET /api/v1/recognitions": Row(ANYBODY, OWN_ANSWERS),
    "POST /api/v1/recognitions": Row(VIEWER, RECOGNIZE, 202, PHOTO),
    f"GET {RECOGNITION}": Row(CURATOR, OWN_ANSWERS, **HIDDEN),  # of somebody else
    f"DELETE {RECOGNITION}": Row(CURATOR, RECOGNIZE, 204, **HIDDEN),
    f"GET {RECOGNITION}/annotated.jpg": Row(CURATOR, OWN_ANSWERS, **HIDDEN),
    f"POST {RECOGNITION}/faces/{{index}}/reject": Row(CURATOR, ENROL, 200, {"identity": "{other}"}, **HIDDEN),
    f"POST {RECOGNITION}/faces/{{index}}/confirm": Row(
        CURATOR, ENROL, 409, {"identity": "{other}"}, **HIDDEN
    ),  # unknown
    f"POST {RECOGNITION}/faces/{{index}}/name": Row(
        CURATOR, ENROL, 200, {"identity": "{other}", "quality_gate": "off"}, **HIDDEN
    ),
    "POST /api/v1/detections": Row(VIEWER, RECOGNIZE, 202, PHOTO),
    "GET /api/v1/detections/{id}": Row(CURATOR, RECOGNIZE, **HIDDEN),
    "POST /api/v1/embeddings": Row(VIEWER, RECOGNIZE, 202, PHOTO),
    "GET /api/v1/embeddings/{id}": Row(CURATOR, RECOGNIZE, **HIDDEN),
    "POST /api/v1/comparisons": Row(VIEWER, RECOGNIZE, 202, PHOTO | {"sample": "{sample}"}),
    "GET /api/v1/comparisons/{id}": Row(CURATOR, RECOGNIZE, **HIDDEN),
    "POST /api/v1/searches": Row(VIEWER, RECOGNIZE, 200, {"gallery": "staff", "vector": "{vector}"}),
    # Cameras
    "GET /api/v1/cameras": Row(ANYBODY, READ),
    "POST /api/v1/cameras": Row(OWNER, MANAGE, 201, {"gallery": "staff", "name": "Exit", "kind": "webcam"}),
    "POST /api/v1/cameras/try": Row(
        OWNER, MANAGE, 422, {"gallery": "staff", "kind": "rtsp", "address": "rtsp://no.invalid/"}
    ),
    f"GET {CAMERA}": Row(VIEWER, READ),
    f"PATCH {CAMERA}": Row(OWNER, MANAGE, 200, {"enabled": False}),
    f"DELETE {CAMERA}": Row(OWNER, MANAGE, 204),
    f"GET {CAMERA}/frame.jpg": Row(VIEWER, READ),
    f"GET {CAMERA}/live.mjpeg": Row(VIEWER, READ),
    f"GET {CAMERA}/kiosks": Row(OWNER, MANAGE),
    f"POST {CAMERA}/kiosks": Row(OWNER, MANAGE, 201, {"name": "Tablet"}),
    "DELETE /api/v1/kiosks/{id}": Row(OWNER, MANAGE, 204),
    f"POST {CAMERA}/frames": Row(CURATOR, RECOGNIZE, 204, "{jpeg}"),
    # Imports
    # Cameras' sightings
    "GET /api/v1/sightings": Row(ANYBODY, READ),
    f"GET {SIGHTING}": Row(VIEWER, READ),
    f"GET {SIGHTING}/crop.jpg": Row(VIEWER, READ),
    f"GET {SIGHTING}/faces/{{rank}}": Row(VIEWER, READ),
    f"POST {SIGHTING}/confirm": Row(CURATOR, ENROL),
    f"POST {SIGHTING}/reject": Row(CURATOR, ENROL, 200, {"identity": "{ada}"}),
    f"POST {SIGHTING}/name": Row(CURATOR, ENROL, 200, {"identity": "{other}", "enrol": True}),
    "GET /api/v1/unknowns": Row(ANYBODY, READ),
    f"GET {UNKNOWN}": Row(VIEWER, READ),
    f"POST {UNKNOWN}/name": Row(CURATOR, ENROL, 200, {"identity": "{other}"}),
    f"POST {UNKNOWN}/merge": Row(CURATOR, ENROL, 200, {"others": ["{unknown_other}"]}),
    f"POST {UNKNOWN}/ignore": Row(CURATOR, ENROL, 200, {}),
    f"POST {UNKNOWN}/split": Row(CURATOR, ENROL, 200, {"sightings": ["{unknown_sighting}"]}),
    f"POST {UNKNOWN}/deny": Row(CURATOR, ENROL, 200, {"unknown": "{unknown_other}"}),
    f"POST {GALLERY}/unknowns/merge": Row(CURATOR, ENROL, 202),
    "GET /api/v1/imports": Row(ANYBODY, READ),
    "POST /api/v1/imports": Row(CURATOR, ENROL, 202, {"gallery": "staff", "file": "{zip}"}),
    "GET /api/v1/imports/{id}": Row(CURATOR, READ, **HIDDEN),
    "GET /api/v1/imports/{id}/report.csv": Row(CURATOR, READ, **HIDDEN),
    "POST /api/v1/imports/{id}/stop": Row(CURATOR, ENROL, 409, **HIDDEN),  # it is stopped
    "POST /api/v1/imports/{id}/resume": Row(CURATOR, ENROL, **HIDDEN),
}
# With a key of one gallery alone. `elsewhere`: in that key's own gallery.
VECTORS, HERE = {"embeddings": ["{vector}"], "prediction_count": 9}, {"elsewhere": 200}
FACES, FACE = "/api/v1/recognition/faces", "/api/v1/recognition/faces/{image_id}"
SUBJECTS, SUBJECT = "/api/v1/recognition/subjects", "/api/v1/recognition/subjects/{subject}"
COMPREFACE = {
    "POST /api/v1/recognition/recognize": Row(
        VIEWER, RECOGNIZE, 200, {"file": "{jpeg}", "prediction_count": 9}, **HERE
    ),
    "POST /api/v1/detection/detect": Row(VIEWER, RECOGNIZE, 200, {"file": "{jpeg}"}, **HERE),
    "POST /api/v1/verification/verify": Row(
        VIEWER, RECOGNIZE, 200, {"source_image": "{photo}", "target_image": "{photo}"}, **HERE
    ),
    f"GET {SUBJECTS}": Row(VIEWER, READ, **HERE),
    f"POST {SUBJECTS}": Row(CURATOR, ENROL, 201, {"subject": "New"}, elsewhere=201),
    f"DELETE {SUBJECTS}": Row(CURATOR, ENROL, **HERE),
    f"PUT {SUBJECT}": Row(CURATOR, ENROL, 200, {"subject": "Changed"}),
    f"DELETE {SUBJECT}": Row(CURATOR, ENROL),
    f"GET {FACES}": Row(VIEWER, READ, **HERE),
    f"POST {FACES}": Row(CURATOR, ENROL, 201, {"subject": "New", "file": "{jpeg}"}, elsewhere=201),
    f"DELETE {FACES}": Row(CURATOR, ENROL, **HERE),
    f"POST {FACES}/delete": Row(CURATOR, ENROL, 200, ["{sample}"], **HERE),
    f"DELETE {FACE}": Row(CURATOR, ENROL),
    f"GET {FACE}/img": Row(VIEWER, READ, **HERE),  # empty
    f"POST {FACE}/verify": Row(VIEWER, RECOGNIZE, 200, {"file": "{jpeg}"}),
    "POST /api/v1/recognition/embeddings/recognize": Row(VIEWER, RECOGNIZE, 200, VECTORS, **HERE),
    "POST /api/v1/recognition/embeddings/faces/{image_id}/verify": Row(VIEWER, RECOGNIZE, 200, VECTORS),
    "POST /api/v1/verification/embeddings/verify": Row(
        VIEWER, RECOGNIZE, 200, {"source": "{vector}", "targets": ["{vector}"]}, **HERE
    ),
}
ALL = TABLE | COMPREFACE
FILES = {"{zip}": "people.zip", "{jpeg}": "photo.jpg"}
# Who is refused whatever a row says. CompreFace's clients are signed in by the key of a gallery, in a header of its own.
ENDED = ("expired key", "revoked key", "disabled user")
REFUSED = dict.fromkeys(("anonymous", *ENDED), 401)
REFUSED_BY_COMPREFACE = {"anonymous": 400, "operator": 400} | dict.fromkeys(("key to all galleries", *ENDED), 404)
OUTSIDE = ("stranger", "key elsewhere")
# What nobody from outside the gallery finds in any answer, unless the address has it.
SECRETS = (
    "identity",
    "subject",
    "other",
    "other_name",
    "sample",
    "event",
    "finding",
    "reembedding",
    "cameras",
    "kiosks",
    "imports",
    "erasures",
    "recognition",
    "alerts",
    "alert-rules",
    "webhook-endpoints",
    "webhook-deliveries",
    "sighting",
    "unknown",
    "key",
)


def test_every_operation_has_its_row():
    operations = {f"{method.upper()} {path}" for path, methods in OPENAPI["paths"].items() for method in methods}
    assert operations == set(TABLE)


def test_every_operation_missing_from_the_schema_has_a_row():
    assert undocumented_operations() == set(COMPREFACE)


# --- The world ---
@dataclass
class World:
    """rows: the values for the table's texts in braces. clients: by kind of caller. before, people: the data before the calls."""

    rows: dict[str, Any]
    clients: dict[str, APIClient]
    before: list
    people: list


@pytest.fixture
def world(db, instant_worker, settings):
    settings.KEY_RATE = settings.USER_RATE = 0  # so that calls are not counted
    rows = make_rows()
    return World(rows, make_clients(rows), database_state(), people(rows["gallery"]))


def make_clients(rows) -> dict[str, APIClient]:
    """anonymous, stranger, one per role, operator; an operator's keys with one scope each, for all galleries, and for another
    gallery; keys that are no longer valid.

    For CompreFace's operations, signed-in callers except the operator also send a key for the gallery; so do keys with one scope.
    """
    gallery, operator = rows["gallery"], rows["operator"]
    clients = {"anonymous": APIClient(), "operator": client_of(Actor(user=operator))}
    for role in Role:
        clients[role.label.lower()] = signed_in(member(gallery, role), gallery)
    former_owner = member(gallery, Role.OWNER)
    clients["stranger"] = signed_in(former_owner, gallery)
    former_owner.user.memberships.all().delete()
    for scope in Scope:
        every, own = new_key(operator, [scope]), new_key(operator, [scope], gallery)
        clients[f"key to {scope}"] = APIClient(HTTP_AUTHORIZATION=f"Bearer {every}", HTTP_X_API_KEY=own)
    clients["key to all galleries"] = with_key(operator)
    clients["key elsewhere"] = with_key(operator, GalleryFactory())
    now = timezone.now()
    clients["expired key"] = with_key(operator, gallery, expires_at=now)
    clients["revoked key"] = with_key(operator, gallery, revoked_at=now)
    disabled = member(gallery, Role.OWNER).user
    clients["disabled user"] = with_key(disabled, gallery)
    User.objects.filter(pk=disabled.pk).update(is_active=False)
    return clients


def signed_in(actor: Actor, gallery) -> APIClient:
    client = client_of(actor)
    client.defaults["HTTP_X_API_KEY"] = new_key(actor.user, Scope, gallery)
    return client


def with_key(user, gallery=None, **fields) -> APIClient:
    """Sends the key in both headers: the API's and CompreFace's."""
    key = new_key(user, Scope, gallery, **fields)
    return APIClient(HTTP_AUTHORIZATION=f"Bearer {key}", HTTP_X_API_KEY=key)


def people(gallery) -> list:
    """All people in a gallery, and their samples."""
    kinds = (Identity.with_deleted, FaceSample.with_deleted)
    return [list(rows.filter(gallery=gallery).order_by("pk").values()) for rows in kinds]


# --- The calls ---
@contextmanager
def called(world: World, who: str, operation: str):
    """Yields the response; rolls back afterwards what the call changed."""
    method, path = operation.split()
    names = path_values(path, world.rows)
    body = filled(ALL[operation].body, world.rows)
    if isinstance(ALL[operation].body, str):
        body, kind = body.read(), {"content_type": "image/jpeg"}
    else:
        kind = {"format": "multipart" if body and "file" in body else "json"}
    client = world.clients[who]
    with transaction.atomic():
        yield getattr(client, method.lower())(path.format(**names), body, **kind, HTTP_PREFER="wait=0")
        transaction.set_rollback(True)


def filled(value, rows):
    if isinstance(value, dict):
        return {name: filled(one, rows) for name, one in value.items()}
    if isinstance(value, list):
        return [filled(one, rows) for one in value]
    if not (isinstance(value, str) and value.startswith("{")):
        return value
    found = rows[value[1:-1]]
    return upload(found, FILES[value]) if value in FILES else found


def expected(who: str, operation: str) -> int:
    """The status that the table says."""
    row, scope = ALL[operation], who.removeprefix("key to ")
    refused = REFUSED_BY_COMPREFACE if operation in COMPREFACE else REFUSED
    if who in refused:
        return refused[who]
    if scope in Scope:
        return row.ok if scope in row.scopes else 403
    if who == "key elsewhere" and row.elsewhere:
        return row.elsewhere
    if row.least == ANYBODY:
        return row.ok
    if who == "key elsewhere":
        return row.outside
    ranks = {"stranger": None} | dict.fromkeys(("operator", "key to all galleries"), OPERATOR)
    ranks |= {role.label.lower(): role for role in Role}
    if ranks[who] is None:
        return row.outside
    return row.ok if ranks[who] >= row.least else row.below


EVERYBODY = [
    "anonymous",
    "stranger",
    *(role.label.lower() for role in Role),
    "operator",
    *(f"key to {scope}" for scope in Scope),
    "key to all galleries",
    "key elsewhere",
    *ENDED,
]


@pytest.mark.parametrize("who", EVERYBODY)
def test_each_operation_answers_as_the_table_says(who, world, subtests):
    for operation in ALL:
        with subtests.test(operation), called(world, who, operation) as answer:
            body = b"".join(answer.streaming_content) if answer.streaming else answer.content
            assert answer.status_code == expected(who, operation), body[:300]
            assert "no-store" in answer["Cache-Control"]
            if who in OUTSIDE:
                found = {secret for name in SECRETS if (secret := str(world.rows[name])).encode() in body}
                assert not {secret for secret in found if secret not in answer.request["PATH_INFO"]}
                assert answer.get("Content-Type") != "image/jpeg"
                assert people(world.rows["gallery"]) == world.people, "another gallery was changed"
            if answer.status_code >= 400 and operation in COMPREFACE:
                compreface_error(answer)
            elif answer.status_code >= 400:
                assert answer["Content-Type"] == "application/problem+json"
            if answer.status_code >= 400:
                assert database_state() == world.before, "a refused call changed something"
