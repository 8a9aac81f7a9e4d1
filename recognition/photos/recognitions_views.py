"""The recognitions of a gallery: the list with its filters, and the same as CSV."""

from collections.abc import Iterator

from django.core.paginator import Paginator
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts import looks
from accounts.pages import actor_of, get_visible
from faceplatform.spreadsheet import csv_blocks
from faceplatform.web.streaming import download
from gallery.models import Gallery
from recognition.photos.forms import RecognitionsForm
from recognition.photos.labels import match_of
from recognition.photos.models import RecognitionRequest
from recognition.photos.recognise_views import may_enrol
from recognition.photos.representation import decision_now, recognition_as_dict

A_PAGE, CHUNK = 25, 200
SHOWN_FACES = 6  # of a photo
HEADER = ("time", "photo", "by", "face", "decision", "name", "external_id", "score", "distance", "recognition")


@require_safe
def recognitions(request, slug):
    """Newest first, those that match the filters in the address; as CSV with ?format=csv."""
    gallery = get_visible(Gallery.objects.all(), request, slug=slug)
    looks.seen(request, looks.Kind.RECOGNITIONS, gallery=gallery)
    actor = actor_of(request)
    form = RecognitionsForm(gallery, actor.user, request.GET)
    rows = RecognitionRequest.objects.visible_to(actor).recognitions().filter(gallery=gallery)
    rows = form.rows(rows).with_results().select_related("requested_by")
    if request.GET.get("format") == "csv":
        blocks = (block.encode() for block in csv_blocks(_lines(rows)))
        return download(request, blocks, name=f"recognitions-{slug}.csv", content_type="text/csv; charset=utf-8")
    page = Paginator(rows, A_PAGE).get_page(request.GET.get("page"))
    context = {
        "gallery": gallery,
        "form": form,
        "page": page,
        "rows": [(row, _faces(row)) for row in page],
        "filtered": any(value for key, value in request.GET.items() if key != "page"),
        "most": SHOWN_FACES,
    }
    return render(request, "recognition/recognitions.html", context | may_enrol(request, gallery))


def _faces(row: RecognitionRequest) -> list[dict]:
    """What the list shows of the faces: as things are now, not as they were answered."""
    return [
        {"index": face.index, "has_crop": face.has_crop, "decision": decision, "identity": identity}
        for face in row.final_faces
        for decision, identity in [decision_now(face, row)]
    ]


def _lines(rows) -> Iterator[list[str]]:
    """A line for each face; one for a photo without any."""
    yield list(HEADER)
    for row in rows.iterator(chunk_size=CHUNK):
        zone = row.gallery.zone
        by = str(row.requested_by or row.requested_as.get("name", ""))
        photo = [f"{row.created_at.astimezone(zone):%Y-%m-%d %H:%M:%S%z}", row.photo_name, by]
        for face in recognition_as_dict(row)["faces"] or [None]:
            yield [*photo, *_cells(face, row), str(row.pk)]


def _cells(face: dict | None, row: RecognitionRequest) -> list[str]:
    if face is None:
        return ["", row.error_code or ("no face" if row.finished_at else row.status), "", "", "", ""]
    person, match = face["identity"] or {"name": "", "external_id": ""}, match_of(face)
    figures = [str(match["score"]), str(match["distance"])] if match else ["", ""]
    return [str(face["index"] + 1), face["decision"], person["name"], person["external_id"], *figures]
