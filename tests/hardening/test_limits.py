"""Bounds on what a request may say: JSON, a person's metadata, and numbers of thousands of digits."""

import base64
import json
import tracemalloc

import pytest
from api_client import client_of, problem
from django.test import Client
from django.urls import reverse
from factories import GalleryFactory, IdentityFactory, UserFactory, member

from accounts.models import AuditEvent
from accounts.roles import Role
from faceplatform.errors import InvalidInput
from faceplatform.web.parsers import MAX_CONTAINERS, MAX_LEVELS, MAX_VALUES
from gallery.metadata import require_bounded
from gallery.models import Identity
from gallery.services import create_identity, update_identity
from recognition.photos import queue
from recognition.photos.models import RecognitionRequest
from recognition.privacy.retention import CATEGORIES

pytestmark = pytest.mark.django_db
DIGITS = "9" * 5000


@pytest.fixture
def gallery():
    return GalleryFactory(slug="staff")


@pytest.fixture
def curator(gallery):
    return member(gallery, Role.CURATOR)


@pytest.fixture
def client(curator):
    return client_of(curator)


@pytest.fixture
def photo_text(hopper):
    return base64.b64encode(hopper).decode()


def nested(levels: int) -> str:
    return "[" * levels + "]" * levels


MANY_KEYS = ",".join(f'"k{number}": 1' for number in range(60_000))


def post(client, text: str):
    return client.post("/api/v1/identities", data=text, content_type="application/json")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (nested(MAX_LEVELS + 1), "nested too deeply"),
        (nested(100_000), "too many lists"),
        ('{"a":' * 40 + "1" + "}" * 40, "nested too deeply"),
        ('{"gallery": "\\"]]]]", "x": ' + nested(40) + "}", "nested too deeply"),
        ("[" + "[]," * MAX_VALUES + "[]]", "too many values"),
        ("[" + "1," * MAX_VALUES + "1]", "too many values"),
        ("[" + "[]," * MAX_CONTAINERS + "[]]", "too many lists"),
        ('{"gallery": "staff", "name": "Ada", "metadata": {' + '"a": 1,' * 9 + MANY_KEYS + "}}", "too many names"),
    ],
    ids=range(8),
)
def test_json_has_bounds(client, gallery, text, words):
    assert words in problem(post(client, text), 400, "invalid_input")["detail"]
    assert not Identity.objects.exists()


def test_brackets_in_texts_are_no_levels(client, gallery):
    name = "[" * 100 + '"'
    assert post(client, json.dumps({"gallery": "staff", "name": name})).status_code == 201
    broad = {"gallery": "staff", "name": "Ada", "metadata": {str(number): [] for number in range(MAX_LEVELS * 2)}}
    assert post(client, json.dumps(broad)).status_code == 201


def test_refused_json_takes_no_memory(client):
    text = "[" + "[[]]," * 600_000 + "[]]"
    post(client, "[]")
    tracemalloc.start()
    try:
        problem(post(client, text), 400, "invalid_input")
        assert tracemalloc.get_traced_memory()[1] < 5 * len(text)  # copies of the text, and no lists
    finally:
        tracemalloc.stop()


TOO_MUCH = {
    "too many values": {str(number): 1 for number in range(1000)},
    "nested too deeply": {"a": json.loads(nested(9))},
    "larger than 64 KiB": {"a": "é" * 33_000},
}


@pytest.mark.parametrize("words", TOO_MUCH)
def test_metadata_has_bounds_wherever_it_comes_from(client, curator, gallery, words):
    identity = IdentityFactory(gallery=gallery, name="Ada", metadata={"a": 1})
    before = AuditEvent.objects.count()
    body = json.dumps({"gallery": "staff", "name": "Bob", "metadata": TOO_MUCH[words]})
    assert words in problem(post(client, body), 400, "invalid_input")["detail"]
    change = json.dumps({"metadata": TOO_MUCH[words]})
    answer = client.patch(f"/api/v1/identities/{identity.pk}", change, content_type="application/json")
    assert words in problem(answer, 400, "invalid_input")["detail"]
    with pytest.raises(InvalidInput, match=words):
        create_identity(actor=curator, gallery=gallery, name="Bob", metadata=TOO_MUCH[words])
    with pytest.raises(InvalidInput, match=words):
        update_identity(actor=curator, identity=identity, metadata=TOO_MUCH[words])
    assert list(Identity.objects.values_list("name", "metadata")) == [("Ada", {"a": 1})]
    assert AuditEvent.objects.count() == before


def test_the_admin_site_refuses_large_metadata(gallery):
    identity = IdentityFactory(gallery=gallery, name="Ada", metadata={"a": 1})
    browser = Client()
    browser.force_login(UserFactory(is_staff=True, is_superuser=True))
    page = browser.get(f"/admin/gallery/identity/{identity.pk}/change/")
    values = {name: value for name, value in page.context["adminform"].form.initial.items() if value is not None}
    form = values | {"metadata": json.dumps(TOO_MUCH["too many values"])}
    form |= {f"samples-{name}": 0 for name in ("TOTAL_FORMS", "INITIAL_FORMS")}
    answer = browser.post(f"/admin/gallery/identity/{identity.pk}/change/", form)
    assert (answer.status_code, "too many values" in answer.content.decode()) == (200, True)
    identity.refresh_from_db()
    assert identity.metadata == {"a": 1}


def test_metadata_that_is_already_too_large_does_not_stop_other_changes(curator, gallery):
    identity = IdentityFactory(gallery=gallery, metadata=TOO_MUCH["too many values"])
    assert update_identity(actor=curator, identity=identity, name="Ada Lovelace").name == "Ada Lovelace"


def test_metadata_may_use_its_bounds():
    require_bounded({str(number): 1 for number in range(999)})
    require_bounded({"a": json.loads(nested(7))})
    require_bounded({"a": "x" * 60_000})
    require_bounded([])


def test_numbers_of_thousands_of_digits_are_bad_input(client, curator, gallery, photo_text):
    queue.register_worker(host="test", process_id=1)
    problem(client.get(f"/api/v1/identities?limit={DIGITS}"), 400, "invalid_input")
    body = {"gallery": "staff", "photo": photo_text}
    answer = client.post("/api/v1/recognitions", body, format="json", HTTP_PREFER=f"wait={DIGITS}")
    assert "wait" in problem(answer, 400, "invalid_input")["detail"]
    assert not RecognitionRequest.objects.exists()
    assert client.get(f"/galleries/staff/?page={DIGITS}").status_code in (200, 302)
    owner = client_of(member(gallery, Role.OWNER))
    change = {next(iter(CATEGORIES)): DIGITS}
    problem(owner.patch("/api/v1/galleries/staff/retention", change, format="json"), 400, "invalid_input")


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"a":' * 50_000, "1" * 5_000, "[[[[[[[[[1]]]]]]]]]", '"' + "x" * 70_000 + '"', "{"]
)
def test_metadata_in_the_admin_site_is_shown_again_with_what_is_wrong(gallery, text):
    client = Client()
    client.force_login(UserFactory(is_superuser=True, is_staff=True))
    counts = {f"samples-{name}": "0" for name in ("TOTAL_FORMS", "INITIAL_FORMS")}
    values = {"gallery": str(gallery.pk), "name": "Eve", "active": "on", "metadata": text, **counts}
    answer = client.post(reverse("admin:gallery_identity_add"), values)
    assert answer.status_code == 200
    assert list(answer.context["adminform"].form.errors) == ["metadata"]
    assert not Identity.objects.exists()
