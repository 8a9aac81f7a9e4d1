"""Real faces over a real RTSP stream, from the camera's packets to who was seen."""

import dataclasses
import shutil
from contextlib import contextmanager
from datetime import timedelta

import pytest
from factories import IdentityFactory, member
from rtsp_server import Clip, RtspServer
from video_files import Walker, line, person, scene, write_video
from watched import camera, walker, watch

from accounts.actor import system_actor
from accounts.roles import Role
from gallery.models import Gallery
from recognition.cameras.models import Sighting, UnknownPerson
from recognition.engine.manifest import load_manifest, write_manifest
from recognition.photos.services import Photo, submit_enrolment
from recognition.sightings import writing
from recognition.sightings.services import name_unknown
from recognition.watching import worker as worker_module
from recognition.watching.worker import CameraWorker

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def brisk(monkeypatch, settings):
    monkeypatch.setattr(worker_module, "BEAT", 0.3)
    monkeypatch.setattr(worker_module, "CLAIM_EVERY", 0.3)
    monkeypatch.setattr(worker_module, "TIDY_EVERY", 3600)  # VACUUM does not run in a test's transaction
    settings.OUTGOING_NETWORKS = ["127.0.0.0/8"]


@contextmanager
def streamed(gallery, path, walkers, seconds: float, size=(640, 480)):
    """A camera that sees these walkers again and again."""
    clip = Clip(write_video(path, scene(walkers, seconds=seconds, size=size), gop=15))
    with RtspServer(clip) as server:
        yield camera(gallery, server.address, kind="rtsp", fps=4)


def enrol(worker, gallery, name: str, jpeg: bytes):
    made = IdentityFactory(gallery=gallery, name=name)
    submit_enrolment(actor=system_actor(), identity=made, photos=[Photo(f"{name}.jpg", jpeg)], needs_worker=False)
    worker.run_once()
    return made


def test_a_stranger_who_comes_twice_is_one_and_a_name_fills_the_past_in_while_the_camera_runs(
    hall, grace, hopper_again, collins, watcher, tmp_path, monkeypatch
):
    monkeypatch.setattr(writing, "GOES_ON", timedelta(seconds=1))  # else the second visit is the same sighting
    walkers = [
        walker(collins, 0.5, 5, height=420), walker(collins, 9, 13.5, start=(500, 240), end=(140, 240), height=380),
        walker(hopper_again, 17, 21),
    ]  # fmt: skip
    with streamed(hall, tmp_path / "hall.ts", walkers, 24):
        watch(watcher, lambda: Sighting.objects.filter(identity=grace, closed=True).exists(), seconds=150)
        strangers = Sighting.objects.filter(decision="unknown")
        assert len(strangers) >= 2 and not Sighting.objects.filter(decision="known").exclude(identity=grace).exists()
        unknown = UnknownPerson.objects.get()  # one person, however often she came
        assert {row.unknown for row in strangers} == {unknown}
        past = set(strangers.values_list("pk", flat=True))
        named = name_unknown(actor=member(hall, Role.CURATOR), unknown=unknown, name="Eileen Collins")
        assert named.samples
        assert set(Sighting.objects.filter(identity=named.identity).values_list("pk", flat=True)) == past
        later = Sighting.objects.filter(identity=named.identity, named_at=None)
        watch(watcher, lambda: later.exists(), seconds=150)
    assert later.get().decision == "known" and UnknownPerson.objects.get().identity == named.identity


def test_two_who_cross_keep_their_names_and_each_of_a_group_has_one_sighting(
    hall, worker, watcher, faces_dir, tmp_path
):
    photos = faces_dir / "identities"

    def stands(name: str, x: int, begins: float, ends: float) -> Walker:
        return Walker(person(photos / name, 300), line((x, 320), (x + 20, 320), begins, ends))

    known = {
        name: enrol(worker, hall, name, (photos / name / f"{name}.jpg").read_bytes()) for name in ("obama", "biden")
    }
    crossing = [
        Walker(person(photos / "biden/biden2.jpg", 300), line((1100, 240), (160, 240), 0.5, 9)),
        Walker(person(photos / "obama/obama2.jpg", 300), line((160, 240), (1100, 240), 0.5, 9)),
    ]
    group = [
        stands("obama/obama2.jpg", 150, 12, 20), stands("biden/biden2.jpg", 430, 12, 20),
        stands("alex_lacamoire/img1.jpg", 760, 12, 20), stands("rose_leslie/img2.jpg", 1050, 12, 20),
    ]  # fmt: skip
    with streamed(hall, tmp_path / "hall.ts", crossing + group, 24, size=(1280, 640)):
        watch(watcher, lambda: Sighting.objects.filter(decision="unknown", closed=True).count() >= 2, seconds=200)
    rows = list(Sighting.objects.exclude(decision="unusable"))
    named = [row.identity for row in rows if row.identity]
    assert set(named) == set(known.values())
    assert (
        len(named) <= 3
    )  # those of the group go on; a busy machine sees too few pictures to follow both through the crossing
    strangers = [row for row in rows if row.decision == "unknown"]
    assert len(strangers) == 2 and len({row.unknown for row in strangers}) == 2
    assert not Sighting.objects.exclude(follows=None).exists()  # no name flipped on the way


def test_a_camera_goes_on_under_another_pack(hall, collins, pack_dir, pipeline, tmp_path, settings, monkeypatch):
    """The gallery moves to another pack while the camera runs."""
    monkeypatch.setattr(writing, "GOES_ON", timedelta(seconds=1))
    settings.MODELS_DIR = models = tmp_path / "models"
    models.mkdir()
    (models / "dlib-resnet").symlink_to(pack_dir)
    shutil.copytree(pack_dir, models / "second")
    manifest = dataclasses.replace(
        load_manifest(pack_dir), name="second", metric="cosine", threshold_1to1=0.39, far_curve=[]
    )
    write_manifest(manifest, models / "second")
    Gallery.objects.update(threshold_source="manual", threshold_distance=0.6)
    watcher = CameraWorker(models)
    watcher._pipelines["dlib-resnet"] = pipeline
    with streamed(hall, tmp_path / "hall.ts", [walker(collins, 0.5, 6, height=420)], 8) as entrance:
        watch(watcher, lambda: Sighting.objects.filter(pack="dlib-resnet").exists(), seconds=150)
        Gallery.objects.update(pack="second", threshold_distance=0.39)
        watch(watcher, lambda: Sighting.objects.filter(pack="second").exists(), seconds=150)
        assert watcher.runs[entrance.pk].pipeline.pack_name == "second"
        assert Sighting.objects.filter(pack="dlib-resnet", closed=False).count() == 0
        for run in list(watcher.runs.values()):
            watcher._drop(run)
        watcher._stoppers.shutdown(wait=True)
