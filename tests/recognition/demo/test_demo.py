"""The demo: what a new user sees, with the real pack and the portraits of two packages."""

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from reverse_proxies import free_port
from watched import watch

from accounts.actor import system_actor
from gallery.models import Gallery
from recognition.attendance.models import AttendanceDay
from recognition.cameras.models import Sighting, UnknownPerson
from recognition.demo import film, portraits, services
from recognition.watching.worker import CameraWorker

pytestmark = pytest.mark.django_db


@pytest.fixture
def made(worker, settings, tmp_path, monkeypatch):
    """Made by this process's worker; the video is a short one."""
    settings.CAMERA_FOLDER = tmp_path
    monkeypatch.setattr(film, "CROSSING", 3)
    monkeypatch.setattr(film, "PAUSE", 1)
    monkeypatch.setattr(services, "process_requests", lambda requests: worker.run_once())
    return services.make_demo(actor=system_actor())


@pytest.fixture
def watcher(pack_dir, pipeline):
    running = CameraWorker(pack_dir.parent)
    running._pipelines["dlib-resnet"] = pipeline
    yield running
    for run in list(running.runs.values()):
        running._drop(run)
    running._stoppers.shutdown(wait=True)


def test_both_are_enrolled_and_named_by_the_camera(made, watcher):
    people = {"Grace Hopper", "Eileen Collins"}
    assert {person.name for person in made.identities.all() if person.samples.count() == 1} == people
    sightings = Sighting.objects.filter(gallery=made)
    watch(watcher, lambda: people == set(sightings.exclude(identity=None).values_list("identity__name", flat=True)))
    assert not UnknownPerson.objects.exists()
    assert {day.identity.name for day in AttendanceDay.objects.all()} == people


def test_a_second_time_nothing_is_made_even_while_the_first_is_being_deleted(made):
    call_command("delete_gallery", "demo", confirm="demo")
    assert services.make_demo(actor=system_actor()) is None
    assert Gallery.objects.count() == 1


def test_without_the_portraits_one_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setattr(portraits, "find_spec", lambda name: None)
    with pytest.raises(CommandError, match=r"pip install matplotlib==[\d.]+ scikit-image==[\d.]+$"):
        call_command("up", demo=True, port=free_port())


def test_what_is_to_be_installed_is_what_the_tests_have():
    pinned = (settings.BASE_DIR / "requirements-dev.txt").read_text().split()
    assert set(portraits.REQUIREMENTS.split()) <= set(pinned)
