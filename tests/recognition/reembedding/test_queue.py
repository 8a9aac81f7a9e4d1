"""Parts of re-embeddings: handed out once, taken over from dead workers, given up in the end."""

import subprocess
import sys
from pathlib import Path

import pytest
from django.db import connection
from django.utils import timezone
from factories import GalleryFactory, IdentityFactory, SampleFactory, unit
from reembedded import SECOND, SYSTEM, enrol, work_off

from gallery.pack_in_force import vectors_by_pack
from recognition.photos import queue as photos
from recognition.photos.models import Worker
from recognition.reembedding import queue, services
from recognition.reembedding.embed import embed_part
from recognition.reembedding.models import ReEmbedding, ReEmbeddingPart

pytestmark = pytest.mark.django_db
SCRIPT = Path(__file__).with_name("worker_killed_while_embedding.py")
LONG_AGO = timezone.make_aware(timezone.datetime(2000, 1, 1))


def sampled(count: int):
    gallery = GalleryFactory()
    identity = IdentityFactory(gallery=gallery)
    return gallery, [SampleFactory(identity=identity, vector=unit(number)) for number in range(count)]


def living():
    return photos.register_worker(host="test", process_id=1)


def claim(worker, **options) -> ReEmbeddingPart | None:
    return queue.claim(worker_id=worker.pk, packs=[SECOND], **options)


def test_each_sample_is_handed_out_once(models):
    gallery, samples = sampled(queue.PART_SIZE + 3)
    services.start_reembedding(actor=SYSTEM, gallery=gallery, pack=SECOND)
    one, other = living(), living()
    parts = [claim(one), claim(other)]
    assert claim(one) is None
    assert sorted(pk for part in parts for pk in part.items) == sorted(sample.pk for sample in samples)
    assert queue.claim(worker_id=one.pk, packs=["another"]) is None


def test_a_crop_that_kills_its_workers_is_given_up_alone(models, settings):
    gallery, samples = sampled(2)
    job = services.start_reembedding(actor=SYSTEM, gallery=gallery, pack=SECOND)
    deadly = samples[0].pk
    while job.status == ReEmbedding.Status.RUNNING and (part := claim(living())):
        if deadly in part.items:
            Worker.objects.filter(pk=part.worker).update(last_seen_at=LONG_AGO)
        elif part.kind == queue.Kind.SAMPLES:
            vectors = {pk: unit(0).tolist() for pk in part.items}
            queue.finish_samples(part=part, vectors=vectors, unembedded={})
        else:
            queue.finish_summary(part=part, preview={})
        job.refresh_from_db()
    assert [(row.sample_id, row.reason) for row in job.unembedded.all()] == [
        (deadly, queue.GIVEN_UP % {"attempts": settings.MAX_ATTEMPTS})
    ]
    assert vectors_by_pack(gallery.pk) == {"dlib-resnet": 2, SECOND: 1}


def test_a_worker_that_comes_back_from_the_dead_does_no_harm(models):
    gallery, [sample] = sampled(1)
    services.start_reembedding(actor=SYSTEM, gallery=gallery, pack=SECOND)
    late = claim(living())
    Worker.objects.update(last_seen_at=LONG_AGO)
    again = claim(living())
    queue.finish_samples(part=late, vectors={sample.pk: unit(1).tolist()}, unembedded={})
    assert ReEmbeddingPart.objects.filter(pk=again.pk).exists()
    queue.finish_samples(part=again, vectors={sample.pk: unit(2).tolist()}, unembedded={})
    assert vectors_by_pack(gallery.pk) == {"dlib-resnet": 1, SECOND: 1}
    assert not ReEmbeddingPart.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_sample_purged_meanwhile_is_no_trouble(models):
    gallery, samples = sampled(3)
    services.start_reembedding(actor=SYSTEM, gallery=gallery, pack=SECOND)
    part = claim(living())
    samples[0].delete()
    vectors = {sample: unit(0).tolist() for sample in part.items}
    queue.finish_samples(part=part, vectors=vectors, unembedded={})
    assert vectors_by_pack(gallery.pk) == {"dlib-resnet": 2}
    again = claim(living())
    assert again.pk == part.pk
    queue.finish_samples(part=again, vectors=dict(list(vectors.items())[1:]), unembedded={})
    assert vectors_by_pack(gallery.pk) == {"dlib-resnet": 2, SECOND: 2}


@pytest.mark.django_db(transaction=True)
def test_kill_nine_in_the_middle_loses_nothing(worker, gallery, hopper, collins, two_packs):
    person = IdentityFactory(gallery=gallery, name="Many")
    enrol(worker, person, *(photo + bytes([number]) for number in range(3) for photo in (hopper, collins)))
    enrolled = vectors_by_pack(gallery.pk)["dlib-resnet"]
    job = services.start_reembedding(actor=SYSTEM, gallery=gallery, pack=SECOND)
    command = [sys.executable, str(SCRIPT), connection.settings_dict["NAME"], str(two_packs)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == -9, done.stderr
    assert vectors_by_pack(gallery.pk) == {"dlib-resnet": enrolled, SECOND: queue.PART_SIZE}
    assert job.parts.count() == 1  # what it had in hand
    with pytest.raises(services.Incomplete):
        services.cut_over(actor=SYSTEM, job=job)
    Worker.objects.exclude(pk=worker.worker_id).update(last_seen_at=LONG_AGO)
    work_off(worker)
    assert vectors_by_pack(gallery.pk) == {"dlib-resnet": enrolled, SECOND: enrolled}
    services.cut_over(actor=SYSTEM, job=job)


def test_photos_come_first(worker, gallery, hopper, monkeypatch):
    """A worker looks for photos after each part."""
    services.start_reembedding(actor=SYSTEM, gallery=gallery, pack=SECOND)
    order = []
    run_once = type(worker).run_once
    monkeypatch.setattr(type(worker), "run_once", lambda self: order.append("photos") or run_once(self))

    class Enough(Exception):
        pass

    def idle(worker):
        if len(order) > 6:
            raise Enough
        order.append("part" if embed_part(worker) else "nothing")
        return True

    worker._idle = idle
    with pytest.raises(Enough), photos.hub.subscription(photos.QUEUED) as subscription:
        worker._work(NeverSet(), subscription)
    assert order[::2] == ["photos"] * 4
    assert "part" in order


class NeverSet:
    def is_set(self) -> bool:
        return False


def test_a_part_of_a_worker_seen_to_die_is_taken_over_at_once(models):
    gallery, samples = sampled(1)
    services.start_reembedding(actor=SYSTEM, gallery=gallery, pack=SECOND)
    one, other = living(), living()
    assert claim(one).items == [samples[0].pk]
    assert claim(other) is None
    photos.worker_died(worker_id=one.pk)
    assert claim(other).items == [samples[0].pk]
