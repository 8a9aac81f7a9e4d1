"""Raises alerts."""

from recognition.cameras.models import Camera, Sighting


def raise_for(sighting: Sighting) -> None:
    """Called once in the transaction that decides a sighting. Never for the past (naming, imports)."""


def camera_changed(camera: Camera, *, offline: bool) -> None:
    """Called in the transaction that writes a camera's status, when it goes offline or comes back."""
