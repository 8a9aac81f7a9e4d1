"""The preview on constructed cases: vectors whose distances are known."""

import numpy as np
import pytest
from django.utils import timezone
from factories import GalleryFactory, IdentityFactory, SampleFactory, unit
from reembedded import SECOND

from gallery.models import FaceEmbedding
from recognition.photos.models import RecognitionFace, RecognitionRequest
from recognition.reembedding.models import PreviewedFace, ReEmbedding
from recognition.reembedding.preview import choose_probes, decide_again, leave_one_out, summary_of
from recognition.reembedding.progress import counts_of

pytestmark = pytest.mark.django_db
Change = PreviewedFace.Change
OLD_THRESHOLD = 0.5  # set by hand


@pytest.fixture
def gallery(models):
    return GalleryFactory(threshold_source="manual", threshold_distance=OLD_THRESHOLD)


@pytest.fixture
def job(gallery):
    return ReEmbedding.objects.create(gallery=gallery, old_pack="dlib-resnet", pack=SECOND)


def person(gallery, name: str, *samples: tuple[np.ndarray, np.ndarray]):
    """samples: the vector under the old pack, and under the new."""
    identity = IdentityFactory(gallery=gallery, name=name)
    for old, new in samples:
        sample = SampleFactory(identity=identity, vector=old)
        FaceEmbedding.objects.create(gallery=gallery, pack=SECOND, sample=sample, vector=new.tolist())
    return identity


def seen(job, vector: np.ndarray | None, pack: str = "dlib-resnet", **values) -> PreviewedFace:
    """A face of a past recognition."""
    request = RecognitionRequest.objects.create(
        gallery=job.gallery, pack=pack, status="done", finished_at=timezone.now(), photo_sha256="0" * 64
    )
    face = RecognitionFace.objects.create(
        request=request, index=0, box=[0, 0, 9, 9], landmarks=[], detection_score=1, quality_score=1,
        crop=b"", crop_landmarks=[[0, 0]] * 5, vector=None if vector is None else vector.tolist(), **values,
    )  # fmt: skip
    return PreviewedFace.objects.create(job=job, face=face)


def test_each_way_a_decision_can_change(job, gallery):
    ada = person(gallery, "Ada", (unit(0), unit(0)))
    bea = person(gallery, "Bea", (unit(1), unit(1)))
    near, far = 0.1 * unit(5), 0.45 * unit(5)  # far: within 0.5, beyond the new threshold by size
    cases = [
        # old vector, new vector, change, before, after
        (unit(0) + near, unit(0) + near, Change.NONE, ada, ada),
        (unit(0) + far, unit(0) + far, Change.TO_UNKNOWN, ada, None),
        (unit(9), unit(1) + near, Change.TO_KNOWN, None, bea),
        (unit(0) + near, unit(1) + near, Change.OTHER_PERSON, ada, bea),
        (unit(9), unit(9), Change.NONE, None, None),
    ]
    # The past decision does not count if there is a vector from which to decide again.
    faces = [seen(job, case[0], decision="unknown") for case in cases]
    # For a face without a vector, or with one of a third pack, the past decision counts.
    faces += [seen(job, None, decision="known", identity=ada), seen(job, unit(1), "third", decision="unknown")]
    cases += [(None, unit(9), Change.TO_UNKNOWN, ada, None), (None, unit(0), Change.TO_KNOWN, None, ada)]
    decide_again(job, faces, np.stack([case[1] for case in cases]))
    for face, (_, _, change, before, after) in zip(faces, cases, strict=True):
        assert (face.change, face.before_identity, face.after_identity) == (change, before, after)
        assert (face.before, face.after) == tuple("known" if who else "unknown" for who in (before, after))
        face.save()
    assert counts_of(job) == {
        "none": 2, "known_to_unknown": 2, "unknown_to_known": 2, "other_person": 1, "unreadable": 0,
    }  # fmt: skip
    assert faces[1].before_distance == pytest.approx(0.45, abs=1e-3)


def test_leave_one_out(job, gallery):
    def around(axis):
        return unit(axis) + 0.1 * unit(axis + 20)

    person(gallery, "Ada", (unit(0), unit(0)), (around(0), unit(1)))  # the new pack mistakes one for Bea
    person(gallery, "Bea", (unit(1), around(1)), (around(1), 0.98 * unit(1)))
    person(gallery, "Cleo", (unit(2), unit(2)))  # with one sample nobody can be found again
    gone = person(gallery, "Dora", (unit(0), unit(0)), (unit(0), unit(0)))
    gone.active = False
    gone.save()
    probes = choose_probes(gallery, ("dlib-resnet", SECOND))
    assert len(probes) == 4
    assert leave_one_out(gallery, "dlib-resnet", probes) == 1
    assert leave_one_out(gallery, SECOND, probes) < 1
    summary = summary_of(job)
    assert summary["rank1"]["samples"] == 4
    assert summary["thresholds"]["before"] == {"distance": OLD_THRESHOLD, "source": "manual"}
    assert summary["thresholds"]["after"]["source"] == "size"


def test_nothing_to_leave_out(job, gallery):
    assert leave_one_out(gallery, SECOND, {}) is None
