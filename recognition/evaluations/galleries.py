"""Searches with strangers among a gallery's own faces."""

import hashlib
from collections.abc import Callable

from django.utils.translation import gettext_noop

from faceplatform.errors import InvalidInput
from gallery.models import Gallery
from recognition.lab.evaluation.open_set import LabelledFaces, OpenSetResult, Plan, evaluate_open_set
from recognition.photos.installed_packs import manifest_of
from recognition.photos.thresholds import threshold_of
from recognition.reports.enrolled import load_faces

AS_ENROLLED = gettext_noop(
    "The gallery's samples are searched for as they are enrolled. Photos of daily use are embedded as probes and may be "
    "worse, so more people may be missed."
)


def evaluate_gallery(
    gallery: Gallery, plan: Plan, *, progress: Callable[[int, int], object] = lambda done, total: None
) -> OpenSetResult:
    """The open-set protocol on the enrolled faces of active people. Raises InvalidInput, SetError, Unavailable."""
    enrolled = load_faces(gallery)
    if enrolled is None:
        raise InvalidInput(f"The gallery {gallery.name} has no enrolled faces yet. Enrol people first.")
    vectors = enrolled.faces.vectors
    faces = LabelledFaces(enrolled.faces.people, vectors, vectors, manifest_of(gallery.pack).metric)
    threshold = threshold_of(gallery).distance
    result = evaluate_open_set(
        faces,
        plan,
        name=f"gallery {gallery.slug}",
        sha256=hashlib.sha256(enrolled.samples.tobytes() + vectors.tobytes()).hexdigest(),
        threshold=lambda count: threshold,
        progress=progress,
    )
    result.notes.append(AS_ENROLLED)
    return result
