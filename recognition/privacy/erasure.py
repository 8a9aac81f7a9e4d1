"""Erasing a person permanently, the report of it, and erasing them again after a backup was restored.

Nothing that names the person is kept: rows are deleted, texts that name them are emptied, and the audit keeps what was
done, without the name (accounts/audit/chain.py). Only the report stays: ids, row counts, by whom and why.
"""

import json
import logging
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from accounts import audit
from accounts.actor import Actor
from accounts.audit import audited, chain
from accounts.models import Look
from accounts.roles import Role, Scope
from faceplatform import private_files
from faceplatform.database.limits import unhurried
from faceplatform.errors import InvalidInput, NotAllowed
from faceplatform.text import same_name
from gallery.models import Identity
from recognition.photos.models import RecognitionRequest
from recognition.privacy.models import Erasure
from recognition.privacy.sightings import seen_ids
from recognition.privacy.subject import Subject, faces_of, find_subject
from recognition.privacy.traces import erase_traces, of_their_photos, photos_of

logger = logging.getLogger(__name__)
ERASURES_FILE = "erasures.jsonl"
AGAIN = gettext_noop("Again after a restore: %(reason)s")
CLEARS_STATISTICS = 180000
CLEAR_STATISTICS = """
    SELECT pg_clear_attribute_stats(schemaname::text, tablename::text, attname::text, inherited)
    FROM pg_stats WHERE schemaname = current_schema() AND tablename = %s
"""


@audited
def erase_subject(*, actor: Actor, subject: Subject, confirm: str, reason: str) -> Erasure:
    """Erases a person permanently. Only owners of the gallery may.

    confirm: the person's name, as the user typed it. reason: kept for good, so it must not contain the name. Raises
    NotAllowed, InvalidInput (not_confirmed), and Conflict (import_runs) while an import is running in the gallery.
    """
    actor.require_scope(Scope.MANAGE)
    actor.require_role(subject.gallery, Role.OWNER)
    _check_input(subject, confirm, reason)
    unhurried()
    list(Identity.with_deleted.select_for_update().filter(pk__in=subject.people).order_by("pk"))
    subject = find_subject(subject.people[0])  # read again now that it is locked
    _erase_where_they_were(actor, subject, reason)
    events = _events_about(subject)
    looks = _looks_at(subject).delete()[0]
    counts = erase_traces(subject) + Counter({Look._meta.db_table: looks})
    erasure = Erasure.objects.create(
        gallery=subject.gallery,
        gallery_slug=subject.gallery.slug,
        identities=subject.people,
        reason=reason.strip()[:200],
        erased_by=actor.name,
        counts=dict(sorted(counts.items())) | {"accounts_auditevent": len(events)},
    )
    details = {"identities": [str(pk) for pk in subject.people], "reason": erasure.reason}
    event = audit.record(
        actor=actor,
        action=chain.ERASED,
        gallery=subject.gallery,
        target=erasure,
        details=details | chain.redaction_details(events),
    )
    chain.redact(erasure=event, events=events)
    erasure.event_id = event.pk
    erasure.save(update_fields=["event_id"])
    erasure.refresh_from_db()
    transaction.on_commit(lambda: finish_after_commit(erasure))
    return erasure


def _erase_where_they_were(actor: Actor, subject: Subject, reason: str) -> None:
    """Erases what is left of the person in galleries that they were moved from, each with a report of its own."""
    for pk in Identity.with_deleted.filter(moved_to__in=subject.people).order_by("pk").values_list("pk", flat=True):
        left = find_subject(pk)
        if (actor.role_in(left.gallery) or Role.VIEWER) < Role.OWNER:
            raise NotAllowed(
                _(
                    "This person was moved here from a gallery of which you are no owner, and traces of them are left "
                    "there. Ask an administrator, or somebody who owns both, to erase them."
                )
            )
        erase_subject(actor=actor, subject=left, confirm=left.name, reason=reason)


def _check_input(subject: Subject, confirm: str, reason: str) -> None:
    if not same_name(confirm, subject.name):
        raise InvalidInput(_("The name you typed is not this person's. Nothing was erased."), code="not_confirmed")
    if not reason.strip():
        raise InvalidInput(
            _("Give a reason, such as “asked by the person, letter of 3 May”. It is kept with the report.")
        )
    if any(re.search(rf"\b{re.escape(name)}\b", reason, re.IGNORECASE) for name in subject.names):
        raise InvalidInput(_("Do not name the person in the reason: it is kept for good."))


def _events_about(subject: Subject) -> list[UUID]:
    """Before the traces are erased: it needs them."""
    recognitions = faces_of(subject).values_list("request_id", flat=True)
    enrolments = RecognitionRequest.objects.filter(identity__in=subject.people).values_list("pk", flat=True)
    same_photo = of_their_photos(subject).values_list("pk", flat=True)
    return chain.events_about(
        gallery_id=subject.gallery.pk,
        ids=[*subject.people, *subject.samples, *recognitions, *enrolments, *same_photo],
        mentioned=[*subject.people, *photos_of(subject)],
        pattern=subject.pattern,
        whole="recognitionrequest",
    )


def _looks_at(subject: Subject) -> QuerySet[Look]:
    """Looks at the person, and at the recognitions in which they are."""
    recognitions = faces_of(subject).values_list("request_id", flat=True)
    enrolments = RecognitionRequest.objects.filter(identity__in=subject.people).values_list("pk", flat=True)
    ids = {*subject.people, *recognitions, *enrolments, *seen_ids(subject)}
    return Look.objects.filter(object_id__in=[str(pk) for pk in ids])


# --- The report -------------------------------------------------------------------------------------------------------
def report_of(erasure: Erasure) -> dict[str, Any]:
    """What was erased, by whom, when and why, and when the last backup that contains the person should be deleted."""
    return {
        "id": str(erasure.pk),
        "gallery": erasure.gallery_slug,
        "gallery_id": str(erasure.gallery_id),
        "whole_gallery": erasure.whole_gallery,
        "identities": [str(pk) for pk in erasure.identities],
        "erased_at": erasure.erased_at.isoformat(),
        "erased_by": erasure.erased_by,
        "reason": erasure.reason,
        "counts": erasure.counts,
        "audit_event": str(erasure.event_id),
        "backups_expire_at": erasure.backups_expire_at.isoformat(),
    }


def finish_after_commit(erasure: Erasure) -> None:
    _append_to_file(erasure)
    try:
        _renew_statistics(erasure.counts)
    except DatabaseError:
        logger.exception(
            "erasure %s is done, but the planner's statistics may hold values until the next ANALYZE", erasure.pk
        )


def _renew_statistics(tables: Iterable[str]) -> None:
    """The planner's statistics hold some values of each column: now those of the rows that are left.

    ANALYZE leaves the statistics of an empty table as they were, so they are cleared first, where PostgreSQL can (from 18).
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('server_version_num')::integer >= %s", [CLEARS_STATISTICS])
        can_clear = cursor.fetchone()[0]
        for table in tables:
            if can_clear:
                cursor.execute(CLEAR_STATISTICS, [table])
            cursor.execute(f"ANALYZE {connection.ops.quote_name(table)}")


def _append_to_file(erasure: Erasure) -> None:
    """Written outside the database, so that restoring an older backup does not lose it: also beside the daily backups."""
    for folder in (settings.DATA_DIR, settings.BACKUP_DIR):
        if folder is None or not folder.is_dir():  # the backups may be on another machine; see `complete_list`
            continue
        path = folder / ERASURES_FILE
        try:
            with private_files.open_private(path, "a", encoding="utf-8") as file:
                file.write(json.dumps(report_of(erasure)) + "\n")
        except OSError:
            logger.exception("erasure %s is done, but could not be written to %s", erasure.pk, path)


def complete_list(path: Path) -> None:
    """Adds the erasures of this database that a list does not have. Raises InvalidInput if it is none, OSError."""
    there = {report["id"] for report in _reports(path)} if path.exists() else set()
    with private_files.open_private(path, "a", encoding="utf-8") as file:
        for erasure in Erasure.objects.order_by("id").iterator():
            if str(erasure.pk) not in there:
                file.write(json.dumps(report_of(erasure)) + "\n")


# --- After a restore --------------------------------------------------------------------------------------------------
def recorded_erasures(files: Iterable[Path] = ()) -> dict[UUID, str]:
    """Everybody erased so far, id → reason: from the table, the file in the data directory, and reports in `files`.

    Raises InvalidInput if a file is no list of erasures, OSError if it cannot be read.
    """
    erased = {pk: row.reason for row in Erasure.objects.all() for pk in row.identities}
    for report in _all_reports(files):
        erased |= {UUID(pk): report["reason"] for pk in report["identities"]}
    return erased


def recorded_deletions(files: Iterable[Path] = ()) -> set[UUID]:
    """The ids of all galleries deleted so far, from the same places. Raises as `recorded_erasures` does."""
    deleted = {*Erasure.objects.filter(whole_gallery=True).values_list("gallery_id", flat=True)}
    return deleted | {UUID(report["gallery_id"]) for report in _all_reports(files) if report.get("whole_gallery")}


def repeat_erasures(*, actor: Actor, erased: dict[UUID, str]) -> list[Erasure]:
    """Erases everybody in `erased` (id → reason) again who came back with a restored backup."""
    erasures = []
    for pk in Identity.with_deleted.filter(pk__in=erased).values_list("pk", flat=True):
        if Identity.with_deleted.filter(pk=pk).exists():  # not erased along with the previous one
            subject = find_subject(pk)
            reason = AGAIN % {"reason": erased[pk]}
            erasures.append(erase_subject(actor=actor, subject=subject, confirm=subject.name, reason=reason))
    return erasures


def _all_reports(files: Iterable[Path]) -> Iterator[dict[str, Any]]:
    own_file = settings.DATA_DIR / ERASURES_FILE
    for path in [*([own_file] if own_file.exists() else []), *files]:
        yield from _reports(path)


def _reports(path: Path) -> list[dict[str, Any]]:
    """Reads one downloaded report, or a list with one report per line."""
    text = path.read_text(encoding="utf-8").strip()
    try:
        if text.startswith("{\n"):
            return [json.loads(text)]
        return [json.loads(line) for line in text.splitlines() if line]
    except ValueError as error:
        raise InvalidInput(f"{path} is not a list of erasures.") from error
