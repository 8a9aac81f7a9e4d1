"""Recognise, a result, a curator's word on a card, and the list: the pages themselves, without a browser."""

import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from factories import IdentityFactory, UserFactory, member

from accounts.actor import system_actor
from accounts.models import AuditEvent, Look
from accounts.roles import Role
from gallery.models import FaceSample, Identity
from recognition.photos.models import RecognitionFace, RecognitionRequest
from recognition.photos.services import Photo, submit_recognition

pytestmark = pytest.mark.django_db
SYSTEM = system_actor()
HTMX = {"HX-Request": "true"}
NOBODY = "01a20b77-0000-7000-8000-000000000000"


@pytest.fixture
def answered(gallery, worker, grace, hopper_again):
    """A recognition of Grace, asked by a curator."""
    curator = member(gallery, Role.CURATOR)
    row = submit_recognition(actor=curator, gallery=gallery, photo=Photo("again.jpg", hopper_again), needs_worker=False)
    worker.run_once()
    return row


@pytest.fixture
def curator(client, answered):
    client.force_login(answered.requested_by)
    return client


def files(**photos: bytes) -> list[SimpleUploadedFile]:
    return [SimpleUploadedFile(f"{name}.jpg", data) for name, data in photos.items()]


def test_several_photos_have_a_result_each_and_a_bad_one_spoils_nothing(
    client, gallery, living_worker, hopper, collins
):
    client.force_login(member(gallery, Role.VIEWER).user)
    photos = files(one=hopper, junk=b"junk", two=collins)
    page = client.post("/galleries/staff/recognise", {"photo": photos}, headers=HTMX)
    text = page.content.decode()
    assert page.status_code == 200 and "junk.jpg: " in text
    ids = [str(pk) for pk in RecognitionRequest.objects.order_by("id").values_list("pk", flat=True)]
    assert page["HX-Push-Url"] == f"/galleries/staff/recognise?photo={ids[0]}&photo={ids[1]}"
    assert (
        text.count("hx-get") == 2 and f"/recognitions/{ids[1]}/?local=2" in text
    )  # both wait; the third photo is its picture
    again = client.get(page["HX-Push-Url"]).content.decode()
    assert all(f"/recognitions/{pk}/" in again for pk in ids)
    assert set(Look.objects.filter(kind="recognition").values_list("object_id", flat=True)) == set(ids)
    stranger = UserFactory()
    client.force_login(stranger)
    assert client.get(page["HX-Push-Url"]).status_code == 404


def test_one_photo_leads_to_its_own_address_and_too_many_are_refused(client, gallery, living_worker, hopper):
    client.force_login(member(gallery, Role.VIEWER).user)
    page = client.post("/galleries/staff/recognise", {"photo": files(one=hopper)}, headers=HTMX)
    row = RecognitionRequest.objects.get()
    assert page["HX-Push-Url"] == f"/recognitions/{row.pk}/"
    many = client.post("/galleries/staff/recognise", {"photo": files(**{f"n{n}": b"x" for n in range(21)})})
    assert many.status_code == 400 and "at most 20 photos" in many.content.decode()
    assert client.get("/galleries/staff/recognise?photo=nonsense").status_code == 404


def test_a_card_says_it_in_words_with_few_queries(curator, answered, grace, django_assert_max_num_queries):
    with django_assert_max_num_queries(12):
        page = curator.get(f"/recognitions/{answered.pk}/").content.decode()
    assert "1 known" in page and "Grace" in page and 'class="score"' in page
    assert any(f">{word}</span>" in page for word in ("Sure", "Likely")) and "style=" not in page
    assert len(page) < 150_000


def test_a_reader_of_german_reads_numbers_with_a_comma_and_the_picture_keeps_its_dots(curator, answered, grace):
    page = curator.get(f"/recognitions/{answered.pk}/", headers={"Accept-Language": "de"}).content.decode()
    assert re.search(r"<title>Grace \d,\d\d</title>", page) and " 0,50" in page
    [drawn] = re.findall(r'<svg class="photo".*?</svg>', page, re.DOTALL)
    numbers = re.findall(r' (?:x|y|rx|width|height|font-size|stroke-width|textLength|viewBox)="([^"]*)"', drawn)
    assert any("." in number for number in numbers) and not any("," in number for number in numbers)


def test_an_answer_that_waited_for_a_worker_speaks_its_readers_language(client, gallery, living_worker, hopper):
    client.force_login(member(gallery, Role.VIEWER).user)
    headers = {"Accept-Language": "ar"}
    page = client.post("/galleries/staff/recognise", {"photo": files(one=hopper)}, headers=headers)
    assert '<html lang="ar" dir="rtl"' in page.content.decode() and page["Content-Language"] == "ar"


def test_somebody_else_then_undo(curator, gallery, answered, grace):
    anna = IdentityFactory(gallery=gallery, name="Anna")
    address = f"/recognitions/{answered.pk}/faces/0/name"
    found = curator.get(f"/recognitions/{answered.pk}/?face=0&q=ann").content.decode()
    assert f'name="to" value="{anna.pk}"' in found
    page = curator.post(address, {"to": anna.pk, "was": grace.pk}, headers=HTMX)
    assert page.status_code == 200 and "Saved: this is Anna. The face was enrolled." in page.content.decode()
    twice = curator.post(address, {"to": anna.pk, "was": grace.pk}, headers=HTMX)
    assert twice.status_code == 409 and anna.samples.count() == 1
    event = AuditEvent.objects.get(action="face.named")
    curator.post(f"/undo/{event.pk}")
    assert (
        not anna.samples.exists() and "Grace</bdi></a>" in curator.get(f"/recognitions/{answered.pk}/").content.decode()
    )
    assert (
        "this is Anna" in curator.post(address, {"to": anna.pk, "was": grace.pk}, follow=True).content.decode()
    )  # no script


def test_a_namesake_is_asked_about_and_the_gate_can_be_passed(curator, gallery, answered, grace):
    anna = IdentityFactory(gallery=gallery, name="Anna")
    address, body = f"/recognitions/{answered.pk}/faces/0/name", {"name": "ANNA", "was": grace.pk}
    asked = curator.post(address, body)
    assert asked.status_code == 409 and f'name="to" value="{anna.pk}"' in asked.content.decode()
    RecognitionFace.objects.filter(request=answered).update(reasons=["extreme_pose"])
    gallery.quality_gate = "strict"
    gallery.save()
    refused = curator.post(address, body | {"another": "on"}, headers=HTMX)
    assert refused.status_code == 422 and "Enrol anyway" in refused.content.decode()
    assert Identity.objects.count() == 2 and FaceSample.objects.count() == 1
    done = curator.post(address, body | {"another": "on", "enrol": "anyway"}, headers=HTMX)
    assert done.status_code == 200 and Identity.objects.filter(name="ANNA").count() == 1
    assert AuditEvent.objects.get(action="face.named").details["quality_gate"] == "off"


@pytest.mark.parametrize(
    "values",
    [{}, *({"name": name} for name in ("", "x" * 2001, "a\0b")), *({"to": who} for who in ("x", "a\0b", NOBODY))]
    + [{"name": "Berta", field: value} for field, value in (("local", "-1"), ("enrol", "no"))],
    ids=range(9),
)
def test_what_a_card_cannot_take_is_told(curator, answered, grace, values):
    page = curator.post(f"/recognitions/{answered.pk}/faces/0/name", {"was": grace.pk} | values, headers=HTMX)
    assert page.status_code == 400 and 'role="alert"' in page.content.decode()
    assert Identity.objects.get() == grace and FaceSample.objects.count() == 1


def test_viewers_see_what_they_asked_and_may_say_nothing(client, gallery, worker, grace, answered, hopper_again):
    viewer = member(gallery, Role.VIEWER)
    row = submit_recognition(actor=viewer, gallery=gallery, photo=Photo("mine.jpg", hopper_again), needs_worker=False)
    worker.run_once()
    client.force_login(viewer.user)
    page = client.get("/galleries/staff/recognitions").content.decode()
    assert "You see what you asked" in page and "mine.jpg" in page and "again.jpg" not in page
    events = AuditEvent.objects.count()
    body = {"name": "Anna", "was": grace.pk, "identity": grace.pk, "to": ""}
    for act in ("confirm", "reject", "name"):
        assert client.post(f"/recognitions/{row.pk}/faces/0/{act}", body).status_code == 403
        assert client.post(f"/recognitions/{answered.pk}/faces/0/{act}", body).status_code == 404
    assert AuditEvent.objects.count() == events and FaceSample.objects.count() == Identity.objects.count() == 1
    assert "Right" not in client.get(f"/recognitions/{row.pk}/").content.decode()


def test_the_list_filters_pages_and_gives_csv(
    curator, gallery, worker, grace, answered, collins, django_assert_max_num_queries
):
    row = submit_recognition(
        actor=SYSTEM, gallery=gallery, photo=Photo("=new.jpg", collins), keep_photo=True, needs_worker=False
    )
    worker.run_once()
    address = "/galleries/staff/recognitions"

    def shown(query: str) -> list[str]:
        page = curator.get(f"{address}?{query}").content.decode()
        return [name for name in ("again.jpg", "=new.jpg") if name in page]

    with django_assert_max_num_queries(12):
        assert shown("") == ["again.jpg", "=new.jpg"]
    assert shown("name=grac") == shown("decision=known") == shown("mine=on") == ["again.jpg"]
    assert shown("decision=unknown") == ["=new.jpg"]
    assert shown("since=2999-01-01") == shown("until=2001-01-01") == shown("name=nobody") == []
    assert shown("since=nonsense&until=2999-01-01") == ["again.jpg", "=new.jpg"]
    lines = b"".join(curator.get(f"{address}?format=csv&decision=unknown").streaming_content).decode().splitlines()
    assert lines[0].startswith("time,photo,by,face,decision") and ",'=new.jpg," in lines[1] and len(lines) == 2
    small = curator.get(f"/recognitions/{row.pk}/photo/small")
    assert small.content.startswith(b"\xff\xd8") and len(small.content) < 30_000
    curator.post(f"/recognitions/{answered.pk}/faces/0/reject", {"identity": grace.pk})
    assert shown("name=grac") == [] and shown("decision=unknown") == ["again.jpg", "=new.jpg"]
