"""What web processes do with the demo: they add its portraits to a gallery by the queue, and know the demo's gallery."""

from accounts.actor import Actor
from gallery.models import Gallery
from recognition.cameras.models import CameraKind
from recognition.demo.portraits import require_portraits
from recognition.photos.services import Photo, submit_first_photos

SLUG = "demo"
FILM = "faceplatform-demo.mp4"


def is_demo(gallery: Gallery) -> bool:
    """Whether it is what `make_demo` made, and not a gallery of somebody's own that is called so. Reads its cameras."""
    return gallery.slug == SLUG and gallery.cameras.filter(kind=CameraKind.FILE, address=FILM).exists()


def add_portraits(*, actor: Actor, gallery: Gallery) -> list[str]:
    """Queues the demo's portraits, each for a new person, to try the gallery with. Returns the names of those who are added: not
    of who is there already.

    Raises Unavailable (no_portraits), and what enrolling raises.
    """
    there = set(gallery.identities.values_list("name", flat=True))
    added = []
    for portrait, path in require_portraits().items():
        if portrait.name in there:
            continue
        submit_first_photos(
            actor=actor,
            gallery=gallery,
            photos=[Photo(path.name, path.read_bytes())],
            accept_truncated=False,
            name=portrait.name,
            department=portrait.department,
            position=portrait.position,
        )
        added.append(portrait.name)
    return added
