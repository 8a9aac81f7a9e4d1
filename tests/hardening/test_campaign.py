"""The campaign sees what it is there to see: lost, doubled, refused and waiting calls."""

import random
import uuid
from collections import Counter

import pytest
from django.db import connection
from factories import GalleryFactory, IdentityFactory, SampleFactory

from accounts.actor import system_actor
from recognition.photos.models import RecognitionRequest
from tests.hardening.campaign import seeds, verdict
from tests.hardening.campaign.clients import Ledger
from tests.hardening.campaign.field import Size
from tests.hardening.campaign.mutants import mutant

pytestmark = pytest.mark.django_db


class Looked:
    """The rows of the test's own transaction."""

    def rows(self, query: str, *values):
        with connection.cursor() as cursor:
            cursor.execute(query, values)
            return cursor.fetchall()


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(verdict, "IDLE_LIMIT", 0.0)


def wrongs(ledger: Ledger, before: dict[str, int] | None = None) -> list[str]:
    return verdict.wrongs(Looked(), before or dict.fromkeys(verdict.COUNTED, 0), ledger)


def test_all_is_well():
    before = verdict.counts(Looked())
    person = IdentityFactory()
    sample = SampleFactory(identity=person)
    ledger = Ledger(answers=Counter({"201": 2, "503 disk_full": 7}))
    ledger.made["person"].append(str(person.pk))
    ledger.made["sample"].append(str(sample.pk))
    assert wrongs(ledger, before) == []


def test_what_was_acknowledged_and_is_not_there_is_lost():
    ledger = Ledger()
    for kind in ledger.made:
        ledger.made[kind].append(str(uuid.uuid4()))
    assert {f"1 × {kind} lost" for kind in ledger.made} <= set(wrongs(ledger))


def test_what_nobody_was_told_about_is_doubled():
    person = IdentityFactory(name="Ada")
    IdentityFactory(name="Ada", gallery=person.gallery)
    ledger = Ledger()
    ledger.made["person"].append(str(person.pk))
    assert {"1 × two people of one name", "1 × person that nobody was told about"} <= set(wrongs(ledger))
    ledger.given_up["person: none"] += 1  # it may have taken effect unseen
    assert "1 × person that nobody was told about" not in wrongs(ledger)


def test_waiting_refused_and_failed_calls_are_told():
    values = {"pack": "dlib-resnet", "photo": b"photo", "photo_sha256": "0" * 64}
    RecognitionRequest.objects.create(gallery=GalleryFactory(), requested_as=system_actor().as_record(), **values)
    told = wrongs(Ledger(answers=Counter({"500 internal_error": 2}), refused=Counter({"person: 409 conflict": 1})))
    assert {"1 × photo still waiting", "2 × 500 internal_error", "1 × refused: person: 409 conflict"} <= set(told)


def test_growth_has_a_bound():
    before = Size(1000, 60)
    assert verdict.grown(before, Size(1600, 250)) == []
    assert len(verdict.grown(before, Size(1800, 400))) == 2


def test_the_same_seed_damages_alike():
    photo = seeds.photos()["PNG"]
    first, again = ([mutant(photo, random.Random(f"1 photo {n}")) for n in range(50)] for _ in range(2))
    assert first == again and len(set(first)) > 40
