"""A camera as JSON."""

from typing import Any

from recognition.cameras.models import Camera
from recognition.cameras.sources import readable_credentials_of
from recognition.cameras.words import state_of, words_of

STATE_FIELDS = ("last_frame_at", "width", "height", "fps", "analysed_fps", "drops", "reconnects")
SETTINGS = (
    "id", "slug", "name", "kind", "enabled", "role", "fps", "min_face_px", "min_frames", "masks", "live", "repeats",
    "retention_days", "unknown_retention_days", "created_at",
)  # fmt: skip


def camera_as_dict(camera: Camera, *, is_owner: bool) -> dict[str, Any]:
    """camera: read by `with_state` and `with_picture`. is_owner: whether to tell the address, which may hold a token, and the
    user. Nobody is told the password."""
    words = words_of(camera)
    return {
        "gallery": camera.gallery.slug,
        **{name: getattr(camera, name) for name in SETTINGS},
        "address": camera.address if is_owner else None,
        "user": readable_credentials_of(camera)[0] if is_owner else None,
        "has_password": bool(camera.credentials),
        "state": {
            "status": words.status,
            "text": words.text,
            "detail": words.detail,
            "since": words.since,
            **{name: getattr(state_of(camera), name) for name in STATE_FIELDS},
        },
        "picture": camera.picture_seq,  # type: ignore[attr-defined]
    }
