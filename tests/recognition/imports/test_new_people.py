"""People are made with their first face: who has no photo that can be used is not there."""

import unicodedata
from threading import Thread

import pytest
from archives import zipped
from django.db import connection, transaction
from factories import GalleryFactory, IdentityFactory, member

from accounts.actor import system_actor
from accounts.models import AuditEvent
from accounts.roles import Role
from faceplatform.errors import NotAllowed
from gallery.models import Identity
from gallery.services import person_with_key
from recognition.imports.models import Import
from recognition.imports.running import run_import
from recognition.imports.services import create_import

SYSTEM = system_actor()


@pytest.fixture
def gallery(db):
    return GalleryFactory(slug="staff")


def new(gallery, file) -> Import:
    return create_import(actor=SYSTEM, gallery=gallery, name="people.zip", file=file)


def run(job: Import, worker) -> Import:
    return run_import(job.pk, work=lambda requests: worker.run_once(only=requests))


def test_nobody_is_made_without_a_face(gallery, worker, hopper, no_face, both):
    """Refused by the worker, refused before it, and left out."""
    files = {"Cup/1.png": no_face, "Two/1.jpg": both, "Junk/1.jpg": b"junk", "Text/a.txt": b"hello"}
    job = run(new(gallery, zipped(files | {"Grace/1.jpg": hopper, "Grace/cup.png": no_face})), worker)
    assert (job.status, job.enrolled, job.refused, job.ignored) == ("done", 1, 4, 1)
    [grace] = Identity.with_deleted.all()
    assert (grace.name, grace.external_id, grace.samples.count()) == ("Grace", "Grace", 1)
    assert not AuditEvent.objects.filter(action="identity.created").exclude(object_id=str(grace.pk)).exists()
    assert job.rows.get(status="enrolled").identity == grace


def test_the_fields_of_a_table_are_those_of_the_new_person(gallery, worker, hopper, no_face):
    table = b"name,external_id,department,position,photo\nGrace,7,Navy,Admiral,1.jpg\nCup,8,,,2.png\n"
    run(new(gallery, zipped({"people.csv": table, "1.jpg": hopper, "2.png": no_face})), worker)
    assert Identity.objects.values_list("name", "external_id", "department", "position").get() == (
        "Grace", "7", "Navy", "Admiral",
    )  # fmt: skip


def test_in_a_gallery_that_requires_consent_people_come_first(gallery, worker, hopper):
    """Their consent is recorded of people who are there."""
    type(gallery).objects.update(requires_consent=True)
    job = run(new(gallery, zipped({"Grace/1.jpg": hopper})), worker)
    assert job.rows.get().code == "consent_missing" and Identity.objects.get().name == "Grace"


@pytest.mark.django_db(transaction=True)
def test_two_workers_that_find_the_first_faces_of_one_person_make_one(worker):
    gallery, made = GalleryFactory(), []
    held = Thread(target=lambda: (made.append(make_person(gallery)), connection.close()))
    with transaction.atomic():
        first = make_person(gallery)
        held.start()
        while not waiting_for_advisory_lock():
            pass
        assert not made
    held.join()
    assert made == [first] and Identity.objects.count() == 1


def make_person(gallery) -> Identity:
    with transaction.atomic():
        return person_with_key(actor=SYSTEM, gallery=gallery, external_id="7", name="Grace")


def waiting_for_advisory_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        return cursor.fetchone() is not None


def test_without_permission_nobody_is_made(gallery):
    with pytest.raises(NotAllowed):
        person_with_key(actor=member(gallery, Role.VIEWER), gallery=gallery, external_id="7", name="Grace")
    assert not Identity.objects.exists()


def test_a_name_from_macos_is_the_same_person(gallery, worker, hopper, hopper_again):
    """In NFD, and as an older version kept it."""
    zoe = unicodedata.normalize("NFD", "Zoë")
    IdentityFactory(gallery=gallery, name="Zoë", external_id=zoe)
    run(new(gallery, zipped({f"{zoe}/1.jpg": hopper, "Ann/cup.txt": b"x"})), worker)
    run(new(gallery, zipped({"Zoë/2.jpg": hopper_again})), worker)
    assert Identity.objects.get().samples.count() == 2
