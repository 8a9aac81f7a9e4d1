"""A backup restored elsewhere is the platform again; what is no whole backup changes nothing."""

import io
import json
import tarfile
import threading

import psycopg
import pytest
from databases import databases, fingerprints
from django.contrib.sessions.models import Session
from django.db import ProgrammingError, connection
from django.utils import timezone
from factories import GalleryFactory, IdentityFactory, SampleFactory, UserFactory
from subjects import erase, tables_with

from accounts import audit
from accounts.actor import system_actor
from accounts.audit import chain
from accounts.models import AuditEvent
from faceplatform import __version__
from faceplatform.database.backup_file import BackupFileError, BackupReader, write_backup
from faceplatform.database.listen import connection_parameters
from faceplatform.database.scratch import server
from faceplatform.errors import Conflict
from gallery.models import Gallery, Identity
from recognition.backups import making
from recognition.backups.models import Backup
from recognition.backups.restoring import restore
from recognition.privacy.erasure import recorded_erasures
from recognition.privacy.models import Erasure

ACTOR = system_actor()
VECTOR = [1.0] + [0.0] * 127
# What the restore itself writes.
WRITTEN = {"accounts_auditevent", "accounts_auditseal", "gallery_change_context", "pghistory_context", "django_session"}


@pytest.fixture(autouse=True)
def own_folder(tmp_path, settings, nothing_left):
    settings.DATA_DIR = tmp_path / "data"
    settings.DATA_DIR.mkdir()


@pytest.fixture
def people(transactional_db) -> Gallery:
    gallery = GalleryFactory(slug="staff")
    for _ in range(20):
        SampleFactory(identity=IdentityFactory(gallery=gallery), vector=VECTOR)
    UserFactory()
    audit.record(actor=ACTOR, action="test.done", gallery=gallery)
    chain.seal(everything=True)
    Session.objects.create(session_key="s" * 32, session_data="x", expire_date=timezone.now())
    return gallery


@pytest.fixture
def backup(people) -> bytes:
    return backed_up()


def backed_up(**options) -> bytes:
    out = io.BytesIO()
    making.write_to(out, **options)
    return out.getvalue()


def test_a_restored_platform_is_the_same_row_by_row(people, backup, elsewhere):
    with server() as admin:  # of a process that was killed
        admin.execute(f"CREATE DATABASE {connection.settings_dict['NAME']}_scratch_dead")
    assert making.verify(io.BytesIO(backup))["version"] == __version__
    assert not any(name.endswith("_scratch_dead") for name in databases())
    here = fingerprints()
    with elsewhere():
        outcome = restore(io.BytesIO(backup), actor=ACTOR)
        there = fingerprints()
        assert {table for table in here if here[table] != there[table]} <= WRITTEN
        assert there["django_session"][0] == 0 < here["django_session"][0]
        assert outcome.erased == [] and AuditEvent.objects.filter(action="backup.restored").count() == 1
        # the plain role may again do what it may, and nothing more
        IdentityFactory(gallery=Gallery.objects.get(slug="staff"))
        with pytest.raises(ProgrammingError), connection.cursor() as cursor:
            cursor.execute("DELETE FROM accounts_auditevent")
        assert not chain.verify().broken


def test_what_is_written_meanwhile_is_whole_or_not_there(people):
    """The counts are of the moment of the dump, whatever is added between the two."""
    stop = threading.Event()

    def enrol():
        while not stop.is_set():
            SampleFactory(identity=IdentityFactory(gallery=people), vector=VECTOR)
        connection.close()

    writer = threading.Thread(target=enrol)
    writer.start()
    try:
        backup = backed_up()
    finally:
        stop.set()
        writer.join()
    assert Identity.objects.count() > making.verify(io.BytesIO(backup))["tables"]["gallery_identity"]


def test_who_was_erased_since_is_erased_again(people, backup, elsewhere, settings, tmp_path):
    person = IdentityFactory(gallery=people, name="Zacharias Quillfeather")
    backup = backed_up()
    erase(person)
    list_of_erasures = tmp_path / "kept.jsonl"
    (settings.DATA_DIR / "erasures.jsonl").rename(list_of_erasures)
    assert person.pk in recorded_erasures([list_of_erasures])
    with elsewhere():
        outcome = restore(io.BytesIO(backup), actor=ACTOR, erasures=[list_of_erasures])
        assert [row.identities for row in outcome.erased] == [[person.pk]]
        assert tables_with("Quillfeather") == []
        assert Erasure.objects.get().reason.startswith("Again after a restore")
        assert not chain.verify().broken


def test_a_filled_platform_is_replaced_only_if_told_to_and_backed_up_first(people, backup, elsewhere, settings):
    with elsewhere():
        restore(io.BytesIO(backup), actor=ACTOR)
        added = IdentityFactory(gallery=Gallery.objects.get(slug="staff"))
        with pytest.raises(Conflict, match="--replace"):
            restore(io.BytesIO(backup), actor=ACTOR)
        assert Identity.objects.filter(pk=added.pk).exists()
        outcome = restore(io.BytesIO(backup), actor=ACTOR, replace=True)
        assert not Identity.objects.filter(pk=added.pk).exists()
        assert Backup.objects.get(kind=Backup.Kind.BEFORE_RESTORE).file == outcome.replaced.name
    assert outcome.replaced.stat().st_mode & 0o777 == 0o600
    with outcome.replaced.open("rb") as file:
        assert making.verify(file)["tables"]["gallery_identity"] == 21


def test_a_database_in_use_is_not_replaced(backup, elsewhere):
    with elsewhere(), psycopg.connect(**connection_parameters()), pytest.raises(Conflict, match="Stop the platform"):
        restore(io.BytesIO(backup), actor=ACTOR)


def cut_off(backup: bytes) -> bytes:
    return backup[: len(backup) * 6 // 10]


def without_its_end(backup: bytes) -> bytes:
    return backup[: backup.rindex(b"end.json")]


def with_a_wrong_byte(backup: bytes) -> bytes:
    """In the rows."""
    damaged = bytearray(backup)
    damaged[len(backup) // 2] ^= 0xFF
    return bytes(damaged)


def changed(backup: bytes, **manifest) -> bytes:
    """A whole file with another manifest."""
    out, reader = io.BytesIO(), BackupReader(io.BytesIO(backup))
    write_backup(out, manifest=reader.manifest | manifest, dump=reader.dump())
    return out.getvalue()


def of_a_newer_version(backup: bytes) -> bytes:
    migrations = BackupReader(io.BytesIO(backup)).manifest["migrations"]
    return changed(backup, version="99.0", migrations=[*migrations, ["gallery", "9999_later"]])


def with_a_row_less(backup: bytes) -> bytes:
    tables = BackupReader(io.BytesIO(backup)).manifest["tables"]
    return changed(backup, tables=tables | {"gallery_identity": tables["gallery_identity"] + 1})


def of_another_audit(backup: bytes) -> bytes:
    return changed(backup, audit=[1, "00" * 32])


def some_tar(backup: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("holiday.jpg"))
    return out.getvalue()


SPOILT = {
    "cut off": (cut_off, "cut off"),
    "without its end": (without_its_end, "cut off"),
    "with a wrong byte": (with_a_wrong_byte, "damaged|cannot be restored"),
    "of a newer version": (of_a_newer_version, "version 99.0 .* Upgrade the platform first"),
    "with a row less": (with_a_row_less, "gallery_identity has 20 rows and should have 21"),
    "of another audit": (of_another_audit, "audit"),
    "something else": (some_tar, "no backup"),
    "empty": (lambda backup: b"", "no backup"),
    "zeros": (lambda backup: bytes(4096), "no backup|cut off"),
    "of a newer format": (lambda backup: changed(backup, format=2), "newer version"),
}


def test_what_is_no_whole_backup_changes_nothing(backup, elsewhere, subtests):
    for what, (spoil, sentence) in SPOILT.items():
        with subtests.test(what), elsewhere():
            with pytest.raises(BackupFileError, match=sentence):
                restore(io.BytesIO(spoil(backup)), actor=ACTOR)
            assert connection.introspection.table_names() == []


def test_a_file_is_private_complete_and_never_overwritten(people, tmp_path, monkeypatch):
    path = tmp_path / "one.backup"
    making.write_file(path)
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(Conflict, match="exists already"):
        making.write_file(path)
    monkeypatch.setattr(making.dumping, "dump", lambda *_, **__: iter_and_fail())
    with pytest.raises(OSError):
        making.write_file(tmp_path / "two.backup")
    assert [file.name for file in tmp_path.iterdir() if file.is_file()] == ["one.backup"]


def iter_and_fail():
    yield b"some"
    raise OSError(28, "No space left on device")


def test_the_manifest_says_what_is_in_it_and_names_nobody(people, backup):
    IdentityFactory(gallery=people, name="Zacharias")
    manifest = BackupReader(io.BytesIO(backed_up())).manifest
    assert manifest["tables"]["gallery_identity"] == 21
    assert manifest["packs"]["dlib-resnet"]["in_force"]
    assert "Zacharias" not in json.dumps(manifest) and "staff" not in json.dumps(manifest)
