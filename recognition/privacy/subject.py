"""A person as a data subject: all ids and names under which the tables know them, and which faces are theirs."""

import re
import unicodedata
from dataclasses import dataclass
from typing import Any, Literal, TypeVar
from uuid import UUID

from django.apps import apps
from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery
from django.utils.translation import gettext as _

from accounts.models import AuditEvent
from faceplatform.errors import NotFound
from faceplatform.text import clean_name
from gallery.models import FaceSample, Gallery, Identity
from recognition.photos.models import Candidate, Decision, RecognitionFace, Rejection

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Subject:
    """A person, and everything by which the tables know them.

    people: the person's id, then the ids of everybody merged into them. samples: ids of their enrolled faces, including
    deleted ones. names, external_ids: present and past ones, the present name first. unique_names: the names that nobody
    else's name in the gallery contains; a text that contains one of them is about this person.
    """

    gallery: Gallery
    people: list[UUID]
    samples: list[UUID]
    names: list[str]
    external_ids: list[str]
    unique_names: list[str]

    @property
    def name(self) -> str:
        return self.names[0]

    @property
    def pattern(self) -> str | None:
        """A PostgreSQL regular expression for texts that name the person; None if none of the names is unique."""
        return "|".join(map(_name_pattern, _as_typed(self.unique_names))) or None

    @property
    def key_pattern(self) -> str | None:
        """The same with external ids, for the keys that callers give to calls about the person."""
        return "|".join(map(_name_pattern, filter(_words, _as_typed([*self.names, *self.external_ids])))) or None


def find_subject(pk: UUID) -> Subject:
    """The person with this id, even if deleted, merged, or purged and known only to the audit. Raises NotFound."""
    row = Identity.with_deleted.select_related("gallery").filter(pk=pk).first()
    while row is not None and row.merged_into_id:
        row = Identity.with_deleted.select_related("gallery").get(pk=row.merged_into_id)
    return _purged_subject(pk) if row is None else _subject(row.gallery, _with_merged(row), row.name)


def faces_of(subject: Subject) -> QuerySet[RecognitionFace]:
    """Faces in photos that are recognised as the person now: corrections (“not X”) count, as they do in the API's answers."""
    standing = Rejection.objects.standing()
    not_them = standing.filter(face=OuterRef("pk"), sample__identity__in=subject.people)
    first_rejected = standing.filter(face=OuterRef("pk"), sample__identity=OuterRef("identity"))
    rejected = standing.filter(face=OuterRef("face"), sample__identity=OuterRef("identity"))
    within = Candidate.objects.filter(face=OuterRef("pk"), distance__lte=OuterRef("request__threshold_distance"))
    next_one = within.exclude(Exists(rejected)).order_by("rank").values("identity")[:1]
    faces = RecognitionFace.objects.annotate(next_one=Subquery(next_one))
    is_theirs = Q(identity__in=subject.people) | (Exists(first_rejected) & Q(next_one__in=subject.people))
    return faces.filter(is_theirs, ~Exists(not_them), decision=Decision.KNOWN)


def rejected_faces(subject: Subject) -> QuerySet[RecognitionFace]:
    """Faces that were recognised as the person until a curator said “not X”."""
    standing = Rejection.objects.standing().filter(sample__identity__in=subject.people)
    return RecognitionFace.objects.filter(Exists(standing.filter(face=OuterRef("pk"))), identity__in=subject.people)


def history_of(model: Literal["Identity", "FaceSample", "RecognitionFace"]) -> QuerySet[Any]:
    """The rows of the model's history table, whose class is made when the app loads; see gallery/models.py."""
    table = {
        "Identity": "gallery.IdentityHistory",
        "FaceSample": "gallery.SampleHistory",
        "RecognitionFace": "recognition.RecognitionFaceHistory",
    }[model]
    return apps.get_model(table)._default_manager.all()


def _with_merged(row: Identity) -> list[UUID]:
    """The person and everybody merged into them, at any depth."""
    people, level = [row.pk], [row.pk]
    while level:
        level = list(Identity.with_deleted.filter(merged_into__in=level).values_list("pk", flat=True))
        people += level
    return people


def _subject(gallery: Gallery, people: list[UUID], name: str) -> Subject:
    rows = Identity.with_deleted.filter(pk__in=people)
    history = history_of("Identity").filter(pgh_obj_id__in=people)
    values = [*rows.values_list("name", "external_id"), *history.values_list("name", "external_id")]
    names = _distinct([name, *(value for value, _ in values)])
    return Subject(
        gallery=gallery,
        people=people,
        samples=list(FaceSample.with_deleted.filter(identity__in=people).values_list("pk", flat=True)),
        names=names,
        external_ids=_distinct([value for _, value in values if value]),
        unique_names=_unique_names(names, gallery, people),
    )


def _purged_subject(pk: UUID) -> Subject:
    """Somebody whose row is gone: the audit and the history still have the names. The gallery may be gone, too."""
    events = AuditEvent.objects.filter(object_type="identity", object_id=str(pk)).exclude(object_name="")
    audited = list(events.order_by("-id").values_list("gallery_id", "gallery_slug", "object_name"))
    history = list(
        history_of("Identity")
        .filter(pgh_obj_id=pk)
        .order_by("-pgh_id")
        .values_list("gallery_id", "name", "external_id")
    )
    gallery_id = audited[0][0] if audited else history[0][0] if history else None
    if gallery_id is None:
        raise NotFound(_("There is no person with this id, or you have no access to them."))
    gallery = Gallery.objects.filter(pk=gallery_id).first()
    if gallery is None:
        slug = audited[0][1] if audited else ""
        gallery = Gallery(pk=gallery_id, slug=slug, name=slug)  # stands in for the deleted one: it has no members
    names = _distinct([*(name for *_, name in audited), *(name for _, name, _ in history)])
    samples = history_of("FaceSample").filter(identity=pk).values_list("pgh_obj_id", flat=True)
    return Subject(
        gallery=gallery,
        people=[pk],
        samples=_distinct(list(samples)),
        names=names,
        external_ids=_distinct([number for *_, number in history if number]),
        unique_names=_unique_names(names, gallery, [pk]),
    )


def find_remembered(name: str) -> list[tuple[UUID, str, str]]:
    """People whose rows are gone but whose name the audit or the history still has: id, gallery's slug, name.

    Their galleries may be gone as well: before there was a report of it, deleting a gallery left the names there.
    """
    events = AuditEvent.objects.filter(object_type="identity", object_name__icontains=clean_name(name))
    found = {
        UUID(pk): (slug, known)
        for pk, slug, known in events.order_by("id").values_list("object_id", "gallery_slug", "object_name")
    }
    for pk, known in (
        history_of("Identity")
        .filter(name__icontains=clean_name(name))
        .order_by("pgh_id")
        .values_list("pgh_obj_id", "name")
    ):
        found.setdefault(pk, ("", known))
    here = {*Identity.with_deleted.filter(pk__in=found).values_list("pk", flat=True)}
    return sorted((pk, *words) for pk, words in found.items() if pk not in here)


def _unique_names(names: list[str], gallery: Gallery, people: list[UUID]) -> list[str]:
    others = Identity.with_deleted.filter(gallery=gallery).exclude(pk__in=people)
    return [name for name in names if _words(name) and not others.filter(name__iregex=_name_pattern(name)).exists()]


def _as_typed(names: list[str]) -> list[str]:
    """The names as a text may hold them: file names of some systems are decomposed (NFD)."""
    return _distinct([unicodedata.normalize(form, name) for name in names for form in ("NFC", "NFD")])


def _name_pattern(name: str) -> str:
    """Matches the name as whole words, with any usual separator between them: “Ann Lee” also matches “ann_lee2.jpg”."""
    words = _words(name)
    after = "[[:alnum:]]" if words[-1][-1].isdigit() else "[[:alpha:]]"
    return "(?<![[:alpha:]])" + r"[\s_.\-]*".join(map(re.escape, words)) + f"(?!{after})"


def _words(name: str) -> list[str]:
    return [word for word in re.split(r"[\s_.\-]+", name) if word]


def _distinct(values: list[Value]) -> list[Value]:
    return list(dict.fromkeys(values))
