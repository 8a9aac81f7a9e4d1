"""Where a person leaves traces, and how each kind goes. A table that learns of people joins by one more function in TRACES."""

from collections import Counter

from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.db.models import Q

from faceplatform.errors import Conflict
from gallery.models import FaceSample, Identity
from recognition.imports.models import Import, ImportPiece, ImportRow
from recognition.photos.models import Decision, RecognitionRequest
from recognition.privacy.subject import Subject, faces_of, rejected_faces

ERASED = "(erased)"
UPLOAD_GONE = "The upload was deleted because a person was erased. Send it again without that person."
ADMIN_MODELS = ("identity", "facesample", "recognitionrequest")


def erase_traces(subject: Subject) -> Counter:
    """Deletes and empties rows, in an order that leaves none behind. Returns how many of each table."""
    counts = Counter()
    for trace in TRACES:
        counts.update(trace(subject))
    return +counts


def _faces(subject: Subject) -> Counter:
    """Their faces in photos; a photo with nobody else's goes as a whole, from another one only their face and the photo."""
    faces = faces_of(subject)
    requests = list(faces.values_list("request_id", flat=True).distinct())
    counts = _deleted(faces.only("pk"))
    rows = RecognitionRequest.objects.filter(pk__in=requests)
    counts += _deleted(rows.filter(faces=None).only("pk"))
    emptied = rows.update(photo=None, keep_photo=False, photo_name="", photo_sha256="")
    counts[_table(RecognitionRequest)] += emptied
    rejected_faces(subject).update(decision=Decision.UNKNOWN, identity=None)
    return counts


def _texts(subject: Subject) -> Counter:
    """Photos that are called like them, and refusals that name them."""
    if subject.pattern is None:
        return Counter()
    requests = RecognitionRequest.objects.filter(gallery=subject.gallery)
    samples = FaceSample.with_deleted.filter(gallery=subject.gallery).exclude(identity__in=subject.people)
    called = {"photo_name__iregex": subject.pattern}
    return Counter(
        {
            _table(RecognitionRequest): requests.filter(**called).update(photo_name="")
            + requests.filter(error_message__iregex=subject.pattern).update(error_message=ERASED),
            _table(FaceSample): samples.filter(**called).update(photo_name=""),
        }
    )


def _imports(subject: Subject) -> Counter:
    """What imports wrote down of them, and uploads that still hold their photos, perhaps."""
    jobs = subject.gallery.imports
    if jobs.filter(status=Import.Status.RUNNING).exists():
        raise Conflict("An import is running in this gallery: stop it first, or wait for its end.", code="import_runs")
    pieces = ImportPiece.objects.filter(job__gallery=subject.gallery)
    unfinished = jobs.filter(pk__in=pieces.values("job"))
    unfinished.update(status=Import.Status.FAILED, error_message=UPLOAD_GONE, size=0)
    counts = _deleted(pieces.only("pk"))
    rows = ImportRow.objects.filter(job__gallery=subject.gallery)
    for row in rows.filter(_in_import(subject)).only("pk"):
        ImportRow.objects.filter(pk=row.pk).update(
            path=f"{ERASED} {row.pk}", name=ERASED, key="", reason="", identity=None
        )
        counts[_table(ImportRow)] += 1
    if subject.pattern is not None:
        for field in ("name", "place"):
            named = jobs.filter(**{f"{field}__iregex": subject.pattern})
            counts[_table(Import)] += named.update(**{field: ERASED})
    return counts


def _in_import(subject: Subject) -> Q:
    theirs = Q(identity__in=subject.people) | Q(key__in=[*subject.external_ids, *subject.own_names])
    if subject.pattern is None:
        return theirs
    for field in ("name", "key", "path", "reason"):
        theirs |= Q(**{f"{field}__iregex": subject.pattern})
    return theirs


def _admin_log(subject: Subject) -> Counter:
    """The admin site's own list of recent actions."""
    theirs = Q(object_id__in=[str(pk) for pk in (*subject.people, *subject.samples)])
    if subject.pattern is not None:
        theirs |= Q(object_repr__iregex=subject.pattern) | Q(change_message__iregex=subject.pattern)
    return _deleted(LogEntry.objects.filter(theirs, content_type__model__in=ADMIN_MODELS))


def _rows(subject: Subject) -> Counter:
    """The person with samples, crops, vectors, candidates and enrolments; then the history that the triggers wrote."""
    counts = _deleted(Identity.with_deleted.filter(pk__in=subject.people))
    people = Identity.history.rel.related_model.objects.filter(pgh_obj_id__in=subject.people)
    samples = FaceSample.history.rel.related_model.objects
    counts += _deleted(people)
    counts += _deleted(samples.filter(Q(identity__in=subject.people) | Q(pgh_obj_id__in=subject.samples)))
    return counts


TRACES = (_faces, _texts, _imports, _admin_log, _rows)


def _deleted(rows) -> Counter:
    _, by_model = rows.delete()
    return Counter({_table(apps.get_model(label)): count for label, count in by_model.items()})


def _table(model) -> str:
    return model._meta.db_table
