"""The list of a gallery's re-embeddings: the same numbers as one alone, in a number of queries that does not grow."""

import pytest
from api_client import client_of
from api_world import make_reembedding
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from factories import GalleryFactory, IdentityFactory, SampleFactory, member, unit

from accounts.roles import Role
from gallery.models import FaceEmbedding
from recognition.reembedding.models import UnembeddedSample
from recognition.reembedding.progress import Progress, progress_of, progress_of_all
from recognition.reembedding.representation import reembedding_as_dict, reembeddings_as_dicts

pytestmark = pytest.mark.django_db


@pytest.fixture
def jobs():
    """Four of one gallery, with different numbers, and one of another gallery."""
    gallery = GalleryFactory(slug="staff")
    samples = [SampleFactory(identity=IdentityFactory(gallery=gallery), vector=unit(axis)) for axis in range(3)]
    made = []
    for number in range(4):
        job = make_reembedding(gallery)
        job.status, job.cut_over_at, job.old_threshold, job.pack = "left", timezone.now(), {}, f"pack-{number}"
        job.preview = {"at": None} if number % 2 else None
        job.save()
        for sample in samples[:number]:
            UnembeddedSample.objects.create(job=job, sample=sample, reason="no crop")
        made.append(job)
    FaceEmbedding.objects.filter(sample=samples[0]).update(pack="pack-2")
    other = make_reembedding(GalleryFactory())
    SampleFactory(identity__gallery=other.gallery)
    return [*made, other]


def test_together_they_say_what_each_says_alone(jobs):
    assert progress_of_all(jobs) == {job.pk: progress_of(job) for job in jobs}
    assert progress_of(jobs[2]) == Progress(3, 1, 2, 0, 0, waits_for_index=False)
    assert progress_of(jobs[4]).samples == 1
    assert reembeddings_as_dicts(jobs) == [reembedding_as_dict(job) for job in jobs]
    assert [len(row["unembedded"]) for row in reembeddings_as_dicts(jobs)] == [0, 1, 2, 3, 0]


def test_the_list_costs_as_many_queries_for_many_as_for_few(jobs):
    client = client_of(member(jobs[0].gallery, Role.OWNER))

    def queries(limit: int) -> int:
        with CaptureQueriesContext(connection) as counted:
            answer = client.get(f"/api/v1/galleries/staff/reembeddings?limit={limit}").json()
        assert len(answer["results"]) == limit
        return len(counted)

    queries(1)  # whatever is read once
    assert queries(4) == queries(2)
