"""Everything the platform stores about one person, as a ZIP of JSON files, pictures and a README. Streamed as it is written.

It contains nobody else: of other candidates only the distance is given, other people's names are left out, and of each
photo only the person's own face is included. docs/privacy.md describes every file; fields may be added, never renamed.
"""

import json
import zipfile
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypedDict

from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from accounts import audit
from accounts.actor import Actor
from accounts.audit import audited, chain
from accounts.models import AuditEvent, Look
from accounts.roles import Role, Scope
from gallery.models import FaceEmbedding, FaceSample, Identity
from gallery.services import CONSENT_FIELDS
from recognition.imports.models import ImportRow
from recognition.photos.models import Candidate, RecognitionFace
from recognition.photos.representation import detected_face_as_dict, image_as_dict, threshold_as_dict
from recognition.privacy.alerts import exported_alerts
from recognition.privacy.sightings import exported_pictures, exported_sightings, exported_vectors
from recognition.privacy.subject import Subject, faces_of, history_of

if TYPE_CHECKING:
    from django_stubs_ext import WithAnnotations

    class OthersAnnotation(TypedDict):
        with_others: bool  # whether the photo has other faces

    FaceWithOthers = WithAnnotations[RecognitionFace, OthersAnnotation]

BLOCK = 64 * 1024  # bytes sent at a time
ANOTHER_PERSON = "(another person)"
SHARED_PHOTO = "(a photo with several faces)"  # the file name may name the others
PERSON = ("id", "name", "external_id", "department", "position", "active", "hidden", "metadata", *CONSENT_FIELDS)
TIMES = ("created_at", "updated_at", "last_recognized_at", "deleted_at")
SAMPLE = (
    "id", "identity_id", "photo_name", "photo_sha256", "photo_width", "photo_height", "box", "detection_score",
    "quality_score", "quality", "created_at", "deleted_at",
)  # fmt: skip
README = """What this platform stores about {name}, written on {now}.

identity.json        the person's data and consent; several entries where people were merged into one
history.jsonl        the same data as they were before each change
samples.jsonl        the enrolled faces: source and quality; samples/ID.jpg is the picture
embeddings.jsonl     the vectors by which the faces are compared, for each model pack
recognitions.jsonl   each time the person was recognised in a photo; recognitions/ID-N.jpg is the face
sightings.jsonl      each time a camera saw the person; sightings/ID-N.jpg are the faces
sighting_vectors.jsonl  the vectors of these sightings
alerts.jsonl         what rules have told about the person
imports.jsonl        photos that came with an import of many people
audit.jsonl          what was done to the person's data, when and how
looks.jsonl          when somebody opened the person's page or a picture, and how often in that hour

.json files are JSON; .jsonl files have one JSON object per line. Times are in ISO 8601. Boxes are in pixels of the photo,
from its upper left corner. Photos in which the person was recognised are not included, because other people may be in them.
Of other people the person was compared with, only the distance is given.
"""


@audited
def begin_export(*, actor: Actor, subject: Subject) -> None:
    """Checks that the actor may export (curators only), and audits the export. Raises NotAllowed."""
    actor.require_scope(Scope.ENROL)
    actor.require_role(subject.gallery, Role.CURATOR)
    person = Identity.with_deleted.filter(pk=subject.people[0]).first()
    audit.record(actor=actor, action="identity.exported", gallery=subject.gallery, target=person)


def export_blocks(subject: Subject) -> Generator[bytes]:
    """The ZIP in blocks of about BLOCK bytes, so it needs little memory. Call `begin_export` first."""
    buffer = _ZipBuffer()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in _files(subject):
            for _ in _write(archive, name, content):
                if buffer.waiting >= BLOCK:
                    yield buffer.take()
    yield buffer.take()


class _ZipBuffer:
    """An unseekable file for ZipFile to write to; `take` empties it."""

    def __init__(self) -> None:
        self._waiting = bytearray()

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def write(self, data: bytes, /) -> int:
        self._waiting += data
        return len(data)

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass

    def take(self) -> bytes:
        data = bytes(self._waiting)
        self._waiting.clear()
        return data


def _write(archive: zipfile.ZipFile, name: str, content: bytes | Iterable[dict[str, Any]]) -> Iterator[None]:
    """Writes bytes in one step, and dicts as JSON lines, one per step."""
    kind = zipfile.ZIP_STORED if name.endswith(".jpg") else zipfile.ZIP_DEFLATED
    info = zipfile.ZipInfo(name, timezone.localtime().timetuple()[:6])
    info.compress_type = kind
    if isinstance(content, bytes):
        archive.writestr(info, content)
        yield
        return
    with archive.open(info, "w", force_zip64=True) as file:
        for line in content:
            file.write((json.dumps(line, cls=DjangoJSONEncoder, ensure_ascii=False) + "\n").encode())
            yield


def _files(subject: Subject) -> Iterator[tuple[str, bytes | Iterable[dict[str, Any]]]]:
    readme = README.format(name=subject.name, now=f"{timezone.localtime():%Y-%m-%d %H:%M %Z}")
    yield "README.txt", readme.encode()
    yield "identity.json", json.dumps(_people(subject), cls=DjangoJSONEncoder, ensure_ascii=False, indent=1).encode()
    yield "history.jsonl", _history(subject)
    samples = FaceSample.with_deleted.filter(identity__in=subject.people, rejected=False).order_by("id")
    yield "samples.jsonl", samples.values(*SAMPLE).iterator(chunk_size=500)
    for sample in samples.select_related("crop").iterator(chunk_size=50):
        yield f"samples/{sample.pk}.jpg", bytes(sample.crop.jpeg)
    yield "embeddings.jsonl", _embeddings(samples)
    yield "recognitions.jsonl", map(_recognition(subject), _faces(subject).defer("crop").iterator(chunk_size=100))
    for face in _faces(subject).iterator(chunk_size=50):
        yield f"recognitions/{face.request_id}-{face.index}.jpg", bytes(face.crop)
    yield "sightings.jsonl", exported_sightings(subject)
    yield from exported_pictures(subject)
    yield "sighting_vectors.jsonl", exported_vectors(subject)
    yield "alerts.jsonl", exported_alerts(subject)
    yield "imports.jsonl", _imports(subject)
    yield "audit.jsonl", _audit(subject)
    yield "looks.jsonl", _looks(subject)


def _people(subject: Subject) -> list[dict[str, Any]]:
    rows = {row.pk: row for row in Identity.with_deleted.filter(pk__in=subject.people)}
    return [
        {"gallery": subject.gallery.slug} | {name: getattr(rows[pk], name) for name in (*PERSON, *TIMES)}
        for pk in subject.people
        if pk in rows
    ]


def _history(subject: Subject) -> Iterator[dict[str, Any]]:
    rows = history_of("Identity").filter(pgh_obj_id__in=subject.people).order_by("pgh_id")
    for row in rows.iterator(chunk_size=500):
        yield {"until": row.pgh_created_at, "change": row.pgh_label} | {name: getattr(row, name) for name in PERSON}


def _embeddings(samples: QuerySet[FaceSample]) -> Iterator[dict[str, Any]]:
    rows = FaceEmbedding.objects.filter(sample__in=samples.order_by().values("pk")).order_by("sample", "pack")
    for row in rows.iterator(chunk_size=100):
        vector = [round(float(value), 6) for value in row.vector]
        yield {"sample_id": row.sample_id, "pack": row.pack, "dimensions": len(vector), "vector": vector}


def _faces(subject: Subject) -> "QuerySet[FaceWithOthers]":
    others = RecognitionFace.objects.filter(request=OuterRef("request")).exclude(pk=OuterRef("pk"))
    faces = faces_of(subject).annotate(with_others=Exists(others)).order_by("request_id", "index")
    faces = faces.defer("vector", "request__photo")
    return faces.select_related("request").prefetch_related("candidates")


def _recognition(subject: Subject) -> "Callable[[FaceWithOthers], dict[str, Any]]":
    def as_dict(face: "FaceWithOthers") -> dict[str, Any]:
        request = face.request
        return {
            "id": request.pk,
            "created_at": request.created_at,
            "pack": request.pack,
            "photo_name": SHARED_PHOTO if face.with_others else request.photo_name,
            "photo_kept": request.keep_photo,
            "image": image_as_dict(request),
            "threshold": threshold_as_dict(request),
            **detected_face_as_dict(face, request),
            "candidates": [_candidate(candidate, subject) for candidate in face.candidates.all()],
            "margin": face.margin,
        }

    return as_dict


def _candidate(candidate: Candidate, subject: Subject) -> dict[str, Any]:
    theirs = candidate.identity_id in subject.people
    return {
        "identity": subject.name if theirs else ANOTHER_PERSON,
        "sample_id": candidate.sample_id if theirs else None,
        "distance": candidate.distance,
        "score": candidate.score,
    }


def _imports(subject: Subject) -> Iterator[dict[str, Any]]:
    rows = ImportRow.objects.filter(identity__in=subject.people).select_related("job").order_by("id")
    for row in rows.iterator(chunk_size=500):
        line = {name: getattr(row, name) for name in ("path", "name", "key", "status", "code")}
        yield {"import": row.job_id, "created_at": row.job.created_at} | line


def _audit(subject: Subject) -> Iterator[dict[str, Any]]:
    """Leaves out who did it: that is about somebody else."""
    ids = chain.events_about(
        gallery_id=subject.gallery.pk,
        ids=[*subject.people, *subject.samples],
        mentioned=subject.people,
        pattern=None,
    )
    photos = FaceSample.with_deleted.filter(pk__in=subject.samples).values_list("photo_name", flat=True)
    own = {*subject.names, *map(str, subject.people), *photos}
    for event in AuditEvent.objects.filter(pk__in=ids).order_by("id").iterator(chunk_size=500):
        details = _redact_others(event.details, own)
        yield {"id": event.pk, "at": event.at, "action": event.action, "via": event.via, "details": details}


def _looks(subject: Subject) -> Iterator[dict[str, Any]]:
    """Leaves out who looked: that is about somebody else."""
    rows = Look.objects.at_people(subject.people).order_by("hour", "id")
    yield from rows.values("kind", "via", "count", "first_at", "last_at").iterator(chunk_size=500)


NAMES_IN_DETAILS = (
    "from", "to", "to_id", "new", "new_id", "merged", "identity", "identities", "ids", "photo", "photos", "sha256", "name",
)  # fmt: skip


def _redact_others(details: dict[str, Any], own: set[str]) -> dict[str, Any]:
    """The details, with names, photos and ids that are not the person's own replaced."""

    def redact(value: Any) -> Any:
        if isinstance(value, list):
            return [redact(item) for item in value]
        return value if value in own or not value else ANOTHER_PERSON

    return {name: redact(value) if name in NAMES_IN_DETAILS else value for name, value in details.items()}
