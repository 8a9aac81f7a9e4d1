"""A page or the admin site says that something was done only once it is, and does several things all or not at all."""

from uuid import uuid4

import pytest
from django.db import IntegrityError
from factories import GalleryFactory, IdentityFactory, SampleFactory, UserFactory, member

from accounts import admin as accounts_admin
from accounts.keys.services import create_api_key
from accounts.models import ApiKey, AuditEvent, Membership, User
from accounts.roles import Role
from faceplatform.errors import Conflict
from gallery import services
from gallery.curation import samples
from gallery.models import FaceSample, Identity

LATER = "Somebody was quicker."


@pytest.fixture
def person(db):
    identity = IdentityFactory(gallery=GalleryFactory(slug="staff"), name="Ada")
    for number in range(3):
        SampleFactory(identity=identity, photo_name=f"{number}.jpg")
    return identity


@pytest.fixture
def curator(client, person):
    client.force_login(member(person.gallery, Role.CURATOR).user)
    return client


@pytest.fixture
def admin(client, db):
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    return client


def failing_at_the_second(service):
    """The service; its second call raises Conflict after it has written."""
    calls = []

    def wrapped(**kwargs):
        calls.append(kwargs)
        result = service(**kwargs)
        if len(calls) == 2:
            raise Conflict(LATER)
        return result

    return wrapped


def curate(client, person, action: str, **values) -> str:
    response = client.post(f"/galleries/staff/people/{person.pk}/{action}", values, follow=True)
    assert response.status_code == 200
    return response.content.decode()


def changed_nothing(person) -> bool:
    samples = FaceSample.with_deleted.filter(identity=person, rejected=False, deleted_at=None)
    return samples.count() == 3 and not AuditEvent.objects.exists()


def test_a_move_that_fails_halfway_says_nothing_of_success(curator, person):
    other = IdentityFactory(gallery=person.gallery, name="Berta")
    SampleFactory(identity=other, photo_sha256=person.samples.last().photo_sha256)
    page = curate(curator, person, "move", samples=[sample.pk for sample in person.samples.all()], to=other.pk)
    assert "Berta already has one of these photos" in page
    assert "now belong to" not in page and " Undo</button>" not in page
    assert changed_nothing(person)


@pytest.mark.parametrize(("action", "told"), [("reject", "are now marked"), ("delete-samples", "were deleted")])
def test_rejecting_or_deleting_several_is_one_act_with_one_undo(curator, person, monkeypatch, action, told):
    keys = [sample.pk for sample in person.samples.all()]
    real = samples._lock

    def quicker(actor, identity, ticked, *others):
        locked = real(actor, identity, ticked, *others)
        FaceSample.objects.filter(pk=locked[0].pk).update(rejected=True)
        raise Conflict(LATER)

    with monkeypatch.context() as patch:
        patch.setattr(samples, "_lock", quicker)
        page = curate(curator, person, action, samples=keys)
    assert LATER in page and told not in page and "Undo<" not in page
    assert changed_nothing(person)
    page = curate(curator, person, action, samples=keys)
    assert page.count(told) == page.count(" Undo</button>") == 1
    curator.post(f"/undo/{AuditEvent.objects.get().pk}")
    assert person.samples.filter(rejected=False).count() == 3


def test_deleting_several_people_in_the_admin_site_is_one_act(admin, person, monkeypatch):
    other = IdentityFactory(gallery=person.gallery)
    monkeypatch.setattr(services, "delete_identity", failing_at_the_second(services.delete_identity))
    values = {"action": "delete_selected", "_selected_action": [person.pk, other.pk], "post": "yes"}
    assert admin.post("/admin/gallery/identity/", values).status_code == 409
    assert Identity.objects.count() == 2 and not AuditEvent.objects.exists()
    assert "Successfully deleted" not in admin.get("/admin/gallery/identity/").content.decode()


def test_deleting_several_users_in_the_admin_site_is_one_act(admin, monkeypatch):
    users = [UserFactory(), UserFactory()]
    service = accounts_admin.services.delete_user
    monkeypatch.setattr(accounts_admin.services, "delete_user", failing_at_the_second(service))
    values = {"action": "delete_selected", "_selected_action": [user.pk for user in users], "post": "yes"}
    assert admin.post("/admin/accounts/user/", values).status_code == 409
    assert User.objects.count() == 3


def test_revoking_several_keys_in_the_admin_site_is_one_act(admin, monkeypatch):
    owner = member(GalleryFactory(), Role.OWNER)
    keys = [create_api_key(actor=owner, user=owner.user, scopes=["read"])[0] for _ in range(2)]
    monkeypatch.setattr(accounts_admin, "revoke_api_key", failing_at_the_second(accounts_admin.revoke_api_key))
    values = {"action": "revoke", "_selected_action": [key.pk for key in keys]}
    assert admin.post("/admin/accounts/apikey/", values).status_code == 409
    assert not ApiKey.objects.exclude(revoked_at=None).exists()
    assert "Revoked." not in admin.get("/admin/accounts/apikey/").content.decode()


@pytest.mark.django_db(transaction=True)
def test_the_admin_site_takes_its_word_back_if_the_commit_fails(admin, person, monkeypatch):
    real = services.update_identity

    def breaks_the_commit(**kwargs):
        identity = real(**kwargs)
        # PostgreSQL checks this foreign key only at the commit.
        Membership.objects.create(gallery=identity.gallery, user_id=uuid4(), role=Role.VIEWER)
        return identity

    monkeypatch.setattr(services, "update_identity", breaks_the_commit)
    form = admin.get(f"/admin/gallery/identity/{person.pk}/change/").context["adminform"].form
    values = {name: "" if value is None else value for name, value in form.initial.items()} | {"name": "Changed"}
    values["metadata"] = "{}"
    inlines = {"samples-TOTAL_FORMS": 0, "samples-INITIAL_FORMS": 0}
    admin.raise_request_exception = False
    response = admin.post(f"/admin/gallery/identity/{person.pk}/change/", values | inlines)
    assert issubclass(response.exc_info[0], IntegrityError)
    assert response.status_code == 500
    person.refresh_from_db()
    assert person.name == "Ada"
    assert "was changed successfully" not in admin.get("/admin/gallery/identity/").content.decode()
