"""Makes the demo's gallery. It is a gallery like any other, and goes as any other: by being deleted."""

from django.conf import settings

from accounts.actor import Actor
from faceplatform.errors import InvalidInput
from gallery.models import Gallery
from gallery.services import create_gallery, create_identity
from recognition.cameras.models import CameraKind, CameraRole
from recognition.cameras.services import create_camera
from recognition.demo.film import write_film
from recognition.demo.portraits import require_portraits
from recognition.demo.samples import FILM, SLUG
from recognition.photos.in_process import process_requests
from recognition.photos.models import RecognitionRequest
from recognition.photos.services import Photo, raise_if_failed, submit_enrolment


def make_demo(*, actor: Actor) -> Gallery | None:
    """Two people, each with a photo, and a camera that sees both again and again. None if there is a gallery of that slug.

    Raises Unavailable (no_portraits), InvalidInput if no video file may be read as a camera, OSError if the video cannot be
    written, and what enrolling raises.
    """
    if Gallery.objects.filter(slug=SLUG).exists():
        return None
    portraits = require_portraits()
    if settings.CAMERA_FOLDER is None:
        raise InvalidInput("The demo's camera is a video file: name a folder for it in FACEPLATFORM_CAMERA_FOLDER.")
    write_film(settings.CAMERA_FOLDER / FILM, list(portraits.values()))
    gallery = create_gallery(actor=actor, name="Demo", slug=SLUG)
    requests = []
    for portrait, path in portraits.items():
        person = create_identity(
            actor=actor,
            gallery=gallery,
            name=portrait.name,
            department=portrait.department,
            position=portrait.position,
        )
        photo = Photo(path.name, path.read_bytes())
        requests += submit_enrolment(actor=actor, identity=person, photos=[photo], needs_worker=False)
    process_requests(requests)
    for request in RecognitionRequest.objects.filter(pk__in=[request.pk for request in requests]):
        raise_if_failed(request)
    create_camera(
        actor=actor,
        gallery=gallery,
        name="Entrance",
        kind=CameraKind.FILE,
        address=FILM,
        role=CameraRole.ENTRANCE,
        repeats=True,
    )
    return gallery
