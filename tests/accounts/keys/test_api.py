"""API keys over REST: users manage their own, and with a key never one that may do more."""

from datetime import timedelta

import pytest
from api_client import client_of, problem
from django.core.management import call_command
from django.utils import timezone
from factories import GalleryFactory, UserFactory, member, stranger
from rest_framework.test import APIClient

from accounts.actor import Actor, Via
from accounts.keys import services
from accounts.models import ApiKey, AuditEvent, Membership
from accounts.roles import Role, Scope
from accounts.users.services import set_membership
from faceplatform.errors import Conflict, InvalidInput, NotAllowed

pytestmark = pytest.mark.django_db
ALL = list(Scope.values)


@pytest.fixture
def gallery():
    return GalleryFactory(slug="staff")


@pytest.fixture
def actor(gallery):
    return member(gallery, Role.VIEWER)


def bearer(key: str) -> APIClient:
    client = APIClient(raise_request_exception=False)
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {key}")
    return client


def with_key(actor, **values) -> Actor:
    row, _ = services.create_api_key(actor=actor, user=actor.user, **values)
    return Actor(user=actor.user, api_key=row, via=Via.API, name=actor.name)


def test_create_use_list_and_revoke(actor):
    browser = client_of(actor)
    body = {"name": "door", "gallery": "staff", "scopes": ["read", "recognize"], "days": 30}
    made = browser.post("/api/v1/api-keys", body, format="json")
    assert made.status_code == 201
    key = made.json()["key"]
    assert bearer(key).get("/api/v1/me").json()["scopes"] == ["read", "recognize"]
    [listed] = browser.get("/api/v1/api-keys").json()["results"]
    assert (listed["name"], listed["gallery"], listed["state"], listed["user"]) == (
        "door", "staff", "valid", actor.user.username,
    )  # fmt: skip
    assert "key" not in listed and key not in str(listed)
    assert browser.delete(f"/api/v1/api-keys/{listed['id']}").status_code == 204
    problem(bearer(key).get("/api/v1/me"), 401, "not_authenticated")
    assert browser.get(f"/api/v1/api-keys/{listed['id']}").json()["state"] == "revoked"
    problem(browser.post(f"/api/v1/api-keys/{listed['id']}/rotate"), 409, "key_ended")


def test_rotation_leaves_the_old_key_valid_for_a_while(actor):
    browser = client_of(actor)
    old = browser.post("/api/v1/api-keys", {"scopes": ["read"], "days": 10}, format="json").json()
    new = browser.post(f"/api/v1/api-keys/{old['id']}/rotate", {"grace_hours": 2}, format="json").json()
    for key in (old["key"], new["key"]):
        assert bearer(key).get("/api/v1/me").status_code == 200
    left = ApiKey.objects.get(pk=old["id"]).expires_at - timezone.now()
    assert timedelta(hours=1) < left <= timedelta(hours=2)
    assert ApiKey.objects.get(pk=new["id"]).expires_at - timezone.now() > timedelta(days=9)
    ApiKey.objects.filter(pk=old["id"]).update(expires_at=timezone.now())
    assert bearer(old["key"]).get("/api/v1/me").status_code == 401
    assert bearer(new["key"]).get("/api/v1/me").status_code == 200
    event = AuditEvent.objects.get(action="api_key.rotated")
    assert (event.object_id, event.details["new"]) == (old["id"], new["prefix"])
    for hours in (-1, 169, "many"):
        response = browser.post(f"/api/v1/api-keys/{new['id']}/rotate", {"grace_hours": hours}, format="json")
        problem(response, 400, "invalid_input")


def test_a_key_manages_no_key_that_may_do_more(actor, gallery):
    """It neither creates nor rotates nor revokes a key with more scopes or more galleries."""
    narrow = with_key(actor, scopes=["manage", "read"], gallery=gallery)
    wide, _ = services.create_api_key(actor=actor, user=actor.user, scopes=ALL)
    before = ApiKey.objects.count()
    for values in ({"scopes": ["enrol"], "gallery": gallery}, {"scopes": ["read"]}):
        with pytest.raises(NotAllowed):
            services.create_api_key(actor=narrow, user=actor.user, **values)
    for act in (services.rotate_api_key, services.revoke_api_key):
        with pytest.raises(NotAllowed):
            act(actor=narrow, api_key=wide)
    wide.refresh_from_db()
    assert (ApiKey.objects.count(), wide.state, wide.expires_at) == (before, "valid", None)
    services.create_api_key(actor=narrow, user=actor.user, scopes=["read"], gallery=gallery)


def test_users_see_and_manage_only_their_own_keys(actor):
    mine, _ = services.create_api_key(actor=actor, user=actor.user, scopes=["read"])
    other = stranger()
    for method, address in (("get", ""), ("delete", ""), ("post", "/rotate")):
        problem(getattr(client_of(other), method)(f"/api/v1/api-keys/{mine.pk}{address}"), 404, "not_found")
    assert client_of(other).get("/api/v1/api-keys").json()["results"] == []
    with pytest.raises(NotAllowed):
        services.create_api_key(actor=other, user=actor.user, scopes=["read"])
    mine.refresh_from_db()
    assert mine.state == "valid"
    operator = UserFactory(is_superuser=True)
    assert len(client_of(Actor(user=operator)).get("/api/v1/api-keys").json()["results"]) == 1
    assert client_of(Actor(user=operator)).delete(f"/api/v1/api-keys/{mine.pk}").status_code == 204


@pytest.mark.parametrize("scope", [scope for scope in Scope if scope != Scope.MANAGE])
def test_without_the_scope_manage_a_key_sees_no_keys(actor, scope):
    row, key = services.create_api_key(actor=actor, user=actor.user, scopes=[scope])
    client = bearer(key)
    problem(client.get("/api/v1/api-keys"), 403, "scope_missing")
    problem(client.post("/api/v1/api-keys", {"scopes": [scope]}, format="json"), 403, "scope_missing")
    problem(client.delete(f"/api/v1/api-keys/{row.pk}"), 403, "scope_missing")
    row.refresh_from_db()
    assert (ApiKey.objects.count(), row.state) == (1, "valid")


@pytest.mark.parametrize(
    "body",
    [{}, {"scopes": []}, {"scopes": ["fly"]}, {"scopes": ["read"], "days": 0}, {"scopes": ["read"], "name": "x" * 101}],
)
def test_bad_input_makes_no_key(actor, body):
    problem(client_of(actor).post("/api/v1/api-keys", body, format="json"), 400, "invalid_input")
    problem(
        client_of(actor).post("/api/v1/api-keys", {"scopes": ["read"], "gallery": "x"}, format="json"), 404, "not_found"
    )
    assert ApiKey.objects.count() == 0


def test_the_command_rotates_a_key_too(actor, capsys):
    row, old = services.create_api_key(actor=actor, user=actor.user, scopes=["read"])
    call_command("api_key", "rotate", row.prefix, "--grace", "1")
    new = capsys.readouterr().out.strip()
    assert new.startswith("fp_") and new != old
    assert [bearer(key).get("/api/v1/me").status_code for key in (old, new)] == [200, 200]


# --- Members ----------------------------------------------------------------------------------------------------------
def test_an_owner_manages_members(gallery):
    owner = member(gallery, Role.OWNER)
    client, user = client_of(owner), UserFactory()
    address = f"/api/v1/galleries/staff/members/{user.username}"
    assert client.put(address, {"role": "viewer"}, format="json").json()["role"] == "viewer"
    assert client.put(address, {"role": "curator"}, format="json").json()["role"] == "curator"
    listed = client.get("/api/v1/galleries/staff/members").json()["results"]
    assert {row["user"]: row["role"] for row in listed} == {user.username: "curator", owner.user.username: "owner"}
    problem(client.put(address, {"role": "king"}, format="json"), 400, "invalid_input")
    problem(client.put(address + "x", {"role": "viewer"}, format="json"), 404, "not_found")
    assert client.delete(address).status_code == 204
    problem(client.delete(address), 404, "not_found")
    for change in (
        lambda: client.delete(f"/api/v1/galleries/staff/members/{owner.user.username}"),
        lambda: client.put(f"/api/v1/galleries/staff/members/{owner.user.username}", {"role": "viewer"}, format="json"),
    ):
        problem(change(), 409, "conflict")
    assert gallery.memberships.get().role == Role.OWNER
    with pytest.raises(Conflict):
        set_membership(actor=owner, gallery=gallery, user=owner.user, role=Role.VIEWER)


@pytest.mark.parametrize("role", [None, Role.VIEWER, Role.CURATOR])
def test_nobody_else_sees_or_changes_members(gallery, role):
    actor = member(gallery, role) if role else stranger()
    client, owner = client_of(actor), member(gallery, Role.OWNER)
    status, code = (403, "not_allowed") if role else (404, "not_found")
    before = sorted(gallery.memberships.values_list("user", "role"))
    address = f"/api/v1/galleries/staff/members/{owner.user.username}"
    problem(client.get("/api/v1/galleries/staff/members"), status, code)
    problem(client.put(address, {"role": "viewer"}, format="json"), status, code)
    problem(client.delete(address), status, code)
    assert sorted(gallery.memberships.values_list("user", "role")) == before


def test_members_need_the_scope_manage(gallery):
    owner = member(gallery, Role.OWNER)
    for scope in Scope:
        client = bearer(services.create_api_key(actor=owner, user=owner.user, scopes=[scope])[1])
        allowed = scope == Scope.MANAGE
        assert client.get("/api/v1/galleries/staff/members").status_code == (200 if allowed else 403)


def test_a_key_for_one_gallery_lists_that_gallery_alone_in_me():
    one, two = GalleryFactory(slug="one"), GalleryFactory(slug="two")
    actor = member(one, Role.OWNER)
    Membership.objects.create(user=actor.user, gallery=two, role=Role.VIEWER)
    listed = {}
    for gallery in (one, None):
        _, key = services.create_api_key(actor=actor, user=actor.user, scopes=["read"], gallery=gallery)
        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {key}")
        listed[gallery] = {row["gallery"] for row in client.get("/api/v1/me").json()["memberships"]}
    assert listed == {one: {"one"}, None: {"one", "two"}}


def test_the_longest_life_of_a_key(settings, client, capsys):
    actor = stranger()
    old, _ = services.create_api_key(actor=actor, user=actor.user, scopes=["read"])
    settings.KEY_MAX_DAYS = 60
    before = ApiKey.objects.count()
    with pytest.raises(InvalidInput, match="60 days at most"):
        services.create_api_key(actor=actor, user=actor.user, scopes=["read"], days=61)
    assert ApiKey.objects.count() == before
    new, _ = services.create_api_key(actor=actor, user=actor.user, scopes=["read"])
    replaced, _ = services.rotate_api_key(actor=actor, api_key=old, grace_hours=0)
    for key in (new, replaced):
        key.refresh_from_db()
        assert timedelta(days=59) < key.expires_at - timezone.now() <= timedelta(days=60) and not key.lives_too_long
    ApiKey.objects.filter(pk=new.pk).update(expires_at=None)
    client.force_login(actor.user)
    page = client.get("/api-keys").content.decode()
    assert page.count("longer than allowed") == 1 and "in 60 days" in page and ">never</option>" not in page
    call_command("api_key", "list")
    assert capsys.readouterr().out.count("too long: rotate it") == 1
