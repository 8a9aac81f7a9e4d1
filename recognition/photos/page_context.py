"""What the pages show of a recognition or an enrolment: photos with boxes, in coordinates for SVG."""

from typing import Any

from gallery.models import Gallery
from recognition.photos.labels import COLOURS, label_of
from recognition.photos.models import RecognitionRequest, Status
from recognition.photos.representation import enrolment_as_dict, recognition_as_dict

ENROLMENT_COLOURS = {"enrolled": COLOURS["known"], "refused": "#b42318", "pending": COLOURS["unusable"]}


def recognition_context(request: RecognitionRequest) -> dict[str, Any]:
    """The context of a recognition's page. Takes a request loaded with `with_results()`."""
    answer = recognition_as_dict(request)
    for face, row in zip(answer["faces"], request.final_faces, strict=True):
        face["has_crop"] = row.has_crop  # a gallery may delete the pictures of unknown faces before the answer
    labels = [(label_of(face), COLOURS[face["decision"]]) for face in answer["faces"]]
    return {
        "gallery": request.gallery,
        "recognition": request,
        "answer": answer,
        "pending": request.status in (Status.QUEUED, Status.RUNNING),
        "picture": _picture(request, labels),
    }


def enrolment_context(gallery: Gallery, requests: list[RecognitionRequest]) -> dict[str, Any]:
    """The context of an enrolment's page: photos of one person, who may not be there yet. Takes requests of `enrolments()`."""
    identity = next((request.identity.current for request in requests if request.identity), None)
    answer = enrolment_as_dict(requests)
    results = []
    for number, (request, result) in enumerate(zip(requests, answer["results"], strict=True)):
        colour = ENROLMENT_COLOURS[result["status"]]
        picture = _picture(request, [("", colour)] * len(request.final_faces))
        results.append(result | {"picture": picture, "number": number})
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
    font_size = max(width, height) / 36
    faces = []
    for face, (label, colour) in zip(request.final_faces, labels, strict=True):
        x, y, w, h = face.box
        label_width, label_height = font_size * (0.6 + 0.6 * len(label)), font_size * 1.5
        top = y - label_height if y >= label_height else y + h
        left = min(max(x, 0), max(width - label_width, 0))
        faces.append(
            {
                "index": face.index,
                "box": {"x": x, "y": y, "width": w, "height": h},
                "crop": _margin_box(face.box, width, height) if getattr(face, "has_crop", True) else None,
                "label": label,
                "colour": colour,
                "label_box": {"x": left, "y": top, "width": label_width, "height": label_height},
                "text": {"x": left + font_size * 0.3, "y": top + font_size * 1.1},
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
