"""Real PostgreSQL, the real pack, real photos. Public-domain portraits come with two development requirements."""

import io
import os
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import skimage
from hypothesis import HealthCheck, settings
from PIL import Image

os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")  # Playwright's sync API runs a loop in the test's thread
sys.path.insert(0, str(Path(__file__).parent))

# The same examples at every run; others with --hypothesis-profile=default.
settings.register_profile("steady", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("steady")

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data" / "faces"
ROOT = Path(__file__).resolve().parents[1]
END_OTHERS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """What `-n auto` means: a process more than there are cores, for many tests wait; on a single core, pytest's own alone."""
    cores = len(os.sched_getaffinity(0))
    return min(cores + 1, 6) if cores > 1 else 0


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings, django_db_blocker):
    """The database is made, and in the end dropped, by the owner of its tables."""
    from faceplatform.database import roles

    with django_db_blocker.unblock():
        as_owner = roles.owner()
        as_owner.__enter__()
    yield as_owner


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_modify_db_settings, django_db_blocker):
    """Lets tests act as the owner (`as_owner`) and have the tables emptied by it; leaves no connection behind that would keep the
    database from being dropped."""
    from django.conf import settings
    from django.db import connection
    from django.test import TransactionTestCase
    from emptied_tables import empty_tables

    from faceplatform.database import roles
    from recognition.cameras import claims, live
    from recognition.mqtt import publisher
    from recognition.photos import queue, readiness

    with django_db_blocker.unblock():
        owner, role = roles.current(), settings.DATABASES["default"]["USER"]
        if settings.OWNER_DATABASE:
            with connection.cursor() as cursor:
                cursor.execute(f'GRANT "{owner}" TO "{role}" WITH INHERIT FALSE, SET TRUE')
        roles.grant(role)
        django_db_modify_db_settings.__exit__(None, None, None)
    TransactionTestCase._fixture_teardown = lambda test: roles.owner()(empty_tables)()
    yield
    for hub in (queue.hub, claims.hub, live.hub, publisher.hub):
        hub.close()
    readiness.probe.close()
    connection.close()
    connection.close_pool()
    with django_db_blocker.unblock(), roles.owner(), connection.cursor() as cursor:
        cursor.execute(END_OTHERS)  # of threads and processes that are still ending: the database is dropped next


@pytest.fixture(scope="session")
def faces_dir() -> Path:
    """A folder of real photos beside the project; most clones do not have it."""
    if not SHARED.is_dir():
        pytest.skip("the folder of real photos ../shared/data/faces is not here")
    return SHARED


@pytest.fixture(scope="session")
def hopper() -> bytes:
    """Grace Hopper, one clear face; JPEG."""
    return (Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg").read_bytes()


@pytest.fixture(scope="session")
def collins() -> bytes:
    """Eileen Collins, one clear face; PNG."""
    return (Path(skimage.__file__).parent / "data" / "astronaut.png").read_bytes()


@pytest.fixture(scope="session")
def hopper_again(hopper) -> bytes:
    """The same portrait as another camera might give it: smaller, darker, mirrored, saved badly."""
    with Image.open(io.BytesIO(hopper)) as image:
        small = image.convert("RGB").resize((image.width * 2 // 3, image.height * 2 // 3))
    dark = Image.fromarray((np.asarray(small)[:, ::-1] * 0.8).astype("uint8"))
    return encoded(dark, "JPEG", quality=60)


@pytest.fixture(scope="session")
def both(hopper, collins) -> bytes:
    """Hopper and Collins side by side."""
    with Image.open(io.BytesIO(hopper)) as left, Image.open(io.BytesIO(collins)) as right:
        canvas = Image.new("RGB", (left.width + right.width, max(left.height, right.height)))
        canvas.paste(left.convert("RGB"), (0, 0))
        canvas.paste(right.convert("RGB"), (left.width, 0))
    return encoded(canvas, "JPEG")


@pytest.fixture(scope="session")
def no_face() -> bytes:
    """A cup of coffee."""
    return (Path(skimage.__file__).parent / "data" / "coffee.png").read_bytes()


@pytest.fixture(scope="session")
def pack_dir() -> Path:
    """The pack of most tests; `make test` installs it."""
    folder = ROOT / "models" / "dlib-resnet"
    if not (folder / "manifest.json").exists():
        pytest.skip("the pack dlib-resnet is not installed: manage.py packs install dlib-resnet")
    return folder


@pytest.fixture(scope="session")
def sface_dir() -> Path:
    """The installed pack of new installations; `make test` installs it."""
    folder = ROOT / "models" / "sface"
    if not (folder / "manifest.json").exists():
        pytest.skip("the pack sface is not installed: manage.py packs install sface")
    return folder


@pytest.fixture(scope="session")
def sface(sface_dir):
    """Its pipeline."""
    from recognition.engine.pipeline import Pipeline

    return Pipeline.load(sface_dir)


@pytest.fixture(scope="session")
def pipeline(pack_dir):
    from recognition.engine.pipeline import Pipeline

    return Pipeline.load(pack_dir)


@pytest.fixture(scope="session")
def exact_pipeline(pack_dir):
    """In float32, for comparing with what others computed."""
    from recognition.engine.pipeline import Pipeline

    return Pipeline.load(pack_dir, precision="fp32")


@pytest.fixture
def worker(pack_dir, pipeline):
    """A worker with the loaded pack, in this process; `run_once()` does what waits."""
    from recognition.photos.worker import RecognitionWorker

    made = RecognitionWorker(pack_dir.parent)
    made._pipelines["dlib-resnet"] = pipeline
    return made


@pytest.fixture
def running_worker(transactional_db, worker):
    """The same, at work in a thread until the test ends, for what waits for its photo."""
    from recognition.photos.models import Worker

    stop = threading.Event()
    thread = threading.Thread(target=worker.run, args=(stop,))
    thread.start()
    while not Worker.objects.alive().exists():
        stop.wait(0.02)
    yield worker
    stop.set()
    thread.join()


@pytest.fixture
def lasting_workers(monkeypatch):
    """A worker that has registered is alive however long the test takes."""
    from recognition.photos import querysets, queue, readiness

    for module in (querysets, queue, readiness):
        monkeypatch.setattr(module, "WORKER_ALIVE_FOR", timedelta(hours=2))


@pytest.fixture
def instant_worker(db, pack_dir, monkeypatch, lasting_workers):
    """Who waits for a photo looks at it, in the test's own transaction, and finds one unknown face in it."""
    from api_world import OneFace

    from recognition.photos import queue
    from recognition.photos.worker import RecognitionWorker

    made = RecognitionWorker(pack_dir.parent)
    made._pipelines["dlib-resnet"] = OneFace()
    arrival_of = queue.arrival_of

    def looked_at(ids):
        made.run_once(only=ids)
        return arrival_of(ids)

    monkeypatch.setattr(queue, "arrival_of", looked_at)
    return made


@pytest.fixture(scope="module")
def web(tmp_path_factory, django_db_setup):
    """A web server in a process of its own, for all tests of a module; `web` is its name in the database."""
    from web_process import WebProcess

    running = WebProcess(tmp_path_factory.mktemp("web"), PGAPPNAME="web")
    yield running
    running.stop()


@pytest.fixture
def as_process_1() -> list[str]:
    """The start of a command that runs another as process 1 of a PID namespace of its own."""
    command = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
    command += [] if os.geteuid() == 0 else ["--user", "--map-current-user"]
    try:
        tried = subprocess.run([*command, "true"], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("unshare (util-linux) is not here")
    if tried.returncode:
        pytest.skip(f"no PID namespace can be made here: {tried.stderr.strip()}")
    return command


@pytest.fixture
def living_worker(db, lasting_workers):
    """A worker's row with a heartbeat, for what needs one to be alive without doing the work."""
    from recognition.photos import queue

    return queue.register_worker(host="test", process_id=1)


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


@pytest.fixture
def mail_server(settings):
    """A real SMTP server, to which the platform sends."""
    from mail_server import mail_server

    with mail_server(settings) as server:
        yield server
