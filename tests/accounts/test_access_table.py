"""Every operation of the API by everybody: who may, who is refused and how, and that a refused call changes nothing.

An operation without a row in TABLE fails. Each caller's calls are tried on the same world; each one is rolled back.
"""

import json
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from api_client import client_of, upload
from api_world import in_address, make_rows
from django.apps import apps
from django.db import connection, transaction
from django.utils import timezone
from factories import GalleryFactory, member, stranger
from rest_framework.test import APIClient

from accounts.actor import system_actor
from accounts.models import ApiKey
from accounts.roles import Role, Scope
from accounts.services import create_api_key

OPENAPI = json.loads((Path(__file__).resolve().parents[1] / "openapi.json").read_text())
ANYBODY, OPERATOR = 0, 99  # signed in; beside the roles
RECOGNIZE, READ, ENROL, MANAGE = ({scope} for scope in Scope)
OWN_ANSWERS = READ | RECOGNIZE


@dataclass(frozen=True)
class Row:
    """least: the least role. scopes: any of them. ok: the status for those who may. below: for a lesser role. outside: for a
    stranger, and for an operator's key of another gallery, unless `elsewhere` says otherwise.
    body: fields; a text in braces stands for what the world has under that name, and a file makes it multipart."""

    least: int
    scopes: set[Scope]
    ok: int = 200
    body: dict[str, Any] | None = None
    below: int = 403
    outside: int = 404
    elsewhere: int | None = None


VIEWER, CURATOR, OWNER = Role.VIEWER, Role.CURATOR, Role.OWNER
PHOTO = {"gallery": "staff", "photo": "{photo}"}
HIDDEN = {"below": 404}
GALLERY, PERSON = "/api/v1/galleries/{slug}", "/api/v1/identities/{id}"
SAMPLE, RECOGNITION = "/api/v1/samples/{id}", "/api/v1/recognitions/{id}"
TABLE = {
    "GET /api/v1/me": Row(ANYBODY, READ),
    "GET /api/v1/api-keys": Row(ANYBODY, MANAGE),
    "POST /api/v1/api-keys": Row(ANYBODY, MANAGE, 201, {"scopes": ["manage"]}, elsewhere=403),
    "GET /api/v1/api-keys/{id}": Row(OPERATOR, MANAGE, **HIDDEN),
    "DELETE /api/v1/api-keys/{id}": Row(OPERATOR, MANAGE, 204, **HIDDEN),
    "POST /api/v1/api-keys/{id}/rotate": Row(OPERATOR, MANAGE, 201, {}, **HIDDEN),
    "GET /api/v1/audit-events": Row(ANYBODY, READ),
    "GET /api/v1/packs": Row(ANYBODY, READ),
    "GET /api/v1/packs/{name}": Row(ANYBODY, READ),
    "GET /api/v1/evaluations": Row(ANYBODY, READ),
    "GET /api/v1/evaluations/{id}": Row(CURATOR, READ, elsewhere=200, **HIDDEN),  # of no gallery
    # Galleries
    "GET /api/v1/galleries": Row(ANYBODY, READ),
    "POST /api/v1/galleries": Row(OPERATOR, MANAGE, 201, {"name": "Another"}, outside=403),
    f"GET {GALLERY}": Row(VIEWER, READ),
    f"PATCH {GALLERY}": Row(OWNER, MANAGE, 200, {"name": "Changed"}),
    f"DELETE {GALLERY}": Row(OWNER, MANAGE, 204),
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
    "POST /api/v1/detections": Row(VIEWER, RECOGNIZE, 202, PHOTO),
    "GET /api/v1/detections/{id}": Row(CURATOR, RECOGNIZE, **HIDDEN),
    "POST /api/v1/embeddings": Row(VIEWER, RECOGNIZE, 202, PHOTO),
    "GET /api/v1/embeddings/{id}": Row(CURATOR, RECOGNIZE, **HIDDEN),
    "POST /api/v1/comparisons": Row(VIEWER, RECOGNIZE, 202, PHOTO | {"sample": "{sample}"}),
    "GET /api/v1/comparisons/{id}": Row(CURATOR, RECOGNIZE, **HIDDEN),
    "POST /api/v1/searches": Row(VIEWER, RECOGNIZE, 200, {"gallery": "staff", "vector": "{vector}"}),
    "GET /api/v1/imports": Row(ANYBODY, READ),
    "POST /api/v1/imports": Row(CURATOR, ENROL, 202, {"gallery": "staff", "file": "{zip}"}),
    "GET /api/v1/imports/{id}": Row(CURATOR, READ, **HIDDEN),
    "GET /api/v1/imports/{id}/report.csv": Row(CURATOR, READ, **HIDDEN),
    "POST /api/v1/imports/{id}/stop": Row(CURATOR, ENROL, 409, **HIDDEN),  # it is stopped
    "POST /api/v1/imports/{id}/resume": Row(CURATOR, ENROL, **HIDDEN),
}
# What nobody from outside the gallery finds in any answer.
SECRETS = (
    "identity",
    "other",
    "sample",
    "event",
    "finding",
    "reembedding",
    "imports",
    "erasures",
    "recognition",
    "key",
)


def test_every_operation_has_its_row():
    operations = {f"{method.upper()} {path}" for path, methods in OPENAPI["paths"].items() for method in methods}
    assert operations == set(TABLE)


# --- The world ---
@dataclass
class World:
    """rows: what the table's words in braces stand for. clients: by who they are."""

    rows: dict[str, Any]
    clients: dict[str, APIClient]
    before: list


@pytest.fixture
def world(db, pack_dir, settings):
    settings.KEY_RATE = settings.USER_RATE = 0  # so that calls are not counted
    rows = make_rows()
    return World(rows, make_clients(rows), state())


def make_clients(rows) -> dict[str, APIClient]:
    """anonymous, stranger, the roles, operator; the operator's keys of one scope each, and one of another gallery."""
    operator = rows["operator"]
    clients = {"anonymous": APIClient(), "stranger": client_of(stranger())}
    clients |= {role.label.lower(): client_of(member(rows["gallery"], role)) for role in Role}
    clients["operator"] = APIClient()
    clients["operator"].force_login(operator)
    for scope in Scope:
        clients[f"key to {scope}"] = with_key(operator, scopes=[scope])
    clients["key elsewhere"] = with_key(operator, scopes=list(Scope), gallery=GalleryFactory())
    return clients


def with_key(user, **values) -> APIClient:
    row, key = create_api_key(actor=system_actor(), user=user, **values)
    ApiKey.objects.filter(pk=row.pk).update(last_used_at=timezone.now())  # or the next call would write it
    return APIClient(HTTP_AUTHORIZATION=f"Bearer {key}")


# --- The calls ---
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


@contextmanager
def called(world: World, who: str, operation: str):
    """The answer; what it changed is rolled back afterwards."""
    method, path = operation.split()
    names = in_address(path, world.rows)
    body = filled(TABLE[operation].body, world.rows)
    kind = "multipart" if body and "file" in body else "json"
    client = world.clients[who]
    with transaction.atomic():
        yield getattr(client, method.lower())(path.format(**names), body, format=kind, HTTP_PREFER="wait=0")
        transaction.set_rollback(True)


def filled(value, rows):
    if isinstance(value, dict):
        return {name: filled(one, rows) for name, one in value.items()}
    if isinstance(value, list):
        return [filled(one, rows) for one in value]
    if value == "{zip}":
        return upload(rows["zip"], "people.zip")
    return rows[value[1:-1]] if isinstance(value, str) and value.startswith("{") else value


def expected(who: str, row: Row) -> int:
    """The status that the table asks for."""
    if who == "anonymous":
        return 401
    if who.startswith("key to "):
        return row.ok if who.removeprefix("key to ") in row.scopes else 403
    if who == "key elsewhere" and row.elsewhere:
        return row.elsewhere
    if row.least == ANYBODY:
        return row.ok
    if who == "key elsewhere":
        return row.outside
    ranks = {"stranger": None, "operator": OPERATOR} | {role.label.lower(): role for role in Role}
    if ranks[who] is None:
        return row.outside
    return row.ok if ranks[who] >= row.least else row.below


EVERYBODY = [
    "anonymous",
    "stranger",
    *(role.label.lower() for role in Role),
    "operator",
    *(f"key to {scope}" for scope in Scope),
    "key elsewhere",
]


@pytest.mark.parametrize("who", EVERYBODY)
def test_who_may(who, world, subtests):
    for operation, row in TABLE.items():
        with subtests.test(operation), called(world, who, operation) as answer:
            body = b"".join(answer.streaming_content) if answer.streaming else answer.content
            assert answer.status_code == expected(who, row), body[:300]
            if who in ("stranger", "key elsewhere"):
                assert not [name for name in SECRETS if str(world.rows[name]).encode() in body]
            if answer.status_code >= 400:
                assert answer["Content-Type"] == "application/problem+json"
                assert state() == world.before, "it was refused, and yet something changed"
