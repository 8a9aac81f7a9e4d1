"""A recognition worker: claims photos, runs the engine, writes the results. One process per core, one compute thread."""

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, InterfaceError, OperationalError, connection

from faceplatform.database.listen import Subscription
from faceplatform.errors import DomainError
from faceplatform.processes.stop_flag import StopFlag
from recognition.engine.base import PhotoAnalysis, PhotoError
from recognition.engine.manifest import PackError
from recognition.engine.mxnet_runtime import DeviceError
from recognition.engine.pipeline import Pipeline
from recognition.photos import queue, results
from recognition.photos.models import Purpose, RecognitionRequest, Worker
from recognition.photos.queue import Claim

logger = logging.getLogger(__name__)
BATCH = 8  # photos per claim
IDLE_EVERY = 1.0  # seconds between checks for other work while no photo is waiting
SWEEP_EVERY = 5.0  # seconds between searches for photos of dead workers
LONGEST_BATCH = 300.0  # seconds; a batch that takes longer loses its lease
LONGEST_PAUSE = 10.0  # seconds between attempts to reach the database again


class RecognitionWorker:
    """Loads a pack when its first photo comes, and keeps it loaded.

    idle: called while no photo is waiting, to do a little other work; returns whether there was any.
    given_id: the id that its supervisor chose for it.
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
    def run(self, stop: threading.Event | StopFlag) -> None:
        """Works until `stop` is set, and finishes the current batch. Reconnects when the database goes away."""
        self.pipeline(settings.DEFAULT_PACK).warm()
        try:
            self._run(stop)
        finally:
            connection.close()

    def _run(self, stop: threading.Event | StopFlag) -> None:
        pause = 0.5
        while not stop.is_set():
            try:
                with self.registered(), queue.hub.subscription(queue.QUEUED) as subscription:
                    pause = 0.5
                    logger.info("ready")
                    self._work(stop, subscription)
            except (OperationalError, InterfaceError) as error:
                logger.warning("cannot reach the database, trying again in %.1f s: %s", pause, error)
                connection.close()
                stop.wait(pause)
                pause = min(pause * 2, LONGEST_PAUSE)

    def _work(self, stop: threading.Event | StopFlag, subscription: Subscription) -> None:
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
        """Claims a batch and processes it. Returns the number of photos in it; 0 if none was waiting.

        only: the requests to choose from; None for all.
        """
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
        """Processes every request of a claim; what goes wrong with one does not affect the others."""
        try:
            pipeline = self.pipeline(claim.requests[0].pack)
        except (PackError, DeviceError) as error:
            code = "pack_not_installed" if isinstance(error, PackError) else "device_missing"
            for request in claim.requests:
                results.fail(request=request, token=claim.token, code=code, message=str(error))
            return
        try:
            analyses = self._analyse(pipeline, claim.requests)
        except Exception:
            logger.exception("the engine failed on a batch of %s", len(claim.requests))
            self._process_singly(pipeline, claim)
            return
        self._write_batch(claim.token, list(zip(claim.requests, analyses, strict=True)))

    def _process_singly(self, pipeline: Pipeline, claim: Claim) -> None:
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
    def _analyse(pipeline: Pipeline, requests: Sequence[RecognitionRequest]) -> list[PhotoAnalysis | PhotoError]:
        return pipeline.analyse(
            [_photo_of(request) for request in requests],
            purposes=["enrol" if request.purpose == Purpose.ENROL else "probe" for request in requests],
            max_bytes=settings.MAX_PHOTO_BYTES,
            max_pixels=settings.MAX_PHOTO_PIXELS,
        )

    def _write_batch(
        self, token: UUID, analysed: Sequence[tuple[RecognitionRequest, PhotoAnalysis | PhotoError]]
    ) -> None:
        """Writes recognitions and analyses in one transaction; the rest, and all of them if that fails, one at a time."""
        batch: list[tuple[RecognitionRequest, PhotoAnalysis]] = []
        singly: list[tuple[RecognitionRequest, PhotoAnalysis | PhotoError]] = []
        for request, analysis in analysed:
            if request.purpose == Purpose.ENROL or isinstance(analysis, PhotoError):
                singly.append((request, analysis))
            else:
                batch.append((request, analysis))
        try:
            written = results.write_results(analysed=batch, token=token)
        except (DomainError, IntegrityError) as error:
            logger.info("the results of a claim are written one at a time: %s", error)
            singly += batch
        else:
            _log_lost(request for request, _ in batch if request.pk not in written)
        for request, analysis in singly:
            self._write(request, token, analysis)

    @staticmethod
    def _write(request: RecognitionRequest, token: UUID, analysis: PhotoAnalysis | PhotoError) -> None:
        try:
            if isinstance(analysis, PhotoError):
                written = results.fail(request=request, token=token, code=analysis.code, message=analysis.message)
            elif request.purpose == Purpose.ENROL:
                written = results.enrol(request=request, token=token, analysis=analysis)
            else:
                written = bool(results.write_results(analysed=[(request, analysis)], token=token))
        except DomainError as error:  # for example, the account has been deleted
            written = results.fail(request=request, token=token, code=error.code, message=error.message)
        except IntegrityError as error:
            # A person who was found has been deleted since: search again.
            logger.warning("request %s is queued again: %s", request.pk, error)
            queue.release(request_id=request.pk, token=token)
            return
        if not written:
            _log_lost([request])

    def pipeline(self, pack: str) -> Pipeline:
        """The pipeline of a pack, loaded on first use. Raises PackError, DeviceError."""
        if pack not in self._pipelines:
            self._pipelines[pack] = Pipeline.load(
                self.models_dir / pack, device=settings.DEVICE, precision=settings.PRECISION
            )
            logger.info("loaded the pack %s: %s", pack, _describe_nets(self._pipelines[pack].engine))
            if self._worker_id:
                queue.record_engine(worker_id=self._worker_id, engine=self._engine())
        return self._pipelines[pack]

    def _engine(self) -> dict[str, Any]:
        return {pack: pipeline.engine for pack, pipeline in self._pipelines.items()}

    # --- Heartbeat ---
    @property
    def worker_id(self) -> UUID | None:
        """The id of its Worker row; None while it is not registered."""
        return self._worker_id

    @contextmanager
    def registered(self) -> Iterator[None]:
        """Registers this worker as alive, and renews the lease of its batch, while the block runs."""
        worker = self._register(self._given_id)
        self._worker_id = worker.pk
        stopped = threading.Event()
        beat = threading.Thread(target=self._heartbeat, args=(worker.pk, stopped), name="heartbeat", daemon=True)
        beat.start()
        try:
            yield
        finally:
            stopped.set()
            beat.join()
            self._worker_id = None
            queue.unregister_worker(worker_id=worker.pk)

    def _register(self, worker_id: UUID | None = None) -> Worker:
        host, process_id = socket.gethostname(), os.getpid()
        return queue.register_worker(host=host, process_id=process_id, engine=self._engine(), worker_id=worker_id)

    def _heartbeat(self, worker_id: UUID, stopped: threading.Event) -> None:
        every = min(5.0, settings.LEASE_SECONDS / 3)
        while not stopped.wait(every):
            token = self._token
            try:
                if not queue.record_heartbeat(worker_id=worker_id):
                    self._register(worker_id)
                if token and time.monotonic() - self._token_since < LONGEST_BATCH:
                    queue.extend_lease(token=token)
            except (OperationalError, InterfaceError) as error:
                logger.warning("the heartbeat could not be written: %s", error)
                connection.close()
        connection.close()


def _photo_of(request: RecognitionRequest) -> bytes:
    assert request.photo is not None  # the constraint request_waiting_has_photo
    return bytes(request.photo)


def _log_lost(requests: Iterable[RecognitionRequest]) -> None:
    for request in requests:
        logger.warning("request %s was taken over by another worker, or deleted", request.pk)


def _describe_nets(engine: dict[str, Any]) -> str:
    """What the nets run on, each with its precision and the reason for it, on one log line."""
    nets = [f"{net['name']} in {net['precision']} ({net['why']})" for net in engine["nets"]]
    return f"on {engine['device']}: " + ", ".join(nets)
