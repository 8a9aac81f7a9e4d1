"""A camera worker: claims cameras, reads them, searches their pictures for faces, and writes who was seen.

Each camera has a reader thread; all else is one loop in one thread: the newest pictures of all cameras, the longest waiting
first, go through the engine together. Start one on each machine that is to read cameras.
"""

import logging
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

import uuid6
from django.db import DatabaseError, IntegrityError, InterfaceError, OperationalError, connection
from django.utils.translation import gettext_noop

from faceplatform.database.listen import Subscription
from faceplatform.database.trouble import described
from faceplatform.processes.stop_flag import StopFlag
from gallery.models import Gallery, Liveness
from recognition.cameras import claims
from recognition.cameras.channels import CAMERAS, WATCHED
from recognition.cameras.claims import Claim, Lost
from recognition.cameras.models import Camera, CameraKind, CameraStatus
from recognition.cameras.sources import allowed_sources, source_of
from recognition.engine.manifest import PackError
from recognition.engine.pipeline import Pipeline
from recognition.photos.liveness import judged
from recognition.photos.loading import load_pipeline
from recognition.photos.usable_packs import UsablePacks
from recognition.video.frame import Frame
from recognition.video.reader import Reader
from recognition.watching.incoming import WebcamReader
from recognition.watching.pictures import tidy
from recognition.watching.pressure import Pressure
from recognition.watching.runs import CameraRun, PictureSource, rgb_of

logger = logging.getLogger(__name__)
MOST_CAMERAS = 64
AT_ONCE = 4  # pictures that go through the engine together
BEAT = 5.0  # seconds
CLAIM_EVERY = 2.0
SWEEP_EVERY = 30.0
TIDY_EVERY = 10.0
IDLE, NO_CAMERA = 0.05, 0.5  # seconds to wait for a picture
PAUSE = 1.0  # seconds before the database is tried again
NICENESS = 10
NO_SECRET = gettext_noop("The password was encrypted under another secret key. Enter it again.")


class CameraWorker:
    """most: cameras. given_id: the id that its supervisor chose."""

    def __init__(self, models_dir: Path, *, most: int = MOST_CAMERAS, given_id: UUID | None = None):
        self.worker_id = given_id or uuid6.uuid7()
        self.most = most
        self.runs: dict[UUID, CameraRun] = {}
        self.pressure = Pressure()
        self._models_dir = models_dir
        self._packs = UsablePacks(models_dir)
        self._pipelines: dict[str, Pipeline] = {}
        self._news: list[Subscription] = []  # a camera was made, changed, or is being watched
        self._arrived = threading.Condition()
        self._stoppers = ThreadPoolExecutor(8, thread_name_prefix="stop-camera")
        self._beaten = self._claimed = self._swept = float("-inf")
        self._tidied = time.monotonic()

    def run(self, stop: threading.Event | StopFlag) -> None:
        """Works until `stop` is set, then gives its cameras back."""
        with claims.hub.subscription(CAMERAS) as changed, claims.hub.subscription(WATCHED) as watched:
            self._news = [changed, watched]
            while not stop.is_set():
                try:
                    self.keep()
                    self.turn()
                except (OperationalError, InterfaceError) as error:
                    logger.warning("trying again in %.0f s: %s", PAUSE, described(error))
                    connection.close()
                    stop.wait(PAUSE)
        self._give_all_back()
        connection.close()

    # --- Pictures ---
    def turn(self) -> int:
        """Analyses the newest pictures of the cameras that have waited longest; waits a moment if there is none. Returns how
        many."""
        due = self._due()
        if not due:
            with self._arrived:
                self._arrived.wait(IDLE if self.runs else NO_CAMERA)
            return 0
        for batch in _batches(due):
            self._analyse(batch)
        return len(due)

    def _due(self) -> list[tuple[CameraRun, Frame]]:
        due = []
        for run in list(self.runs.values()):
            with self._of(run):
                if frame := run.next_frame():
                    due.append((run, frame))
        return due

    def _analyse(self, batch: list[tuple[CameraRun, Frame]]) -> None:
        pipeline = batch[0][0].pipeline
        smallest = min(run.camera.min_face_px for run, _ in batch)
        live = [run.camera.gallery.liveness != Liveness.OFF for run, _ in batch]
        faces = pipeline.look([rgb_of(frame) for _, frame in batch], min_face_px=smallest, live=live)
        for (run, frame), its_faces in zip(batch, faces, strict=True):
            with self._of(run):
                run.saw(frame, judged(its_faces, run.camera.gallery))

    # --- Cameras ---
    def keep(self) -> None:
        """Signs of life, states, changes and claims, each when it is time. Raises what the database does."""
        now = time.monotonic()
        changed = sum(news.was_notified() for news in self._news) > 0  # asks all
        if changed or now - self._beaten >= BEAT:
            self._beat()
            self._beaten = now
        if changed or now - self._claimed >= CLAIM_EVERY:
            self._claim()
            self._claimed = now
        if now - self._swept >= SWEEP_EVERY:
            claims.close_abandoned()
            self._swept = now
        if now - self._tidied >= TIDY_EVERY and self.runs:
            tidy()
            self._tidied = now
        if self.runs:
            self.pressure.look(max(run.camera.fps for run in self.runs.values()))
            for run in self.runs.values():
                run.rate = self.pressure.rate(run.camera.fps)

    def _beat(self) -> None:
        held = claims.extend({run.claim.token for run in self.runs.values()})
        cameras = Camera.objects.filter(pk__in=held, enabled=True, gallery__deletes_at=None).select_related("gallery")
        rows = {camera.pk: camera for camera in cameras}
        for pk, run in list(self.runs.items()):
            if pk not in held:
                self._drop(run)
            elif pk not in rows:
                self._give_back(run, CameraStatus.DISABLED)
            else:
                run.watched = held[pk]
                self._keep_run(run, rows[pk])

    def _keep_run(self, run: CameraRun, camera: Camera) -> None:
        with self._of(run):
            if run.ended:
                self._give_back(run, CameraStatus.ENDED, run.reader.state.sentence)
            elif run.needs_another_source(camera) or camera.gallery.pack != run.pipeline.pack_name:
                self._give_back(run, CameraStatus.WAITING)
            else:
                run.write()
                run.change(camera)
                run.tell()

    def _claim(self) -> None:
        packs = self._packs.names()
        wanted = Gallery.objects.filter(cameras__enabled=True, pack__in=packs).values_list("pack", flat=True).distinct()
        for pack in set(wanted) - set(self._pipelines):
            self._load(pack)  # before a lease runs
        opening = any(run.opening for run in self.runs.values())
        room = self.most - len(self.runs)
        for claim in claims.claim(worker=self.worker_id, packs=[*self._pipelines], limit=room, alone=not opening):
            self._begin(claim)

    def _load(self, pack: str) -> None:
        try:
            pipeline = load_pipeline(self._models_dir / pack)
        except PackError as error:
            logger.error("the pack %s cannot be loaded: %s", pack, error)
            self._packs.refuse(pack, str(error))
            return
        pipeline.warm()
        self._pipelines[pack] = pipeline

    def _begin(self, claim: Claim) -> None:
        camera = claim.camera
        try:
            reader = self._reader(camera)
        except ValueError:  # of faceplatform.sealed
            claims.release(claim, CameraStatus.OFFLINE, NO_SECRET)
            return
        self.runs[camera.pk] = CameraRun(claim, reader, self._pipelines[camera.gallery.pack])
        logger.info("reading the camera %s", camera.pk)

    def _reader(self, camera: Camera) -> PictureSource:
        if camera.kind == CameraKind.WEBCAM:
            webcam = WebcamReader(camera)
            webcam.start()
            return webcam
        reader = Reader(source_of(camera), allowed_sources(), arrived=self._arrived, name=str(camera.pk))
        reader.start()
        return reader

    # --- Ends ---
    def _of(self, run: CameraRun) -> "_Fault":
        return _Fault(self, run)

    def _give_back(self, run: CameraRun, status: CameraStatus, reason: str = "") -> None:
        run.release(status, reason)
        self._drop(run)

    def _drop(self, run: CameraRun) -> None:
        self.runs.pop(run.camera.pk, None)
        self._stoppers.submit(run.reader.stop)

    def drop_lost(self, run: CameraRun, error: Exception) -> None:
        logger.info("the camera %s is no longer this worker's: %s", run.camera.pk, type(error).__name__)
        self._drop(run)

    def _give_all_back(self) -> None:
        for run in list(self.runs.values()):
            try:
                with self._of(run):
                    self._give_back(run, CameraStatus.WAITING)
            except (OperationalError, InterfaceError) as error:
                logger.warning("the camera %s stays claimed until its lease ends: %s", run.camera.pk, described(error))
                self._drop(run)
        self._stoppers.shutdown(wait=True)


class _Fault:
    """What goes wrong with one camera ends the work for that one alone, if it is another worker's or deleted by now."""

    def __init__(self, worker: CameraWorker, run: CameraRun):
        self._worker = worker
        self._run = run

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if isinstance(error, Lost | IntegrityError):
            self._worker.drop_lost(self._run, error)
            return True
        if isinstance(error, DatabaseError) and not isinstance(error, OperationalError):
            logger.exception("the camera %s cannot be written", self._run.camera.pk)
            self._worker.drop_lost(self._run, error)
            return True
        return False


def _batches(due: list[tuple[CameraRun, Frame]]) -> Iterator[list[tuple[CameraRun, Frame]]]:
    """Pictures of one pack, AT_ONCE at most; the longest waiting come first."""
    by_pack: dict[str, list[tuple[CameraRun, Frame]]] = {}
    for run, frame in sorted(due, key=lambda pair: pair[1].monotonic):
        by_pack.setdefault(run.pipeline.pack_name, []).append((run, frame))
    for pairs in by_pack.values():
        for start in range(0, len(pairs), AT_ONCE):
            yield pairs[start : start + AT_ONCE]


def be_nice() -> None:
    """People who wait for a photo come first."""
    os.nice(NICENESS)
