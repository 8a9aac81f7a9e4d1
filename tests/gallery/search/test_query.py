import re

import numpy as np
import pytest
from django.utils import timezone
from factories import GalleryFactory, IdentityFactory, SampleFactory, unit

from gallery.models import FaceEmbedding
from gallery.search.query import ALL_SAMPLES, COUNT_FACES, SET_PLAN, SHORTLISTED_SAMPLES, nearest_identities
from gallery.search.vectors import ENROLLED

pytestmark = pytest.mark.django_db


def search(gallery, *probes, top_k=5, pack="dlib-resnet"):
    return nearest_identities(gallery_id=gallery.pk, pack=pack, probes=np.array(probes, "float32"), top_k=top_k)


def test_nearest_first_with_exact_distances():
    gallery = GalleryFactory()
    random = np.random.default_rng(3)
    vectors = random.normal(size=(20, 128)).astype("float16").astype("float32")
    samples = [SampleFactory(identity=IdentityFactory(gallery=gallery), vector=vector) for vector in vectors]
    probe = random.normal(size=128).astype("float32")
    [found] = search(gallery, probe, top_k=7)
    distances = np.linalg.norm(vectors - probe, axis=1)
    order = np.argsort(distances)[:7]
    assert [match.sample_id for match in found] == [samples[n].pk for n in order]
    assert [match.distance for match in found] == pytest.approx(distances[order].tolist(), abs=1e-4)


def test_a_person_is_found_once_by_the_nearest_sample():
    gallery = GalleryFactory()
    person = IdentityFactory(gallery=gallery)
    SampleFactory(identity=person, vector=unit(0, 3))
    best = SampleFactory(identity=person, vector=unit(0, 1))
    other = SampleFactory(identity=IdentityFactory(gallery=gallery), vector=unit(0, 2))
    [found] = search(gallery, unit(0, 0))
    assert [match.sample_id for match in found] == [best.pk, other.pk]
    assert [match.distance for match in found] == [1, 2]


def test_each_probe_has_its_own_answer():
    gallery = GalleryFactory()
    first, second = (SampleFactory(identity__gallery=gallery, vector=unit(axis)) for axis in (0, 1))
    answers = search(gallery, unit(1), unit(0), top_k=1)
    assert [[match.identity_id for match in found] for found in answers] == [[second.identity_id], [first.identity_id]]


def test_inactive_people_other_galleries_and_other_packs_are_not_proposed():
    gallery = GalleryFactory()
    SampleFactory(identity=IdentityFactory(gallery=gallery, active=False), vector=unit(0))
    SampleFactory(identity=IdentityFactory(), vector=unit(0))
    sample = SampleFactory(identity=IdentityFactory(gallery=gallery))
    FaceEmbedding.objects.create(gallery=gallery, pack="other", sample=sample, vector=unit(0).tolist())
    assert search(gallery, unit(0)) == [[]]
    assert len(search(gallery, unit(0), pack="other")[0]) == 1


def test_no_probes_and_an_empty_gallery():
    gallery = GalleryFactory()
    assert nearest_identities(gallery_id=gallery.pk, pack="dlib-resnet", probes=np.empty((0, 0)), top_k=5) == []
    assert search(gallery, unit(0)) == [[]]


def test_the_mean_is_over_the_best_three():
    gallery = GalleryFactory()
    person = IdentityFactory(gallery=gallery)
    for distance in (5, 1, 3, 2):
        SampleFactory(identity=person, vector=unit(0, distance))
    [[match]] = search(gallery, unit(0, 0))
    assert (match.distance, match.mean_distance) == (1, 2)


def test_a_person_is_not_proposed_for_a_face_nearest_to_a_rejected_sample():
    gallery = GalleryFactory()
    person = IdentityFactory(gallery=gallery)
    SampleFactory(identity=person, vector=unit(0))
    SampleFactory(identity=person, vector=unit(1), rejected=True)
    assert search(gallery, unit(1, 0.9)) == [[]]
    [[match]] = search(gallery, unit(0, 0.9))
    assert match.identity_id == person.pk
    assert match.mean_distance == match.distance  # the rejected one does not count


def test_deleted_people_and_samples_are_not_found():
    gallery = GalleryFactory()
    SampleFactory(identity=IdentityFactory(gallery=gallery, deleted_at=timezone.now()), vector=unit(0))
    SampleFactory(identity=IdentityFactory(gallery=gallery), vector=unit(0), deleted_at=timezone.now())
    assert search(gallery, unit(0)) == [[]]


@pytest.mark.parametrize("sql", [ALL_SAMPLES, COUNT_FACES, SHORTLISTED_SAMPLES, SET_PLAN, ENROLLED])
def test_every_table_is_filtered_by_gallery(sql):
    """So that a search reads only that gallery, and a distributed database sends it to one node."""
    tables = re.findall(r"(?:FROM|JOIN) gallery_\w+(?: (?!WHERE|ON)(\w+))?", sql)
    assert tables
    for alias in tables:
        assert re.search(rf"{alias + '.' if alias else ''}gallery_id = ", sql), (alias, sql)
