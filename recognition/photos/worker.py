"""A recognition worker: claims photos, runs the engine, writes the results. One process a core, one compute thread."""

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, InterfaceError, OperationalError, connection

from faceplatform.errors import DomainError
from recognition.engine.base import PhotoAnalysis, PhotoError
from recognition.engine.manifest import PackError
from recognition.engine.mxnet_runtime import DeviceError
from recognition.engine.pipeline import Pipeline
from recognition.photos import queue, results
from recognition.photos.models import Purpose, RecognitionRequest
from recognition.photos.queue import Claim

logger = logging.getLogger(__name__)
BATCH = 8  # photos a claim
IDLE_EVERY = 1.0  # seconds, between looks for something else to do
SWEEP_EVERY = 5.0  # seconds, between looks for the photos of dead workers
LONGEST_BATCH = 300.0  # seconds; a batch that hangs longer loses its lease
LONGEST_PAUSE = 10.0  # seconds, between tries to reach the database again


class RecognitionWorker:
    """Loads a pack when its first photo comes, and keeps it.

    idle: called when no photo waits, to do a little of something else; says whether there was anything.
    given_id: what its supervisor calls it by.
    """

    def __init__(
        self,
        models_dir: Path,
        *,
        idle: Callable[["RecognitionWorker"], bool] = lambda worker: False,
        given_id: UUID | None = None,
    ):
        self.models_dir = models_dir
        self._given_id = given_id
        self._idle = idle
        self._pipelines: dict[str, Pipeline] = {}
        self._worker_id: UUID | None = None
        self._token: UUID | None = None
        self._token_since = 0.0

    # --- The loop ---
    def run(self, stop: threading.Event) -> None:
        """Works until `stop` is set, then finishes the batch at hand. Outlives the database going away."""
        self.pipeline(settings.DEFAULT_PACK).warm()
        try:
            self._run(stop)
        finally:
            connection.close()

    def _run(self, stop: threading.Event) -> None:
        pause = 0.5
        while not stop.is_set():
            try:
                with self.registered(), queue.hub.subscription(queue.QUEUED) as subscription:
                    pause = 0.5
                    logger.info("ready")
                    self._work(stop, subscription)
            except (OperationalError, InterfaceError) as error:
                logger.warning("the database cannot be reached, trying again in %.1f s: %s", pause, error)
                connection.close()
                stop.wait(pause)
                pause = min(pause * 2, LONGEST_PAUSE)

    def _work(self, stop: threading.Event, subscription) -> None:
        swept = idled = 0.0
        while not stop.is_set():
            if time.monotonic() - swept > SWEEP_EVERY:
                queue.release_expired()
                swept = time.monotonic()
            if self.run_once():
                continue
            if time.monotonic() - idled > IDLE_EVERY:
                if self._idle(self):
                    continue
                idled = time.monotonic()
            subscription.wait()

    def run_once(self, *, only: Sequence[UUID] | None = None) -> int:
        """Claims a batch and answers it. Returns how many photos that were; 0 where nothing waited."""
        claim = queue.claim(limit=BATCH, only=only, worker_id=self._worker_id)
        if claim is None:
            return 0
        self._token, self._token_since = claim.token, time.monotonic()
        try:
            self.process(claim)
        finally:
            self._token = None
        return len(claim.requests)

    # --- A batch ---
    def process(self, claim: Claim) -> None:
        """Answers every request of a claim; what goes wrong with one does not touch the others."""
        try:
            pipeline = self.pipeline(claim.requests[0].pack)
        except (PackError, DeviceError) as error:
            code = "pack_not_installed" if isinstance(error, PackError) else "device_missing"
            for request in claim.requests:
                results.fail(request=request, token=claim.token, code=code, message=str(error))
            return
        try:
            found = self._analyse(pipeline, claim.requests)
        except Exception:
            logger.exception("the engine failed on a batch of %s", len(claim.requests))
            self._one_by_one(pipeline, claim)
            return
        self._write_together(claim.token, list(zip(claim.requests, found, strict=True)))

    def _one_by_one(self, pipeline: Pipeline, claim: Claim) -> None:
        for request in claim.requests:
            try:
                [analysis] = self._analyse(pipeline, [request])
            except Exception as error:
                logger.exception("the engine failed on request %s", request.pk)
                message = f"The photo could not be analysed ({type(error).__name__}). Send another one."
                results.fail(request=request, token=claim.token, code="engine_error", message=message)
            else:
                self._write(request, claim.token, analysis)

    @staticmethod
    def _analyse(pipeline: Pipeline, requests: Sequence[RecognitionRequest]):
        return pipeline.analyse(
            [bytes(request.photo) for request in requests],
            purposes=["enrol" if request.purpose == Purpose.ENROL else "probe" for request in requests],
            max_bytes=settings.MAX_PHOTO_BYTES,
            max_pixels=settings.MAX_PHOTO_PIXELS,
        )

    def _write_together(self, token: UUID, found: list[tuple[RecognitionRequest, PhotoAnalysis | PhotoError]]) -> None:
        """The answers in one transaction; the rest, and all answers where one of them fails, a photo at a time."""
        answers = [(request, analysis) for request, analysis in found if _is_answer(request, analysis)]
        alone = [(request, analysis) for request, analysis in found if not _is_answer(request, analysis)]
        try:
            kept = results.write_results(found=answers, token=token)
        except (DomainError, IntegrityError) as error:
            logger.info("the answers of a claim are written one by one: %s", error)
            alone += answers
        else:
            _say_if_lost(request for request, _ in answers if request.pk not in kept)
        for request, analysis in alone:
            self._write(request, token, analysis)

    @staticmethod
    def _write(request: RecognitionRequest, token: UUID, analysis: PhotoAnalysis | PhotoError) -> None:
        try:
            if isinstance(analysis, PhotoError):
                kept = results.fail(request=request, token=token, code=analysis.code, message=analysis.message)
            elif request.purpose == Purpose.ENROL:
                kept = results.enrol(request=request, token=token, analysis=analysis)
            else:
                kept = results.write_results(found=[(request, analysis)], token=token)
        except DomainError as error:  # such as an account that is gone
            kept = results.fail(request=request, token=token, code=error.code, message=error.message)
        except IntegrityError as error:
            # Somebody who was found has been deleted since: look again.
            logger.warning("request %s is put back: %s", request.pk, error)
            queue.release(request_id=request.pk, token=token)
            return
        if not kept:
            _say_if_lost([request])

    def pipeline(self, pack: str) -> Pipeline:
        """The loaded pack. Raises PackError, DeviceError."""
        if pack not in self._pipelines:
            self._pipelines[pack] = Pipeline.load(
                self.models_dir / pack, device=settings.DEVICE, precision=settings.PRECISION
            )
            logger.info("loaded the pack %s: %s", pack, _nets(self._pipelines[pack].engine))
            if self._worker_id:
                queue.note_engine(worker_id=self._worker_id, engine=self._engine())
        return self._pipelines[pack]

    def _engine(self) -> dict:
        return {pack: pipeline.engine for pack, pipeline in self._pipelines.items()}

    # --- Signs of life ---
    @property
    def worker_id(self) -> UUID | None:
        """Its row among the living; None while it has none."""
        return self._worker_id

    @contextmanager
    def registered(self) -> Iterator[None]:
        """Shows this worker among the living, and keeps its lease, as long as the block runs."""
        worker = queue.register_worker(
            host=socket.gethostname(), process_id=os.getpid(), engine=self._engine(), worker_id=self._given_id
        )
        self._worker_id = worker.pk
        ended = threading.Event()
        beat = threading.Thread(target=self._heartbeat, args=(worker.pk, ended), name="heartbeat", daemon=True)
        beat.start()
        try:
            yield
        finally:
            ended.set()
            beat.join()
            self._worker_id = None
            queue.unregister_worker(worker_id=worker.pk)

    def _heartbeat(self, worker_id: UUID, ended: threading.Event) -> None:
        every = min(5.0, settings.LEASE_SECONDS / 3)
        while not ended.wait(every):
            token = self._token
            try:
                queue.sign_of_life(worker_id=worker_id)
                if token and time.monotonic() - self._token_since < LONGEST_BATCH:
                    queue.extend_lease(token=token)
            except (OperationalError, InterfaceError) as error:
                logger.warning("no sign of life could be written: %s", error)
                connection.close()
        connection.close()


def _is_answer(request: RecognitionRequest, analysis: PhotoAnalysis | PhotoError) -> bool:
    return request.purpose != Purpose.ENROL and not isinstance(analysis, PhotoError)


def _say_if_lost(requests: Iterable[RecognitionRequest]) -> None:
    for request in requests:
        logger.warning("request %s was taken over by another worker, or deleted", request.pk)


def _nets(engine: dict) -> str:
    """What runs in which form and why, in a line of log."""
    nets = [f"{net['name']} in {net['precision']} ({net['why']})" for net in engine["nets"]]
    return f"on {engine['device']}: " + ", ".join(nets)
