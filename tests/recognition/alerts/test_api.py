"""Alerts, rules and webhooks over REST. Who may call what: tests/accounts/test_access_table.py."""

from datetime import timedelta

import pytest
from api_client import client_of, problem
from django.utils import timezone
from factories import CameraFactory, GalleryFactory, IdentityFactory, member, unit
from seen import sight

from accounts.actor import system_actor
from accounts.roles import Role
from recognition.alerts import services
from recognition.alerts.models import Alert, AlertRule, WebhookDelivery, WebhookEndpoint

pytestmark = pytest.mark.django_db
ACTOR = system_actor()


@pytest.fixture
def hall():
    return GalleryFactory(slug="hall")


@pytest.fixture
def owner(hall):
    return client_of(member(hall, Role.OWNER))


def raised(hall, name: str, **fields) -> Alert:
    services.raise_for(sight(hall, unit(0), identity=IdentityFactory(gallery=hall, name=name), **fields))
    return Alert.objects.latest("id")


def ids(client, query: str = "") -> list[str]:
    answer = client.get(f"/api/v1/alerts?{query}")
    assert answer.status_code == 200, answer.content
    return [row["id"] for row in answer.json()["results"]]


def test_alerts_are_listed_newest_first_filtered_and_marked(hall, owner):
    services.create_rule(actor=ACTOR, gallery=hall, name="All", kind="known", cooldown=0)
    door = CameraFactory(gallery=hall, slug="door")
    first, second = raised(hall, "Anna", camera=door), raised(hall, "Bella", camera=CameraFactory(gallery=hall))
    Alert.objects.filter(pk=first.pk).update(raised_at=timezone.now() - timedelta(hours=1))
    assert ids(owner, "gallery=hall") == [str(second.pk), str(first.pk)]
    page = owner.get("/api/v1/alerts?limit=1").json()
    assert [row["id"] for row in owner.get(page["next"]).json()["results"]] == [str(first.pk)]
    ago = (timezone.now() - timedelta(minutes=30)).strftime("%Y-%m-%dT%H:%M:%SZ")
    for query, found in (
        ("camera=door", first), (f"identity={second.identity_id}", second), (f"before={ago}", first),
        (f"after={ago}", second), ("kind=unknown", None), ("seen=true", None), ("gallery=other", None),
    ):  # fmt: skip
        assert ids(owner, query) == ([str(found.pk)] if found else []), query
    problem(owner.get("/api/v1/alerts?kind=x"), 400, "invalid_input")
    seen = owner.post(f"/api/v1/alerts/{first.pk}/seen").json()
    assert seen["seen"] and len(seen["seen_by"]) == 1 and seen["text"] == f"Anna was seen at {door.name}."
    assert ids(owner, "seen=false") == [str(second.pk)]
    many = {"alerts": [str(first.pk), str(second.pk)]}
    assert owner.post("/api/v1/alerts/seen", many, format="json").json() == {"seen": 1}
    for body in ({}, many | {"gallery": "hall"}):
        problem(owner.post("/api/v1/alerts/seen", body, format="json"), 400, "invalid_input")
    elsewhere = client_of(member(GalleryFactory(), Role.OWNER))
    problem(elsewhere.post("/api/v1/alerts/seen", many, format="json"), 404, "not_found")


def test_the_picture_goes_with_its_sighting(hall, owner):
    services.create_rule(actor=ACTOR, gallery=hall, name="All", kind="known")
    alert = raised(hall, "Anna")
    address = owner.get(f"/api/v1/alerts/{alert.pk}").json()["picture"]
    assert owner.get(address).content == bytes(alert.sighting.faces.get(rank=0).jpeg)
    alert.sighting.delete()
    problem(owner.get(address), 404, "not_found")
    assert owner.get(f"/api/v1/alerts/{alert.pk}").json()["picture"] is None


def test_a_rule_takes_ids_of_its_own_gallery(hall, owner):
    anna, other = IdentityFactory(gallery=hall), IdentityFactory()
    body = {"gallery": "hall", "name": "Door", "kind": "watch_list", "people": [str(anna.pk)], "starts_at": "22:00"}
    problem(owner.post("/api/v1/alert-rules", body, format="json"), 400, "invalid_input")
    made = owner.post("/api/v1/alert-rules", body | {"ends_at": "06:00"}, format="json")
    assert made.status_code == 201 and made.json()["people"] == [str(anna.pk)]
    problem(owner.patch(made["Location"], {"but_not": [str(other.pk)]}, format="json"), 400, "invalid_input")
    problem(owner.patch(made["Location"], {"people": []}, format="json"), 400, "invalid_input")
    changed = owner.patch(made["Location"], {"enabled": False, "emails": ["a@example.org"]}, format="json").json()
    assert (changed["enabled"], changed["emails"], changed["people"]) == (False, ["a@example.org"], [str(anna.pk)])
    assert [row["id"] for row in owner.get("/api/v1/alert-rules?gallery=hall").json()["results"]] == [changed["id"]]
    assert owner.delete(made["Location"]).status_code == 204 and not AlertRule.objects.exists()


def test_a_secret_is_shown_once_also_if_the_call_is_repeated(hall, owner):
    body, key = {"gallery": "hall", "url": "http://192.168.1.1/x"}, {"HTTP_IDEMPOTENCY_KEY": "one"}
    made = owner.post("/api/v1/webhook-endpoints", body, format="json", **key)
    assert made.json()["secret"].startswith("whsec_")
    again = owner.post("/api/v1/webhook-endpoints", body, format="json", **key).json()
    assert again["secret"] is None and WebhookEndpoint.objects.count() == 1
    address = made["Location"]
    assert "secret" not in owner.get(address).json()
    rotated = owner.post(f"{address}/rotate-secret").json()
    assert rotated["secret"] != made.json()["secret"] and rotated["old_secret_until"]
    changed = owner.patch(address, {"kinds": ["absent"], "enabled": False}, format="json").json()
    assert (changed["kinds"], changed["enabled"]) == (["absent"], False)
    problem(owner.patch(address, {"kinds": ["x"]}, format="json"), 400, "invalid_input")
    sent = owner.post(f"{address}/test")
    assert sent.status_code == 202 and sent.json()["status"] == "waiting" and "test" in sent.json()["body"]
    problem(owner.post(f"{sent['Location']}/replay"), 409, "conflict")
    WebhookDelivery.objects.update(status="failed", next_at=None)
    WebhookDelivery.objects.get().tries.create(status=500, milliseconds=3)
    [failed] = owner.get(f"/api/v1/webhook-deliveries?status=failed&endpoint={changed['id']}").json()["results"]
    assert failed["attempts"][0]["status"] == 500
    assert owner.post(f"{sent['Location']}/replay").json()["status"] == "waiting"
