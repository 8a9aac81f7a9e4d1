"""Where a person leaves traces, and how each kind is erased. A new table that stores people needs one more function in TRACES."""

from collections import Counter
from uuid import UUID

from django.contrib.admin.models import LogEntry
from django.db.models import Count, Q, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from accounts import idempotency
from accounts.models import IdempotentAnswer
from faceplatform.errors import Conflict
from gallery.models import FaceSample, Identity
from recognition.imports.models import Import, ImportPiece, ImportRow
from recognition.photos.models import PASSING, Decision, RecognitionFace, RecognitionRequest, Rejection
from recognition.privacy.alerts import erase_alerts
from recognition.privacy.counting import delete_rows, table_of
from recognition.privacy.sightings import erase_sightings, rejected_as_others, seen_ids
from recognition.privacy.subject import Subject, faces_of, history_of, rejected_faces
from recognition.reembedding.models import PreviewedFace, ReEmbedding, ReEmbeddingPart

ERASED = "(erased)"
UPLOAD_DELETED = gettext_noop(
    "The upload was deleted because a person was erased. Upload it again without that person."
)
ADMIN_MODELS = ("identity", "facesample", "recognitionrequest")


def erase_traces(subject: Subject) -> Counter[str]:
    """Deletes or empties every row about the person, in an order that misses none. Returns the number of rows per table."""
    counts: Counter[str] = Counter()
    for trace in TRACES:
        counts.update(trace(subject))
    return +counts


def _erase_answers(subject: Subject) -> Counter[str]:
    """Forgets the stored answers to calls about them, which are kept for a day. Before anything else: it needs their ids."""
    recognitions = faces_of(subject).values_list("request_id", flat=True)
    enrolments = RecognitionRequest.objects.filter(identity__in=subject.people).values_list("pk", flat=True)
    analyses = RecognitionRequest.objects.filter(gallery=subject.gallery, purpose__in=PASSING)
    theirs: set[UUID] = {*subject.people, *subject.samples, *recognitions, *enrolments}
    theirs |= {*seen_ids(subject)}
    theirs |= {*of_their_photos(subject).values_list("pk", flat=True), *analyses.values_list("pk", flat=True)}
    count = idempotency.forget(known=theirs.intersection, pattern=subject.pattern, key_pattern=subject.key_pattern)
    return Counter({table_of(IdempotentAnswer): count})


def _erase_analyses(subject: Subject) -> Counter[str]:
    """Deletes the gallery's detections, embeddings, comparisons and live pictures: whose they are is not known of all, and they
    last an hour."""
    return delete_rows(RecognitionRequest.objects.filter(gallery=subject.gallery, purpose__in=PASSING).only("pk"))


def _erase_same_photos(subject: Subject) -> Counter[str]:
    """Deletes or empties recognitions of their enrolled photos in which they were not recognised, and other uses of these."""
    requests = of_their_photos(subject)
    faces = RecognitionFace.objects.filter(request__in=requests)
    alone = faces.values("request").annotate(faces=Count("pk")).filter(faces=1).values("request")
    counts = delete_rows(RecognitionRequest.objects.filter(Q(pk__in=alone) | Q(pk__in=requests, faces=None)).only("pk"))
    emptied = requests.update(photo=None, keep_photo=False, photo_name="", photo_sha256="")
    counts[table_of(RecognitionRequest)] += emptied
    others = FaceSample.with_deleted.filter(gallery=subject.gallery, rejected=True).exclude(pk__in=subject.samples)
    return counts + _delete_rejected(
        list(others.filter(photo_sha256__in=photos_of(subject)).values_list("pk", flat=True))
    )


def _delete_rejected(samples: list[UUID]) -> Counter[str]:
    """Deletes samples that say “not X”. The faces they were made from stay nobody's, rather than X's again."""
    faces = RecognitionFace.objects.filter(pk__in=Rejection.objects.filter(sample__in=samples).values("face"))
    faces.filter(decision=Decision.KNOWN).update(decision=Decision.UNKNOWN, identity=None)
    counts = delete_rows(FaceSample.with_deleted.filter(pk__in=samples))
    return counts + delete_rows(history_of("FaceSample").filter(pgh_obj_id__in=samples))


def photos_of(subject: Subject) -> QuerySet[FaceSample, str]:
    """SHA-256 of their enrolled photos."""
    enrolled = FaceSample.with_deleted.filter(pk__in=subject.samples, rejected=False)
    return enrolled.order_by().values_list("photo_sha256", flat=True)


def of_their_photos(subject: Subject) -> QuerySet[RecognitionRequest]:
    """Finished recognitions of the very photos that they were enrolled with."""
    finished = RecognitionRequest.objects.filter(gallery=subject.gallery, finished_at__isnull=False)
    return finished.filter(photo_sha256__in=list(photos_of(subject))).exclude(photo_sha256="")


def _erase_from_reembeddings(subject: Subject) -> Counter[str]:
    """Takes their faces out of the parts that wait, and their ids out of the marks of how far a re-embedding is."""
    faces = faces_of(subject)
    previewed = PreviewedFace.objects.filter(face__in=faces).values_list("pk", flat=True)
    theirs = {*subject.samples, *faces.values_list("pk", flat=True), *previewed}
    jobs = ReEmbedding.objects.filter(gallery=subject.gallery)
    parts = ReEmbeddingPart.objects.filter(job__in=jobs, items__overlap=list(theirs))
    count = 0
    for part in parts.select_for_update():
        part.items = [item for item in part.items if item not in theirs]
        if part.items:
            part.save(update_fields=["items"])
        else:
            part.delete()  # as if done
        count += 1
    for job in jobs.filter(Q(cursor__in=theirs) | Q(face_cursor__in=theirs)).select_for_update():
        job.cursor, job.face_cursor = _beside(job.cursor, theirs), _beside(job.face_cursor, theirs)
        job.save(update_fields=["cursor", "face_cursor"])
    return Counter({table_of(ReEmbeddingPart): count})


def _beside(mark: UUID | None, theirs: set[UUID]) -> UUID | None:
    """As good a mark once the row itself is gone, and nobody's id."""
    return UUID(int=mark.int - 1) if mark in theirs and mark is not None else mark


def _erase_faces(subject: Subject) -> Counter[str]:
    """Deletes their faces in photos, and the whole request if nobody else is in it; otherwise only the photo goes with them.

    A face that a curator said is not somebody else was also enrolled as such, with its picture: that goes too.
    """
    faces = faces_of(subject)
    requests = list(faces.values_list("request_id", flat=True).distinct())
    as_others = list(Rejection.objects.filter(face__in=faces).values_list("sample", flat=True))
    counts = delete_rows(faces.only("pk")) + _delete_rejected(as_others)
    counts += delete_rows(history_of("RecognitionFace").filter(identity__in=subject.people))
    rows = RecognitionRequest.objects.filter(pk__in=requests)
    counts += delete_rows(rows.filter(faces=None).only("pk"))
    emptied = rows.update(photo=None, keep_photo=False, photo_name="", photo_sha256="")
    counts[table_of(RecognitionRequest)] += emptied
    rejected_faces(subject).update(decision=Decision.UNKNOWN, identity=None)
    return counts


def _erase_sightings(subject: Subject) -> Counter[str]:
    """Deletes their sightings, and the samples by which a curator said that these are not somebody else."""
    return _delete_rejected(rejected_as_others(subject)) + erase_sightings(subject)


def _erase_texts(subject: Subject) -> Counter[str]:
    """Empties file names that contain their name, and error messages that name them."""
    if subject.pattern is None:
        return Counter()
    requests = RecognitionRequest.objects.filter(gallery=subject.gallery)
    samples = FaceSample.with_deleted.filter(gallery=subject.gallery).exclude(identity__in=subject.people)
    named_after = {"photo_name__iregex": subject.pattern}
    return Counter(
        {
            table_of(RecognitionRequest): requests.filter(**named_after).update(photo_name="")
            + requests.filter(error_message__iregex=subject.pattern).update(error_message=ERASED),
            table_of(FaceSample): samples.filter(**named_after).update(photo_name=""),
        }
    )


def _erase_from_imports(subject: Subject) -> Counter[str]:
    """Empties the import rows about them, and deletes all stored uploads: these may still hold their photos."""
    jobs = subject.gallery.imports
    if jobs.filter(status=Import.Status.RUNNING).exists():
        raise Conflict(
            _("An import is running in this gallery. Stop it, or wait until it is done."), code="import_runs"
        )
    pieces = ImportPiece.objects.filter(job__gallery=subject.gallery)
    unfinished = jobs.filter(pk__in=pieces.values("job"))
    unfinished.update(status=Import.Status.FAILED, error_message=UPLOAD_DELETED, size=0)
    counts = delete_rows(pieces.only("pk"))
    rows = ImportRow.objects.filter(job__gallery=subject.gallery)
    for row in rows.filter(_import_rows_about(subject)).only("pk"):
        ImportRow.objects.filter(pk=row.pk).update(
            path=f"{ERASED} {row.pk}", name=ERASED, key="", reason="", identity=None
        )
        counts[table_of(ImportRow)] += 1
    if subject.pattern is not None:
        for field in ("name", "place", "error_message"):
            named = jobs.filter(**{f"{field}__iregex": subject.pattern})
            counts[table_of(Import)] += named.update(**{field: ERASED})
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
    return delete_rows(LogEntry.objects.filter(theirs, content_type__model__in=ADMIN_MODELS))


def _erase_person(subject: Subject) -> Counter[str]:
    """Deletes the person with samples, crops, vectors, candidates and enrolments, then the history written by triggers."""
    counts = delete_rows(Identity.with_deleted.filter(pk__in=subject.people))
    counts += delete_rows(history_of("Identity").filter(pgh_obj_id__in=subject.people))
    counts += delete_rows(
        history_of("FaceSample").filter(Q(identity__in=subject.people) | Q(pgh_obj_id__in=subject.samples))
    )
    return counts


TRACES = (
    _erase_answers,
    _erase_from_reembeddings,
    _erase_same_photos,
    _erase_faces,
    erase_alerts,
    _erase_sightings,
    _erase_analyses,
    _erase_texts,
    _erase_from_imports,
    _erase_from_admin_log,
    _erase_person,
)
