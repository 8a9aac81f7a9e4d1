"""Submitting and collecting the rows of an import in blocks, one transaction per block: one by one, the statements would
cost as much as the face recognition.
"""

import hashlib
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.actor import Actor
from faceplatform.errors import DomainError, InvalidInput
from faceplatform.text import storable
from gallery.models import Gallery, Identity
from gallery.services import create_identity, people_with_keys
from recognition.imports.duplicates import CONFLICT, enrolled_in
from recognition.imports.files import words_of
from recognition.imports.lease import count
from recognition.imports.models import Import, ImportRow
from recognition.imports.paths import composed
from recognition.imports.requester import requester_of
from recognition.imports.rows import LeftOut, SourceLost, SourceRow
from recognition.photos.faults import SERVER, is_servers
from recognition.photos.models import RecognitionRequest, Status
from recognition.photos.services import NewPerson, Photo, submit_enrolments

BLOCK = 32  # rows submitted and collected together
BLOCK_BYTES = 32 * 1024 * 1024


@dataclass(slots=True)
class Item:
    """A row of the source and its future ImportRow. data: the photo, empty if it could not be read. digest: its SHA-256.

    person: whose it is, as soon as that is known.
    """

    source: SourceRow
    row: ImportRow
    data: bytes = b""
    digest: str = ""
    person: Identity | NewPerson | None = None

    def refuse(self, code: str, reason: str) -> None:
        self.end(ImportRow.Status.REFUSED, code, reason)

    def end(self, status: str, code: str, reason: str) -> None:
        self.row.status, self.row.code, self.row.reason = status, code, storable(reason, 2000)

    @property
    def open(self) -> bool:
        """Whether nothing has been decided about it yet."""
        return not self.row.status


def submit_block(
    job: Import, runner: UUID, remaining: Iterator[SourceRow], waiting: dict[UUID, UUID], room: int
) -> bool:
    """Submits the next rows, at most `room`. Returns whether there may be more.

    Raises SourceLost, but only after submitting what was read.
    """
    block, lost = _read_block(job, remaining, min(BLOCK, room))
    if block:
        waiting |= _submit(job, runner, block)
    if lost:
        raise lost
    return bool(block)


def _read_block(job: Import, remaining: Iterator[SourceRow], limit: int) -> tuple[list[Item], SourceLost | None]:
    """Reads up to `limit` photos or BLOCK_BYTES. If the source is lost, returns those read so far and the error."""
    items: list[Item] = []
    try:
        while len(items) < limit and sum(len(item.data) for item in items) < BLOCK_BYTES:
            if (source := next(remaining, None)) is None:
                break
            item = Item(source, ImportRow(job=job, path=source.path, name=source.name, key=source.key))
            _read(item)
            items.append(item)
    except SourceLost as lost:
        return items, lost
    return items, None


def _read(item: Item) -> None:
    try:
        item.data = item.source.read()
        item.digest = hashlib.sha256(item.data).hexdigest()
        if not item.source.name:
            raise InvalidInput(_("This row has no name."), code="name_missing")
    except DomainError as error:
        item.refuse(error.code, error.message)
    except LeftOut as reason:
        item.end(ImportRow.Status.IGNORED, reason.code, reason.message)
    except OSError as error:
        item.refuse("unreadable", _("The file cannot be read: %(why)s.") % {"why": words_of(error)})


@transaction.atomic
def _submit(job: Import, runner: UUID, block: Sequence[Item]) -> dict[UUID, UUID]:
    """Saves the rows, with a request for each photo or the reason why there is none. Returns row id → request id."""
    actor = requester_of(job)
    _find_people(job, actor, [item for item in block if item.open])
    _skip_known(job.gallery, [item for item in block if item.open])
    new = [(item, person) for item in block if item.open and (person := item.person)]
    requests = submit_enrolments(
        actor=actor,
        gallery=job.gallery,
        photos=[(person, Photo(item.source.photo_name, item.data)) for item, person in new],
        quality_gate=job.quality_gate,
    )
    for (item, _person), request in zip(new, requests, strict=True):
        item.row.request, item.row.status = request, ImportRow.Status.PENDING
    ImportRow.objects.bulk_create(item.row for item in block)
    count(job, runner, (item.row for item in block))
    return {item.row.pk: request.pk for (item, _person), request in zip(new, requests, strict=True)}


def _find_people(job: Import, actor: Actor, items: Sequence[Item]) -> None:
    """Sets whose photo each is: somebody with this external id, even if merged into somebody else since, or somebody new."""
    known = _known(job.gallery, {item.row.key for item in items})
    for item in items:
        key, name, fields = item.row.key, item.source.name, item.source.fields
        try:
            if key not in known and job.gallery.requires_consent:  # which is recorded of people who are there
                known[key] = create_identity(actor=actor, gallery=job.gallery, name=name, external_id=key, **fields)
        except DomainError as error:
            item.refuse(error.code, error.message)
        else:
            item.row.identity = known.get(key)
            item.person = known.get(key) or NewPerson(key, name, fields)


def _known(gallery: Gallery, keys: set[str]) -> dict[str, Identity]:
    """By external id in NFC. Older versions kept those of folders from macOS as they were, in NFD."""
    decomposed = {unicodedata.normalize("NFD", key) for key in keys}
    found = people_with_keys(gallery, keys | decomposed)
    return {composed(key): person for key, person in found.items()} | {key: found[key] for key in keys & found.keys()}


def _skip_known(gallery: Gallery, items: Sequence[Item]) -> None:
    """Marks the photos that are already enrolled in the gallery."""
    enrolled = enrolled_in(gallery, (item.digest for item in items))
    for item in items:
        if known := enrolled.outcome(item.digest, item.row):
            item.end(*known)


def pending(job: Import) -> dict[UUID, UUID]:
    """Row id → request id of photos that an interrupted run left in the queue. If a request is gone, so is its row: the
    photo is submitted again."""
    rows = job.rows.filter(status=ImportRow.Status.PENDING)
    rows.filter(request=None).delete()
    return dict(rows.values_list("pk", "request_id"))


def collect(job: Import, runner: UUID, waiting: dict[UUID, UUID]) -> None:
    """Records the results of finished photos and deletes their requests: the row holds all that is needed."""
    finished = RecognitionRequest.objects.filter(pk__in=waiting.values(), status__in=[Status.DONE, Status.FAILED])
    columns = ["status", "error_code", "error_message", "identity", "photo_sha256"]
    by_request = {request.pk: request for request in finished.only(*columns)}
    finished_rows = {row: request for row, request in waiting.items() if request in by_request}
    if not finished_rows:
        return
    conflicts = (request.photo_sha256 for request in by_request.values() if request.error_code == CONFLICT)
    enrolled = enrolled_in(job.gallery, conflicts)
    with transaction.atomic():
        rows = list(ImportRow.objects.filter(pk__in=finished_rows))
        for row in rows:
            request = by_request[finished_rows[row.pk]]
            row.identity_id = request.identity_id
            known = enrolled.outcome(request.photo_sha256, row) if request.error_code == CONFLICT else None
            row.status, row.code, row.reason = known or _outcome(request)
        ImportRow.objects.bulk_update(rows, ["status", "code", "reason", "identity"])
        RecognitionRequest.objects.filter(pk__in=finished_rows.values()).delete()
        count(job, runner, rows)
    for row_id in finished_rows:
        del waiting[row_id]


def _outcome(request: RecognitionRequest) -> tuple[str, str, str]:
    if request.status == Status.DONE:
        return ImportRow.Status.ENROLLED, "", ""
    status = ImportRow.Status.SKIPPED if request.error_code == "duplicate_photo" else ImportRow.Status.REFUSED
    code = request.error_code
    if is_servers(code) and code not in SERVER:
        code = "error"  # not one that anybody knows: done again all the same
    return status, code, request.error_message
