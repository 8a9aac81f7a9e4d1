"""The first visit: three steps, of which each can be skipped, sample portraits, and how the demo goes again."""

import pytest
from factories import CameraFactory, GalleryFactory, IdentityFactory, UserFactory, member, stranger

from accounts.models import AuditEvent
from accounts.roles import Role
from gallery.models import Gallery
from recognition.demo.samples import FILM
from recognition.photos.models import RecognitionRequest

pytestmark = pytest.mark.django_db
STEPS, SAMPLES, REMOVE = (f"/galleries/demo/{end}" for end in ("first-steps", "first-steps/portraits", "remove-demo"))


@pytest.fixture
def demo():
    gallery = GalleryFactory(slug="demo", name="Demo")
    CameraFactory(gallery=gallery, kind="file", address=FILM)
    return gallery


def test_the_steps_lead_from_a_name_to_people_to_a_photo(client):
    client.force_login(UserFactory(is_staff=True))
    assert client.get("/")["Location"] == "/welcome"
    assert "Step 1 of 3" in client.get("/welcome").content.decode()
    assert client.post("/galleries/new", {"name": "Front desk"})["Location"] == "/galleries/front-desk/first-steps"
    steps = "/galleries/front-desk/first-steps"
    page = client.get(steps)
    assert (page.context["step"], "Skip this step" in page.content.decode()) == (2, True)
    assert client.get(f"{steps}?step=3").context["step"] == 3
    IdentityFactory(gallery=Gallery.objects.get())
    assert client.get(steps).context["step"] == 3
    assert client.get(f"{steps}?step=2").context["step"] == 2
    assert client.get(f"{steps}?step=9").context["step"] == 3


def test_sample_portraits_are_enrolled_once(client, demo, living_worker, worker):
    client.force_login(member(demo, Role.CURATOR).user)
    assert client.post(SAMPLES)["Location"] == STEPS
    worker.run_once()
    people = {person.name: person.samples.count() for person in demo.identities.all()}
    assert people == {"Grace Hopper": 1, "Eileen Collins": 1}
    client.post(SAMPLES)
    assert RecognitionRequest.objects.count() == 2
    assert "are there already" in client.get(STEPS).content.decode()


@pytest.mark.parametrize("who", [None, *Role])
def test_who_may(client, demo, who, living_worker):
    client.force_login((stranger() if who is None else member(demo, who)).user)
    below = 404 if who is None else 403
    curates, owns = (who or 0) >= Role.CURATOR, (who or 0) >= Role.OWNER
    assert client.get(STEPS).status_code == (200 if curates else below)
    assert client.post(SAMPLES).status_code == (302 if curates else below)
    assert RecognitionRequest.objects.exists() == curates
    assert client.post(REMOVE).status_code == (302 if owns else below)
    assert (Gallery.objects.get().deletes_at is not None) == owns
    assert AuditEvent.objects.filter(action="gallery.closed").exists() == owns


def test_only_the_demo_goes_in_one_click_and_that_can_be_undone(client, demo):
    client.force_login(member(demo, Role.OWNER).user)
    assert "Remove the demo" in client.get("/galleries/demo/today").content.decode()
    assert "is being deleted" in client.post(REMOVE, follow=True).content.decode()
    client.post("/galleries/demo/delete/undo")
    demo.cameras.update(address="door.mp4")
    assert "Remove the demo" not in client.get("/galleries/demo/today").content.decode()
    assert client.post(REMOVE).status_code == 409
    demo.refresh_from_db()
    assert demo.deletes_at is None
