"""The admin site: its writes are audited; the queue and the audit are read-only."""

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.urls import reverse
from factories import GalleryFactory, IdentityFactory, SampleFactory, UserFactory, member

from accounts import audit
from accounts.actor import system_actor
from accounts.keys.services import create_api_key
from accounts.looks.writing import Seen, note
from accounts.models import AuditEvent, Look, Membership, User
from accounts.roles import Role
from gallery.models import FaceSample, Gallery, Identity
from recognition.photos import queue
from recognition.photos.models import RecognitionRequest

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator(client):
    user = UserFactory(is_superuser=True, is_staff=True, username="operator")
    client.force_login(user)
    return client


def last_event() -> tuple:
    event = AuditEvent.objects.order_by("id").last()
    return event.action, event.via, event.user_name


def save(client, name: str, values: dict, *arguments) -> None:
    inlines = {
        f"{prefix}-{key}": "0"
        for prefix in ("memberships", "samples", "faces")
        for key in ("TOTAL_FORMS", "INITIAL_FORMS")
    }
    response = client.post(reverse(f"admin:{name}", args=arguments), inlines | values)
    assert response.status_code == 302, response.context["errors"] if response.context else response.content


def test_galleries_and_people_are_created_and_changed_through_the_services(operator):
    values = {
        "name": "Staff",
        "slug": "staff",
        "threshold_source": "size",
        "target_fpir": "0.01",
        "day_starts_at": "00:00",
        "quality_gate": "strict",
        "liveness": "off",
    }
    save(operator, "gallery_gallery_add", values)
    gallery = Gallery.objects.get()
    assert (gallery.quality_gate, last_event()) == ("strict", ("gallery.created", "admin", "operator"))
    person = {"gallery": gallery.pk, "name": "Ada", "metadata": "{}", "active": "on"}
    save(operator, "gallery_identity_add", person)
    assert last_event() == ("identity.created", "admin", "operator")
    ada = Identity.objects.get()
    save(operator, "gallery_identity_change", person | {"name": "Ada L."}, ada.pk)
    assert last_event() == ("identity.changed", "admin", "operator")
    save(operator, "gallery_gallery_change", values | {"quality_gate": "off"}, gallery.pk)
    assert last_event() == ("gallery.changed", "admin", "operator")


def test_members_and_users_are_created_through_the_services(operator):
    save(
        operator,
        "accounts_user_add",
        {
            "username": "new",
            "password1": "a long enough one",
            "password2": "a long enough one",
            "usable_password": "true",
        },
    )
    assert last_event() == ("user.created", "admin", "operator")
    gallery, user = GalleryFactory(), User.objects.get(username="new")
    save(operator, "accounts_membership_add", {"user": user.pk, "gallery": gallery.pk, "role": Role.CURATOR})
    assert last_event() == ("member.set", "admin", "operator")
    assert Membership.objects.get().role == Role.CURATOR


@pytest.mark.parametrize("way", ["delete", "action"])
def test_deleting_is_audited_one_by_one(operator, way):
    sample = SampleFactory()
    if way == "delete":
        operator.post(reverse("admin:gallery_facesample_delete", args=[sample.pk]), {"post": "yes"})
    else:
        chosen = {"action": "delete_selected", "_selected_action": [sample.pk], "post": "yes"}
        operator.post(reverse("admin:gallery_facesample_changelist"), chosen)
    assert not FaceSample.objects.exists()
    assert last_event() == ("sample.deleted", "admin", "operator")


def look_at(gallery: Gallery) -> Look:
    note(system_actor(), Seen(Look.Kind.PEOPLE, gallery))
    return Look.objects.get(gallery_id=gallery.pk)


def test_staff_see_the_looks_at_their_own_galleries_alone(client):
    own, other = GalleryFactory(slug="own"), GalleryFactory(slug="other")
    owner = member(own, Role.OWNER).user
    User.objects.filter(pk=owner.pk).update(is_staff=True)
    owner.user_permissions.add(Permission.objects.get(codename="view_look"))
    client.force_login(owner)
    mine, others = look_at(own), look_at(other)
    for filters in ("", "?kind__exact=people", "?gallery_slug=own"):
        shown = client.get(reverse("admin:accounts_look_changelist") + filters).content.decode()
        assert f"/{mine.pk}/" in shown
        assert f"/{others.pk}/" not in shown and "other" not in shown.split("<table")[-1].split("</table")[0]
    assert client.get(reverse("admin:accounts_look_change", args=[others.pk])).status_code == 302
    assert (
        str(mine.pk)
        not in client.get(reverse("admin:accounts_look_changelist") + "?kind__exact=sign_in").content.decode()
    )


@pytest.mark.parametrize(
    "model", ["accounts_auditevent", "accounts_look", "recognition_recognitionrequest", "recognition_worker"]
)
def test_queue_audit_and_looks_are_read_only(operator, model):
    gallery = GalleryFactory()
    request = RecognitionRequest.objects.create(
        gallery=gallery, pack="p", photo=b"x", photo_sha256="0" * 64, requested_as=system_actor().as_record()
    )
    row = {
        "accounts_auditevent": audit.record(actor=system_actor(), action="test"),
        "accounts_look": look_at(gallery),
        "recognition_recognitionrequest": request,
        "recognition_worker": queue.register_worker(host="h", process_id=1),
    }[model]
    assert operator.get(reverse(f"admin:{model}_changelist")).status_code == 200
    assert operator.get(reverse(f"admin:{model}_change", args=[row.pk])).status_code == 200
    assert operator.post(reverse(f"admin:{model}_change", args=[row.pk]), {}).status_code == 403
    assert operator.post(reverse(f"admin:{model}_delete", args=[row.pk]), {"post": "yes"}).status_code == 403
    assert operator.get(reverse(f"admin:{model}_add")).status_code == 403


@pytest.mark.parametrize("name", ["gallery", "identity", "facesample"])
def test_lists_search_and_filters(operator, name, django_assert_max_num_queries):
    for n in range(12):
        SampleFactory(identity=IdentityFactory(name=f"Person {n}"))
    operator.get(reverse(f"admin:gallery_{name}_changelist"))
    with django_assert_max_num_queries(16):
        response = operator.get(reverse(f"admin:gallery_{name}_changelist"), {"q": "person"})
    assert response.status_code == 200


def test_the_admin_site_is_for_staff(client):
    client.force_login(UserFactory())
    assert client.get("/admin/")["Location"].startswith("/admin/login/")


def act(client, model: str, action: str, rows, **values):
    address = reverse(f"admin:gallery_{model}_changelist")
    return client.post(address, {"action": action, "_selected_action": [row.pk for row in rows], **values}, follow=True)


def test_people_and_samples_are_curated_by_actions(operator):
    gallery = GalleryFactory()
    ann, anne = (SampleFactory(identity__gallery=gallery).identity for _ in range(2))
    assert b"Person to keep" in act(operator, "identity", "merge_selected", [ann, anne]).content
    act(operator, "identity", "merge_selected", [ann, anne], apply=1, into=ann.pk)
    assert list(Identity.objects.all()) == [ann] and last_event()[:2] == ("identity.merged", "admin")
    first, second = ann.samples.all()
    act(operator, "facesample", "split_selected", [first], apply=1, name="Berta")
    berta = Identity.objects.get(name="Berta")
    act(operator, "facesample", "split_selected", [second], apply=1, name="All of them")
    assert Identity.objects.count() == 2  # refused: nothing would be left
    act(operator, "facesample", "move_selected", [second], apply=1, to=berta.pk)
    assert berta.samples.count() == 2
    act(operator, "facesample", "reject_selected", [second])
    assert berta.samples.get(pk=second.pk).rejected
    act(operator, "identity", "deactivate", [berta])
    act(operator, "identity", "hide", [berta])
    berta.refresh_from_db()
    assert (berta.active, berta.hidden) == (False, True)
    act(operator, "identity", "activate", [berta])
    act(operator, "identity", "unhide", [berta])
    berta.refresh_from_db()
    assert (berta.active, berta.hidden) == (True, False)


# --- Accounts ---------------------------------------------------------------------------------------------------------
PASSWORDS = {"password1": "Very-long-pass-77", "password2": "Very-long-pass-77", "usable_password": "true"}


def account(user, **values) -> dict:
    """What the form of an account sends."""
    told = {"username": user.username, "date_joined_0": "2026-01-01", "date_joined_1": "00:00:00", "is_active": "on"}
    return told | values


def test_accounts_are_changed_through_the_services(operator):
    user, group = UserFactory(), Group.objects.create(name="readers")
    may = Permission.objects.get(codename="view_user")
    save(
        operator,
        "accounts_user_change",
        account(user, is_staff="on", groups=group.pk, user_permissions=may.pk),
        user.pk,
    )
    user.refresh_from_db()
    assert (user.is_staff, [*user.groups.all()], [*user.user_permissions.all()]) == (True, [group], [may])
    assert [event.action for event in AuditEvent.objects.order_by("id")] == ["user.changed", "user.rights_set"]
    save(operator, "auth_user_password_change", PASSWORDS, user.pk)
    user.refresh_from_db()
    assert user.check_password("Very-long-pass-77")
    assert last_event() == ("user.password_set", "admin", "operator")


def test_groups_are_changed_through_the_services(operator):
    may = Permission.objects.get(codename="view_user")
    save(operator, "auth_group_add", {"name": "readers", "permissions": may.pk})
    group = Group.objects.get()
    assert [*group.permissions.all()] == [may]
    save(operator, "auth_group_change", {"name": "lookers"}, group.pk)
    operator.post(reverse("admin:auth_group_delete", args=[group.pk]), {"post": "yes"})
    assert not Group.objects.exists()
    actions = [event.action for event in AuditEvent.objects.order_by("id")]
    assert actions == ["group.created", "group.rights_set", "group.changed", "group.rights_set", "group.deleted"]


def test_staff_look_at_accounts_but_change_none(client):
    boss, staff = UserFactory(is_superuser=True, is_staff=True), UserFactory(is_staff=True)
    staff.user_permissions.set(Permission.objects.all())
    group = Group.objects.create(name="group")
    client.force_login(staff)
    before = [list(model.objects.order_by("pk").values_list()) for model in (User, Group)]
    posts = [
        ("auth_user_password_change", PASSWORDS, boss),
        ("auth_user_password_change", PASSWORDS, staff),
        ("accounts_user_change", account(staff, is_superuser="on"), staff),
        ("accounts_user_change", account(boss), boss),
        ("accounts_user_delete", {"post": "yes"}, boss),
        ("auth_group_change", {"name": "x"}, group),
        ("auth_group_delete", {"post": "yes"}, group),
    ]
    for name, values, row in posts:
        assert client.post(reverse(f"admin:{name}", args=[row.pk]), values).status_code == 403, name
    for name in ("accounts_user", "auth_group"):
        assert (
            client.post(reverse(f"admin:{name}_add"), PASSWORDS | {"username": "new", "name": "x"}).status_code == 403
        )
        assert client.get(reverse(f"admin:{name}_changelist")).status_code == 200
        chosen = {"action": "delete_selected", "_selected_action": [boss.pk], "post": "yes"}
        client.post(reverse(f"admin:{name}_changelist"), chosen)
    assert client.get(reverse("admin:accounts_user_change", args=[boss.pk])).status_code == 200
    assert [list(model.objects.order_by("pk").values_list()) for model in (User, Group)] == before
    assert not AuditEvent.objects.exists()
    assert not Group.objects.filter(permissions__isnull=False).exists() and not staff.groups.exists()


# --- What staff see ---------------------------------------------------------------------------------------------------
LISTS = [
    "accounts_membership",
    "accounts_apikey",
    "accounts_auditevent",
    "gallery_gallery",
    "gallery_identity",
    "gallery_facesample",
    "recognition_recognitionrequest",
]


def test_staff_see_nothing_of_galleries_of_others(client):
    """With every permission: in lists, their filters, and forms."""
    own, other = GalleryFactory(name="Mine"), GalleryFactory(name="Hidden one", slug="hidden-one")
    staff, colleague = UserFactory(is_staff=True), UserFactory(username="colleague")
    staff.user_permissions.set(Permission.objects.all())
    for user, gallery in ((staff, own), (colleague, other)):
        Membership.objects.create(user=user, gallery=gallery, role=Role.OWNER)
        create_api_key(actor=system_actor(), user=user, scopes=["read"], gallery=gallery)
        SampleFactory(identity__gallery=gallery, identity__department=f"of {gallery.name}")
    client.force_login(staff)
    for name in LISTS:
        page = client.get(reverse(f"admin:{name}_changelist")).content.decode()
        assert "Hidden one" not in page and "hidden-one" not in page and "colleague" not in page, name
    for name in ("gallery_identity", "accounts_membership"):
        page = client.get(reverse(f"admin:{name}_add")).content.decode()
        assert "Hidden one" not in page, name
    assert "Mine" in client.get(reverse("admin:gallery_identity_changelist")).content.decode()
    person = {"gallery": other.pk, "name": "Eve", "metadata": "{}", "active": "on"}
    assert client.post(reverse("admin:gallery_identity_add"), person).status_code == 200  # shown again: no such choice
    assert not Identity.objects.filter(name="Eve").exists()


def test_operators_filter_by_every_gallery(operator):
    SampleFactory(identity__gallery=GalleryFactory(name="Hidden one"))
    assert "Hidden one" in operator.get(reverse("admin:gallery_identity_changelist")).content.decode()
    create_api_key(actor=system_actor(), user=UserFactory(username="colleague"), scopes=["read"])
    assert "colleague" in operator.get(reverse("admin:accounts_apikey_changelist")).content.decode()


def test_every_filter_by_a_gallery_offers_the_visible_ones_alone():
    for model, registered in admin.site._registry.items():
        filters = registered.list_filter
        assert "gallery" not in filters and "gallery_id" not in filters, model
