"""`manage.py doctor`: what is wrong is found, and the exit status tells how bad it is."""

import io
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone
from factories import GalleryFactory
from table_owner import as_owner

from faceplatform import private_files, system_user
from faceplatform.database import client_tools
from faceplatform.setting_values import Slots
from recognition.backups.models import Backup
from recognition.monitoring import doctor
from recognition.monitoring.doctor import ERROR, OK, WARNING, examine

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def sound(settings, tmp_path, pack_dir, living_worker, lasting_workers, monkeypatch):
    """An installation with nothing wrong. No server is asked whether it is ready."""
    settings.DATA_DIR = tmp_path
    settings.BACKUP_DIR = tmp_path / "backups"
    private_files.make_folder(settings.BACKUP_DIR, owner=system_user.owner())
    tmp_path.chmod(0o700)
    Backup.objects.create(kind="daily", file="one", finished_at=timezone.now(), size=1, verified_at=timezone.now())
    monkeypatch.setattr(doctor, "_answers", lambda address: "")


def levels() -> dict[str, str]:
    """The worst level of each subject."""
    order = (OK, WARNING, ERROR)
    found: dict[str, str] = {}
    for finding in examine():
        found[finding.about] = max(finding.level, found.get(finding.about, OK), key=order.index)
    return found


def status() -> tuple[int, str]:
    out = io.StringIO()
    try:
        call_command("doctor", stdout=out)
    except SystemExit as error:
        return error.code, out.getvalue()
    return 0, out.getvalue()


def test_nothing_is_wrong():
    assert set(levels().values()) == {OK}
    code, page = status()
    assert code == 0 and page.endswith("0 errors, 0 warnings.\n")


def test_warnings_alone_are_told_apart_from_errors(settings, living_worker):
    living_worker.delete()
    settings.BACKUP_DIR = None
    found = levels()
    assert (found["workers"], found["backups"]) == (WARNING, WARNING)
    assert status()[0] == 2
    settings.DEBUG = True
    assert levels()["settings"] == ERROR and status()[0] == 1


def test_pictures_cannot_be_told_from_faces_where_the_pack_for_it_is_missing():
    GalleryFactory(liveness="refuse")
    assert levels()["liveness"] == WARNING
    code, page = status()
    assert code == 2 and "packs install liveness-minifas" in page


def test_files_that_others_may_read_and_packs_that_are_missing(settings, tmp_path):
    (tmp_path / "secret_key").touch(mode=0o644)
    GalleryFactory(pack="nowhere")
    code, page = status()
    assert code == 1 and "Others may read secret_key" in page and "packs install nowhere" in page


def test_the_network_wants_https(settings, monkeypatch):
    get = doctor.env.get
    monkeypatch.setattr(doctor.env, "get", lambda name: "0.0.0.0" if name == "FACEPLATFORM_HOST" else get(name))
    assert levels()["https"] == ERROR
    settings.HTTPS = True
    assert levels()["https"] == WARNING  # nobody has said who the proxy is
    settings.TRUSTED_PROXIES = ["127.0.0.1"]
    assert levels()["https"] == OK


def test_backups_that_outlive_what_reports_of_erasures_promise(settings):
    settings.BACKUP_KEEP = Slots(7, 4, 12)
    assert "promise 30" in status()[1]
    Backup.objects.update(started_at=timezone.now() - timedelta(days=2))
    assert "overdue" in status()[1]


def test_a_database_that_does_not_fit(monkeypatch):
    with as_owner(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'gallery' AND name LIKE '0010%'")
    assert "Run: manage.py migrate" in status()[1]
    with as_owner(), connection.cursor() as cursor:
        cursor.execute("INSERT INTO django_migrations (app, name, applied) VALUES ('gallery', '9999_later', now())")
    assert "newer version" in status()[1]
    server = doctor._ask_server()
    wrong = {
        "number": 150_000,
        "vector": "0.5.1",
        "fsync": "off",
        "standby": True,
        "used": 99,
        "most": 100,
        "skew": -90.0,
    }
    page = " ".join(finding.text for finding in doctor._server(server | wrong) if finding.level != OK)
    for text in ("16 or newer", "pgvector 0.7", "fsync is off", "standby", "99 of 100", "differ by 90 s"):
        assert text in page


def test_backups_that_cannot_be_made(settings, monkeypatch):
    monkeypatch.setattr(doctor, "_may_write", lambda folder: False)
    monkeypatch.setattr(client_tools, "_installed", lambda name: iter(()))
    page = status()[1]
    assert "may not write into" in page and "postgresql-client-18" in page
    settings.BACKUP_DIR = settings.BACKUP_DIR / "not-there"
    status()
    assert not settings.BACKUP_DIR.exists()


def test_a_full_disk_and_a_late_queue(monkeypatch, settings):
    monkeypatch.setattr(doctor, "LEAST_FREE", {ERROR: 2**80, WARNING: 2**80})
    assert levels()["disk"] == ERROR
