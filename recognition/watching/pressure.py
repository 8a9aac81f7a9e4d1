"""How much cameras may ask of the machine: people who wait for a photo come first."""

import time
from datetime import timedelta

from django.db.models.functions import Now

from recognition.photos.models import Priority, RecognitionRequest

LONGEST_WAIT = timedelta(milliseconds=200)  # that an interactive photo may have waited
SLOWEST = 0.5  # analysed pictures a second of a camera
RECOVERY = 0.5  # pictures a second, each second
EVERY = 1.0  # seconds


class Pressure:
    """ceiling: pictures a second that a camera may have analysed; it recovers bit by bit."""

    def __init__(self, most: float = 15.0):
        self.most = most
        self.ceiling = most
        self._looked = 0.0

    def look(self, fastest: float = 15.0) -> None:
        """Once a second: halves the ceiling while photos wait, raises it again bit by bit. Raises what the database does.

        fastest: of the cameras' wanted rates, so that the first halving is felt.
        """
        now = time.monotonic()
        if now - self._looked < EVERY:
            return
        self._looked = now
        self.adjust(_photos_wait(), fastest)

    def adjust(self, waiting: bool, fastest: float) -> None:
        if waiting:
            self.ceiling = max(SLOWEST, min(self.ceiling, fastest) / 2)
        else:
            self.ceiling = min(self.most, self.ceiling + RECOVERY)

    def rate(self, wanted: float) -> float:
        """Pictures a second of a camera that wants `wanted`."""
        return min(wanted, max(self.ceiling, SLOWEST))


def _photos_wait() -> bool:
    """Only those that a living worker can take: slower cameras do not help a photo that waits for a pack."""
    rows = RecognitionRequest.objects.filter(status="queued", priority=Priority.INTERACTIVE)
    return rows.filter(created_at__lt=Now() - LONGEST_WAIT).with_served().filter(served=True).exists()
