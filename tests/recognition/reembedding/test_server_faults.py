"""What is the server's fault ends no re-embedding and marks no face as one that cannot be embedded."""

import pytest
from reembedded import SECOND, SYSTEM, work_off

from recognition.engine.manifest import PackError
from recognition.engine.pipeline import Pipeline
from recognition.engine.runnable import NetError
from recognition.photos.worker import Unfit
from recognition.reembedding import services
from recognition.reembedding.embed import embed_part
from recognition.reembedding.models import ReEmbedding

pytestmark = pytest.mark.django_db


def test_a_pack_that_cannot_be_loaded_here_leaves_the_part_to_others(worker, gallery, monkeypatch):
    job = services.start_reembedding(actor=SYSTEM, gallery=gallery, pack=SECOND)
    pipeline = worker._pipelines.pop(SECOND)
    monkeypatch.setattr(worker._packs, "_found", [SECOND])
    monkeypatch.setattr(worker._packs, "_looked", float("inf"))

    def damaged(*args, **options):
        raise PackError("The pack second is damaged.")

    monkeypatch.setattr(Pipeline, "load", damaged)
    assert not embed_part(worker)
    [part] = job.parts.all()
    job.refresh_from_db()
    assert (job.status, part.worker, part.attempts) == (ReEmbedding.Status.RUNNING, None, 0)
    assert SECOND not in worker.packs()
    worker._pipelines[SECOND] = pipeline
    work_off(worker)
    job.refresh_from_db()
    assert job.status == ReEmbedding.Status.READY


@pytest.mark.parametrize("error", [MemoryError(), NetError("std::bad_alloc")])
def test_lack_of_memory_gives_up_no_face(worker, gallery, monkeypatch, error):
    job = services.start_reembedding(actor=SYSTEM, gallery=gallery, pack=SECOND)
    embed_crops = Pipeline.embed_crops

    def fails(self, crops, **options):
        raise error

    monkeypatch.setattr(Pipeline, "embed_crops", fails)
    with pytest.raises(Unfit):
        embed_part(worker)
    job.refresh_from_db()
    assert (job.status, job.unembedded.count()) == (ReEmbedding.Status.RUNNING, 0)
    monkeypatch.setattr(Pipeline, "embed_crops", embed_crops)
    worker._unfit = None  # as a new process
    job.parts.update(worker=None)  # as when its worker's row is gone
    work_off(worker)
    job.refresh_from_db()
    assert job.status == ReEmbedding.Status.READY
