"""Asking for what a job finds out about a gallery, and computing it: one at a time a gallery, in whose lease."""

import time
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import uuid6
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from accounts import audit
from accounts.actor import Actor
from accounts.audit import audited
from accounts.roles import Role
from faceplatform.errors import Conflict, DomainError
from gallery.models import Gallery
from recognition.reports.models import GalleryReport

LEASE = timedelta(minutes=3)
CRASHED = "It ended with an error; the log of the job worker has it. Ask your operator."

Write = Callable[[], dict]
Compute = Callable[[GalleryReport, Callable[[int], None]], Write]


@audited
def request_report(*, actor: Actor, model: type[GalleryReport], gallery: Gallery, **values) -> GalleryReport:
    """Asks for a report; the caller starts its job. Raises Conflict (runs_already) while it is being computed."""
    actor.require_role(gallery, Role.CURATOR)
    Gallery.objects.select_for_update(no_key=True).get(pk=gallery.pk)
    report = model.objects.select_for_update().filter(gallery=gallery).first() or model(gallery=gallery)
    if report.status == model.Status.RUNNING and report.runs:
        raise Conflict("This is being computed already. Wait until it is done.", code="runs_already")
    values |= {"status": model.Status.QUEUED, "error_message": "", "runner": None, "lease_expires_at": None}
    values |= {"done": 0, "total": 0, "requested_by": actor.user, "requested_at": timezone.now()}
    for name, value in values.items():
        setattr(report, name, value)
    report.save()
    action = f"gallery.{model._meta.verbose_name}_requested"
    audit.record(actor=actor, action=action, gallery=gallery, target=gallery)
    return report


def run_report(model: type[GalleryReport], gallery_id: UUID, compute: Compute) -> GalleryReport | None:
    """Computes a report that waits. None where there is none, or somebody else computes it.

    compute: gets the report, and a function to call with the number of faces done; gives what writes the rows of the result,
    and the report's own values, in the transaction in which the report is done.
    """
    runner, started = uuid6.uuid7(), time.monotonic()
    if not _take(model, gallery_id, runner):
        return None
    report = model.objects.select_related("gallery").get(pk=gallery_id)
    try:
        write = compute(report, lambda done: _beat(report, runner, done))
        with transaction.atomic():
            if not model.objects.select_for_update().filter(pk=gallery_id, runner=runner).exists():
                raise Conflict("Somebody else has asked for it meanwhile, and computes it.")
            values = write() | {"computed_at": timezone.now(), "seconds": round(time.monotonic() - started, 2)}
            _end(report, runner, model.Status.DONE, pack=report.gallery.pack, **values)
    except DomainError as error:
        _end(report, runner, model.Status.FAILED, error_message=error.message)
    except BaseException:
        _end(report, runner, model.Status.FAILED, error_message=CRASHED)
        raise
    return model.objects.select_related("gallery").get(pk=gallery_id)


def _take(model: type[GalleryReport], gallery_id: UUID, runner: UUID) -> bool:
    gone = Q(status=model.Status.RUNNING, lease_expires_at__lt=Now())
    free = model.objects.filter(Q(status=model.Status.QUEUED) | gone, pk=gallery_id)
    return bool(free.update(status=model.Status.RUNNING, runner=runner, lease_expires_at=Now() + LEASE, done=0))


def _beat(report: GalleryReport, runner: UUID, done: int) -> None:
    mine = type(report).objects.filter(pk=report.pk, runner=runner)
    if not mine.update(done=done, total=report.total, lease_expires_at=Now() + LEASE):
        raise Conflict("Somebody else has asked for it meanwhile, and computes it.")


def _end(report: GalleryReport, runner: UUID, status: str, **values) -> None:
    mine = type(report).objects.filter(pk=report.pk, runner=runner)
    mine.update(status=status, runner=None, lease_expires_at=None, **values)
