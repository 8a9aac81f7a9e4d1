"""People who move to another gallery: with all that is theirs, in one act with one undo, or not at all."""

import pytest
from api_world import database_state
from factories import GalleryFactory, IdentityFactory, SampleFactory, member, unit

from accounts.models import AuditEvent, Membership
from accounts.roles import Role
from faceplatform.errors import Conflict, InvalidInput, NotAllowed
from gallery.bulk.moving import move_people
from gallery.curation import history
from gallery.models import FaceCrop, FaceEmbedding, FaceSample, Identity

pytestmark = pytest.mark.django_db
DETAILS = {"department": "Navy", "external_id": "17", "metadata": {"desk": 4}, "hidden": True}


@pytest.fixture
def gallery():
    return GalleryFactory(slug="staff")


@pytest.fixture
def to():
    return GalleryFactory(slug="visitors")


@pytest.fixture
def curator(gallery, to):
    actor = member(gallery, Role.CURATOR)
    Membership.objects.create(user=actor.user, gallery=to, role=Role.CURATOR)
    return actor


@pytest.fixture
def people(gallery):
    ada, ben = IdentityFactory(gallery=gallery, name="Ada", **DETAILS), IdentityFactory(gallery=gallery, name="Ben")
    for number, (person, rejected) in enumerate(((ada, False), (ada, False), (ada, True), (ben, False))):
        SampleFactory(identity=person, vector=unit(number), rejected=rejected)
    return [ada.pk, ben.pk]


def faces(gallery):
    """What there is of each person's faces in a gallery, but for their keys."""
    rows = FaceSample.objects.filter(gallery=gallery, identity__gallery=gallery).order_by("photo_sha256")
    return [
        (
            row.identity.name,
            row.photo_sha256,
            row.rejected,
            row.created_at,
            bytes(FaceCrop.objects.get(sample=row).jpeg),
            FaceEmbedding.objects.get(sample=row, gallery=gallery).vector,
        )
        for row in rows
    ]


def test_they_arrive_with_all_that_is_theirs_and_leave_nothing_to_be_recognised(gallery, to, curator, people):
    before = faces(gallery)
    done = move_people(actor=curator, gallery=gallery, people=people, to=to)
    assert (done.changed, done.gone) == (2, 0)
    assert faces(to) == before and len(before) == 4
    assert not Identity.objects.filter(gallery=gallery).exists() and faces(gallery) == []
    there = Identity.objects.get(gallery=to, name="Ada")
    assert {name: getattr(there, name) for name in DETAILS} == DETAILS
    assert Identity.with_deleted.get(pk=people[0]).moved_to == there
    assert there.searchable.startswith("ada\n17\nnavy")


def test_it_is_one_event_in_each_gallery_and_one_undo_which_can_be_undone(gallery, to, curator, people):
    before = faces(gallery)
    done = move_people(actor=curator, gallery=gallery, people=people, to=to)
    assert sorted(AuditEvent.objects.values_list("action", "gallery_slug")) == [
        ("people.arrived", "visitors"),
        ("people.moved", "staff"),
    ]
    undone = history.undo(actor=curator, event=done.event)
    assert faces(gallery) == before and not Identity.objects.filter(gallery=to).exists()
    assert not Identity.with_deleted.filter(gallery=gallery).exclude(moved_to=None).exists()
    history.undo(actor=curator, event=undone)
    assert faces(to) == before and not Identity.objects.filter(gallery=gallery).exists()


def test_who_got_a_face_there_since_is_not_taken_back(gallery, to, curator, people):
    done = move_people(actor=curator, gallery=gallery, people=people, to=to)
    SampleFactory(identity=Identity.objects.get(gallery=to, name="Ben"))
    before = database_state()
    with pytest.raises(Conflict, match="Ben has got new samples since"):
        history.undo(actor=curator, event=done.event)
    assert database_state() == before


@pytest.mark.parametrize(("here", "there"), [(Role.CURATOR, Role.VIEWER), (Role.VIEWER, Role.CURATOR)])
def test_both_galleries_must_be_the_curators(gallery, to, people, here, there):
    actor = member(gallery, here)
    Membership.objects.create(user=actor.user, gallery=to, role=there)
    before = database_state()
    with pytest.raises(NotAllowed):
        move_people(actor=actor, gallery=gallery, people=people, to=to)
    assert database_state() == before


def test_who_is_no_curator_of_the_other_gallery_undoes_nothing(gallery, to, curator, people):
    done = move_people(actor=curator, gallery=gallery, people=people, to=to)
    other = member(gallery, Role.CURATOR)
    before = database_state()
    with pytest.raises(NotAllowed):
        history.undo(actor=other, event=done.event)
    assert database_state() == before


def refused(to, people):
    """Why nobody moves: what is in the way, and what the refusal says."""
    Identity.objects.filter(pk=people[1]).update(external_id="99")
    return {
        "consent": lambda: type(to).objects.filter(pk=to.pk).update(requires_consent=True),
        "pack": lambda: FaceEmbedding.objects.filter(sample__identity=people[1]).update(pack="sface"),
        "number": lambda: IdentityFactory(gallery=to, external_id="99"),
    }


@pytest.mark.parametrize(
    ("reason", "told"),
    [("consent", "requires consent, and 2 of them have"), ("pack", "1 of their faces"), ("number", "external id 99")],
)
def test_all_move_or_none(gallery, to, curator, people, reason, told):
    refused(to, people)[reason]()
    to.refresh_from_db()
    before = database_state()
    with pytest.raises((InvalidInput, Conflict), match=told):
        move_people(actor=curator, gallery=gallery, people=people, to=to)
    assert database_state() == before


def test_into_the_same_gallery_nobody_moves(gallery, curator, people):
    with pytest.raises(InvalidInput, match="already"):
        move_people(actor=curator, gallery=gallery, people=people, to=gallery)


def test_ten_thousand_move_in_few_statements(gallery, to, curator, django_assert_max_num_queries):
    Identity.objects.bulk_create(Identity(gallery=gallery, name=f"Person {number}") for number in range(10_000))
    keys = list(Identity.objects.filter(gallery=gallery).values_list("pk", flat=True))
    with django_assert_max_num_queries(30):
        done = move_people(actor=curator, gallery=gallery, people=keys, to=to)
    assert done.changed == Identity.objects.filter(gallery=to).count() == 10_000
