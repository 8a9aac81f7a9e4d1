"""Deleting a gallery: it is closed at once, can be opened again until its time has come, and is then deleted."""

import io
import json
from datetime import timedelta

import pytest
from api_client import client_of, compreface_error, problem
from api_world import database_state, make_rows, new_key
from django.core.management import CommandError, call_command
from django.utils import timezone
from factories import GalleryFactory, IdentityFactory, SampleFactory, UserFactory, member, stranger, unit
from rest_framework.test import APIClient
from table_owner import as_owner

from accounts.actor import system_actor
from accounts.models import ApiKey, AuditEvent, Membership, User
from accounts.roles import Role, Scope
from faceplatform.errors import Conflict, NotAllowed
from gallery.closing import close_gallery, reopen_gallery
from gallery.models import Gallery, Identity
from recognition.privacy import gallery_deletion
from recognition.privacy.erasure import recorded_deletions
from recognition.privacy.gallery_deletion import delete_closed, delete_due, preview_of, repeat_deletions
from recognition.privacy.models import Erasure

pytestmark = pytest.mark.django_db
ACTOR = system_actor()
READS = {"identities": "identity", "samples": "sample", "recognitions": "recognition"}


@pytest.fixture(autouse=True)
def own_data_dir(settings, tmp_path):
    settings.DATA_DIR = tmp_path


@pytest.fixture
def gallery():
    made = GalleryFactory(slug="staff", name="Staff")
    SampleFactory(identity=IdentityFactory(gallery=made, name="Ada"), vector=unit(0))
    return made


def due(gallery) -> Gallery:
    """Closed, and its time has come."""
    close_gallery(actor=ACTOR, gallery=gallery)
    Gallery.objects.filter(pk=gallery.pk).update(deletes_at=timezone.now())
    return Gallery.objects.get(pk=gallery.pk)


def test_a_closed_gallery_is_hidden_from_everybody_and_nothing_is_lost(living_worker):
    rows = make_rows()
    gallery = rows["gallery"]
    users = {role: member(gallery, role).user for role in Role} | {"operator": rows["operator"]}
    clients = [client_of(type(ACTOR)(user=user)) for user in users.values()]
    clients += [APIClient(HTTP_AUTHORIZATION=f"Bearer {new_key(user, Scope, gallery)}") for user in users.values()]
    reads = (
        "galleries/staff",
        f"identities/{rows['identity']}",
        f"samples/{rows['sample']}",
        f"recognitions/{rows['recognition']}",
    )
    lists = ("galleries", "identities", "recognitions", "imports")
    owner = client_of(type(ACTOR)(user=users[Role.OWNER]))
    key = new_key(users[Role.OWNER], Scope, gallery)
    answer = owner.delete("/api/v1/galleries/staff")
    assert answer.status_code == 202 and answer["Location"] == "/api/v1/galleries/staff/deletion"
    for client in clients:
        for path in reads:
            problem(client.get(f"/api/v1/{path}"), 404, "not_found")
        for path in lists:
            assert client.get(f"/api/v1/{path}").json()["results"] == []
        photo = {"gallery": "staff", "photo": rows["photo"]}
        problem(client.post("/api/v1/recognitions", photo, format="json"), 404, "not_found")
        assert client.get("/galleries/staff/").status_code in (302, 404)
    body = {"embeddings": [rows["vector"]]}
    answer = APIClient(HTTP_X_API_KEY=key).post("/api/v1/recognition/embeddings/recognize", body, format="json")
    assert answer.status_code == 404 and compreface_error(answer)
    state = owner.get("/api/v1/galleries/staff/deletion").json()
    assert (
        state["deletes_at"] and state["requested_by"] == users[Role.OWNER].username and state["counts"]["people"] == 2
    )
    assert owner.delete("/api/v1/galleries/staff/deletion").status_code == 204
    for client in clients:
        assert client.get("/api/v1/galleries/staff").status_code == 200
    problem(owner.delete("/api/v1/galleries/staff/deletion"), 409, "not_closed")
    assert [*AuditEvent.objects.filter(object_type="gallery").order_by("id").values_list("action", flat=True)] == [
        "gallery.closed", "gallery.reopened"
    ]  # fmt: skip


@pytest.mark.parametrize("closed", [False, True])
def test_only_owners_close_and_open_it(gallery, closed):
    if closed:
        close_gallery(actor=ACTOR, gallery=gallery)
        gallery.refresh_from_db()
    before = None
    others = [member(gallery, Role.CURATOR), member(gallery, Role.VIEWER), stranger()]
    before = database_state()
    for actor in others:
        with pytest.raises(NotAllowed):
            (reopen_gallery if closed else close_gallery)(actor=actor, gallery=gallery)
        for call in ("get", "delete"):
            problem(getattr(client_of(actor), call)("/api/v1/galleries/staff/deletion"), 404, "not_found")
            assert client_of(actor).get("/galleries/staff/delete").status_code == 404
    assert Gallery.objects.filter(deletes_at=None).exists() is not closed
    state = {row[0]: row for row in database_state()}
    assert {table: row for table, *row in before if table.startswith(("gallery", "accounts_audit"))} == {
        table: row for table, *row in state.values() if table.startswith(("gallery", "accounts_audit"))
    }


def test_a_role_given_before_comes_back_and_the_admin_site_closes_it_too(gallery, client):
    curator = member(gallery, Role.CURATOR)
    client.force_login(UserFactory(is_superuser=True, is_staff=True))
    client.post(f"/admin/gallery/gallery/{gallery.pk}/delete/", {"post": "yes"})
    gallery.refresh_from_db()
    assert gallery.deletes_at is not None and curator.role_in(gallery) is None
    assert not curator.user.memberships.exists() and Membership.with_closed.filter(user=curator.user).exists()
    reopen_gallery(actor=ACTOR, gallery=gallery)
    gallery.refresh_from_db()
    assert curator.role_in(gallery) == Role.CURATOR


def test_the_page_shows_what_goes_and_undoes_it(gallery, client):
    client.force_login(member(gallery, Role.OWNER).user)
    page = client.get("/galleries/staff/delete").content.decode()
    assert "Delete Staff" in page and "After 7 days" in page
    assert client.post("/galleries/staff/delete", {"confirm": "Stuff"}).status_code == 400
    assert Gallery.objects.get().deletes_at is None
    assert client.post("/galleries/staff/delete", {"confirm": "staff "}).status_code == 302
    assert "is being deleted" in client.get("/galleries/staff/delete").content.decode()
    assert "Staff is being deleted" in client.get("/", follow=True).content.decode()
    assert client.post("/galleries/staff/delete/undo").status_code == 302
    assert client.get("/galleries/staff/").status_code == 200


def test_nothing_is_deleted_before_its_time(gallery):
    close_gallery(actor=ACTOR, gallery=gallery)
    before = database_state()
    assert delete_due(actor=ACTOR) == []
    with pytest.raises(Conflict, match="not due"):
        delete_closed(actor=ACTOR, gallery_id=gallery.pk)
    assert database_state() == before
    other = GalleryFactory()
    with pytest.raises(Conflict):
        delete_closed(actor=ACTOR, gallery_id=other.pk)


def test_a_job_that_is_killed_goes_on_and_counts_everything_once(gallery, monkeypatch):
    for _ in range(5):
        SampleFactory(identity=IdentityFactory(gallery=gallery), vector=unit(1))
    monkeypatch.setattr(gallery_deletion, "BATCH", 2)
    due(gallery)
    assert gallery_deletion._delete_batch(gallery.pk)
    assert 0 < Identity.objects.count() < 6
    with pytest.raises(Conflict, match="being deleted now"):
        reopen_gallery(actor=ACTOR, gallery=gallery)
    [erasure] = delete_due(actor=ACTOR)
    assert erasure.counts["gallery_identity"] == erasure.counts["gallery_facesample"] == 6
    assert not Gallery.objects.exists() and delete_closed(actor=ACTOR, gallery_id=gallery.pk) is None


def test_a_gallery_that_fails_does_not_keep_the_others(gallery, monkeypatch):
    other = GalleryFactory(slug="other")
    due(gallery), due(other)
    finish = gallery_deletion._finish

    def fails(*, actor, gallery_id):
        if gallery_id == gallery.pk:
            raise RuntimeError
        return finish(actor=actor, gallery_id=gallery_id)

    monkeypatch.setattr(gallery_deletion, "_finish", fails)
    assert [erasure.gallery_slug for erasure in delete_due(actor=ACTOR)] == ["other"]


def test_what_was_done_to_the_gallery_stays_readable(gallery):
    owner = member(gallery, Role.OWNER)
    client_of(owner).patch("/api/v1/galleries/staff", {"name": "Personnel"}, format="json")
    due(gallery)
    delete_due(actor=ACTOR)
    assert AuditEvent.objects.get(action="gallery.changed").details == {"name": ["Staff", "Personnel"]}
    assert User.objects.filter(pk=owner.user.pk).exists() and not ApiKey.objects.exists()


def test_commands(gallery):
    out = io.StringIO()
    call_command("delete_gallery", "staff", stdout=out)
    assert json.loads(out.getvalue())["counts"] == preview_of(gallery)
    for options in ({"confirm": "stuff"}, {"undo": True}):
        with pytest.raises(CommandError):
            call_command("delete_gallery", "staff", **options)
    call_command("delete_gallery", "staff", confirm="staff", reason="moved", stdout=out)
    with pytest.raises(CommandError, match="is being deleted"):
        call_command("retention", gallery="staff")
    call_command("delete_gallery", "staff", undo=True, stdout=out)
    call_command("retention", gallery="staff", stdout=out)


def test_a_gallery_that_a_restored_backup_brings_back_is_deleted_again(gallery, django_capture_on_commit_callbacks):
    row = Gallery.objects.filter(pk=gallery.pk).values().get()
    with django_capture_on_commit_callbacks(execute=True):
        due(gallery)
        delete_due(actor=ACTOR)
    with as_owner():  # as the backup has it
        Erasure.objects.all().delete()
    Gallery(**row).save(force_insert=True)
    IdentityFactory(gallery_id=gallery.pk, gallery=None, name="Ada")
    call_command("erase_subject", "--replay", stdout=io.StringIO())
    assert not Gallery.objects.exists() and not Identity.with_deleted.exists()
    assert repeat_deletions(actor=ACTOR, deleted=recorded_deletions()) == []


def test_the_waiting_time_is_a_setting(gallery, settings):
    settings.GALLERY_DELETION_DAYS = 3
    closed = close_gallery(actor=ACTOR, gallery=gallery)
    again = close_gallery(actor=ACTOR, gallery=gallery)
    assert again.deletes_at == closed.deletes_at <= timezone.now() + timedelta(days=3)
