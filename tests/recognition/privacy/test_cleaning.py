"""The nightly cleaning: one job for each step and gallery, and what becomes of one that fails."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone
from factories import GalleryFactory, IdentityFactory, UserFactory
from job_queue import jobs, run_waiting_jobs
from pghistory.models import Context
from procrastinate.contrib.django.models import ProcrastinateJob
from table_owner import as_owner

from accounts.actor import system_actor
from accounts.models import AuditEvent
from gallery.curation.contexts import delete_empty_contexts, history_tables
from gallery.curation.services import purge_deleted
from gallery.models import Identity
from gallery.services import create_identity, delete_identity, update_identity
from recognition.imports.models import Import, ImportPiece
from recognition.imports.services import create_import, end_abandoned, resume_import, stop_import
from recognition.privacy.cleaning import GALLERY_STEPS, STEPS
from recognition.privacy.services import apply_retention, set_retention
from recognition.privacy.tasks import clean, clean_daily, clean_gallery

ACTOR = system_actor()
MINE = ["recognition.privacy.tasks.clean", "recognition.privacy.tasks.clean_gallery"]


def old_import(gallery) -> Import:
    return Import.objects.create(
        gallery=gallery, name="a.zip", status="done", finished_at=timezone.now() - timedelta(days=400)
    )


def refuse_deletion(gallery) -> None:
    """From now on no import of this gallery can be deleted."""
    with as_owner(), connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'the disk is on fire'; END $$;"
            "CREATE TRIGGER refuse BEFORE DELETE ON recognition_import FOR EACH ROW"
            f" WHEN (OLD.gallery_id = '{gallery.pk}') EXECUTE FUNCTION refuse()"
        )


def accept_deletion() -> None:
    with as_owner(), connection.cursor() as cursor:
        cursor.execute("DROP FUNCTION refuse CASCADE")


# --- One job for each ---
@pytest.mark.django_db(transaction=True)
def test_one_gallery_that_fails_holds_up_no_other_and_is_tried_again(caplog):
    broken, sound = GalleryFactory(), GalleryFactory()
    for gallery in (broken, sound):
        old_import(gallery)
    refuse_deletion(broken)
    try:
        clean_daily(0)
        assert len(jobs(task_name__in=MINE, status="todo")) == len(STEPS) + 2 * len(GALLERY_STEPS)
        run_waiting_jobs()
    finally:
        accept_deletion()
    assert [job.gallery for job in Import.objects.all()] == [broken]
    [again] = ProcrastinateJob.objects.filter(task_name__in=MINE).exclude(status="succeeded")
    assert (again.status, again.attempts, again.args["gallery_id"]) == ("todo", 1, str(broken.pk))
    assert again.scheduled_at > timezone.now()
    assert "the disk is on fire" in caplog.text
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_jobs SET scheduled_at = NULL WHERE id = %s", [again.pk])
    run_waiting_jobs()
    assert not Import.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_job_that_is_given_up_is_shown_to_the_operator_and_to_nobody_else():
    broken = GalleryFactory()
    old_import(broken)
    refuse_deletion(broken)
    try:
        clean_gallery.configure().defer(step="retention", gallery_id=str(broken.pk))
        for _ in range(5):
            with connection.cursor() as cursor:
                cursor.execute("UPDATE procrastinate_jobs SET scheduled_at = NULL WHERE status = 'todo'")
            run_waiting_jobs()
    finally:
        accept_deletion()
    [job] = ProcrastinateJob.objects.filter(task_name__in=MINE)
    assert (job.status, job.attempts) == ("failed", 5)
    client = Client()
    client.force_login(UserFactory(is_staff=True))
    page = client.get("/system").content.decode()
    assert "clean_gallery" in page and str(broken.pk) in page and "Given up" in page
    client.force_login(UserFactory())
    assert client.get("/system").status_code == 404


@pytest.mark.django_db
def test_a_gallery_deleted_meanwhile_is_no_failure():
    gallery = GalleryFactory()
    key = str(gallery.pk)
    gallery.delete()
    for step in GALLERY_STEPS:
        clean_gallery(step, key)


@pytest.mark.django_db
def test_each_step_runs():
    for step in STEPS:
        clean(step)
    gallery = GalleryFactory()
    for step in GALLERY_STEPS:
        clean_gallery(step, str(gallery.pk))


# --- Imports that ended without running ---
@pytest.mark.django_db
def test_an_import_stopped_while_it_waits_expires_with_its_photos():
    gallery = GalleryFactory()
    job = Import.objects.create(gallery=gallery, name="a.zip")
    ImportPiece.objects.create(job=job, number=0, data=b"photos")
    stop_import(actor=ACTOR, job=job)
    job.refresh_from_db()
    assert job.status == "stopped" and job.finished_at is not None
    set_retention(actor=ACTOR, gallery=gallery, imports="1")
    Import.objects.update(finished_at=timezone.now() - timedelta(days=2))
    assert apply_retention(actor=ACTOR, gallery=gallery)["imports"] == 1
    assert not ImportPiece.objects.exists()


@pytest.mark.django_db
def test_an_import_stopped_while_it_waits_can_be_resumed():
    job = stop_import(actor=ACTOR, job=Import.objects.create(gallery=GalleryFactory(), name="a.zip"))
    job = resume_import(actor=ACTOR, job=job)
    assert (job.status, job.finished_at) == ("queued", None)


@pytest.mark.django_db
def test_imports_of_commands_that_were_killed_end_after_a_day():
    gallery, runner = GalleryFactory(), IdentityFactory().pk
    hours = {"killed": 25, "just killed": 2}
    for name, age in hours.items():
        job = create_import(actor=ACTOR, gallery=gallery, name=name, place=f"host:/{name}")
        ago = timezone.now() - timedelta(hours=age)
        Import.objects.filter(pk=job.pk).update(status="running", runner=runner, lease_expires_at=ago)
    create_import(actor=ACTOR, gallery=gallery, name="never ran", place="host:/x")
    Import.objects.filter(name="never ran").update(created_at=timezone.now() - timedelta(hours=25))
    Import.objects.create(gallery=gallery, name="uploaded", created_at=timezone.now() - timedelta(hours=25))
    assert end_abandoned(actor=ACTOR) == 2
    ended = Import.objects.filter(status="stopped", finished_at__isnull=False)
    assert set(ended.values_list("name", flat=True)) == {"killed", "never ran"}
    assert AuditEvent.objects.filter(action="import.stopped").count() == 2
    assert end_abandoned(actor=ACTOR) == 0


# --- Contexts of changes ---
@pytest.mark.django_db
@pytest.mark.parametrize("batch", [1, 1000])
def test_contexts_go_with_the_last_of_their_changes(monkeypatch, batch):
    monkeypatch.setattr("gallery.curation.contexts.BATCH", batch)
    gallery = GalleryFactory()
    grace, eileen = (create_identity(actor=ACTOR, gallery=gallery, name=name) for name in ("Grace", "Eileen"))
    for person in (grace, eileen):
        update_identity(actor=ACTOR, identity=person, name=f"{person.name} 2")
    delete_identity(actor=ACTOR, identity=grace)
    before = Context.objects.count()
    purge_deleted(before=timezone.now() + timedelta(minutes=1), gallery=GalleryFactory())
    assert Identity.with_deleted.count() == 2, "the rows of other galleries stay"
    purge_deleted(before=timezone.now() + timedelta(minutes=1), gallery=gallery)
    assert delete_empty_contexts() == 0, "a transaction that still runs may add changes to a young context"
    Context.objects.update(created_at=timezone.now() - timedelta(days=2))
    deleted = delete_empty_contexts()
    assert 0 < deleted < before
    kept = set(Identity.history.rel.related_model.objects.values_list("pgh_context_id", flat=True))
    assert set(Context.objects.values_list("pk", flat=True)) == kept


def test_every_history_table_is_looked_at():
    assert {"gallery_identityhistory", "gallery_samplehistory"} <= set(history_tables())
