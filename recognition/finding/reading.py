"""What the search of the bar finds in a gallery. Reads only."""

from dataclasses import dataclass
from typing import Any

from accounts.actor import Actor
from faceplatform.text import clean_name, storable
from gallery.models import Gallery, Identity
from recognition.cameras.models import UnknownPerson
from recognition.cameras.querysets import unknown_number
from recognition.photos.models import RecognitionRequest

LONGEST = 200  # characters


@dataclass(frozen=True, slots=True)
class Found:
    """people: with portraits. unknown: the unknown person with that number. recognitions: those that the actor may
    see, by the photo's name."""

    people: list[Identity]
    unknown: list[UnknownPerson]
    recognitions: list[RecognitionRequest]

    def __bool__(self) -> bool:
        return bool(self.people or self.unknown or self.recognitions)


def cleaned(text: str) -> str:
    return " ".join(clean_name(storable(text, LONGEST)).split())


def find(*, actor: Actor, gallery: Gallery, text: str, most: int) -> Found:
    """text: as `cleaned` gave it. most: of each kind."""
    if not text:
        return Found([], [], [])
    people: Any = gallery.identities
    photos = RecognitionRequest.objects.visible_to(actor).recognitions().filter(gallery=gallery)
    return Found(
        people=list(people.matching(text).with_portrait().order_by("name", "pk")[:most]),
        unknown=_unknown(gallery, text),
        recognitions=list(photos.filter(photo_name__icontains=text).defer("photo").order_by("-id")[:most]),
    )


def the_only_one_called(gallery: Gallery, text: str) -> Identity | None:
    """The person with this full name; None if there is none, or several."""
    found = list(gallery.identities.select_related("gallery").filter(name__iexact=text)[:2])
    return found[0] if len(found) == 1 else None


def _unknown(gallery: Gallery, text: str) -> list[UnknownPerson]:
    number = unknown_number(text)
    if number is None:
        return []
    rows = UnknownPerson.objects.filter(gallery=gallery, number=number).seen()
    return list(rows.with_best_face().select_related("identity"))
