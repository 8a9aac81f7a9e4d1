"""What is written on a face: "name score", and its colour."""

from collections.abc import Iterator
from typing import Any

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

# As answers name them and pages retell them.
DECISIONS = (gettext_noop("known"), gettext_noop("unknown"), gettext_noop("unusable"))
COLOURS = {"known": "#1a7f4b", "unknown": "#b3541e", "unusable": "#6b7280"}


def annotations(answer: dict[str, Any]) -> Iterator[tuple[dict[str, Any], tuple[str, str]]]:
    """Each face of a recognition (from recognition_as_dict) with its (label, colour)."""
    for face in answer["faces"]:
        yield face, (label_of(face), COLOURS[face["decision"]])


def label_of(face: dict[str, Any]) -> str:
    """ "name score" of a known face, else its decision; the name alone if a curator gave it. face: from face_as_dict."""
    if face["identity"]:
        match = match_of(face)
        name = face["identity"]["name"]
        return f"{name} {number_format(format(match['score'], '.2f'))}" if match else name
    return _(face["decision"])


def match_of(face: dict[str, Any]) -> dict[str, Any] | None:
    """The candidate who is named, or the nearest if nobody is; None if there is none."""
    named = face["identity"] and face["identity"]["id"]
    return next((row for row in face["candidates"] if named in (None, row["identity"]["id"])), None)
