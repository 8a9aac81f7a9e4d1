"""From a camera's row to what recognition/video reads, and what it may read."""

from django.conf import settings

from faceplatform.addresses import networks_of
from faceplatform.sealed import CannotOpen, unseal
from recognition.cameras.models import Camera
from recognition.video.source import Allowed, Kind, Source


def source_of(camera: Camera) -> Source:
    """With the credentials in clear. Not for webcams, whose pictures are posted. Raises CannotOpen (faceplatform/sealed.py)."""
    user, password = credentials_of(camera)
    return Source(Kind(camera.kind), camera.address, user=user, password=password, fps=camera.fps, loop=camera.repeats)


def credentials_of(camera: Camera) -> tuple[str, str]:
    """User and password; empty if there are none. Raises CannotOpen."""
    secrets = unseal(camera.credentials) if camera.credentials else {}
    return secrets.get("user", ""), secrets.get("password", "")


def readable_credentials_of(camera: Camera) -> tuple[str, str]:
    """The same; empty also if they were encrypted under another secret key."""
    try:
        return credentials_of(camera)
    except CannotOpen:
        return "", ""


def allowed_sources() -> Allowed:
    """As the settings say."""
    return Allowed(
        networks=networks_of(settings.OUTGOING_NETWORKS),
        folder=settings.CAMERA_FOLDER,
        devices=tuple(settings.CAMERA_DEVICES),
    )
