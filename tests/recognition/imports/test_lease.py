"""One process runs an import, however long it skips or reads; a second one takes over only what is given up."""

from dataclasses import replace
from datetime import timedelta

import pytest
from archives import zipped
from django.db.models import F
from factories import GalleryFactory
from other_process import run_elsewhere

from accounts.actor import system_actor
from gallery.models import FaceSample
from recognition.imports import lease
from recognition.imports.models import Import
from recognition.imports.running import FileSource, run_import
from recognition.imports.services import create_import, stop_import
from recognition.photos.models import RecognitionRequest

LINES = 300
RUN = """
from recognition.imports.running import run_import
job = run_import({pk!r}, work=lambda requests: None)
print(job and job.status)
"""
RUN_AFTER_THE_LEASE = """
from django.db import connection
from recognition.imports.models import Import
until = Import.objects.get(pk={pk!r}).lease_expires_at
with connection.cursor() as cursor:
    cursor.execute("SELECT pg_sleep(extract(epoch FROM %s::timestamptz - clock_timestamp())::float + 0.1)", [until])
"""


class Watched:
    """A source that calls `act` while its row number `at` is read."""

    def __init__(self, source, at, act):
        self.source, self.at, self.act = source, at, act

    def count(self):
        return self.source.count()

    def rows(self):
        for number, row in enumerate(self.source.rows()):
            yield replace(row, read=self._acting(row.read)) if number == self.at else row

    def _acting(self, read):
        def acting():
            self.act()
            return read()

        return acting


@pytest.fixture
def refused_lines(db):
    """An upload of LINES rows whose photo is missing: each is refused without a worker. The list itself is a row too."""
    table = "name,photo\n" + "Grace,missing.jpg\n" * LINES
    return zipped({"people.csv": table.encode()})


def new(file) -> Import:
    return create_import(actor=system_actor(), gallery=GalleryFactory(), name="people.zip", file=file)


def idle(requests) -> None:
    raise AssertionError("there is nothing to wait for")


def test_stop_is_heard_while_rows_are_refused(refused_lines):
    job = new(refused_lines)
    source = Watched(FileSource(refused_lines), 40, lambda: stop_import(actor=system_actor(), job=job))
    stopped = run_import(job.pk, work=idle, source=source)
    assert (stopped.status, stopped.refused) == ("stopped", 64), "it ends after the block in which it was told to"


def test_stop_is_heard_while_rows_are_skipped(db, hopper, worker):
    """The same photo on every line: all but the first lines are known by then."""
    table = "name,photo\n" + "Grace,1.jpg\n" * LINES
    file = zipped({"people.csv": table.encode(), "1.jpg": hopper})
    job = new(file)
    source = Watched(FileSource(file), 200, lambda: stop_import(actor=system_actor(), job=job))
    stopped = run_import(job.pk, work=lambda requests: worker.run_once(only=requests), source=source)
    assert (stopped.status, stopped.enrolled, FaceSample.objects.count()) == ("stopped", 1, 1)
    assert 200 <= stopped.handled < 300


def test_an_end_of_the_process_is_heard_while_rows_are_refused(refused_lines):
    job = new(refused_lines)
    rounds = iter([False, False, True])
    left = run_import(job.pk, work=idle, interrupted=lambda: next(rounds))
    assert (left.status, left.refused) == ("queued", 64)
    assert run_import(job.pk, work=idle).refused == LINES


@pytest.mark.django_db(transaction=True)
def test_the_lease_is_kept_while_nothing_is_queued(refused_lines, tmp_path, monkeypatch):
    """Another process waits until the lease that it sees is over, and still does not get the import."""
    monkeypatch.setattr(lease, "LEASE", timedelta(seconds=4))
    job = new(refused_lines)
    tried = []

    def try_elsewhere():
        tried.append(run_elsewhere((RUN_AFTER_THE_LEASE + RUN).format(pk=str(job.pk)), tmp_path))

    done = run_import(job.pk, work=idle, source=Watched(FileSource(refused_lines), 40, try_elsewhere))
    assert tried == ["None"]
    assert (done.status, done.refused, job.rows.count()) == ("done", LINES, LINES + 1)


@pytest.mark.django_db(transaction=True)
def test_a_suspended_process_finds_its_import_taken_over_and_writes_nothing(refused_lines, tmp_path):
    """In the middle of a block its lease runs out, and another process does all the rest."""
    job = new(refused_lines)
    tried = []

    def run_all_elsewhere():
        Import.objects.update(lease_expires_at=F("created_at"))
        tried.append(run_elsewhere(RUN.format(pk=str(job.pk)), tmp_path))

    source = Watched(FileSource(refused_lines), 40, run_all_elsewhere)
    assert run_import(job.pk, work=idle, source=source) is None
    assert tried == ["done"]
    job.refresh_from_db()
    assert (job.status, job.refused, job.rows.count()) == ("done", LINES, LINES + 1)


@pytest.mark.django_db(transaction=True)
def test_a_block_that_only_the_former_holder_knows_is_rolled_back(db, hopper, tmp_path, monkeypatch):
    """The other process has only claimed: nothing collides, and still the block leaves nothing."""
    file = zipped({"Grace/1.jpg": hopper})
    job = new(file)

    def claim_elsewhere():
        Import.objects.update(lease_expires_at=F("created_at"))
        code = "from recognition.imports import lease\nprint(lease.claim({pk!r}, {pk!r}))"
        assert run_elsewhere(code.format(pk=str(job.pk)), tmp_path) == "True"

    source = Watched(FileSource(file), 0, claim_elsewhere)
    assert run_import(job.pk, work=idle, source=source) is None
    job.refresh_from_db()
    assert (job.status, job.rows.count(), RecognitionRequest.objects.count()) == ("running", 0, 0)


def test_an_import_whose_gallery_is_deleted_ends_quietly(refused_lines):
    job = new(refused_lines)
    source = Watched(FileSource(refused_lines), 40, lambda: job.gallery.delete())
    assert run_import(job.pk, work=idle, source=source) is None
