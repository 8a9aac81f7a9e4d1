"""Consent: who may be proposed and enrolled, and until when; it is saved, merged and undone like other data."""

from datetime import timedelta

import pytest
from api_client import client_of, problem
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone
from factories import GalleryFactory, IdentityFactory, SampleFactory, member, unit

from accounts.actor import system_actor
from accounts.models import AuditEvent
from accounts.roles import Role
from faceplatform.errors import Conflict, InvalidInput, NotAllowed
from gallery import services
from gallery.curation import services as curation
from gallery.curation.history import undo
from gallery.models import Identity
from gallery.search.query import nearest_identities, search_exactly, search_index
from recognition.photos.models import RecognitionRequest
from recognition.photos.services import Photo, submit_enrolment
from recognition.photos.thresholds import threshold_of

pytestmark = pytest.mark.django_db
ACTOR = system_actor()
GIVEN = {"consent": "given", "consent_by": "form 17", "consent_at": timezone.localdate() - timedelta(days=400)}


@pytest.fixture
def gallery():
    return GalleryFactory(requires_consent=True)


@pytest.fixture
def today():
    return timezone.localdate()


def enrolled(gallery, number: int, **consent) -> Identity:
    person = IdentityFactory(gallery=gallery, **consent)
    SampleFactory(identity=person, vector=unit(number))
    return person


def test_only_people_with_valid_consent_are_found(gallery, today, pack_dir):
    yesterday = today - timedelta(days=1)
    people = {
        "lasting": enrolled(gallery, 0, **GIVEN),
        "last day": enrolled(gallery, 1, **GIVEN, consent_until=today),
        "expired": enrolled(gallery, 2, **GIVEN, consent_until=yesterday),
        "not asked": enrolled(gallery, 3),
        "refused": enrolled(gallery, 4, consent="refused"),
        "withdrawn": enrolled(gallery, 5, **GIVEN | {"consent": "withdrawn"}),
    }
    arguments = {"gallery_id": gallery.pk, "pack": "dlib-resnet", "probes": unit(2)[None], "top_k": 9}
    for found in (
        search_exactly(**arguments),
        search_index(**arguments, ef_search=40),
        nearest_identities(**arguments),
    ):
        assert {match.identity_id for match in found[0]} == {people["lasting"].pk, people["last day"].pk}
    valid = {name for name, person in people.items() if person.has_valid_consent}
    assert valid == {"lasting", "last day"}
    assert set(gallery.identities.with_valid_consent()) == {people[name] for name in valid}
    assert set(gallery.identities.without_valid_consent()) == {people[name] for name in people.keys() - valid}
    assert list(gallery.identities.consent_ending()) == [people["last day"]]
    threshold_for_two = threshold_of(gallery).distance
    services.update_gallery(actor=ACTOR, gallery=gallery, requires_consent=False)
    assert len(nearest_identities(**arguments)[0]) == 6
    gallery.refresh_from_db()
    assert threshold_of(gallery).distance < threshold_for_two


def test_enrolment_is_refused_without_consent(worker, gallery, hopper, collins):
    grace = IdentityFactory(gallery=gallery)
    [refused] = submit_enrolment(actor=ACTOR, identity=grace, photos=[Photo("a.jpg", hopper)], needs_worker=False)
    assert (refused.status, refused.error_code, refused.photo) == ("failed", "consent_missing", None)
    grace = services.update_identity(actor=ACTOR, identity=grace, **GIVEN)
    waiting, other = submit_enrolment(
        actor=ACTOR, identity=grace, photos=[Photo("a.jpg", hopper), Photo("b.jpg", collins)], needs_worker=False
    )
    assert worker.run_once(only=[waiting.pk]) == 1
    services.update_identity(actor=ACTOR, identity=grace, consent="withdrawn")
    assert worker.run_once(only=[other.pk]) == 1
    codes = dict(RecognitionRequest.objects.values_list("pk", "error_code"))
    assert (codes[waiting.pk], codes[other.pk]) == ("", "consent_missing")
    assert grace.samples.count() == 1


def test_consent_is_validated_audited_and_undone(gallery, today):
    curator, grace = member(gallery, Role.CURATOR), IdentityFactory(gallery=gallery)
    for bad in (
        {"consent": "given"},
        {"consent": "given", "consent_by": "form 17"},
        {**GIVEN, "consent_until": today - timedelta(days=500)},
        {"consent": "perhaps"},
    ):
        with pytest.raises(InvalidInput):
            services.update_identity(actor=curator, identity=grace, **bad)
    with pytest.raises(NotAllowed):
        services.update_identity(actor=member(gallery, Role.VIEWER), identity=grace, **GIVEN)
    assert not AuditEvent.objects.exists()
    services.update_identity(actor=curator, identity=grace, **GIVEN)
    event = AuditEvent.objects.get()
    assert event.details["consent_at"] == [None, GIVEN["consent_at"].isoformat()]
    undo(actor=curator, event=event)
    grace.refresh_from_db()
    assert (grace.consent, grace.consent_by, grace.consent_at) == ("", "", None)


@pytest.mark.parametrize(("later", "counts"), [(1, "withdrawn"), (-1, "given"), (0, "given")])
def test_a_merge_keeps_the_latest_answer(gallery, later, counts):
    grace = IdentityFactory(gallery=gallery, **GIVEN)
    said = GIVEN["consent_at"] + timedelta(days=later)
    double = IdentityFactory(gallery=gallery, consent="withdrawn", consent_at=said)
    assert curation.merge_identities(actor=ACTOR, into=grace, others=[double]).identity.consent == counts


def test_consent_over_rest(gallery):
    client, grace = client_of(member(gallery, Role.CURATOR)), IdentityFactory(gallery=gallery)
    IdentityFactory(gallery=gallery)
    address = f"/api/v1/identities/{grace.pk}"
    body = {"consent": "given", "consent_by": "form 17", "consent_at": "2026-01-31", "consent_until": "2999-01-31"}
    answer = client.patch(address, body, format="json").json()
    assert {**answer, **body} == answer
    assert answer["has_valid_consent"] is True
    problem(client.patch(address, {"consent_by": ""}, format="json"), 400, "invalid_input")
    for wanted, people in (("true", [str(grace.pk)]), ("false", [str(gallery.identities.last().pk)])):
        found = client.get("/api/v1/identities", {"consent": wanted}).json()["results"]
        assert [person["id"] for person in found] == people


def test_consent_on_the_pages(client, gallery, today):
    client.force_login(member(gallery, Role.CURATOR).user)
    grace = IdentityFactory(gallery=gallery)
    page = client.get(f"{grace.get_absolute_url()}details")
    assert b"No valid consent" in page.content
    seen = page.context["consent"].initial["seen"]
    address = f"{grace.get_absolute_url()}consent"
    values = {"consent": "given", "consent_by": "form 17", "consent_at": "2026-01-31", "seen": seen}
    assert client.post(address, values | {"consent_at": ""}).status_code == 400
    assert client.post(address, values).status_code == 302
    assert (
        client.post(address, values | {"consent": "withdrawn"}).status_code == 409
    )  # the page was loaded before the change
    grace.refresh_from_db()
    assert grace.has_valid_consent
    missing = IdentityFactory(gallery=gallery, name="Nobody asked me")
    found = (
        client.get(f"/galleries/{gallery.slug}/", {"state": "all", "consent": "missing"}).context["page"].object_list
    )
    assert list(found) == [missing]


def test_adding_faces_asks_for_consent(client, gallery, living_worker, worker, hopper, monkeypatch):
    monkeypatch.setattr("recognition.photos.views.WAIT", 0)
    client.force_login(member(gallery, Role.CURATOR).user)
    address = f"/galleries/{gallery.slug}/add-faces"
    values = {"name": "Grace", "photos": SimpleUploadedFile("a.jpg", b"junk")}
    assert timezone.localdate().isoformat() in client.get(address).content.decode()
    assert client.post(address, values).status_code == 400
    assert not gallery.identities.exists()
    values |= {"photos": SimpleUploadedFile("a.jpg", hopper), "consent_by": "form 17", "consent_at": "2026-01-31"}
    assert client.post(address, values).status_code == 200
    worker.run_once()
    assert gallery.identities.get().has_valid_consent
    open_gallery = GalleryFactory()
    client.force_login(member(open_gallery, Role.CURATOR).user)
    assert b"consent_by" not in client.get(f"/galleries/{open_gallery.slug}/add-faces").content


def test_the_conflict_names_the_person(gallery):
    with pytest.raises(Conflict, match="Grace"):
        services.require_consent(IdentityFactory(gallery=gallery, name="Grace"))
