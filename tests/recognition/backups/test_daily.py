"""Daily backups: when they are due, which are kept, what the System page says; and the backup before an upgrade."""

import io
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import psycopg
import pyrage
import pytest
from databases import databases
from django.conf import settings as django_settings
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.utils import timezone
from factories import GalleryFactory, IdentityFactory, UserFactory
from subjects import erase
from table_owner import as_owner
from web_process import ROOT, database_url

from accounts.actor import system_actor
from accounts.models import AuditEvent
from faceplatform.database import postgres, roles
from faceplatform.database.backup_file import BackupFileError
from faceplatform.database.listen import connection_parameters
from faceplatform.database.scratch import count_users_of
from faceplatform.errors import Conflict, DomainError
from faceplatform.setting_values import Slots, backup_slots
from gallery.models import Identity
from recognition.backups import making, services, upgrading
from recognition.backups.models import Backup
from recognition.backups.restoring import restore
from recognition.backups.schedule import due_since, keeps_for, kept
from recognition.backups.state import backup_warning
from recognition.backups.tasks import back_up_daily
from recognition.privacy.erasure import recorded_erasures

ACTOR = system_actor()
Kind = Backup.Kind


@pytest.fixture
def folder(tmp_path, settings, nothing_left):
    settings.DATA_DIR = tmp_path / "data"
    settings.DATA_DIR.mkdir()
    settings.BACKUP_DIR = tmp_path / "backups"
    settings.BACKUP_HOUR = timezone.localtime().hour
    return settings.BACKUP_DIR


def test_grandfather_father_and_son():
    now = datetime(2026, 11, 27, 2, tzinfo=UTC)
    times = [now - timedelta(days=days) for days in range(400)] + [now - timedelta(hours=1)]
    keep = sorted((now - time).days for time in kept(times, Slots(3, 2, 4)))
    # three days; the Sunday before last; the last days of August, September and October
    assert keep == [0, 1, 2, 5, 27, 58, 88]
    assert kept([], Slots(7, 4, 0)) == set()
    assert kept(times[:2], Slots(1, 0, 0)) == {now}
    assert keeps_for(Slots(7, 4, 0)) == timedelta(days=28)
    for text in ("7", "0,1,1", "7,-1,0", "a,b,c", "1,2,3,4"):
        with pytest.raises(ValueError):
            backup_slots(text)


def test_one_that_was_missed_is_due():
    morning = datetime(2026, 11, 27, 1, 30, tzinfo=UTC)
    assert due_since(morning, 2) == datetime(2026, 11, 26, 2, tzinfo=UTC)
    assert due_since(morning + timedelta(hours=5), 2) == datetime(2026, 11, 27, 2, tzinfo=UTC)


def test_the_daily_backup_is_made_once_verified_and_old_ones_go(folder, settings):
    person = IdentityFactory()
    erase(person)
    (settings.DATA_DIR / "erasures.jsonl").unlink()
    settings.BACKUP_KEEP = Slots(1, 0, 0)
    assert "overdue" in backup_warning()
    folder.mkdir()
    old = Backup.objects.create(kind=Kind.DAILY, file="faceplatform-daily-old.backup", finished_at=timezone.now())
    Backup.objects.update(started_at=timezone.now() - timedelta(days=2))
    killed = Backup.objects.create(kind=Kind.DAILY, file="killed")
    for name in (old.file, "somebody-elses.txt", "faceplatform-daily-killed.backup.partial"):
        (folder / name).write_text("x")

    with psycopg.connect(**connection_parameters(), autocommit=True) as elsewhere:  # another machine is just making it
        elsewhere.execute("SELECT pg_advisory_lock(%s)", [services.LOCK])
        back_up_daily()
        assert Backup.objects.latest_daily() == old
        elsewhere.execute("SELECT pg_advisory_unlock(%s)", [services.LOCK])
    back_up_daily()
    back_up_daily()
    made = Backup.objects.latest_daily()
    path = folder / made.file
    assert {file.name for file in folder.iterdir()} == {made.file, "erasures.jsonl", "somebody-elses.txt"}
    assert (path.stat().st_mode & 0o777, path.stat().st_size) == (0o600, made.size)
    assert made.verified_at and not made.verification_error and backup_warning() == ""
    assert recorded_erasures([folder / "erasures.jsonl"]).keys() == {person.pk}
    event = AuditEvent.objects.get(action="backup.made")
    assert (event.user_name, event.object_name) == ("system", made.file)
    old.refresh_from_db()
    killed.refresh_from_db()
    assert old.removed_at and "interrupted" in killed.error

    path.write_bytes(path.read_bytes()[: made.size // 2])
    with pytest.raises(BackupFileError):
        services.verify_own(made)
    assert "cannot be restored: The backup is cut off" in backup_warning()


def test_one_that_fails_is_told_to_operators_alone(folder):
    folder.write_text("no folder")
    back_up_daily()
    [row] = Backup.objects.all()
    assert row.error and row.finished_at and not Backup.objects.latest_daily()
    operator, viewer = Client(), Client()
    operator.force_login(UserFactory(is_staff=True))
    viewer.force_login(UserFactory())
    page = operator.get("/system").content.decode()
    assert "The last daily backup failed" in page and row.file in page
    assert viewer.get("/system").status_code == 404


def test_without_a_folder_none_is_made(folder, settings):
    settings.BACKUP_DIR = None
    back_up_daily()
    assert not Backup.objects.exists() and "FACEPLATFORM_BACKUP_DIR" in backup_warning()


def test_an_encrypted_backup_opens_with_its_key_alone(folder, settings, tmp_path):
    IdentityFactory(name="Zacharias Quillfeather")
    key, other = tmp_path / "key.txt", tmp_path / "other.txt"
    identity = pyrage.x25519.Identity.generate()
    key.write_text(f"# made for this test\n{identity}\n")
    other.write_text(f"{pyrage.x25519.Identity.generate()}\n")
    settings.BACKUP_RECIPIENTS = str(identity.to_public())
    back_up_daily()
    made = Backup.objects.latest_daily()
    assert made.file.endswith(".backup.age") and made.encrypted and not made.verified_at
    written = (folder / made.file).read_bytes()
    assert b"manifest" not in written
    assert making.verify(io.BytesIO(written), identity=key)["tables"]["gallery_identity"] == 1
    for content, with_key, sentence in [
        (written, None, "--identity"),
        (written, other, "does not open"),
        (written[: len(written) // 2], key, "cut off"),
    ]:
        with pytest.raises(DomainError, match=sentence):
            making.verify(io.BytesIO(content), identity=with_key)
    with pytest.raises(DomainError, match="holds no age key"):
        making.verify(io.BytesIO(written), identity=folder / "erasures.jsonl")


def test_an_upgrade_is_backed_up_first_and_a_newer_database_is_left_alone(folder, elsewhere):
    backup = io.BytesIO()
    making.write_to(backup)
    with elsewhere():
        restore(io.BytesIO(backup.getvalue()), actor=ACTOR)
        call_command("migrate", "backups", "zero", verbosity=0)
        with roles.owner(), connection.cursor() as cursor:  # as in a version that knew one role only
            cursor.execute(f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {postgres.RUNTIME}")
        upgrading.migrate(say=lambda text: None)
        [row] = Backup.objects.filter(kind=Kind.BEFORE_MIGRATION)
        with (folder / row.file).open("rb") as file:
            assert ["backups", "0001_initial"] not in making.verify(file)["migrations"]
        upgrading.migrate(say=lambda text: None)  # nothing is missing
        assert len(list(folder.glob("*before-migration*"))) == 1
    with as_owner(), connection.cursor() as cursor:
        cursor.execute("INSERT INTO django_migrations (app, name, applied) VALUES ('gallery', '9999_later', now())")
    try:
        with pytest.raises(Conflict, match=r"newer version.*9999_later"):
            upgrading.migrate(say=lambda text: None)
    finally:
        with as_owner(), connection.cursor() as cursor:
            cursor.execute("DELETE FROM django_migrations WHERE name = '9999_later'")


def environment_of(data_dir: Path) -> dict[str, str]:
    """For a command on the database that is in use here."""
    owner = quote(django_settings.OWNER_DATABASE["USER"])
    return os.environ | {
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "DATABASE_URL": database_url(),
        "FACEPLATFORM_OWNER_DATABASE_URL": database_url().replace("user=faceplatform_app", f"user={owner}"),
        "FACEPLATFORM_DATA_DIR": str(data_dir),
    }


def test_a_restore_that_is_killed_changes_nothing(elsewhere, tmp_path, nothing_left):
    IdentityFactory()
    backup = io.BytesIO()
    making.write_to(backup)
    with elsewhere():
        environment = environment_of(tmp_path)
    process = subprocess.Popen(
        [sys.executable, "manage.py", "restore", "-"],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.stdin.write(backup.getvalue()[: len(backup.getvalue()) // 2])
    process.stdin.flush()
    for line in process.stderr:
        if line.startswith(b"Restoring"):  # into a scratch database
            break
    process.kill()
    process.communicate()
    [scratch] = {name for name in databases() if "elsewhere" in name and "_scratch_" in name}
    assert not count_users_of(scratch, wait=60)  # pg_restore sees that its input has ended
    with elsewhere():
        assert connection.introspection.table_names() == []
        restore(io.BytesIO(backup.getvalue()), actor=ACTOR)  # and the scratch database goes
        assert Identity.objects.count() == 1


def test_a_backup_streams_through_a_pipe(transactional_db, tmp_path, nothing_left):
    gallery = GalleryFactory()
    IdentityFactory(gallery=gallery)
    environment = environment_of(tmp_path)
    command = [sys.executable, "manage.py", "backup"]
    options = {"cwd": ROOT, "env": environment, "stderr": subprocess.PIPE, "stdout": subprocess.PIPE}
    written = subprocess.run([*command, "-"], **options)
    assert written.returncode == 0 and b"The backup is complete." in written.stderr
    verified = subprocess.run([*command, "--verify", "-"], **options, input=written.stdout)
    assert verified.returncode == 0 and b"can be restored" in verified.stdout
    assert Identity.objects.count() == 1 and Backup.objects.get().file == "-"
    refused = subprocess.run([*command, "--verify", "-"], **options, input=written.stdout[:9000])
    assert (refused.returncode, refused.stdout) == (1, b"") and b"Traceback" not in refused.stderr
