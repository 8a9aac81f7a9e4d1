"""The pages of a gallery's settings: who may, what is saved, and what another threshold would have changed."""

import pytest
from django.utils import timezone
from factories import GalleryFactory, IdentityFactory, SampleFactory, UserFactory, member, stranger

from accounts.actor import system_actor
from accounts.models import AuditEvent, Membership, User
from accounts.roles import Role
from gallery.models import Gallery
from gallery.services import update_gallery
from recognition.gallery_settings.effects import choices_of
from recognition.photos.models import Candidate, RecognitionFace, RecognitionRequest

pytestmark = pytest.mark.django_db
GENERAL = "/galleries/staff/settings"
RECOGNITION, MEMBERS = f"{GENERAL}/recognition", f"{GENERAL}/members"
NAMED = {"name": "Front desk", "time_zone": "Europe/Berlin", "day_starts_at": "05:30"}
CAREFUL = {"target_fpir": "0.001", "threshold_source": "size", "threshold_distance": ""}


@pytest.fixture
def gallery(pack_dir):
    return GalleryFactory(slug="staff", name="Staff")


@pytest.fixture
def owner(client, gallery):
    client.force_login(member(gallery, Role.OWNER).user)
    return client


def text(answer) -> str:
    assert answer.status_code == 200, answer.status_code
    return answer.content.decode()


@pytest.mark.parametrize("who", [None, *Role])
def test_who_may(client, gallery, who):
    client.force_login((stranger() if who is None else member(gallery, who)).user)
    other = Membership.objects.create(user=UserFactory(username="other"), gallery=gallery, role=Role.VIEWER)
    Membership.objects.create(user=UserFactory(), gallery=gallery, role=Role.OWNER)
    below = 404 if who is None else 403
    reads, owns = (who or 0) >= Role.CURATOR, (who or 0) >= Role.OWNER
    for address in (GENERAL, RECOGNITION):
        assert client.get(address).status_code == (200 if reads else below)
    assert client.get(MEMBERS).status_code == (200 if owns else below)
    before = AuditEvent.objects.count(), User.objects.count()
    posts = {
        GENERAL: (NAMED, 302),
        RECOGNITION: (CAREFUL, 302),
        MEMBERS: ({"username": "new", "role": "10"}, 200),
        f"{MEMBERS}/{other.pk}/role": ({"role": "20"}, 302),
        f"{MEMBERS}/{other.pk}/remove": ({}, 302),
    }
    for address, (values, ok) in posts.items():
        assert client.post(address, values).status_code == (ok if owns else below), address
    gallery.refresh_from_db()
    assert (gallery.name, gallery.target_fpir) == (("Front desk", 0.001) if owns else ("Staff", 0.01))
    assert Membership.objects.filter(pk=other.pk).exists() != owns
    assert ((AuditEvent.objects.count(), User.objects.count()) == before) != owns


def test_general_settings_are_saved_and_audited(owner, gallery):
    owner.post(GENERAL, NAMED)
    gallery.refresh_from_db()
    assert (gallery.name, gallery.zone.key, str(gallery.day_starts_at)) == ("Front desk", "Europe/Berlin", "05:30:00")
    assert AuditEvent.objects.get().details["day_starts_at"] == ["00:00:00", "05:30:00"]
    for field, wrong in (("name", ""), ("time_zone", "Mars/Olympus"), ("day_starts_at", "noon")):
        assert owner.post(GENERAL, NAMED | {field: wrong}).status_code == 400
    assert AuditEvent.objects.count() == 1
    page = text(owner.get(GENERAL))
    assert 'value="05:30"' in page and "/galleries/staff/delete" in page


def test_the_threshold_by_size_by_hand_and_calibrated(owner, gallery):
    owner.post(RECOGNITION, CAREFUL | {"threshold_source": "manual", "threshold_distance": "0.5"})
    gallery.refresh_from_db()
    assert (gallery.threshold_source, gallery.threshold_distance, gallery.target_fpir) == ("manual", 0.5, 0.001)
    assert "set by hand" in text(owner.get(RECOGNITION))
    wrong = owner.post(RECOGNITION, CAREFUL | {"threshold_source": "manual"})
    assert wrong.status_code == 400 and "Enter a distance" in wrong.content.decode()
    assert owner.post(RECOGNITION, CAREFUL | {"threshold_source": "calibrated"}).status_code == 400
    Gallery.objects.update(threshold_source="calibrated", threshold_distance=0.4)
    owner.post(
        RECOGNITION, CAREFUL | {"threshold_source": "calibrated", "target_fpir": "0.02", "threshold_distance": "0.9"}
    )
    gallery.refresh_from_db()
    assert (gallery.threshold_source, gallery.threshold_distance, gallery.target_fpir) == ("calibrated", 0.4, 0.02)
    owner.post(RECOGNITION, CAREFUL)
    gallery.refresh_from_db()
    assert (gallery.threshold_source, gallery.threshold_distance) == ("size", None)
    owner.post(RECOGNITION, {"quality_gate": "strict", "keep_photos": "on"})
    gallery.refresh_from_db()
    assert (gallery.quality_gate, gallery.keep_photos, gallery.target_fpir) == ("strict", True, 0.001)


def test_what_another_threshold_would_have_changed(owner, gallery, django_assert_max_num_queries):
    person = SampleFactory(identity=IdentityFactory(gallery=gallery)).identity
    choices = {choice.fpir: choice for choice in choices_of(gallery)}
    strict, loose = choices[0.0001].threshold.distance, choices[0.05].threshold.distance
    assert strict < loose
    recognised(gallery, person, "known", (strict + loose) / 2)
    recognised(gallery, person, "unknown", (strict + loose) / 2)
    recognised(gallery, person, "unknown", loose + 0.01)
    changed = {choice.fpir: (choice.lost, choice.gained) for choice in choices_of(gallery)}
    assert (changed[0.0001], changed[0.05]) == ((1, 0), (0, 1))
    owner.get(RECOGNITION)
    with django_assert_max_num_queries(12):
        page = text(owner.get(RECOGNITION))
    assert "1 known face would be unknown" in page and "1 in 10,000 strangers" in page


def recognised(gallery, person, decision: str, distance: float) -> None:
    request = RecognitionRequest.objects.create(
        gallery=gallery, pack=gallery.pack, status="done", finished_at=timezone.now(), photo_sha256="0" * 64
    )
    face = RecognitionFace.objects.create(
        request=request, index=0, box=[0, 0, 1, 1], landmarks=[], detection_score=1, quality_score=1, crop=b"",
        decision=decision, identity=person if decision == "known" else None,
    )  # fmt: skip
    Candidate.objects.create(face=face, rank=0, identity=person, distance=distance, score=0.5)


def test_members_are_added_changed_and_removed(owner, gallery):
    there = UserFactory(username="ada")
    owner.post(MEMBERS, {"username": "ada", "role": "20"})
    row = Membership.objects.get(user=there)
    assert row.role == Role.CURATOR
    again = owner.post(MEMBERS, {"username": "ada", "role": "10"})
    assert again.status_code == 409 and "member already" in again.content.decode()
    page = text(owner.post(MEMBERS, {"username": "grace", "role": "10"}))
    assert "/sign-in/link/" in page and "A link for grace" in page
    assert not User.objects.get(username="grace").has_usable_password()
    assert "/sign-in/link/" not in text(owner.get(MEMBERS))
    told = owner.post(f"{MEMBERS}/{row.pk}/role", {"role": "30"}, follow=True).content.decode()
    assert "ada is owner now, and was curator." in told
    owner.post(f"{MEMBERS}/{row.pk}/remove")
    assert not Membership.objects.filter(user=there).exists() and User.objects.filter(username="ada").exists()
    assert owner.post(f"{MEMBERS}/{row.pk}/role", {"role": "30"}).status_code == 404


def test_never_the_last_owner(owner, gallery):
    row = Membership.objects.get()
    told = owner.post(f"{MEMBERS}/{row.pk}/role", {"role": "10"}, follow=True).content.decode()
    assert "is the only owner" in told
    assert "is the only owner" in owner.post(f"{MEMBERS}/{row.pk}/remove", follow=True).content.decode()
    assert Membership.objects.get().role == Role.OWNER
    Membership.objects.create(user=UserFactory(), gallery=gallery, role=Role.OWNER)
    assert owner.post(f"{MEMBERS}/{row.pk}/role", {"role": "10"})["Location"] == "/galleries/staff/"


def test_a_member_of_another_gallery_is_not_there(owner, gallery):
    elsewhere = GalleryFactory()
    theirs = Membership.objects.create(user=UserFactory(), gallery=elsewhere, role=Role.VIEWER)
    assert owner.post(f"{MEMBERS}/{theirs.pk}/remove").status_code == 404
    assert Membership.objects.filter(pk=theirs.pk).exists()


def test_the_day_can_be_set_over_the_services(gallery):
    update_gallery(actor=system_actor(), gallery=gallery, time_zone="Asia/Kathmandu")
    gallery.refresh_from_db()
    assert gallery.zone.key == "Asia/Kathmandu"
