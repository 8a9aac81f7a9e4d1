"""Parts that are frozen (SIGSTOP) or killed while they hold something: others take it over, and who wakes changes nothing."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
import uuid6
from django.conf import settings as configured
from django.db import connection
from django.test import Client
from factories import CameraFactory, GalleryFactory, IdentityFactory, UserFactory, unit
from job_queue import jobs, run_waiting_jobs
from mail_server import MailServer
from many_machines import frozen
from seen import sight
from video_files import scene, write_video
from watched import camera, walker
from web_process import ROOT, database_url

from faceplatform.processes.jobs import LOST_AFTER
from faceplatform.processes.tasks import requeue_lost_jobs
from recognition.alerts.models import MqttMessage
from recognition.alerts.outbox import publish
from recognition.cameras import claims
from recognition.cameras.models import CameraState, CameraStatus, LivePeriod, Sighting

pytestmark = pytest.mark.django_db(transaction=True)
SECONDS = 120


def wait_for(condition, seconds: float = SECONDS):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)
    return found


@contextlib.contextmanager
def part(tmp_path, *command: str, **environment: str) -> Iterator[subprocess.Popen]:
    """A part of the platform on the test database, in a process of its own."""
    values = {
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "FACEPLATFORM_DATA_DIR": str(tmp_path),
        "DATABASE_URL": database_url(),
        "FACEPLATFORM_SECRET_KEY": configured.SECRET_KEY,  # one for all machines
    }
    process = subprocess.Popen([sys.executable, "manage.py", *command], cwd=ROOT, env=os.environ | values | environment)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def forget(address: str) -> None:
    assert Client().post("/sign-in/forgotten", {"email": address}).status_code == 302


def told(server: MailServer) -> list[str]:
    return [recipient for recipient, _ in server.received]


def test_a_frozen_job_workers_mail_is_sent_by_another_and_not_again_when_it_wakes(mail_server, settings, tmp_path):
    """Nor does it write over what became of the job."""
    UserFactory(username="ada", email="ada@example.org")
    mail_server.hangs = True
    forget("ada@example.org")
    url = f"smtp+plain://127.0.0.1:{settings.EMAIL_PORT}?from=faces@example.org"
    with part(tmp_path, "job_worker", FACEPLATFORM_EMAIL_URL=url) as worker:
        assert mail_server.waiting.wait(SECONDS)
        with frozen(worker.pid):
            with connection.cursor() as cursor:  # so long ago was its last sign of life
                cursor.execute("UPDATE procrastinate_workers SET last_heartbeat = now() - %s", [2 * LOST_AFTER])
            mail_server.hangs = False
            requeue_lost_jobs()
            run_waiting_jobs()
            assert told(mail_server) == ["ada@example.org"]
        mail_server.over.set()  # the connection that it held ends
        time.sleep(6)  # it has had its say by now
        assert told(mail_server) == ["ada@example.org"]
        assert jobs(task_name="accounts.mails.tasks.send_link") == [("send_link", "deliveries", "succeeded")]


def test_a_frozen_camera_workers_camera_is_free_after_its_lease_and_what_it_says_then_does_not_count(
    tmp_path, hopper, pack_dir
):
    write_video(tmp_path / "hall.mp4", scene([walker(hopper, 0, 3)], seconds=4))
    entrance = camera(GalleryFactory(), "hall.mp4", repeats=True)
    state = CameraState.objects.filter(camera=entrance)
    environment = {"FACEPLATFORM_CAMERA_FOLDER": str(tmp_path), "FACEPLATFORM_MODELS_DIR": str(pack_dir.parent)}
    with part(tmp_path, "camera_worker", **environment) as worker:
        wait_for(lambda: Sighting.objects.exists() and state.filter(status="live", opening=False).exists())
        with frozen(worker.pid):
            began = time.monotonic()
            other, packs = uuid6.uuid7(), [pack_dir.name]
            [claim] = wait_for(lambda: claims.claim(worker=other, packs=packs, limit=1, alone=True))
            assert time.monotonic() - began < claims.LEASE.total_seconds() + 10
            assert not Sighting.objects.filter(closed=False).exists()
            before = written()
        until = time.monotonic() + 2.5 * 5  # it gives signs of life every five seconds
        while time.monotonic() < until:
            claims.extend([claim.token])
            assert without_lease(written()) == without_lease(before)
            time.sleep(0.2)
        claims.release(claim, CameraStatus.WAITING)
        wait_for(lambda: state.filter(status="live").exclude(claimed_by=other).exists())


def written() -> dict[str, list]:
    """All that is said of cameras and whom they saw."""
    return {
        model.__name__: list(model.objects.order_by("pk").values()) for model in (CameraState, Sighting, LivePeriod)
    }


def without_lease(rows: dict[str, list]) -> str:
    return repr([[{**row, "lease_expires_at": None} for row in of_model] for of_model in rows.values()])


def test_what_a_killed_mqtt_part_had_not_told_is_told_by_the_next(tmp_path, settings):
    pytest.importorskip("paho", reason="paho-mqtt is not installed")
    from mosquitto import Broker, Listener

    settings.TELLS_MQTT = True
    hall = GalleryFactory(slug="hall")
    CameraFactory(gallery=hall, slug="door")
    broker = Broker(tmp_path, "allow_anonymous true")
    broker.start()
    listener = Listener(broker.port)
    environment = {
        "FACEPLATFORM_MQTT_URL": f"mqtt://127.0.0.1:{broker.port}",
        "FACEPLATFORM_MQTT_PREFIX": "faces",
    }
    expected = []

    def see() -> None:
        row = sight(hall, unit(0), identity=IdentityFactory(gallery=hall))
        publish(hall.pk, sighting=row)
        expected.append(str(row.pk))

    def heard() -> set[str]:
        return {json.loads(payload)["id"] for payload in listener.on("faces/hall/sightings")}

    try:
        with part(tmp_path, "mqtt_publisher", **environment) as first:
            see()
            wait_for(lambda: heard() == set(expected))
            broker.send(signal.SIGSTOP)  # it takes bytes, and confirms nothing
            for _ in range(20):
                see()
            time.sleep(1)  # some of them are on their way by now
            first.kill()
            first.wait()
            broker.send(signal.SIGCONT)
            assert MqttMessage.objects.count() >= 20
        with part(tmp_path, "mqtt_publisher", **environment):
            wait_for(lambda: heard() == set(expected))
            wait_for(lambda: not MqttMessage.objects.exists())
    finally:
        listener.stop()
        broker.kill()
