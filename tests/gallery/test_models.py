import pytest
from django.db import IntegrityError, connection, transaction
from factories import GalleryFactory, IdentityFactory, SampleFactory, unit

from gallery.models import FaceEmbedding, FaceSample, Gallery, Identity

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "values",
    [
        {"threshold_source": "manual"},
        {"threshold_source": "manual", "threshold_distance": 0},
        {"threshold_source": "size", "threshold_distance": 0.5},
        {"threshold_source": "guess", "threshold_distance": 0.5},
        {"target_fpir": 0},
        {"quality_gate": "lenient"},
        {"liveness": "sometimes"},
    ],
)
def test_the_database_refuses_invalid_settings(values):
    with pytest.raises(IntegrityError), transaction.atomic():
        GalleryFactory(**values)


def test_a_slug_is_unique():
    GalleryFactory(slug="staff")
    with pytest.raises(IntegrityError), transaction.atomic():
        GalleryFactory(slug="staff")


def test_an_external_id_is_unique_in_a_gallery_but_may_be_missing():
    gallery = GalleryFactory()
    IdentityFactory(gallery=gallery, external_id="")
    IdentityFactory(gallery=gallery, external_id="")
    IdentityFactory(gallery=gallery, external_id="1")
    IdentityFactory(external_id="1")
    with pytest.raises(IntegrityError), transaction.atomic():
        IdentityFactory(gallery=gallery, external_id="1")
    with pytest.raises(IntegrityError), transaction.atomic():
        IdentityFactory(name="")


def check_constraints() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


def test_a_sample_must_be_in_its_persons_gallery():
    sample = SampleFactory()
    with pytest.raises(IntegrityError, match="sample_same_gallery"), transaction.atomic():
        FaceSample.objects.filter(pk=sample.pk).update(gallery=GalleryFactory())
        check_constraints()


def test_an_embedding_must_be_in_its_samples_gallery():
    sample = SampleFactory()
    with pytest.raises(IntegrityError, match="embedding_same_gallery"), transaction.atomic():
        FaceEmbedding.objects.create(gallery=GalleryFactory(), pack="p", sample=sample, vector=[1.0])
        check_constraints()


def test_a_person_has_a_photo_only_once():
    sample = SampleFactory()
    with pytest.raises(IntegrityError), transaction.atomic():
        SampleFactory(identity=sample.identity, photo_sha256=sample.photo_sha256)


def test_deleting_a_gallery_leaves_nothing():
    gallery = GalleryFactory()
    SampleFactory(identity=IdentityFactory(gallery=gallery), vector=unit(0))
    gallery.delete()
    check_constraints()
    assert [m.objects.count() for m in (Gallery, Identity, FaceSample, FaceEmbedding)] == [0] * 4


def test_the_portrait_is_the_best_sample():
    person = IdentityFactory()
    SampleFactory(identity=person, quality_score=0.3)
    best = SampleFactory(identity=person, quality_score=0.8)
    found = Identity.objects.with_portrait().get()
    assert (found.portrait_id, found.sample_count) == (best.pk, 2)
