"""Cameras that read videos made here: portraits that cross a grey hall."""

from pathlib import Path

import pytest
from factories import GalleryFactory, IdentityFactory
from video_files import scene, write_video

from accounts.actor import system_actor
from recognition.photos.services import Photo, submit_enrolment
from recognition.watching.worker import CameraWorker

SIZE = (640, 480)


@pytest.fixture
def videos(tmp_path, settings) -> Path:
    """The folder whose files cameras may read."""
    folder = tmp_path / "videos"
    folder.mkdir()
    settings.CAMERA_FOLDER = folder
    return folder


@pytest.fixture
def film(videos):
    """Writes a scene and returns its file's name."""

    def make(walkers, seconds: float, name: str = "entrance.mp4") -> str:
        write_video(videos / name, scene(list(walkers), seconds=seconds, size=SIZE))
        return name

    return make


@pytest.fixture
def hall(db):
    """A gallery."""
    return GalleryFactory(name="Hall")


@pytest.fixture
def grace(hall, hopper, worker):
    """Grace Hopper, enrolled with one photo."""
    person = IdentityFactory(gallery=hall, name="Grace Hopper")
    submit_enrolment(actor=system_actor(), identity=person, photos=[Photo("h.jpg", hopper)], needs_worker=False)
    assert worker.run_once() == 1
    return person


@pytest.fixture
def watcher(pack_dir, pipeline):
    """A camera worker with the loaded pack, driven by hand: `watch` below."""
    made = CameraWorker(pack_dir.parent)
    made._pipelines["dlib-resnet"] = pipeline
    yield made
    for run in list(made.runs.values()):
        made._drop(run)
    made._stoppers.shutdown(wait=True)
