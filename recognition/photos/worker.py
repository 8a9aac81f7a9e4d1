"""A recognition worker: claims photos, runs the engine, writes the results. One process per core, one compute thread."""

import faulthandler
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError, connection

from faceplatform.database.listen import Subscription
from faceplatform.database.trouble import described
from faceplatform.processes.stop_flag import StopFlag
from gallery.models import Gallery
from recognition.engine.base import PhotoAnalysis, PhotoError
from recognition.engine.faults import leaves_unfit
from recognition.engine.manifest import PackError
from recognition.engine.pipeline import Pipeline
from recognition.engine.runnable import DeviceError
from recognition.photos import queue, results
from recognition.photos.decode_watch import LONGEST_DECODE, TOO_SLOW, DecodeWatch
from recognition.photos.faults import reason_of
from recognition.photos.liveness import asks
from recognition.photos.loading import load_pipeline
from recognition.photos.models import Purpose, RecognitionRequest, Worker
from recognition.photos.queue import Claim
from recognition.photos.usable_packs import UsablePacks
from recognition.photos.writing import Writer
from recognition.tallies import counting

logger = logging.getLogger(__name__)
BATCH = 8  # photos per claim; queue.CLAIM_BYTES bounds their bytes
IDLE_EVERY = 1.0  # seconds between checks for other work while no photo is waiting
SWEEP_EVERY = 5.0  # seconds between searches for photos of dead workers
LONGEST_BATCH = 300.0  # seconds; a batch that takes longer loses its lease
STUCK = 75  # the exit status of a worker that ended itself
LONGEST_PAUSE = 10.0  # seconds between attempts to reach the database again


class Unfit(Exception):
    """This process cannot go on: it lacks memory, or its engine failed. It is to end, so that it is started anew."""


class RecognitionWorker:
    """Loads a pack when its first photo comes, and keeps it loaded.

    idle: called while no photo is waiting, to do a little other work; returns whether there was any. ends_process: whether
    it may end the process it is in if it is stuck, so that it is started anew. given_id: the id that its supervisor chose.
    """

    def __init__(
        self,
        models_dir: Path,
        *,
        idle: Callable[["RecognitionWorker"], bool] = lambda worker: False,
        ends_process: bool = False,
        given_id: UUID | None = None,
    ):
        self.models_dir = models_dir
        self._given_id = given_id
        self.ends_process = ends_process
        self._watch = DecodeWatch()
        self._idle = idle
        self._pipelines: dict[str, Pipeline] = {}
        self._packs = UsablePacks(models_dir)
        self._published: tuple[list[str], dict[str, str]] | None = None
        self._unfit: Exception | None = None
        self._worker_id: UUID | None = None
        self._token: UUID | None = None
        self._token_since = 0.0

    # --- The loop ---
    def run(self, stop: threading.Event | StopFlag) -> None:
        """Works until `stop` is set, and finishes the current batch. Reconnects when the database goes away.

        Raises Unfit if the process has to be started anew; what it had claimed is queued again.
        """
        self._warm()
        try:
            self._run(stop)
        finally:
            connection.close()

    def _warm(self) -> None:
        """Loads the packs that are in force, or the default one as long as there is no gallery, before photos come."""
        try:
            in_force = Gallery.objects.packs_in_force()
        except (DatabaseError, InterfaceError):  # out of reach, or not migrated yet
            in_force = set()
        for pack in sorted(in_force & set(self.packs()) or {settings.DEFAULT_PACK}):
            if pipeline := self.pipeline_or_none(pack):
                pipeline.warm()
            self.raise_if_unfit()

    def _run(self, stop: threading.Event | StopFlag) -> None:
        pause = 0.5
        while not stop.is_set():
            try:
                with self.registered(), queue.hub.subscription(queue.QUEUED) as subscription:
                    pause = 0.5
                    logger.info("ready")
                    self._work(stop, subscription)
            except (OperationalError, InterfaceError) as error:
                logger.warning("trying again in %.1f s: %s", pause, described(error))
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
        """Claims a batch of photos that this worker can process, and does so. Returns how many; 0 if none was waiting.

        only: the requests to choose from; None for all. Raises Unfit.
        """
        self._publish_packs()
        claim = queue.claim(limit=BATCH, packs=self.packs(), only=only, worker_id=self._worker_id)
        if claim is None:
            return 0
        self._token, self._token_since = claim.token, time.monotonic()
        try:
            with self._last_resort():
                self.process(claim)
        finally:
            self._token = None
        return len(claim.requests)

    # --- A batch ---
    def process(self, claim: Claim) -> None:
        """Processes every request of a claim; what goes wrong with one does not affect the others.

        What fails for a fault of the server is queued again. Raises Unfit.
        """
        pack = claim.requests[0].pack
        pipeline = self.pipeline_or_none(pack)
        if pipeline is None:
            queue.hand_back(token=claim.token)
        else:
            self._process(pipeline, claim)
        if self._unfit:
            queue.hand_back(token=claim.token)
            self.raise_if_unfit()

    def raise_if_unfit(self, error: Exception | None = None) -> None:
        """Raises Unfit if this process has to be started anew, after `error` or what happened before."""
        if error is not None and leaves_unfit(error):
            self._unfit = error
        if self._unfit:
            raise Unfit(f"{type(self._unfit).__name__}: {self._unfit}") from self._unfit

    def _process(self, pipeline: Pipeline, claim: Claim) -> None:
        analyses: list[PhotoAnalysis | PhotoError] | None
        try:
            analyses = self._analyse(pipeline, claim.requests)
        except Exception:
            logger.exception("the engine failed on a batch of %s", len(claim.requests))
            analyses = None
        if analyses is None:  # no longer in the except block, which would keep the batch's memory
            self._process_singly(pipeline, claim)
        else:
            self._writer(claim.token).write_all(list(zip(claim.requests, analyses, strict=True)))

    def _process_singly(self, pipeline: Pipeline, claim: Claim) -> None:
        """Until the process is unfit; the rest is then handed back."""
        for request in claim.requests:
            try:
                [analysis] = self._analyse(pipeline, [request])
            except Exception as error:
                logger.exception("the engine failed on request %s", request.pk)
                self._retry(request, claim.token, error, "engine_error")
            else:
                self._writer(claim.token).write(request, analysis)
            if self._unfit:
                return

    def _retry(self, request: RecognitionRequest, token: UUID, error: Exception, otherwise: str) -> None:
        """Queues a request again after a fault of the server. otherwise: its code, unless it is known better."""
        if leaves_unfit(error):
            self._unfit = error
        code, message = reason_of(error, otherwise)
        queue.retry(request_id=request.pk, token=token, code=code, message=message)

    def _writer(self, token: UUID) -> Writer:
        return Writer(token, lambda request, error: self._retry(request, token, error, "not_stored"))

    def _analyse(self, pipeline: Pipeline, requests: Sequence[RecognitionRequest]) -> list[PhotoAnalysis | PhotoError]:
        self._watch.requests = requests
        return pipeline.analyse(
            [_photo_of(request) for request in requests],
            purposes=["enrol" if request.purpose == Purpose.ENROL else "probe" for request in requests],
            live=[asks(request) for request in requests],
            max_bytes=settings.MAX_PHOTO_BYTES,
            max_pixels=settings.MAX_PHOTO_PIXELS,
            decoding=self._watch.decoding,
        )

    # --- Packs ---
    def packs(self) -> list[str]:
        """The packs this worker can run: those it has loaded, and those it may load."""
        return list({*self._pipelines, *self._packs.names()})

    @property
    def pack_faults(self) -> dict[str, str]:
        """Pack → why it cannot be loaded here."""
        return self._packs.faults

    def _publish_packs(self) -> None:
        """Tells the pages and the API, whenever it changes, which packs this worker can run."""
        state = sorted({*self._pipelines, *self._packs.working()}), dict(self._packs.faults)
        if self._worker_id and state != self._published:
            queue.record_packs(worker_id=self._worker_id, packs=state[0], faults=state[1])
            self._published = state

    def pipeline_or_none(self, pack: str) -> Pipeline | None:
        """The pipeline of a pack. None if it cannot be loaded: then this worker claims no work for it for a while.

        Raises DeviceError: what a setting asks of this machine and it does not have, it lacks for every pack.
        """
        try:
            pipeline = self.pipeline(pack)
        except (OperationalError, InterfaceError, DeviceError):
            raise
        except Exception as error:
            logger.error("the pack %s cannot be loaded: %s", pack, error, exc_info=not isinstance(error, PackError))
            self._packs.refuse(pack, str(error) or type(error).__name__)
            self._unfit = error if leaves_unfit(error) else None
            self._publish_packs()
            return None
        self._packs.accept(pack)
        return pipeline

    def pipeline(self, pack: str) -> Pipeline:
        """The pipeline of a pack, loaded on first use. Raises PackError, DeviceError."""
        if pack not in self._pipelines:
            self._pipelines[pack] = load_pipeline(self.models_dir / pack)
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
            counting.flush()

    def _register(self, worker_id: UUID | None = None) -> Worker:
        packs = sorted({*self._pipelines, *self._packs.working()})
        worker = queue.register_worker(
            host=socket.gethostname(),
            process_id=os.getpid(),
            engine=self._engine(),
            packs=packs,
            worker_id=worker_id,
        )
        self._published = packs, {}
        return worker

    def _heartbeat(self, worker_id: UUID, stopped: threading.Event) -> None:
        every = min(5.0, settings.LEASE_SECONDS / 3)
        beaten = time.monotonic()
        while not stopped.wait(min(every, 1.0)):
            try:
                self._end_if_stuck(worker_id)
                if time.monotonic() - beaten >= every:
                    beaten = time.monotonic()
                    self._beat(worker_id)
            except (OperationalError, InterfaceError) as error:
                logger.warning("the heartbeat could not be written: %s", described(error))
                connection.close()
        connection.close()

    def _beat(self, worker_id: UUID) -> None:
        """A worker that is stuck in its batch is not vouched for."""
        token = self._token
        if token and time.monotonic() - self._token_since > LONGEST_BATCH:
            return
        if not queue.record_heartbeat(worker_id=worker_id):
            self._register(worker_id)
        counting.flush()
        if token:
            queue.extend_lease(token=token)

    # --- Being stuck ---
    def _end_if_stuck(self, worker_id: UUID) -> None:
        """Ends the process if a photo takes too long to decode: the photo fails, the rest of its batch is handed back."""
        token, request = self._token, self._watch.overdue()
        if not self.ends_process or token is None or request is None:
            return
        logger.error("request %s takes too long to decode; this worker ends, to be started anew", request.pk)
        message = TOO_SLOW % {"seconds": f"{LONGEST_DECODE:.0f}"}
        results.fail(request=request, token=token, code="invalid_image", message=message)
        queue.hand_back(token=token)
        queue.unregister_worker(worker_id=worker_id)
        os._exit(STUCK)

    @contextmanager
    def _last_resort(self) -> Iterator[None]:
        """Ends the process if the block takes far too long and no other Python thread gets a turn to notice."""
        if self.ends_process:
            faulthandler.dump_traceback_later(LONGEST_BATCH + 60, exit=True)
        try:
            yield
        finally:
            if self.ends_process:
                faulthandler.cancel_dump_traceback_later()


def _photo_of(request: RecognitionRequest) -> bytes:
    assert request.photo is not None  # the constraint request_waiting_has_photo
    return bytes(request.photo)


def _describe_nets(engine: dict[str, Any]) -> str:
    """What the nets run on, each with its runtime and precision and the reason for them, on one log line."""
    nets = [f"{net['name']} in {net['runtime']} {net['precision']} ({net['why']})" for net in engine["nets"]]
    return f"on {engine['device']}, {engine['runtime']}: " + ", ".join(nets)
