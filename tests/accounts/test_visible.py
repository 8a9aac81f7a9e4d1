import pytest
from django.db import IntegrityError, transaction
from factories import GalleryFactory, IdentityFactory, UserFactory, member, stranger

from accounts.actor import Actor, Via, cli_actor
from accounts.models import ApiKey, Membership
from accounts.roles import Role
from faceplatform.errors import DomainError
from gallery.models import Gallery

pytestmark = pytest.mark.django_db
SYSTEM = cli_actor()


@pytest.mark.parametrize(
    "make",
    [
        lambda gallery, user: Membership.objects.create(gallery=gallery, user=user, role=15),
        lambda gallery, user: [Membership.objects.create(gallery=gallery, user=user) for _ in range(2)],
        lambda gallery, user: ApiKey.objects.create(user=user, prefix="x", key_hash="x", scopes=["all"]),
    ],
)
def test_the_database_refuses(make):
    gallery, user = GalleryFactory(), UserFactory()
    with pytest.raises(IntegrityError), transaction.atomic():
        make(gallery, user)


def test_visible_to_honours_membership_role_and_key():
    first, second = GalleryFactory(), GalleryFactory()
    IdentityFactory(gallery=first)
    viewer = member(first, Role.VIEWER)
    operator = UserFactory(is_superuser=True)
    key = ApiKey(user=operator, gallery=second)
    assert list(Gallery.objects.visible_to(viewer)) == [first]
    assert list(Gallery.objects.visible_to(viewer, Role.CURATOR)) == []
    assert list(Gallery.objects.visible_to(stranger())) == []
    assert set(Gallery.objects.visible_to(Actor(user=operator))) == {first, second}
    assert list(Gallery.objects.visible_to(Actor(user=operator, api_key=key))) == [second]
    assert Actor(user=operator, api_key=key).role_in(first) is None


def test_an_inactive_operator_sees_nothing_more():
    operator = UserFactory(is_superuser=True, is_active=False)
    GalleryFactory()
    assert list(Gallery.objects.visible_to(Actor(user=operator))) == []


def test_a_request_of_a_deleted_user_has_no_actor():
    record = Actor(user=UserFactory(), via=Via.API, name="ada").as_record()
    with pytest.raises(DomainError, match="ada, who asked for this, no longer has an account"):
        Actor.from_record(None, record)
    assert Actor.from_record(None, SYSTEM.as_record()).sees_everything
