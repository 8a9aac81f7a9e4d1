"""Bounds the decoding of a photo: nothing can interrupt a decoder, so a worker that is stuck in one has to end itself."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from django.utils.translation import gettext_noop

from recognition.photos.models import RecognitionRequest

LONGEST_DECODE = 20.0  # seconds of computing for one photo; a large one takes up to 3
LONGEST_DECODE_WAITING = 120.0  # seconds that pass meanwhile, on however busy a machine
TOO_SLOW = gettext_noop(
    "The photo takes more than %(seconds)s s of computing to decode, so it was given up. Save it again in another program, "
    "or send another."
)


@dataclass(frozen=True, slots=True)
class _Decoding:
    number: int
    computed: float  # of this process, at the start
    began: float


@dataclass
class DecodeWatch:
    """Knows which photo of a batch is being decoded, and since when. One thread decodes, another asks `overdue`."""

    requests: Sequence[RecognitionRequest] = ()
    _now: _Decoding | None = None

    @contextmanager
    def decoding(self, number: int) -> Iterator[None]:
        """The block decodes photo `number` of the batch."""
        self._now = _Decoding(number, time.process_time(), time.monotonic())
        try:
            yield
        finally:
            self._now = None

    def overdue(self) -> RecognitionRequest | None:
        """The request whose photo takes too long to decode."""
        now = self._now
        if now is None:
            return None
        computed, waited = time.process_time() - now.computed, time.monotonic() - now.began
        late = computed > LONGEST_DECODE or waited > LONGEST_DECODE_WAITING
        return self.requests[now.number] if late else None
