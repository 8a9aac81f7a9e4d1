"""An import runs with the rights that its requester has now: it stops when they end, and others can go on with it."""

import pytest
from archives import zipped
from django.utils import timezone
from factories import GalleryFactory, member
from rest_framework.test import APIClient

from accounts.actor import Actor, Via, system_actor
from accounts.keys.services import create_api_key, revoke_api_key
from accounts.models import ApiKey, AuditEvent, Membership, User
from accounts.roles import Role
from gallery.closing import close_gallery
from gallery.models import FaceSample
from recognition.imports import running
from recognition.imports.models import Import
from recognition.imports.running import run_import
from recognition.imports.services import create_import, resume_import

SYSTEM = system_actor()


@pytest.fixture
def gallery(db):
    return GalleryFactory(slug="staff")


@pytest.fixture
def job(gallery, hopper, collins):
    """Of two photos, started with an API key of a curator."""
    curator = member(gallery, Role.CURATOR)
    key, _ = create_api_key(actor=SYSTEM, user=curator.user, gallery=gallery, scopes=["enrol"])
    actor = Actor(user=curator.user, api_key=key, via=Via.API, name=curator.name)
    file = zipped({"Grace/1.jpg": hopper, "Eileen/1.png": collins})
    return create_import(actor=actor, gallery=gallery, name="people.zip", file=file)


def revoke(job) -> None:
    revoke_api_key(actor=SYSTEM, api_key=ApiKey.objects.get())


ENDINGS = {
    "key revoked": (revoke, "key"),
    "key expired": (lambda job: ApiKey.objects.update(expires_at=timezone.now()), "key"),
    "key deleted": (lambda job: ApiKey.objects.all().delete(), "key"),
    "scope taken": (lambda job: ApiKey.objects.update(scopes=["read"]), "scope"),
    "role taken": (lambda job: Membership.objects.update(role=Role.VIEWER), "may no longer enrol"),
    "membership ended": (lambda job: Membership.objects.all().delete(), "may no longer enrol"),
    "account closed": (lambda job: User.objects.update(is_active=False), "closed"),
    "gallery closed": (lambda job: close_gallery(actor=SYSTEM, gallery=job.gallery), "being deleted"),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_running_import_stops_when_its_requester_may_no_longer(ending, gallery, job, worker, monkeypatch):
    monkeypatch.setattr(running, "IN_FLIGHT", 1)
    end, said = ENDINGS[ending]

    def work(ids):
        worker.run_once(only=ids)
        end(job)

    ended = run_import(job.pk, work=work)
    assert (ended.status, ended.enrolled) == (Import.Status.FAILED, 1) and said in ended.error_message
    assert FaceSample.objects.count() == 1
    assert AuditEvent.objects.get(action="import.ended").details["status"] == "failed"
    run_import(job.pk, work=work)
    assert FaceSample.objects.count() == 1


def test_somebody_else_goes_on_with_it_in_their_own_name(gallery, job, worker, monkeypatch):
    monkeypatch.setattr(running, "IN_FLIGHT", 1)

    def work(ids):
        worker.run_once(only=ids)
        if ApiKey.objects.get().revoked_at is None:
            revoke(job)

    run_import(job.pk, work=work)
    other = member(gallery, Role.CURATOR)
    client = APIClient()
    client.force_login(member(gallery, Role.VIEWER).user)
    assert client.post(f"/api/v1/imports/{job.pk}/resume").status_code == 404
    assert Import.objects.get().status == Import.Status.FAILED
    resume_import(actor=other, job=job)
    ended = run_import(job.pk, work=work)
    assert (ended.status, ended.enrolled, ended.requested_by) == (Import.Status.DONE, 2, other.user)
    assert set(AuditEvent.objects.filter(action="sample.created").values_list("user_name", flat=True)) == {
        job.requested_as["name"],
        other.name,
    }
