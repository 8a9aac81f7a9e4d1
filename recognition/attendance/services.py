"""Writes attendance from sightings."""

from collections.abc import Iterable
from uuid import UUID

from recognition.cameras.models import Sighting


def count_sighting(sighting: Sighting) -> None:
    """Called in the transaction that writes a sighting with a name, each time its last_seen moves."""


def recount(identities: Iterable[UUID]) -> None:
    """Makes the days of these people anew from their sightings, as after naming, corrections, merges and undo."""
