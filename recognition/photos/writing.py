"""Writes what a worker found in the photos of a claim. What goes wrong with one result does not affect the others."""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import InterfaceError, OperationalError, connection

from faceplatform.errors import DomainError
from recognition.engine.base import PhotoAnalysis, PhotoError
from recognition.photos import results
from recognition.photos.faults import is_servers
from recognition.photos.models import Purpose, RecognitionRequest

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Writer:
    """token: of the claim. retry: queues a request again whose result could not be written, after an error.

    Both methods raise the database's error if it is out of reach, so that nothing can be written at all.
    """

    token: UUID
    retry: Callable[[RecognitionRequest, Exception], None]

    def write_all(self, analysed: Sequence[tuple[RecognitionRequest, PhotoAnalysis | PhotoError]]) -> None:
        """Writes recognitions and analyses in one transaction; the rest, and all of them if that fails, one at a time."""
        batch: list[tuple[RecognitionRequest, PhotoAnalysis]] = []
        singly: list[tuple[RecognitionRequest, PhotoAnalysis | PhotoError]] = []
        for request, analysis in analysed:
            if request.purpose == Purpose.ENROL or isinstance(analysis, PhotoError):
                singly.append((request, analysis))
            else:
                batch.append((request, analysis))
        try:
            written = results.write_results(analysed=batch, token=self.token)
        except Exception as error:
            if _is_connection_lost(error):
                raise
            logger.info("the results of a claim are written one at a time: %s", error)
            singly += batch
        else:
            _log_lost(request for request, _ in batch if request.pk not in written)
        for request, analysis in singly:
            self.write(request, analysis)

    def write(self, request: RecognitionRequest, analysis: PhotoAnalysis | PhotoError) -> None:
        """Writes one result. If it cannot be written, the photo is queued again: a person found may have been deleted since."""
        try:
            if not self._written(request, analysis):
                _log_lost([request])
        except Exception as error:
            if _is_connection_lost(error):
                raise
            logger.warning("request %s is queued again: its result could not be written", request.pk, exc_info=True)
            self.retry(request, error)

    def _written(self, request: RecognitionRequest, analysis: PhotoAnalysis | PhotoError) -> bool:
        """Writes one result, or why there is none. Returns False if the lease has been lost."""
        token = self.token
        try:
            if isinstance(analysis, PhotoError):
                return results.fail(request=request, token=token, code=analysis.code, message=analysis.message)
            if request.purpose == Purpose.ENROL:
                return results.enrol(request=request, token=token, analysis=analysis)
            return bool(results.write_results(analysed=[(request, analysis)], token=token))
        except DomainError as error:  # for example, the account has been deleted
            if is_servers(error.code):
                raise
            return results.fail(request=request, token=token, code=error.code, message=error.message)


def _is_connection_lost(error: Exception) -> bool:
    """Whether the database is out of reach, so that nothing can be written at all."""
    return isinstance(error, OperationalError | InterfaceError) and not connection.is_usable()


def _log_lost(requests: Iterable[RecognitionRequest]) -> None:
    for request in requests:
        logger.warning("request %s was taken over by another worker, or deleted", request.pk)
