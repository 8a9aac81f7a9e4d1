"""Which unknown person a sighting joins, also when two cameras see the same stranger at once."""

import threading
from datetime import timedelta

import numpy as np
import pytest
from django.db import connection, transaction
from django.utils import timezone
from factories import GalleryFactory, IdentityFactory, unit
from seen import THRESHOLD, camera_of, near, open_sighting, sight

from recognition.cameras.models import Sighting, UnknownEmbedding, UnknownNot, UnknownPerson
from recognition.photos.thresholds import threshold_of
from recognition.sightings import unknown_people
from recognition.sightings.unknown_people import join, refresh, seen_until, threshold_among_unknowns

pytestmark = pytest.mark.django_db


def hall():
    """A gallery whose threshold does not move with its size."""
    return GalleryFactory(threshold_source="manual", threshold_distance=THRESHOLD)


def join_of(sighting, vector, forbidden=()):
    unknown = join(sighting=sighting, vector=vector, forbidden=forbidden)
    sighting.save()
    return unknown


def test_a_stranger_comes_back_as_the_same_unknown_person_and_another_one_does_not():
    gallery = hall()
    first = sight(gallery, unit(0))
    other = sight(gallery, near(unit(0), 0.58, axis=2))  # within the threshold of .6, but not within JOIN of it
    again = sight(gallery, near(unit(0), 0.5), later=3600)
    assert first.unknown == again.unknown != other.unknown
    row = UnknownPerson.objects.get(pk=first.unknown_id)
    assert (row.number, row.sightings_count, other.unknown.number) == (1, 2, 2)
    assert (row.first_seen, row.last_seen) == (first.first_seen, again.last_seen)


def test_the_centroid_is_the_running_mean_and_as_long_as_its_vectors():
    gallery = hall()
    vectors = [unit(0), near(unit(0), 0.4), near(unit(0), 0.4, axis=2)]
    unknown = [sight(gallery, vector) for vector in vectors][-1].unknown
    row = UnknownEmbedding.objects.get(unknown=unknown)
    running = np.array(row.vector)
    assert row.n == 3 and np.linalg.norm(running) == pytest.approx(1, abs=0.01)
    refresh([unknown.pk])
    made_anew = np.array(UnknownEmbedding.objects.get(unknown=unknown).vector)
    assert np.abs(running - made_anew).max() < 0.01
    mean = np.mean(vectors, axis=0)
    assert np.allclose(made_anew, mean / np.linalg.norm(mean), atol=0.01)


@pytest.mark.parametrize("reason", ["in the same frame", "said not to be", "named", "merged", "another gallery"])
def test_a_sighting_never_joins(reason):
    gallery = hall()
    theirs = sight(gallery, unit(0)).unknown
    sighting, forbidden = open_sighting(gallery), []
    if reason == "in the same frame":
        forbidden = [theirs.pk]
    elif reason == "said not to be":
        sighting.save()
        UnknownNot.objects.create(gallery=gallery, unknown=theirs, sighting=sighting)
    elif reason == "named":
        UnknownPerson.objects.filter(pk=theirs.pk).update(identity=IdentityFactory(gallery=gallery))
    elif reason == "merged":
        UnknownPerson.objects.filter(pk=theirs.pk).update(merged_into=sight(gallery, unit(5)).unknown)
    else:
        sighting = open_sighting(hall())
    assert join_of(sighting, unit(0), forbidden) != theirs


def test_a_sighting_joins_the_next_nearest_if_the_nearest_is_forbidden():
    gallery = hall()
    nearest = sight(gallery, unit(0)).unknown
    next_one = join_of(open_sighting(gallery), near(unit(0), 0.4), [nearest.pk])
    assert join_of(open_sighting(gallery), unit(0), [nearest.pk]) == next_one


def test_an_ignored_stranger_stays_one_and_the_same():
    gallery = hall()
    ignored = sight(gallery, unit(0)).unknown
    UnknownPerson.objects.filter(pk=ignored.pk).update(ignored=True)
    again = sight(gallery, unit(0), later=60)
    assert again.unknown == ignored and again.unknown.ignored
    assert not UnknownPerson.objects.open().exists()


def test_the_threshold_is_that_of_the_sighting():
    gallery = GalleryFactory(threshold_source="manual", threshold_distance=0.9)
    first = sight(gallery, unit(0), threshold=None)  # then the gallery's
    assert sight(gallery, near(unit(0), 0.7), threshold=None).unknown == first.unknown
    assert sight(gallery, near(unit(0), 0.7, axis=2), threshold=0.6).unknown != first.unknown


def test_who_is_still_there_is_seen_until_now():
    sighting = sight(hall(), unit(0))
    sighting.last_seen += timedelta(minutes=5)
    sighting.save()
    seen_until(sighting)
    assert UnknownPerson.objects.get().last_seen == sighting.last_seen


@pytest.mark.django_db(transaction=True)
def test_cameras_that_see_one_stranger_at_once_make_one_unknown_person():
    """The second has read that nobody is there before the first is committed, unless it waits for it."""
    gallery = hall()
    camera_of(gallery)
    first_holds, may_commit, numbers = threading.Event(), threading.Event(), []

    def see(wait: bool):
        try:
            with transaction.atomic():
                sighting = open_sighting(gallery)
                unknown = join_of(sighting, unit(0))
                if wait:
                    first_holds.set()
                    may_commit.wait(20)
            numbers.append(unknown.number)
        finally:
            connection.close()

    first = threading.Thread(target=see, args=(True,))
    others = [threading.Thread(target=see, args=(False,)) for _ in range(3)]
    first.start()
    assert first_holds.wait(20)
    for thread in others:
        thread.start()
    while waiting() < 3:
        assert numbers == []
    may_commit.set()
    for thread in (first, *others):
        thread.join(20)
    assert numbers == [1, 1, 1, 1]
    assert UnknownPerson.objects.get().sightings_count == Sighting.objects.count() == 4


def waiting() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        return cursor.fetchone()[0]


def test_the_nearest_is_found_among_other_packs_vectors():
    gallery = hall()
    theirs = sight(gallery, unit(0)).unknown
    UnknownEmbedding.objects.create(
        gallery=gallery, pack="second", unknown=theirs, vector=unit(3, dim=64).tolist(), n=1
    )
    found = unknown_people.nearest_unknown(gallery_id=gallery.pk, pack="second", vector=unit(3, dim=64))
    assert found is not None and found[0] == theirs.pk
    assert sight(gallery, unit(0)).unknown == theirs


def test_many_strangers_are_told_apart_more_strictly(pack_dir):
    """By size, the threshold of a gallery without people is that of the pack for 1:1."""
    gallery = GalleryFactory()
    alone = threshold_among_unknowns(gallery, gallery.pack)
    UnknownPerson.objects.bulk_create(
        UnknownPerson(gallery=gallery, number=n, first_seen=timezone.now(), last_seen=timezone.now())
        for n in range(1, 2001)
    )
    assert threshold_among_unknowns(gallery, gallery.pack) < alone < threshold_of(gallery).distance
    assert threshold_among_unknowns(gallery, gallery.pack, 0.1) == 0.1
