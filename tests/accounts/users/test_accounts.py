"""Changes of accounts: by operators alone, audited, and never so that no administrator is left."""

import threading

import pytest
from django.contrib.auth.models import Group, Permission
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from factories import UserFactory, stranger

from accounts.actor import Actor, Via, cli_actor
from accounts.keys.services import create_api_key
from accounts.models import AuditEvent, User
from accounts.users import services
from faceplatform.errors import Conflict, NotAllowed, NotFound

SYSTEM = cli_actor()


def operator(**values) -> Actor:
    user = UserFactory(is_superuser=True, is_staff=True, **values)
    return Actor(user=user, via=Via.ADMIN, name=user.username)


def events() -> list[tuple[str, dict]]:
    return list(AuditEvent.objects.order_by("id").values_list("action", "details"))


def save(actor: Actor, user: User, **values) -> None:
    row = User.objects.get(pk=user.pk)
    for name, value in values.items():
        setattr(row, name, value)
    services.save_user(actor=actor, user=row, changed=list(values))


def permission() -> Permission:
    return Permission.objects.get(codename="change_user")


# What changes an account or a group, given the actor and one of each.
CHANGES = {
    "create": lambda actor, user, group: services.save_user(actor=actor, user=User(username="new"), changed=None),
    "promote": lambda actor, user, group: save(actor, user, is_superuser=True),
    "deactivate": lambda actor, user, group: save(actor, user, is_active=False),
    "rights": lambda actor, user, group: services.set_rights(
        actor=actor, user=user, groups=[group], permissions=[permission()]
    ),
    "password": lambda actor, user, group: services.set_password(actor=actor, user=user, password="another long one"),
    "delete": lambda actor, user, group: services.delete_user(actor=actor, user=user),
    "administrator": lambda actor, user, group: services.make_administrator(actor=actor, username=user.username),
    "group": lambda actor, user, group: services.save_group(actor=actor, group=Group(name="other"), created=True),
    "group's rights": lambda actor, user, group: services.set_group_permissions(
        actor=actor, group=group, permissions=[permission()]
    ),
    "group gone": lambda actor, user, group: services.delete_group(actor=actor, group=group),
}


def everything() -> list:
    rights = [User.groups.through, User.user_permissions.through, Group.permissions.through]
    return [list(model.objects.order_by("pk").values_list()) for model in (User, Group, AuditEvent, *rights)]


def staff_with_every_permission() -> Actor:
    actor = stranger()
    User.objects.filter(pk=actor.user.pk).update(is_staff=True)
    actor.user.user_permissions.set(Permission.objects.all())
    return actor


def demoted() -> Actor:
    """Was an operator when the request began."""
    actor = operator()
    User.objects.filter(pk=actor.user.pk).update(is_superuser=False)
    return actor


@pytest.mark.django_db
@pytest.mark.parametrize("who", [stranger, staff_with_every_permission, demoted], ids=lambda who: who.__name__)
@pytest.mark.parametrize("change", CHANGES)
def test_only_operators_change_accounts_and_groups(change, who):
    actor, user, group = who(), UserFactory(), Group.objects.create(name="group")
    before = everything()
    for target in (user, actor.user):
        with pytest.raises(NotAllowed, match="Only an operator"):
            CHANGES[change](actor, target, group)
    assert everything() == before


@pytest.mark.django_db
@pytest.mark.parametrize("change", CHANGES)
def test_every_change_is_audited_without_secrets(change):
    actor, user, group = operator(), UserFactory(), Group.objects.create(name="group")
    CHANGES[change](actor, user, group)
    event = AuditEvent.objects.get()
    assert (event.user_id, event.via) == (actor.user.pk, "admin")
    assert "another long one" not in str(event.details)
    assert "pbkdf2" not in str(event.details) and "md5" not in str(event.details)


@pytest.mark.django_db
def test_the_audit_says_what_changed():
    actor, user, group = operator(), UserFactory(username="old"), Group.objects.create(name="group")
    save(actor, user, username="new", email="x@example.org", is_staff=True)
    services.set_rights(actor=actor, user=user, groups=[group], permissions=[])
    services.set_rights(actor=actor, user=user, groups=[group], permissions=[])  # changes nothing
    save(actor, user)  # nor this
    changed = {"fields": ["email", "is_staff", "username"], "username": ["old", "new"], "is_staff": [False, True]}
    assert events() == [("user.changed", changed), ("user.rights_set", {"groups": {"added": ["group"]}})]


@pytest.mark.django_db
@pytest.mark.parametrize(
    "change",
    [
        lambda user: save(SYSTEM, user, is_active=False),
        lambda user: save(SYSTEM, user, is_superuser=False),
        lambda user: services.set_password(actor=SYSTEM, user=user, password=None),
        lambda user: services.delete_user(actor=SYSTEM, user=user),
    ],
    ids=["deactivated", "demoted", "without a password", "deleted"],
)
def test_the_last_administrator_stays(change):
    last = operator().user
    UserFactory(is_superuser=True, is_active=False)
    before = everything()
    with pytest.raises(Conflict, match="only administrator"):
        change(last)
    assert everything() == before
    operator()
    change(last)
    assert User.objects.filter(is_superuser=True, is_active=True).exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("way", ["deactivate", "delete"])
def test_two_administrators_cannot_remove_each_other_at_once(way):
    first, second = operator(), operator()
    start, outcomes = threading.Barrier(2), []

    def remove(actor, other):
        start.wait()
        try:
            if way == "delete":
                services.delete_user(actor=actor, user=other.user)
            else:
                save(actor, other.user, is_active=False)
            outcomes.append("done")
        except (Conflict, NotAllowed):
            outcomes.append("refused")
        finally:
            connection.close()

    threads = [threading.Thread(target=remove, args=pair) for pair in ((first, second), (second, first))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["done", "refused"]
    assert User.objects.filter(is_superuser=True, is_active=True).count() == 1


@pytest.mark.django_db
def test_an_edit_writes_only_what_it_changed():
    actor, user = operator(), UserFactory()
    opened = User.objects.get(pk=user.pk)
    services.set_password(actor=actor, user=user, password="set meanwhile")
    opened.first_name = "Ada"
    services.save_user(actor=actor, user=opened, changed=["first_name"])
    user.refresh_from_db()
    assert user.check_password("set meanwhile") and user.first_name == "Ada"
    User.objects.filter(pk=user.pk).delete()
    with pytest.raises(NotFound):
        services.save_user(actor=actor, user=opened, changed=["first_name"])


@pytest.mark.django_db
def test_a_deactivated_account_has_no_sessions_when_it_comes_back():
    actor, user, other = operator(), UserFactory(), UserFactory()
    clients = {}
    for one in (user, other):
        clients[one] = Client()
        clients[one].force_login(one)
    save(actor, user, is_active=False)
    save(actor, user, is_active=True)
    assert clients[user].get("/api-keys").status_code == 302
    assert clients[other].get("/api-keys").status_code == 200
    assert Session.objects.count() == 1


@pytest.mark.django_db
def test_a_password_set_by_an_operator_ends_sessions_and_keys():
    actor, user = operator(), UserFactory()
    key, _ = create_api_key(actor=SYSTEM, user=user, scopes=["read"])
    client = Client()
    client.force_login(user)
    assert services.set_password(actor=actor, user=user, password="another long one") == 1
    key.refresh_from_db()
    assert key.state == "revoked"
    assert client.get("/api-keys").status_code == 302
    assert [action for action, _ in events()] == ["api_key.created", "api_key.revoked", "user.password_set"]
    assert services.set_password(actor=actor, user=user, password=None) == 0
    user.refresh_from_db()
    assert not user.has_usable_password()
