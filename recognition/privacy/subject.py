"""A person as a data subject: all ids and names under which the tables know them, and which faces are theirs."""

import re
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery

from accounts.models import AuditEvent
from faceplatform.errors import NotFound
from gallery.models import FaceSample, Gallery, Identity
from recognition.photos.models import Candidate, Decision, RecognitionFace, Rejection


@dataclass(frozen=True, slots=True)
class Subject:
    """people: the person's id and of those merged into it. samples: their enrolled faces, deleted ones too.

    names, external_ids: as they are and were. own_names: those that nobody else of the gallery has, as a part of theirs
    or as a whole; texts that hold one of them are about this person.
    """

    gallery: Gallery
    people: list[UUID]
    samples: list[UUID]
    names: list[str]
    external_ids: list[str]
    own_names: list[str]

    @property
    def name(self) -> str:
        return self.names[0]

    @property
    def pattern(self) -> str | None:
        """A regular expression of PostgreSQL for a text that names the person; None where no name is their own."""
        return "|".join(map(_pattern, self.own_names)) or None


def find_subject(pk: UUID) -> Subject:
    """The person of this id, also a deleted one, or one purged of whom the audit still knows. Raises NotFound."""
    row = Identity.with_deleted.select_related("gallery").filter(pk=pk).first()
    while row is not None and row.merged_into_id:
        row = Identity.with_deleted.select_related("gallery").get(pk=row.merged_into_id)
    return _purged_subject(pk) if row is None else _subject(row.gallery, _family(row), row.name)


def faces_of(subject: Subject) -> QuerySet[RecognitionFace]:
    """Faces seen in photos that are taken for the person as things stand: “not X” is honoured as in the answers."""
    standing = Rejection.objects.filter(sample__deleted_at=None)
    not_them = standing.filter(face=OuterRef("pk"), sample__identity__in=subject.people)
    first_rejected = standing.filter(face=OuterRef("pk"), sample__identity=OuterRef("identity"))
    rejected = standing.filter(face=OuterRef("face"), sample__identity=OuterRef("identity"))
    within = Candidate.objects.filter(face=OuterRef("pk"), distance__lte=OuterRef("request__threshold_distance"))
    next_one = within.exclude(Exists(rejected)).order_by("rank").values("identity")[:1]
    faces = RecognitionFace.objects.annotate(next_one=Subquery(next_one))
    found = Q(identity__in=subject.people) | (Exists(first_rejected) & Q(next_one__in=subject.people))
    return faces.filter(found, ~Exists(not_them), decision=Decision.KNOWN)


def rejected_faces(subject: Subject) -> QuerySet[RecognitionFace]:
    """Faces that were taken for the person until a curator said that they are not."""
    standing = Rejection.objects.filter(sample__deleted_at=None, sample__identity__in=subject.people)
    return RecognitionFace.objects.filter(Exists(standing.filter(face=OuterRef("pk"))), identity__in=subject.people)


def _family(row: Identity) -> list[UUID]:
    """The person and everybody merged into it, at any depth."""
    people, found = [row.pk], [row.pk]
    while found:
        found = list(Identity.with_deleted.filter(merged_into__in=found).values_list("pk", flat=True))
        people += found
    return people


def _subject(gallery: Gallery, people: list[UUID], name: str) -> Subject:
    rows = Identity.with_deleted.filter(pk__in=people)
    history = Identity.history.rel.related_model.objects.filter(pgh_obj_id__in=people)
    values = [*rows.values_list("name", "external_id"), *history.values_list("name", "external_id")]
    names = _once([name, *(value for value, _ in values)])
    return Subject(
        gallery=gallery,
        people=people,
        samples=list(FaceSample.with_deleted.filter(identity__in=people).values_list("pk", flat=True)),
        names=names,
        external_ids=_once([value for _, value in values if value]),
        own_names=_own(names, gallery, people),
    )


def _purged_subject(pk: UUID) -> Subject:
    events = (
        AuditEvent.objects.filter(object_type="identity", object_id=str(pk)).exclude(object_name="").order_by("-id")
    )
    known = list(events.values_list("gallery_id", "object_name"))
    gallery = Gallery.objects.filter(pk=known[0][0]).first() if known else None
    if gallery is None:
        raise NotFound("There is nobody of this id, or you have no access to it.")
    names = _once([name for _, name in known])
    return Subject(gallery, [pk], [], names, [], _own(names, gallery, [pk]))


def _own(names: list[str], gallery: Gallery, people: list[UUID]) -> list[str]:
    others = Identity.with_deleted.filter(gallery=gallery).exclude(pk__in=people)
    return [name for name in names if _parts(name) and not others.filter(name__iregex=_pattern(name)).exists()]


def _pattern(name: str) -> str:
    """The name as words of their own, its parts joined in any usual way: “Ann Lee” is in “ann_lee2.jpg” too."""
    parts = _parts(name)
    after = "[[:alnum:]]" if parts[-1][-1].isdigit() else "[[:alpha:]]"
    return "(?<![[:alpha:]])" + r"[\s_.\-]*".join(map(re.escape, parts)) + f"(?!{after})"


def _parts(name: str) -> list[str]:
    return [part for part in re.split(r"[\s_.\-]+", name) if part]


def _once(values: list[str]) -> list[str]:
    return list(dict.fromkeys(values))
