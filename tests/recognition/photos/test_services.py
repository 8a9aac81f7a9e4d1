import tracemalloc

import pytest
from django.utils import timezone
from factories import GalleryFactory, IdentityFactory, SampleFactory, member, stranger

from accounts.actor import system_actor
from accounts.models import AuditEvent
from accounts.roles import Role
from faceplatform.errors import DomainError, NotAllowed, Unavailable
from gallery.search.query import Match
from recognition.photos import services
from recognition.photos.models import Decision, RecognitionRequest
from recognition.photos.results.decisions import decide
from recognition.photos.services import Photo
from recognition.photos.thresholds import threshold_of

pytestmark = pytest.mark.django_db


def matches(*distances: float) -> list[Match]:
    return [Match(IdentityFactory.build().pk, None, distance, distance) for distance in distances]


# --- Decisions --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("distances", "decision", "margin"),
    [
        ([0.3, 0.7], Decision.KNOWN, 0.4),
        ([0.5, 0.5], Decision.KNOWN, 0.0),
        ([0.5001, 0.7], Decision.UNKNOWN, 0.1999),
        ([0.4], Decision.KNOWN, None),
        ([], Decision.UNKNOWN, None),
    ],
)
def test_known_within_the_threshold_else_unknown(distances, decision, margin):
    found = matches(*distances)
    verdict = decide(found, 0.5, top_k=5)
    assert verdict.decision == decision
    assert verdict.margin == (margin if margin is None else pytest.approx(margin))
    assert verdict.identity_id == (found[0].identity_id if decision == Decision.KNOWN else None)


def test_the_margin_needs_no_second_candidate_in_the_answer():
    verdict = decide(matches(0.3, 0.6), 0.5, top_k=1)
    assert (len(verdict.matches), verdict.margin) == (1, pytest.approx(0.3))


# --- Thresholds -------------------------------------------------------------------------------------------------------
def test_the_threshold_follows_the_faces_a_search_may_find(pack_dir):
    gallery = GalleryFactory()
    empty = threshold_of(gallery)
    people = IdentityFactory.create_batch(20, gallery=gallery)
    for person in [*people, *people]:
        SampleFactory(identity=person)
    SampleFactory(identity=IdentityFactory(gallery=gallery, active=False))
    SampleFactory(identity=people[0], rejected=True)
    SampleFactory(identity=people[0], deleted_at=timezone.now())
    full = threshold_of(gallery)
    assert (empty.source, full.source) == ("size", "size")
    assert full.distance == pytest.approx(0.468, abs=0.001)
    assert full.distance < empty.distance


def test_a_threshold_set_by_hand_or_sent_with_the_request(pack_dir):
    gallery = GalleryFactory(threshold_source="manual", threshold_distance=0.41)
    assert (threshold_of(gallery).distance, threshold_of(gallery).source) == (0.41, "manual")
    assert (threshold_of(gallery, 0.3).distance, threshold_of(gallery, 0.3).source) == (0.3, "request")


def test_without_its_pack_the_command_is_named():
    with pytest.raises(Unavailable, match="packs install absent"):
        threshold_of(GalleryFactory(pack="absent"))


# --- Submitting -------------------------------------------------------------------------------------------------------
def test_a_denied_submission_leaves_no_trace(hopper):
    gallery = GalleryFactory()
    identity = IdentityFactory(gallery=gallery)
    photo = Photo("a.jpg", hopper)
    with pytest.raises(NotAllowed):
        services.submit_recognition(actor=stranger(), gallery=gallery, photo=photo, needs_worker=False)
    with pytest.raises(NotAllowed):
        services.submit_enrolment(
            actor=member(gallery, Role.VIEWER), identity=identity, photos=[photo], needs_worker=False
        )
    assert (RecognitionRequest.objects.count(), AuditEvent.objects.count()) == (0, 0)


def test_what_is_kept_follows_the_gallery_unless_the_request_says(hopper):
    kept = []
    for gallery in (GalleryFactory(keep_photos=False), GalleryFactory(keep_photos=True)):
        for keep in (None, True, False):
            row = services.submit_recognition(
                actor=system_actor(), gallery=gallery, photo=Photo("a", hopper), keep_photo=keep, needs_worker=False
            )
            kept.append(row.keep_photo)
    assert kept == [False, True, False, True, True, False]


@pytest.mark.parametrize(
    "options", [{"top_k": 0}, {"top_k": 101}, {"threshold": 0}, {"threshold": 2.5}, {"max_faces": 0}]
)
def test_options_out_of_range(hopper, options):
    with pytest.raises(DomainError):
        services.submit_recognition(
            actor=system_actor(), gallery=GalleryFactory(), photo=Photo("a", hopper), needs_worker=False, **options
        )
    assert not RecognitionRequest.objects.exists()


# --- Photos on their way to the database ------------------------------------------------------------------------------
@pytest.mark.parametrize("many", [True, False])
def test_large_photos_are_queued_without_several_copies_of_each(hopper, many):
    """As bytes, one copy for the statement. As text it would be seven times their size, and take minutes for 200 MiB."""
    gallery = GalleryFactory()
    photos = [Photo("a.jpg", hopper + bytes(2 * 2**20)) for _ in range(8)]
    person = IdentityFactory(gallery=gallery)
    tracemalloc.start()
    try:
        if many:
            pairs = [(person, photo) for photo in photos]
            rows = services.submit_enrolments(actor=system_actor(), gallery=gallery, photos=pairs)
        else:
            rows = services.submit_enrolment(actor=system_actor(), identity=person, photos=photos, needs_worker=False)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2.5 * sum(len(photo.data) for photo in photos)
    assert [bytes(row.photo) for row in RecognitionRequest.objects.order_by("id")] == [one.data for one in photos]
    assert all(row.created_at and row.status == "queued" for row in rows)
