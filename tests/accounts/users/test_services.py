import pytest
from django.core.management import call_command
from django.utils import translation
from factories import GalleryFactory, UserFactory, member, stranger

from accounts.actor import cli_actor
from accounts.keys.services import create_api_key
from accounts.models import AuditEvent, User
from accounts.roles import Role
from accounts.users import services
from faceplatform.errors import Conflict, NotAllowed

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


def test_an_inactive_administrator_does_not_count():
    UserFactory(username="gone", is_superuser=True, is_active=False)
    with pytest.raises(Conflict, match=r"manage\.py administrator"):
        services.create_first_administrator(username="gone")
    user, _ = services.create_first_administrator(username="admin")
    assert user.is_superuser and user.is_active


def test_the_command_helps_who_has_no_administrator(capsys):
    user = UserFactory(username="gone", is_superuser=True, is_active=False)
    create_api_key(actor=SYSTEM, user=user, scopes=["read"])
    call_command("administrator", "gone")
    user.refresh_from_db()
    assert user.is_active and user.is_staff and user.check_password(capsys.readouterr().out.strip())
    assert user.api_keys.get().state == "revoked"
    call_command("administrator", "new")
    assert User.objects.get(username="new").is_superuser
    assert [action for action in actions() if action.startswith("user.")] == ["user.changed", "user.created"]


# --- Members ----------------------------------------------------------------------------------------------------------
def test_owners_give_change_and_remove_roles():
    gallery = GalleryFactory()
    owner, user = member(gallery, Role.OWNER), UserFactory()
    services.set_membership(actor=owner, gallery=gallery, user=user, role=Role.VIEWER)
    membership = services.set_membership(actor=owner, gallery=gallery, user=user, role=Role.CURATOR)
    assert [m.role for m in user.memberships.all()] == [Role.CURATOR]
    services.remove_membership(actor=owner, membership=membership)
    assert not user.memberships.exists()
    assert actions() == ["member.set", "member.set", "member.removed"]


def test_the_audit_keeps_a_role_in_english():
    gallery = GalleryFactory()
    with translation.override("de"):
        services.set_membership(
            actor=member(gallery, Role.OWNER), gallery=gallery, user=UserFactory(), role=Role.CURATOR
        )
    assert AuditEvent.objects.get(action="member.set").details == {"role": "Curator"}


@pytest.mark.parametrize("role", [None, Role.VIEWER, Role.CURATOR])
def test_only_owners_give_roles(role):
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
