"""Erasing a person for good, the report of it, and doing it again after a restore.

Nothing that names the person stays: rows are deleted, texts that name them are emptied, and the audit keeps what was done
without the name (accounts/audit/chain.py). What stays is the report: ids, counts, by whom and why.
"""

import json
import logging
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction

from accounts import audit
from accounts.actor import Actor
from accounts.audit import audited, chain
from accounts.roles import Role, Scope
from faceplatform import private_files
from faceplatform.database.limits import unhurried
from faceplatform.errors import InvalidInput
from gallery.models import Identity
from recognition.photos.models import RecognitionRequest
from recognition.privacy.models import Erasure
from recognition.privacy.subject import Subject, faces_of, find_subject
from recognition.privacy.traces import erase_traces

logger = logging.getLogger(__name__)
LIST = "erasures.jsonl"


@audited
def erase_subject(*, actor: Actor, subject: Subject, confirm: str, reason: str) -> Erasure:
    """Erases a person. confirm: the name, typed; reason: why, without the name, as it is kept. Only owners may.

    Raises InvalidInput, and Conflict where an import runs. There is no way back.
    """
    actor.require_scope(Scope.MANAGE)
    actor.require_role(subject.gallery, Role.OWNER)
    _check(subject, confirm, reason)
    unhurried()
    list(Identity.with_deleted.select_for_update().filter(pk__in=subject.people).order_by("pk"))
    subject = find_subject(subject.people[0])  # as it is now that it is locked
    events = _events_about(subject)
    counts = erase_traces(subject)
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
    transaction.on_commit(lambda: _note(erasure))
    return erasure


def _check(subject: Subject, confirm: str, reason: str) -> None:
    if confirm.strip().casefold() != subject.name.strip().casefold():
        raise InvalidInput("The name that was typed is not this person's. Nothing was erased.", code="not_confirmed")
    if not reason.strip():
        raise InvalidInput("Say why, such as “asked by the person, letter of 3 May”. It is kept with the report.")
    if any(re.search(rf"\b{re.escape(name)}\b", reason, re.IGNORECASE) for name in subject.names):
        raise InvalidInput("The reason is kept for good: do not name the person in it.")


def _events_about(subject: Subject) -> list[UUID]:
    found = faces_of(subject).values_list("request_id", flat=True)
    enrolments = RecognitionRequest.objects.filter(identity__in=subject.people).values_list("pk", flat=True)
    return chain.events_about(
        gallery_id=subject.gallery.pk,
        ids=[*subject.people, *subject.samples, *found, *enrolments],
        mentioned=subject.people,
        pattern=subject.pattern,
        whole="recognitionrequest",
    )


# --- The report -------------------------------------------------------------------------------------------------------
def report_of(erasure: Erasure) -> dict[str, Any]:
    """What went, by whom, when, why, and when the last backup that holds the person is due to go."""
    return {
        "id": str(erasure.pk),
        "gallery": erasure.gallery_slug,
        "identities": [str(pk) for pk in erasure.identities],
        "erased_at": erasure.erased_at.isoformat(),
        "erased_by": erasure.erased_by,
        "reason": erasure.reason,
        "counts": erasure.counts,
        "audit_event": str(erasure.event_id),
        "backups_expire_at": erasure.backups_expire_at.isoformat(),
    }


def _note(erasure: Erasure) -> None:
    """Beside the database, where restoring an older backup does not take it away."""
    try:
        with private_files.open_private(settings.DATA_DIR / LIST, "a", encoding="utf-8") as file:
            file.write(json.dumps(report_of(erasure)) + "\n")
    except OSError:
        logger.exception("the erasure %s was done, but cannot be noted in %s", erasure.pk, settings.DATA_DIR / LIST)


# --- After a restore --------------------------------------------------------------------------------------------------
def noted_erasures(files: Iterable[Path] = ()) -> dict[UUID, str]:
    """Everybody who was erased, with the reason: from the table, the list in the data directory, and reports in `files`."""
    found = {pk: row.reason for row in Erasure.objects.all() for pk in row.identities}
    own = settings.DATA_DIR / LIST
    for path in [*([own] if own.exists() else []), *files]:
        for report in _reports(path):
            found |= {UUID(pk): report["reason"] for pk in report["identities"]}
    return found


def replay(*, actor: Actor, erased: dict[UUID, str]) -> list[Erasure]:
    """Erases those of `erased` again whom a restored backup has brought back."""
    done = []
    for pk in Identity.with_deleted.filter(pk__in=erased).values_list("pk", flat=True):
        if Identity.with_deleted.filter(pk=pk).exists():  # not gone with the one before
            subject = find_subject(pk)
            reason = f"Again after a restore: {erased[pk]}"
            done.append(erase_subject(actor=actor, subject=subject, confirm=subject.name, reason=reason))
    return done


def _reports(path: Path) -> list[dict]:
    """A report as it is downloaded, or a list of them, one a line."""
    text = path.read_text(encoding="utf-8").strip()
    try:
        if text.startswith("{\n"):
            return [json.loads(text)]
        return [json.loads(line) for line in text.splitlines() if line]
    except ValueError as error:
        raise InvalidInput(f"{path} is no list of erasures.") from error
