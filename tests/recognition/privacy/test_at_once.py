"""Two processes that erase the same person, or delete the same gallery, at the same moment: it happens once."""

import json
import time

import pytest
from django.db import connection
from django.utils import timezone
from factories import GalleryFactory, IdentityFactory, SampleFactory, unit
from other_process import start_elsewhere

from accounts.actor import system_actor
from gallery.closing import close_gallery
from gallery.models import FaceSample, Gallery, Identity
from recognition.privacy.models import Erasure

pytestmark = pytest.mark.django_db(transaction=True)
GATE = 20261126  # an advisory lock that both wait for
AT_ONCE = f"""
from django.db import connection
with connection.cursor() as cursor:
    cursor.execute("SELECT pg_advisory_lock_shared({GATE})")
from accounts.actor import system_actor
from faceplatform.errors import DomainError
try:
    result = run()
except DomainError as error:
    print(error.status)
else:
    print(result)
"""
ERASE = """
def run():
    from uuid import UUID
    from recognition.privacy.erasure import erase_subject
    from recognition.privacy.subject import find_subject
    erase_subject(actor=system_actor(), subject=SUBJECT, confirm="Ada", reason="Asked for.")
    return "erased"
from uuid import UUID
from recognition.privacy.subject import find_subject
SUBJECT = find_subject(UUID("{pk}"))
"""
DELETE = """
def run():
    from recognition.privacy.gallery_deletion import delete_due
    return len(delete_due(actor=system_actor()))
"""


def both_at_once(code: str, tmp_path) -> list[str]:
    """What two processes print that begin at the same moment."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [GATE])
        processes = [start_elsewhere(code + AT_ONCE, tmp_path) for _ in range(2)]
        deadline = time.monotonic() + 60
        waiting = 0
        while waiting < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
            cursor.execute(
                "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = %s AND NOT granted", [GATE]
            )
            [waiting] = cursor.fetchone()
        cursor.execute("SELECT pg_advisory_unlock(%s)", [GATE])
    said = [process.communicate(timeout=120)[0].strip() for process in processes]
    assert waiting == 2
    assert [process.returncode for process in processes] == [0, 0]
    return sorted(said)


@pytest.fixture
def gallery():
    made = GalleryFactory(slug="staff")
    for number, name in enumerate(("Ada", "Ben")):
        SampleFactory(identity=IdentityFactory(gallery=made, name=name), vector=unit(number))
    return made


def test_a_person_is_erased_once(gallery, tmp_path):
    ada = Identity.objects.get(name="Ada")
    assert both_at_once(ERASE.format(pk=ada.pk), tmp_path) == ["404", "erased"]
    [erasure] = Erasure.objects.all()
    assert erasure.counts["gallery_facesample"] == 1
    assert list(Identity.with_deleted.values_list("name", flat=True)) == ["Ben"]
    reports = [json.loads(line) for line in (tmp_path / "erasures.jsonl").read_text().splitlines()]
    assert len(reports) == 1


def test_a_gallery_is_deleted_once(gallery, tmp_path):
    close_gallery(actor=system_actor(), gallery=gallery)
    Gallery.objects.filter(pk=gallery.pk).update(deletes_at=timezone.now())
    assert both_at_once(DELETE, tmp_path) == ["0", "1"]
    [erasure] = Erasure.objects.all()
    assert erasure.counts["gallery_facesample"] == 2
    assert not Gallery.objects.exists()
    assert not FaceSample.objects.exists()
