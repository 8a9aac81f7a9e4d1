"""Where a person leaves traces, and how each kind is erased. A new table that stores people needs one more function in TRACES."""

from collections import Counter
from typing import Any

from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.db.models import Model, Q, QuerySet

from faceplatform.errors import Conflict
from gallery.models import FaceSample, Identity
from recognition.imports.models import Import, ImportPiece, ImportRow
from recognition.photos.models import Decision, RecognitionRequest
from recognition.privacy.subject import Subject, faces_of, history_of, rejected_faces

ERASED = "(erased)"
UPLOAD_DELETED = "The upload was deleted because a person was erased. Upload it again without that person."
ADMIN_MODELS = ("identity", "facesample", "recognitionrequest")


def erase_traces(subject: Subject) -> Counter[str]:
    """Deletes or empties every row about the person, in an order that misses none. Returns the number of rows per table."""
    counts: Counter[str] = Counter()
    for trace in TRACES:
        counts.update(trace(subject))
    return +counts


def _erase_faces(subject: Subject) -> Counter[str]:
    """Deletes their faces in photos, and the whole request if nobody else is in it; otherwise only the photo goes with them."""
    faces = faces_of(subject)
    requests = list(faces.values_list("request_id", flat=True).distinct())
    counts = _delete(faces.only("pk"))
    rows = RecognitionRequest.objects.filter(pk__in=requests)
    counts += _delete(rows.filter(faces=None).only("pk"))
    emptied = rows.update(photo=None, keep_photo=False, photo_name="", photo_sha256="")
    counts[_table_of(RecognitionRequest)] += emptied
    rejected_faces(subject).update(decision=Decision.UNKNOWN, identity=None)
    return counts


def _erase_texts(subject: Subject) -> Counter[str]:
    """Empties file names that contain their name, and error messages that name them."""
    if subject.pattern is None:
        return Counter()
    requests = RecognitionRequest.objects.filter(gallery=subject.gallery)
    samples = FaceSample.with_deleted.filter(gallery=subject.gallery).exclude(identity__in=subject.people)
    named_after = {"photo_name__iregex": subject.pattern}
    return Counter(
        {
            _table_of(RecognitionRequest): requests.filter(**named_after).update(photo_name="")
            + requests.filter(error_message__iregex=subject.pattern).update(error_message=ERASED),
            _table_of(FaceSample): samples.filter(**named_after).update(photo_name=""),
        }
    )


def _erase_from_imports(subject: Subject) -> Counter[str]:
    """Empties the import rows about them, and deletes all stored uploads: these may still hold their photos."""
    jobs = subject.gallery.imports
    if jobs.filter(status=Import.Status.RUNNING).exists():
        raise Conflict("An import is running in this gallery. Stop it, or wait until it is done.", code="import_runs")
    pieces = ImportPiece.objects.filter(job__gallery=subject.gallery)
    unfinished = jobs.filter(pk__in=pieces.values("job"))
    unfinished.update(status=Import.Status.FAILED, error_message=UPLOAD_DELETED, size=0)
    counts = _delete(pieces.only("pk"))
    rows = ImportRow.objects.filter(job__gallery=subject.gallery)
    for row in rows.filter(_import_rows_about(subject)).only("pk"):
        ImportRow.objects.filter(pk=row.pk).update(
            path=f"{ERASED} {row.pk}", name=ERASED, key="", reason="", identity=None
        )
        counts[_table_of(ImportRow)] += 1
    if subject.pattern is not None:
        for field in ("name", "place"):
            named = jobs.filter(**{f"{field}__iregex": subject.pattern})
            counts[_table_of(Import)] += named.update(**{field: ERASED})
    return counts


def _import_rows_about(subject: Subject) -> Q:
    theirs = Q(identity__in=subject.people) | Q(key__in=[*subject.external_ids, *subject.unique_names])
    if subject.pattern is None:
        return theirs
    for field in ("name", "key", "path", "reason"):
        theirs |= Q(**{f"{field}__iregex": subject.pattern})
    return theirs


def _erase_from_admin_log(subject: Subject) -> Counter[str]:
    """Deletes them from the admin site's list of recent actions."""
    theirs = Q(object_id__in=[str(pk) for pk in (*subject.people, *subject.samples)])
    if subject.pattern is not None:
        theirs |= Q(object_repr__iregex=subject.pattern) | Q(change_message__iregex=subject.pattern)
    return _delete(LogEntry.objects.filter(theirs, content_type__model__in=ADMIN_MODELS))


def _erase_person(subject: Subject) -> Counter[str]:
    """Deletes the person with samples, crops, vectors, candidates and enrolments, then the history written by triggers."""
    counts = _delete(Identity.with_deleted.filter(pk__in=subject.people))
    counts += _delete(history_of("Identity").filter(pgh_obj_id__in=subject.people))
    counts += _delete(
        history_of("FaceSample").filter(Q(identity__in=subject.people) | Q(pgh_obj_id__in=subject.samples))
    )
    return counts


TRACES = (_erase_faces, _erase_texts, _erase_from_imports, _erase_from_admin_log, _erase_person)


def _delete(rows: QuerySet[Any]) -> Counter[str]:
    _, by_model = rows.delete()
    return Counter({_table_of(apps.get_model(label)): count for label, count in by_model.items()})


def _table_of(model: type[Model]) -> str:
    return model._meta.db_table
