"""A gallery's pack changes: unknown people are found again under the new one, from their pictures."""

import dataclasses
import shutil

import pytest
from factories import GalleryFactory, member, unit
from seen import sight, sight_photo

from accounts.roles import Role
from gallery.models import Gallery
from recognition.cameras.models import SightingEmbedding, SightingFace, UnknownEmbedding, UnknownPerson
from recognition.engine.manifest import load_manifest, write_manifest
from recognition.engine.pipeline import Pipeline
from recognition.sightings import reembedding
from recognition.sightings.reembedding import embed_sightings
from recognition.sightings.services import name_unknown

pytestmark = pytest.mark.django_db
SECOND = "second"


@pytest.fixture(scope="module")
def second(tmp_path_factory, pack_dir):
    """The same net with vectors of unit length, as another pack."""
    models = tmp_path_factory.mktemp("models")
    (models / "dlib-resnet").symlink_to(pack_dir)
    shutil.copytree(pack_dir, models / SECOND)
    manifest = load_manifest(models / SECOND)
    changed = dataclasses.replace(manifest, name=SECOND, metric="cosine", threshold_1to1=0.39, far_curve=[])
    write_manifest(changed, models / SECOND)
    return Pipeline.load(models / SECOND, precision="fp32")


@pytest.fixture
def worker(worker, second, monkeypatch):
    monkeypatch.setattr(reembedding, "_done", {})
    monkeypatch.setattr(reembedding, "_failed", set())
    worker._pipelines[SECOND] = second
    with worker.registered():
        yield worker


def test_strangers_come_back_as_themselves_after_a_change_of_pack(
    worker, pipeline, second, hopper, hopper_again, collins
):
    gallery = GalleryFactory(threshold_source="manual", threshold_distance=0.6)
    hopper_seen, collins_seen = (sight_photo(gallery, pipeline, photo) for photo in (hopper, collins))
    broken = sight(gallery, unit(0), crops=[(b"", [])] * 0, faces=1, later=60)
    SightingFace.objects.filter(sighting=broken).update(jpeg=b"not a picture")
    assert not embed_sightings(worker)  # all have their vectors
    reembedding._done.clear()
    Gallery.objects.update(pack=SECOND, threshold_source="manual", threshold_distance=0.39)
    gallery.refresh_from_db()
    while embed_sightings(worker):
        pass
    assert SightingEmbedding.objects.filter(pack=SECOND).count() == 2
    assert UnknownEmbedding.objects.filter(pack=SECOND).count() == 2
    assert set(SightingFace.objects.exclude(sighting=broken).values_list("pack", flat=True)) == {SECOND}
    again = sight_photo(gallery, second, hopper_again, later=600, threshold=0.39)
    assert again.unknown == hopper_seen.unknown != collins_seen.unknown
    named = name_unknown(actor=member(gallery, Role.CURATOR), unknown=again.unknown, name="Grace")
    assert named.samples and named.samples[0].embeddings.get().pack == SECOND
    Gallery.objects.update(pack="dlib-resnet")  # and back: the earlier centroids are still there
    assert UnknownPerson.objects.get(pk=collins_seen.unknown_id).embeddings.count() == 2
