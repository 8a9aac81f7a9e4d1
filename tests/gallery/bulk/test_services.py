"""Acts on many people: one audit event and one undo for all; and what a refusal, or somebody quicker, leaves."""

import pytest
from api_world import database_state
from factories import GalleryFactory, IdentityFactory, SampleFactory, member, stranger

from accounts.models import AuditEvent
from accounts.roles import Role
from faceplatform.errors import Conflict, InvalidInput, NotAllowed
from gallery import services
from gallery.bulk import services as bulk
from gallery.curation import history
from gallery.models import Identity

pytestmark = pytest.mark.django_db
CONSENT = {
    "consent": "given",
    "consent_by": "works council",
    "consent_at": "2026-01-31",
    "consent_until": None,
    "consent_note": "",
}


@pytest.fixture
def gallery():
    gallery = GalleryFactory(slug="staff")
    for name, department in (("Ada", "Navy"), ("Ben", ""), ("Cem", "Radar")):
        SampleFactory(identity=IdentityFactory(gallery=gallery, name=name, department=department))
    return gallery


@pytest.fixture
def curator(gallery):
    return member(gallery, Role.CURATOR)


def keys(gallery) -> list:
    return list(gallery.identities.order_by("name").values_list("pk", flat=True))


def kept(gallery) -> list:
    """All that an undo gives back."""
    names = (
        "name",
        "department",
        "active",
        "hidden",
        "deleted_at",
        "consent",
        "consent_by",
        "consent_at",
        "merged_into",
    )
    return list(Identity.with_deleted.filter(gallery=gallery).order_by("pk").values_list(*names))


@pytest.mark.parametrize(
    "fields",
    [{"department": "Sales"}, {"active": False}, {"hidden": True}, CONSENT],
    ids=lambda fields: next(iter(fields)),
)
def test_a_change_is_one_event_and_one_undo(gallery, curator, fields):
    people, before = keys(gallery), kept(gallery)
    done = bulk.change_people(actor=curator, gallery=gallery, people=people, **fields)
    assert (done.changed, done.same, done.gone) == (3, 0, 0)
    given = {name: value for name, value in fields.items() if value not in (None, "")}
    assert gallery.identities.filter(**given).count() == 3
    [event] = AuditEvent.objects.all()
    assert event.action == "people.changed" and event.details["people"] == 3
    assert sorted(event.details["ids"]) == sorted(map(str, people))
    changed = kept(gallery)
    undone = history.undo(actor=curator, event=event)
    assert kept(gallery) == before and AuditEvent.objects.count() == 2
    history.undo(actor=curator, event=undone)
    assert kept(gallery) == changed


def test_a_deletion_and_a_merge_are_one_event_and_one_undo_each(gallery, curator):
    people, before = keys(gallery), kept(gallery)
    done = bulk.delete_people(actor=curator, gallery=gallery, people=people)
    assert done.changed == 3 and gallery.identities.filter(deleted_at=None).count() == 0
    history.undo(actor=curator, event=done.event)
    assert kept(gallery) == before
    done = bulk.merge_people(actor=curator, gallery=gallery, people=[people[1], people[0], people[2]])
    [left] = Identity.objects.filter(gallery=gallery)
    assert (left.name, left.samples.count(), done.changed) == ("Ben", 3, 2)
    history.undo(actor=curator, event=done.event)
    assert kept(gallery) == before


def test_those_who_are_gone_or_elsewhere_are_left_out_and_those_who_are_so_already_stay_as_they_are(gallery, curator):
    ada, ben, cem = (Identity.objects.get(pk=key) for key in keys(gallery))
    other = IdentityFactory()
    services.delete_identity(actor=curator, identity=ada)
    Identity.objects.filter(pk=ben.pk).update(active=False)
    done = bulk.change_people(actor=curator, gallery=gallery, people=[ada.pk, ben.pk, cem.pk, other.pk], active=False)
    assert (done.changed, done.same, done.gone) == (1, 1, 2)
    other.refresh_from_db()
    assert other.active
    history.undo(actor=curator, event=done.event)
    assert list(gallery.identities.order_by("name").values_list("active", flat=True)) == [False, True]
    nobody = bulk.change_people(actor=curator, gallery=gallery, people=[ben.pk], active=False)
    assert nobody.event is None and nobody.same == 1


def test_an_undo_of_many_is_refused_as_a_whole_once_one_of_them_was_changed(gallery, curator):
    people = keys(gallery)
    done = bulk.change_people(actor=curator, gallery=gallery, people=people, department="Sales")
    services.update_identity(actor=curator, identity=Identity.objects.get(pk=people[2]), department="Stock")
    after = kept(gallery)
    with pytest.raises(Conflict, match="Cem has been changed since"):
        history.undo(actor=curator, event=done.event)
    assert kept(gallery) == after


@pytest.mark.parametrize(
    "fields",
    [
        {"department": "x" * 101},
        {"consent": "given"},
        {**CONSENT, "consent_until": "2020-01-01"},
        {"name": "All the same"},
    ],
)
def test_values_that_break_a_rule_change_nobody(gallery, curator, fields):
    before = database_state()
    with pytest.raises(InvalidInput):
        bulk.change_people(actor=curator, gallery=gallery, people=keys(gallery), **fields)
    assert database_state() == before


def test_one_alone_or_too_many_are_not_merged(gallery, curator, monkeypatch):
    people, before = keys(gallery), database_state()
    with pytest.raises(InvalidInput, match="two or more"):
        bulk.merge_people(actor=curator, gallery=gallery, people=people[:1])
    monkeypatch.setattr(bulk, "MOST_MERGED", 2)
    with pytest.raises(InvalidInput, match="At most 2"):
        bulk.merge_people(actor=curator, gallery=gallery, people=people)
    assert database_state() == before


@pytest.mark.parametrize("who", ["viewer", "stranger", "curator elsewhere"])
def test_who_is_no_curator_changes_nothing(gallery, who):
    actor = {
        "viewer": lambda: member(gallery, Role.VIEWER),
        "stranger": stranger,
        "curator elsewhere": lambda: member(GalleryFactory(), Role.CURATOR),
    }[who]()
    people, before = keys(gallery), database_state()
    for act, fields in ((bulk.change_people, {"active": False}), (bulk.delete_people, {}), (bulk.merge_people, {})):
        with pytest.raises(NotAllowed):
            act(actor=actor, gallery=gallery, people=people, **fields)
    assert database_state() == before


def test_many_people_and_the_undo_take_few_statements(gallery, curator, django_assert_max_num_queries):
    rows = [Identity(gallery=gallery, name=f"Person {n}", department=f"{n % 7}") for n in range(2_000)]
    Identity.objects.bulk_create(rows)
    people = [row.pk for row in rows]
    with django_assert_max_num_queries(30):
        done = bulk.change_people(actor=curator, gallery=gallery, people=people, department="Sales")
    with django_assert_max_num_queries(50):
        history.undo(actor=curator, event=done.event)
    assert done.changed == 2_000 and "ids" not in done.event.details
    assert gallery.identities.filter(department="3").count() == len(range(3, 2_000, 7))
