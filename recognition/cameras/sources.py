"""From a camera's row to what recognition/video reads, and what it may read."""

from django.conf import settings

from faceplatform.addresses import networks_of
from faceplatform.sealed import unseal
from recognition.cameras.models import Camera
from recognition.video.source import Allowed, Kind, Source


def source_of(camera: Camera) -> Source:
    """With the credentials in clear. Not for webcams, whose pictures are posted. Raises CannotOpen (faceplatform/sealed.py)."""
    secrets = unseal(camera.credentials) if camera.credentials else {}
    return Source(
        Kind(camera.kind),
        camera.address,
        user=secrets.get("user", ""),
        password=secrets.get("password", ""),
        fps=camera.fps,
        loop=camera.repeats,
    )


def allowed_sources() -> Allowed:
    """As the settings say."""
    return Allowed(
        networks=networks_of(settings.OUTGOING_NETWORKS),
        folder=settings.CAMERA_FOLDER,
        devices=tuple(settings.CAMERA_DEVICES),
    )
