"""What the pages show of a recognition or an enrolment: photos with boxes, in coordinates for SVG."""

from collections import Counter
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, ngettext_lazy

from faceplatform.text import clean_name
from gallery.models import Gallery, Identity
from recognition.photos.labels import COLOURS, label_of, match_of
from recognition.photos.models import Decision, RecognitionFace, RecognitionRequest, Status
from recognition.photos.plates import PADDING, Area, place
from recognition.photos.representation import enrolment_as_dict, recognition_as_dict

# Scores (0.5 at the threshold) from which a match is called so.
AT_THRESHOLD, LIKELY, SURE = 0.5, 0.6, 0.8
FOUND = {
    Decision.KNOWN: ngettext_lazy("%(count)s known", "%(count)s known", "count"),
    Decision.UNKNOWN: ngettext_lazy("%(count)s unknown", "%(count)s unknown", "count"),
    Decision.UNUSABLE: ngettext_lazy("%(count)s too poor to compare", "%(count)s too poor to compare", "count"),
}
# Where a threshold comes from, as answers name it and pages retell it.
SOURCES = (gettext_noop("size"), gettext_noop("calibrated"), gettext_noop("manual"), gettext_noop("request"))
OTHERS = 4  # candidates beside the named one who can be chosen at once
ENROLMENT_COLOURS = {"enrolled": COLOURS["known"], "refused": "#b42318", "pending": COLOURS["unusable"]}


def result_of(request: RecognitionRequest) -> dict[str, Any]:
    """A recognition as its page shows it. Takes a request loaded with `with_results()`."""
    answer = recognition_as_dict(request)
    cards = [_card(request, face, row) for face, row in zip(answer["faces"], request.final_faces, strict=True)]
    labels = [(label_of(face), COLOURS[face["decision"]]) for face in answer["faces"]]
    return {
        "recognition": request,
        "answer": answer,
        "cards": cards,
        "heading": heading_of(cards),
        "pending": request.status in (Status.QUEUED, Status.RUNNING),
        "picture": _picture(request, labels),
    }


def heading_of(cards: list[dict[str, Any]]) -> str:
    """What was found, in a line: “2 known, 1 unknown”."""
    counts = Counter(card["decision"] for card in cards)
    told = [words % {"count": counts[decision]} for decision, words in FOUND.items() if counts[decision]]
    return _(", ").join(told) or _("No face was found.")


def _card(request: RecognitionRequest, face: dict[str, Any], row: RecognitionFace) -> dict[str, Any]:
    """A face of the answer with what else its card shows. match: the enrolled face beside it; others: who else it may be."""
    match = match_of(face)
    named = face["identity"] and face["identity"]["id"]
    others = [candidate for candidate in face["candidates"] if candidate["identity"]["id"] != named]
    return (
        face
        | {
            "key": f"face-{request.pk}-{row.index}",
            "has_crop": row.has_crop,  # a gallery may delete the pictures of unknown faces before the answer
            "named_by": row.named_by,
            "named_at": row.named_at if face["identity"] else None,
            "match": match,
            "others": others[:OTHERS],
            "assurance": assurance_of(face, is_confirmed=row.named_at is not None),
            "percent": round(match["score"] * 100) if match else None,
        }
    )


def assurance_of(face: dict[str, Any], *, is_confirmed: bool) -> str:
    """How sure the answer is, in English: by how far the nearest is from the threshold, and whether a second one is within it."""
    if face["decision"] != Decision.KNOWN:
        return gettext_noop("Unknown") if face["decision"] == Decision.UNKNOWN else gettext_noop("Too poor")
    if is_confirmed and face["identity"]:
        return gettext_noop("Confirmed")
    match = match_of(face)
    rivals = [row for row in face["candidates"] if row is not match and row["score"] >= AT_THRESHOLD]
    if match is None or rivals or match["score"] < LIKELY:
        return gettext_noop("Not sure")
    return gettext_noop("Sure") if match["score"] >= SURE else gettext_noop("Likely")


def namesake(gallery: Gallery, name: str) -> Identity | None:
    """Somebody of the gallery who is called the same."""
    return gallery.identities.filter(name__iexact=clean_name(name)).first()


def enrolment_context(gallery: Gallery, requests: list[RecognitionRequest]) -> dict[str, Any]:
    """The context of an enrolment's page: photos of one person, who may not be there yet. Takes requests of `enrolments()`."""
    identity = next((request.identity.current for request in requests if request.identity), None)
    answer = enrolment_as_dict(requests)
    results = []
    for number, (request, result) in enumerate(zip(requests, answer["results"], strict=True)):
        colour = ENROLMENT_COLOURS[result["status"]]
        picture = _picture(request, [("", colour)] * len(request.final_faces))
        results.append(result | {"picture": picture, "number": number, "pack": request.pack})
    return {
        "gallery": gallery,
        "identity": identity,
        "name": identity.name if identity else requests[0].options.get("person", {}).get("name", ""),
        "answer": answer | {"results": results},
        "photo_ids": [request.pk for request in requests],
    }


def _picture(request: RecognitionRequest, labels: list[tuple[str, str]]) -> dict[str, Any] | None:
    """Boxes with labels in px of the photo, and line and font sizes that suit it; None if the photo was not decoded."""
    if request.image_width is None:
        return None
    width, height = request.photo_size
    font_size = max(width, height) / 32
    boxes = [Area(*face.box) for face in request.final_faces]
    plates = place([label for label, _ in labels], boxes, (width, height), font_size)
    faces = []
    for face, (label, colour), box, plate in zip(request.final_faces, labels, boxes, plates, strict=True):
        faces.append(
            {
                "index": face.index,
                "key": f"face-{request.pk}-{face.index}",
                "box": box,
                "crop": _margin_box(face.box, width, height) if getattr(face, "has_crop", True) else None,
                "label": label,
                "colour": colour,
                "plate": plate,
                "text": plate and {"x": plate.area.x + font_size * PADDING, "y": plate.area.y + font_size * 1.08},
            }
        )
    return {
        "id": request.pk,
        "width": width,
        "height": height,
        "line_width": max(width, height) / 180,
        "font_size": font_size,
        "faces": faces,
        "kept": request.keep_photo,
    }


def _margin_box(box: list[float], width: int, height: int) -> dict[str, float]:
    """Where in the photo the crop was taken: the box with a margin, in px; see engine.align.margin_crop."""
    x, y, w, h = box
    left, top = max(x - 0.3 * w, 0), max(y - 0.3 * h, 0)
    return {"x": left, "y": top, "width": min(x + 1.3 * w, width) - left, "height": min(y + 1.3 * h, height) - top}
