"""Creating, stopping and resuming imports. running.py does the work."""

import socket
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import audit
from accounts.actor import Actor
from accounts.roles import Role, Scope
from faceplatform.errors import Conflict, InvalidInput
from faceplatform.text import storable
from gallery.models import Gallery, QualityGate
from recognition.imports.directory import DAMAGED, looks_like_zip
from recognition.imports.models import Import
from recognition.imports.upload import store_upload

ABANDONED_AFTER = timedelta(days=1)


def create_import(
    *, actor: Actor, gallery: Gallery, name: str, file: BinaryIO | None = None, place: str = "", quality_gate: str = ""
) -> Import:
    """Creates an import of an uploaded ZIP (`file`), or of a source that a command reads itself (`place` says which).

    Raises NotAllowed, and InvalidInput if the quality gate is unknown or the file is no ZIP. What is in the ZIP, the job reads.
    """
    actor.require_scope(Scope.ENROL)
    actor.require_role(gallery, Role.CURATOR)
    if quality_gate and quality_gate not in QualityGate.values:
        raise InvalidInput(f"quality_gate must be one of {', '.join(QualityGate.values)}.")
    if file is not None and not looks_like_zip(file):
        raise InvalidInput(_(DAMAGED))
    with transaction.atomic():
        job = Import(gallery=gallery, name=storable(name, 10_000)[-255:], place=place, quality_gate=quality_gate)
        actor = replace(actor, request_id=actor.request_id or f"import-{job.pk}")  # the audit finds its rows by it
        job.requested_by, job.requested_as = actor.user, actor.as_record()
        job.save(force_insert=True)
        if file is not None:
            job.size = store_upload(job, file)
            job.save(update_fields=["size"])
        audit.record(actor=actor, action="import.created", gallery=gallery, target=job)
    return job


@transaction.atomic
def stop_import(*, actor: Actor, job: Import) -> Import:
    """Stops an import once the photos already queued are done. People enrolled so far stay. Raises Conflict."""
    job = _lock_for_curator(actor, job)
    if job.status not in (Import.Status.QUEUED, Import.Status.RUNNING):
        raise Conflict(_("This import is not running."))
    job.stop_requested = True
    if job.status == Import.Status.QUEUED:
        job.status, job.finished_at = Import.Status.STOPPED, timezone.now()
    job.save(update_fields=["stop_requested", "status", "finished_at"])
    audit.record(actor=actor, action="import.stopped", gallery=job.gallery, target=job)
    return job


@transaction.atomic
def resume_import(*, actor: Actor, job: Import) -> Import:
    """Queues a stopped or failed import again; it continues where it stopped, in the actor's name. Raises Conflict."""
    job = _lock_for_curator(actor, job)
    if job.status not in (Import.Status.STOPPED, Import.Status.FAILED):
        raise Conflict(_("This import is running or done. To repeat it, start a new one: nothing is enrolled twice."))
    job.status, job.stop_requested, job.error_message, job.finished_at = Import.Status.QUEUED, False, "", None
    job.requested_by, job.requested_as = actor.user, actor.as_record()
    fields = ["status", "stop_requested", "error_message", "finished_at", "requested_by", "requested_as"]
    job.save(update_fields=fields)
    audit.record(actor=actor, action="import.resumed", gallery=job.gallery, target=job)
    return job


@transaction.atomic
def end_abandoned(*, actor: Actor) -> int:
    """Marks imports of commands that were killed a day ago as stopped, so that their reports expire. Returns how many.

    The command can resume them. Imports of uploads are not abandoned: the job worker takes them up again.
    """
    actor.require_scope(Scope.ENROL)
    rows = Import.objects.abandoned(before=timezone.now() - ABANDONED_AFTER).select_related("gallery")
    jobs = list(rows.select_for_update(of=("self",), skip_locked=True))
    for job in jobs:
        actor.require_role(job.gallery, Role.CURATOR)
        job.status, job.runner, job.lease_expires_at, job.finished_at = (
            Import.Status.STOPPED,
            None,
            None,
            timezone.now(),
        )
        job.save(update_fields=["status", "runner", "lease_expires_at", "finished_at"])
        audit.record(actor=actor, action="import.stopped", gallery=job.gallery, target=job)
    return len(jobs)


def find_unfinished(*, gallery: Gallery, place: str) -> Import | None:
    """The latest import of this place into this gallery that is not done."""
    unfinished = Import.objects.filter(gallery=gallery, place=place).exclude(status=Import.Status.DONE)
    return unfinished.order_by("-id").first()


def place_of(path: Path) -> str:
    """Host and absolute path: the same path on another machine is another source."""
    return storable(f"{socket.gethostname()}:{path.resolve()}", 4096)


def _lock_for_curator(actor: Actor, job: Import) -> Import:
    actor.require_scope(Scope.ENROL)
    actor.require_role(job.gallery, Role.CURATOR)
    return Import.objects.select_for_update(of=("self",)).select_related("gallery").get(pk=job.pk)
