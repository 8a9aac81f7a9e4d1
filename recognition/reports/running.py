"""Requests and computes gallery reports: one run at a time for each gallery and kind of report, guarded by a lease."""

import time
from collections.abc import Callable
from typing import Any, TypeVar
from uuid import UUID

import uuid6
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from accounts import audit
from accounts.actor import Actor
from accounts.audit import audited
from accounts.roles import Role
from faceplatform.database.leases import is_expired
from faceplatform.errors import Conflict, DomainError
from gallery.models import Gallery
from recognition.reports.models import LEASE, GalleryReport

CRASHED = gettext_noop("An error stopped the computation. The job worker's log has the details; ask your operator.")
TAKEN_OVER = gettext_noop("Somebody requested this again in the meantime, and another process computes it now.")

Report = TypeVar("Report", bound=GalleryReport)
Progress = Callable[[int], None]  # called with the number of faces compared so far
Write = Callable[[], dict[str, Any]]
Compute = Callable[[Report, Progress], Write]


@audited
def request_report(*, actor: Actor, model: type[Report], gallery: Gallery, **values: Any) -> Report:
    """Queues a report; the caller starts its job. Raises Conflict (runs_already) while it is being computed.

    values: fields of the report itself.
    """
    actor.require_role(gallery, Role.CURATOR)
    Gallery.objects.select_for_update(no_key=True).get(pk=gallery.pk)
    report = model.objects.select_for_update().filter(gallery=gallery).first() or model(gallery=gallery)
    if report.status == model.Status.RUNNING and report.in_progress:
        raise Conflict(_("This is already being computed. Wait until it has finished."), code="runs_already")
    values |= {"status": model.Status.QUEUED, "error_message": "", "runner": None, "lease_expires_at": None}
    values |= {"done": 0, "total": 0, "requested_by": actor.user, "requested_at": timezone.now()}
    for name, value in values.items():
        setattr(report, name, value)
    report.save()
    action = f"gallery.{model._meta.verbose_name}_requested"
    audit.record(actor=actor, action=action, gallery=gallery, target=gallery)
    return report


def run_report(model: type[Report], gallery_id: UUID, compute: Compute[Report]) -> Report | None:
    """Computes a queued or interrupted report. None if there is none, or if another process is computing it.

    compute: takes the report and a progress function, and returns a function that writes the result's rows and returns the
    values of the report's own fields. That function runs in the transaction that marks the report as done. A DomainError of
    `compute` becomes the report's error message; any other exception marks the report as failed and is raised.
    """
    runner, started = uuid6.uuid7(), time.monotonic()
    if not _claim(model, gallery_id, runner):
        return None
    report = model.objects.select_related("gallery").get(pk=gallery_id)
    try:
        write = compute(report, lambda done: _extend_lease(report, runner, done))
        with transaction.atomic():
            if not model.objects.select_for_update().filter(pk=gallery_id, runner=runner).exists():
                raise Conflict(_(TAKEN_OVER))
            values = write() | {"computed_at": timezone.now(), "seconds": round(time.monotonic() - started, 2)}
            _finish(report, runner, model.Status.DONE, pack=report.gallery.pack, **values)
    except DomainError as error:
        _finish(report, runner, model.Status.FAILED, error_message=error.message)
    except BaseException:
        _finish(report, runner, model.Status.FAILED, error_message=CRASHED)
        raise
    return model.objects.select_related("gallery").get(pk=gallery_id)


def _claim(model: type[GalleryReport], gallery_id: UUID, runner: UUID) -> bool:
    expired = Q(status=model.Status.RUNNING) & is_expired("lease_expires_at", LEASE)
    claimable = model.objects.filter(Q(status=model.Status.QUEUED) | expired, pk=gallery_id)
    return bool(claimable.update(status=model.Status.RUNNING, runner=runner, lease_expires_at=Now() + LEASE, done=0))


def _extend_lease(report: GalleryReport, runner: UUID, done: int) -> None:
    own = type(report).objects.filter(pk=report.pk, runner=runner)
    if not own.update(done=done, total=report.total, lease_expires_at=Now() + LEASE):
        raise Conflict(_(TAKEN_OVER))


def _finish(report: GalleryReport, runner: UUID, status: str, **values: Any) -> None:
    """Writes the end of the run, unless another process has taken it over."""
    own = type(report).objects.filter(pk=report.pk, runner=runner)
    own.update(status=status, runner=None, lease_expires_at=None, **values)
