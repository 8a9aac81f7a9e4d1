import pytest
from django.db import IntegrityError, connection, transaction
from django.db.utils import DatabaseError
from factories import GalleryFactory, IdentityFactory, UserFactory, member, stranger

from accounts.actor import Actor, Via, cli_actor
from accounts.keys import services as key_services
from accounts.models import ApiKey, AuditEvent, Membership, User
from accounts.roles import Role
from accounts.users import services
from faceplatform.errors import Conflict, DomainError, InvalidInput, NotAllowed
from gallery.models import Gallery

pytestmark = pytest.mark.django_db
SYSTEM = cli_actor()


def actions() -> list[str]:
    return list(AuditEvent.objects.order_by("id").values_list("action", flat=True))


# --- The first administrator ------------------------------------------------------------------------------------------
def test_the_first_administrator_is_made_once():
    user, password = services.create_first_administrator(username="admin")
    assert user.is_superuser and user.check_password(password) and len(password) >= 16
    assert services.create_first_administrator(username="other") is None
    assert (User.objects.count(), actions()) == (1, ["user.created"])


def test_a_given_password_is_used():
    user, password = services.create_first_administrator(username="admin", password="from the environment")
    assert password == "from the environment"
    assert user.check_password(password)


def test_an_ordinary_user_of_that_name_is_not_promoted():
    UserFactory(username="admin")
    with pytest.raises(Conflict, match="FACEPLATFORM_ADMIN_USERNAME"):
        services.create_first_administrator(username="admin")
    assert not User.objects.filter(is_superuser=True).exists()


def test_the_last_administrator_stays():
    operator = UserFactory(is_superuser=True)
    with pytest.raises(Conflict, match="only administrator"):
        services.delete_user(actor=SYSTEM, user=operator)
    services.delete_user(actor=SYSTEM, user=UserFactory())
    assert list(User.objects.all()) == [operator]


def test_only_an_operator_changes_accounts():
    user = UserFactory()
    for act in (services.delete_user, lambda **values: services.save_user(changed=None, **values)):
        with pytest.raises(NotAllowed):
            act(actor=stranger(), user=user)
    assert User.objects.filter(pk=user.pk).exists()
    assert actions() == []


# --- Members ----------------------------------------------------------------------------------------------------------
def test_owners_give_change_and_take_roles():
    gallery = GalleryFactory()
    owner, user = member(gallery, Role.OWNER), UserFactory()
    services.set_membership(actor=owner, gallery=gallery, user=user, role=Role.VIEWER)
    membership = services.set_membership(actor=owner, gallery=gallery, user=user, role=Role.CURATOR)
    assert [m.role for m in user.memberships.all()] == [Role.CURATOR]
    services.remove_membership(actor=owner, membership=membership)
    assert not user.memberships.exists()
    assert actions() == ["member.set", "member.set", "member.removed"]


@pytest.mark.parametrize("role", [None, Role.VIEWER, Role.CURATOR])
def test_others_do_not(role):
    gallery, user = GalleryFactory(), UserFactory()
    actor = member(gallery, role) if role else stranger()
    with pytest.raises(NotAllowed):
        services.set_membership(actor=actor, gallery=gallery, user=user, role=Role.OWNER)
    assert not user.memberships.exists()
    assert actions() == []


def test_a_gallery_keeps_an_owner():
    gallery = GalleryFactory()
    owner = member(gallery, Role.OWNER)
    with pytest.raises(Conflict, match="only owner"):
        services.remove_membership(actor=owner, membership=owner.user.memberships.get())
    assert owner.user.memberships.exists()


# --- Keys -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("scopes", [[], ["everything"], ["read", "write"]])
def test_a_key_has_known_scopes(scopes):
    with pytest.raises(InvalidInput, match="recognize"):
        key_services.create_api_key(actor=SYSTEM, user=UserFactory(), scopes=scopes)
    assert not ApiKey.objects.exists()


def test_a_key_is_for_a_gallery_of_its_user():
    gallery = GalleryFactory()
    with pytest.raises(InvalidInput, match="no member"):
        key_services.create_api_key(actor=SYSTEM, user=UserFactory(), gallery=gallery, scopes=["read"])


def test_revoking_twice_is_one_event():
    row, _ = key_services.create_api_key(actor=SYSTEM, user=UserFactory(), scopes=["read"])
    key_services.revoke_api_key(actor=SYSTEM, api_key=row)
    key_services.revoke_api_key(actor=SYSTEM, api_key=row)
    assert actions() == ["api_key.created", "api_key.revoked"]


# --- The audit --------------------------------------------------------------------------------------------------------
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
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert actions() == ["api_key.created"]


def test_an_event_outlives_its_user_and_gallery():
    gallery = GalleryFactory(slug="gone")
    owner = member(gallery, Role.OWNER)
    services.set_membership(actor=owner, gallery=gallery, user=owner.user, role=Role.OWNER)
    name = owner.user.username
    gallery.delete()
    owner.user.delete()
    event = AuditEvent.objects.get()
    assert (event.user_name, event.gallery_slug) == (name, "gone")


def test_operators_see_all_events_owners_their_galleries_others_their_own():
    first, second = GalleryFactory(), GalleryFactory()
    owner, viewer = member(first, Role.OWNER), member(first, Role.VIEWER)
    other = member(second, Role.OWNER)
    for actor, gallery in ((owner, first), (other, second)):
        services.set_membership(actor=actor, gallery=gallery, user=actor.user, role=Role.OWNER)
    operator = Actor(user=UserFactory(is_superuser=True))
    counts = [AuditEvent.objects.visible_to(actor).count() for actor in (operator, owner, other, viewer)]
    assert counts == [2, 1, 1, 0]


# --- The database's own rules, and what is visible --------------------------------------------------------------------
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


def test_what_was_asked_by_a_deleted_user_is_nobodys():
    record = Actor(user=UserFactory(), via=Via.API, name="gone").as_record()
    with pytest.raises(DomainError, match="gone"):
        Actor.from_record(None, record)
    assert Actor.from_record(None, SYSTEM.as_record()).sees_everything
