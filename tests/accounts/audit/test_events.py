from contextlib import nullcontext

import pytest
from django.db import connection, transaction
from django.db.utils import DatabaseError
from factories import GalleryFactory, UserFactory, member
from table_owner import as_owner

from accounts.actor import Actor, Via, cli_actor
from accounts.keys import services as key_services
from accounts.models import AuditEvent
from accounts.roles import Role
from accounts.users import services

pytestmark = pytest.mark.django_db
SYSTEM = cli_actor()


def test_an_event_says_who_what_and_from_where():
    gallery = GalleryFactory(slug="staff")
    user = member(gallery, Role.OWNER).user
    actor = Actor(user=user, via=Via.WEB, ip="10.0.0.7", request_id="r-1", name=user.username)
    services.set_membership(actor=actor, gallery=gallery, user=user, role=Role.OWNER)
    event = AuditEvent.objects.get()
    assert (event.user, event.user_name, event.via, event.ip) == (user, user.username, "web", "10.0.0.7")
    assert (event.request_id, event.gallery_slug, event.object_type) == ("r-1", "staff", "user")
    assert (event.object_id, event.details) == (str(user.pk), {"role": "Owner"})


@pytest.mark.parametrize(
    "statement", ["UPDATE accounts_auditevent SET action = 'x'", "DELETE FROM accounts_auditevent"]
)
def test_the_database_refuses_to_change_an_event(statement):
    key_services.create_api_key(actor=SYSTEM, user=UserFactory(), scopes=["read"])
    for role, reason in ((nullcontext(), "permission denied"), (as_owner(), "append-only")):
        with role, pytest.raises(DatabaseError, match=reason), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
    assert list(AuditEvent.objects.order_by("id").values_list("action", flat=True)) == ["api_key.created"]


def test_an_event_outlives_its_user_and_gallery():
    gallery = GalleryFactory(slug="old")
    owner = member(gallery, Role.OWNER)
    services.set_membership(actor=owner, gallery=gallery, user=owner.user, role=Role.OWNER)
    name = owner.user.username
    gallery.delete()
    owner.user.delete()
    event = AuditEvent.objects.get()
    assert (event.user_name, event.gallery_slug) == (name, "old")


def test_operators_see_all_events_owners_their_galleries_others_their_own():
    first, second = GalleryFactory(), GalleryFactory()
    owner, viewer = member(first, Role.OWNER), member(first, Role.VIEWER)
    other = member(second, Role.OWNER)
    for actor, gallery in ((owner, first), (other, second)):
        services.set_membership(actor=actor, gallery=gallery, user=actor.user, role=Role.OWNER)
    operator = Actor(user=UserFactory(is_superuser=True))
    counts = [AuditEvent.objects.visible_to(actor).count() for actor in (operator, owner, other, viewer)]
    assert counts == [2, 1, 1, 0]
