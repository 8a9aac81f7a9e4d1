"""The page “Users”, and manage.py user: who may do what to whom, and that a refusal changes nothing."""

import re

import pytest
from api_world import database_state
from django.core.management import CommandError, call_command
from django.test import Client, override_settings
from factories import PASSWORD, GalleryFactory, UserFactory, member, stranger
from procrastinate.contrib.django.models import ProcrastinateJob

from accounts.actor import Actor, Via
from accounts.mails.sending import send_link_now
from accounts.models import AuditEvent, Membership, User
from accounts.roles import Role
from accounts.users import invitations
from faceplatform.errors import NotAllowed

pytestmark = pytest.mark.django_db
CHOSEN = {"password1": "a few words in a row", "password2": "a few words in a row"}


@pytest.fixture
def gallery():
    return GalleryFactory(slug="staff", name="Staff")


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    client.get("/account")  # so that the session is noted
    return client


def operator() -> User:
    return UserFactory(is_superuser=True, is_staff=True)


def actor(user: User) -> Actor:
    return Actor(user=user, via=Via.WEB, name=user.username)


def invitation(gallery, **values) -> dict:
    return {"username": "new", "gallery": str(gallery.pk), "role": "20", **values}


# Address → form, and who may, of those in ACTORS; the others get 403, or 404 where the user is hidden from them.
ACTORS = ("stranger", "curator", "staff", "owner", "owner elsewhere", "operator")
ACTS = {
    "/users": ({"username": "new", "gallery": "GALLERY", "role": "10"}, ("owner", "operator")),
    "/users/USER/role": ({"gallery": "GALLERY", "role": "20"}, ("owner", "operator")),
    "/users/USER/link": ({}, ("operator",)),
    "/users/USER/switch-off": ({}, ("operator",)),
    "/users/USER/switch-on": ({}, ("operator",)),
    "/users/USER/unlock": ({}, ("operator",)),
    "/users/USER/reset-factors": ({}, ("operator",)),
}


@pytest.mark.parametrize("who", ACTORS)
def test_who_may_do_what(gallery, who, subtests):
    elsewhere = GalleryFactory()
    user, one = (
        member(gallery, Role.VIEWER).user,
        {
            "stranger": lambda: stranger().user,
            "curator": lambda: member(gallery, Role.CURATOR).user,
            "staff": lambda: UserFactory(is_staff=True),
            "owner": lambda: member(gallery, Role.OWNER).user,
            "owner elsewhere": lambda: member(elsewhere, Role.OWNER).user,
            "operator": operator,
        }[who](),
    )
    client = client_of(one)
    sees = client.get("/users")
    assert sees.status_code == (200 if who in ("owner", "owner elsewhere", "operator") else 403)
    assert (user.username in sees.content.decode()) == (who in ("owner", "operator"))
    for address, (values, may) in ACTS.items():
        with subtests.test(address):
            before = database_state()
            values = {name: str(gallery.pk) if value == "GALLERY" else value for name, value in values.items()}
            status = client.post(address.replace("USER", str(user.pk)), values).status_code
            if who in may:
                assert status in (200, 302)
            else:
                assert status in (400, 403, 404)
                assert database_state() == before


def test_an_owner_invites_into_their_gallery_and_no_further(gallery):
    owner, elsewhere = member(gallery, Role.OWNER).user, GalleryFactory()
    client = client_of(owner)
    page = client.post("/users", invitation(gallery, is_administrator="on", is_staff="on"))
    link = page.context["link"]
    new = User.objects.get(username="new")
    assert (new.is_staff, new.is_superuser, new.memberships.get().role) == (False, False, Role.CURATOR)
    assert link in page.content.decode() and link not in client.get("/users").content.decode()
    assert client.post("/users", invitation(elsewhere, username="other")).status_code == 400
    assert client.post("/users", {"username": "other", "role": "10"}).status_code == 400
    assert not User.objects.filter(username="other").exists()
    with pytest.raises(NotAllowed):
        invitations.invite(actor=actor(owner), username="x", gallery=elsewhere)
    taken = client.post("/users", invitation(gallery, username="NEW"))
    assert taken.status_code == 409 and "already an account" in taken.content.decode()

    # A new link ends the first; who has signed in once, or was given more meanwhile, is out of the owner's reach.
    second = client.post(f"/users/{new.pk}/link").context["link"]
    assert "This link has ended" in Client().get(link).content.decode()
    Membership.objects.create(user=new, gallery=elsewhere, role=Role.OWNER)
    assert client.post(f"/users/{new.pk}/link").status_code == 403
    Membership.objects.get(user=new, gallery=elsewhere).delete()
    invited = Client()
    assert invited.post(invited.get(second)["Location"], CHOSEN).status_code == 302
    assert invited.get("/galleries/staff/").status_code == 200
    assert client.post(f"/users/{new.pk}/link").status_code == 403
    told = [e.action for e in AuditEvent.objects.filter(object_id=str(new.pk)).order_by("id")]
    assert told == ["user.created", "member.set", "user.link_made", "user.password_chosen", "sign_in.succeeded"]


@override_settings(SENDS_EMAIL=True)
def test_an_invitation_is_also_sent(gallery, mailoutbox):
    page = client_of(operator()).post("/users", invitation(gallery, email="New@Example.org"))
    [job] = ProcrastinateJob.objects.all()
    send_link_now(**job.args)
    [message] = mailoutbox
    assert message.to == ["new@example.org"] and message.subject == "Your account at testserver"
    [link] = re.findall(r"http://testserver(\S+)", message.body)
    assert Client().get(link).status_code == 302
    assert "on its way to new@example.org" in page.content.decode()


def test_the_last_owner_and_the_last_administrator_stay(gallery):
    admin, owner = operator(), member(gallery, Role.OWNER).user
    client = client_of(admin)
    for role in ("20", ""):
        page = client.post(f"/users/{owner.pk}/role", {"gallery": gallery.pk, "role": role}, follow=True)
        assert "only owner" in page.content.decode()
    page = client.post(f"/users/{admin.pk}/switch-off", follow=True)
    assert "only administrator" in page.content.decode()
    assert owner.memberships.get().role == Role.OWNER and User.objects.get(pk=admin.pk).is_active


@override_settings(SIGN_IN_RATE=2)
def test_an_operator_switches_off_on_and_unlocks(gallery):
    user, client = member(gallery, Role.VIEWER).user, client_of(operator())
    theirs = client_of(user)
    credentials = {"username": user.username, "password": PASSWORD}
    assert client.post(f"/users/{user.pk}/switch-off").status_code == 302
    assert theirs.get("/account").status_code == 302
    assert Client().post("/sign-in", credentials)["Location"] == "/sign-in/switched-off"
    assert client.post(f"/users/{user.pk}/switch-on").status_code == 302
    wrong = {"username": user.username, "password": "wrong"}
    assert [Client().post("/sign-in", wrong).status_code for _ in range(2)][-1] == 429
    page = client.get("/users").content.decode()
    assert "locked" in page and f"/users/{user.pk}/unlock" in page
    client.post(f"/users/{user.pk}/unlock")
    assert Client().post("/sign-in", credentials)["Location"] == "/"


def test_the_list_shows_what_matters_in_few_queries(gallery, django_assert_max_num_queries):
    client = client_of(operator())
    for _ in range(12):
        member(gallery, Role.VIEWER)
    client.get("/users")
    with django_assert_max_num_queries(14):
        page = client.get("/users")
    assert page.content.decode().count("viewer</small>") == 12
    assert b"Nobody found" in client.get("/users?q=nobody%00here").content


def test_the_command(gallery, capsys):
    call_command("user", "create", "ada", "--gallery", "staff", "--role", "owner", "--email", "Ada@Example.org")
    assert capsys.readouterr().out.startswith("http://")
    ada = User.objects.get(username="ada")
    assert ada.email == "ada@example.org" and ada.memberships.get().role == Role.OWNER
    member(gallery, Role.OWNER)
    call_command("user", "role", "ada", "staff", "curator")
    call_command("user", "disable", "ada")
    call_command("user", "list")
    assert "ada  switched off  invited  curator of staff  never signed in  0 keys" in capsys.readouterr().out
    call_command("user", "enable", "ada")
    call_command("user", "role", "ada", "staff", "none")
    assert not ada.memberships.exists() and User.objects.get(pk=ada.pk).is_active
    for wrong in (
        ["role", "ada", "staff", "none"],
        ["disable", "nobody"],
        ["create", "ada"],
        ["role", "ada", "x", "owner"],
    ):
        with pytest.raises(CommandError):
            call_command("user", *wrong)
