"""Enrolling many people from a folder, a ZIP (a folder per person each) or a CSV. Safe to run again: nothing doubles."""

import csv
import hashlib
import itertools
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath

from django.conf import settings

from accounts.actor import Actor
from faceplatform.errors import DomainError, InvalidInput
from gallery.models import FaceSample, Gallery, Identity
from gallery.services import create_identity
from recognition.local import work_off
from recognition.models import Priority, RecognitionRequest, Status
from recognition.services import Photo, submit_enrolment

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".heic", ".heif", ".pgm", ".ppm"}
WINDOW = 32  # photos in memory and in the queue at a time
CSV_COLUMNS = ("name", "external_id", "department", "position", "photo")


@dataclass(frozen=True, slots=True)
class ImportRow:
    """A photo to enrol. key: the person's external id, by which a second run finds the person again."""

    key: str
    name: str
    photo_name: str
    read: Callable[[], bytes]
    fields: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ImportResult:
    """status: enrolled, skipped (was there already) or refused; code and reason say why."""

    row: ImportRow
    status: str
    code: str = ""
    reason: str = ""


def read_rows(source: Path) -> Iterator[ImportRow]:
    """The rows of a folder, ZIP or CSV; photos are read one by one, later. Raises InvalidInput."""
    if source.is_dir():
        return _folder_rows(source)
    if not source.is_file():
        raise InvalidInput(f"{source} does not exist. Give a folder with a folder per person, a ZIP of one, or a CSV.")
    if zipfile.is_zipfile(source):
        return _zip_rows(source)
    if source.suffix.lower() == ".csv":
        return _csv_rows(source)
    raise InvalidInput(f"{source} is no folder, ZIP or CSV.")


def import_rows(
    *, actor: Actor, gallery: Gallery, rows: Iterable[ImportRow], quality_gate: str = ""
) -> Iterator[ImportResult]:
    """Enrols the rows in windows, making people who are not there yet; gives each row's result as its window ends."""
    iterator = iter(rows)
    while window := list(itertools.islice(iterator, WINDOW)):
        yield from _import_window(actor, gallery, window, quality_gate)


def person_name(folder: str) -> str:
    """A folder's name as a person's: “alex_lacamoire” is Alex Lacamoire, “McCoy Ann” stays."""
    name = " ".join(folder.replace("_", " ").split())
    return name.title() if name.islower() else name


def _import_window(actor: Actor, gallery: Gallery, window: list[ImportRow], quality_gate: str) -> list[ImportResult]:
    results: dict[int, ImportResult] = {}
    submitted: dict[int, RecognitionRequest] = {}
    for number, row in enumerate(window):
        try:
            outcome = _submit(actor, gallery, row, quality_gate)
        except (DomainError, OSError, zipfile.BadZipFile) as error:
            code = error.code if isinstance(error, DomainError) else "unreadable"
            outcome = ImportResult(row, "refused", code, str(error))
        if isinstance(outcome, ImportResult):
            results[number] = outcome
        else:
            submitted[number] = outcome
    work_off(list(submitted.values()))
    finished = RecognitionRequest.objects.defer("photo").in_bulk([request.pk for request in submitted.values()])
    for number, request in submitted.items():
        results[number] = _result(window[number], finished[request.pk])
    return [results[number] for number in range(len(window))]


def _submit(actor: Actor, gallery: Gallery, row: ImportRow, quality_gate: str) -> RecognitionRequest | ImportResult:
    data = row.read()
    identity = _identity(actor, gallery, row)
    digest = hashlib.sha256(data).hexdigest()
    if FaceSample.objects.filter(identity=identity, photo_sha256=digest).exists():
        return ImportResult(row, "skipped", "duplicate_photo", "This photo is enrolled already.")
    [request] = submit_enrolment(
        actor=actor,
        identity=identity,
        photos=[Photo(row.photo_name, data)],
        quality_gate=quality_gate,
        priority=Priority.BULK,
        needs_worker=False,
    )
    return request


def _identity(actor: Actor, gallery: Gallery, row: ImportRow) -> Identity:
    found = Identity.objects.select_related("gallery").filter(gallery=gallery, external_id=row.key).first()
    return found or create_identity(actor=actor, gallery=gallery, name=row.name, external_id=row.key, **row.fields)


def _result(row: ImportRow, request: RecognitionRequest) -> ImportResult:
    if request.status == Status.DONE:
        return ImportResult(row, "enrolled")
    status = "skipped" if request.error_code == "duplicate_photo" else "refused"
    return ImportResult(row, status, request.error_code, request.error_message)


def _folder_rows(folder: Path) -> Iterator[ImportRow]:
    for path in sorted(folder.glob("*/*")):
        if path.suffix.lower() in SUFFIXES and path.is_file():
            person = path.parent.name
            yield ImportRow(person, person_name(person), path.name, path.read_bytes)


def _zip_rows(source: Path) -> Iterator[ImportRow]:
    """Nothing is unpacked to disk, so that names such as ../../x reach nothing; a photo's size is known before it is read."""
    archive = zipfile.ZipFile(source)  # stays open as long as a row that reads from it
    for info in sorted(archive.infolist(), key=lambda info: info.filename):
        path = PurePosixPath(info.filename)
        if not info.is_dir() and path.suffix.lower() in SUFFIXES and len(path.parts) > 1:
            person = path.parts[-2]
            yield ImportRow(person, person_name(person), path.name, partial(_read_member, archive, info))


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """One byte more than allowed at most, whatever the header claims."""
    if info.file_size > settings.MAX_PHOTO_BYTES:
        raise InvalidInput(
            f"The photo has {info.file_size / 2**20:.1f} MiB, more than is allowed.", code="image_too_large"
        )
    with archive.open(info) as file:
        return file.read(settings.MAX_PHOTO_BYTES + 1)


def _csv_rows(source: Path) -> Iterator[ImportRow]:
    with source.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        if missing := {"name", "photo"} - set(reader.fieldnames or ()):
            raise InvalidInput(
                f"{source} lacks the columns {', '.join(sorted(missing))}. Columns: {', '.join(CSV_COLUMNS)}."
            )
        for line in reader:
            cells = {column: (line.get(column) or "").strip() for column in CSV_COLUMNS}
            path = source.parent / cells["photo"]
            fields = {"department": cells["department"], "position": cells["position"]}
            yield ImportRow(cells["external_id"] or cells["name"], cells["name"], path.name, path.read_bytes, fields)
