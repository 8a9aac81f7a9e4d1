"""The channels of NOTIFY on which web processes and camera workers wake each other. The payload is a camera's id."""

from uuid import UUID

from django.db import connection

CAMERAS = "cameras"  # it was made, changed or deleted
FRAMES = "frames"  # it has a new live picture
INCOMING = "incoming"  # a browser has posted a picture for it
WATCHED = "watched"  # somebody begins to watch it


def notify(channel: str, camera_id: UUID) -> None:
    """Reaches the listeners when the transaction commits."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, %s)", [channel, str(camera_id)])
