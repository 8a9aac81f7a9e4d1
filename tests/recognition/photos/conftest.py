import pytest
from factories import GalleryFactory, IdentityFactory

from accounts.actor import system_actor
from recognition.photos.services import Photo, submit_enrolment


@pytest.fixture
def gallery():
    return GalleryFactory(slug="staff")


@pytest.fixture
def grace(gallery, worker, hopper):
    """Enrolled with her portrait."""
    identity = IdentityFactory(gallery=gallery, name="Grace")
    submit_enrolment(actor=system_actor(), identity=identity, photos=[Photo("a.jpg", hopper)], needs_worker=False)
    worker.run_once()
    return identity
