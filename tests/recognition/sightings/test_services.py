"""Unknown people named, merged, ignored and split, and each of it undone."""

import pytest
from factories import GalleryFactory, IdentityFactory, SampleFactory, member, stranger, unit
from seen import near, sight

from accounts.models import AuditEvent
from accounts.querysets import UNDONE
from accounts.roles import Role
from faceplatform.errors import Conflict, InvalidInput, NotAllowed
from gallery.curation.history import undo
from gallery.curation.services import merge_identities
from gallery.models import FaceSample, Identity
from recognition.cameras.models import Sighting, SightingFace, UnknownEmbedding, UnknownNot, UnknownPerson
from recognition.sightings.corrections import confirm_name, name_sighting, reject_name
from recognition.sightings.services import deny_suggestion, merge_unknowns, name_unknown, set_ignored, split_unknown

pytestmark = pytest.mark.django_db


@pytest.fixture
def gallery():
    return GalleryFactory(threshold_source="manual", threshold_distance=0.6)


@pytest.fixture
def curator(gallery):
    return member(gallery, Role.CURATOR)


@pytest.fixture
def recounted(monkeypatch):
    """Whose attendance was counted anew."""
    from recognition.attendance import services

    people: list = []
    monkeypatch.setattr(services, "recount", lambda identities: people.extend(identities))
    return people


def rows_of(model) -> list:
    return sorted(model.objects.values_list(), key=str)


def state() -> list:
    """Everything an undo must bring back. Samples that were enrolled are deleted, not gone."""
    samples = FaceSample.objects.values_list("pk", "identity", "rejected")
    people = Identity.objects.values_list("pk", "name")
    return [sorted(samples, key=str), sorted(people, key=str), rows_of(Sighting), centroids(), unknowns()]


def centroids() -> list:
    """By unknown person, about as they are stored: a running mean is not quite one made anew."""
    rows = UnknownEmbedding.objects.order_by("unknown__number")
    return [(row.unknown_id, row.n, [round(value, 1) + 0.0 for value in row.vector]) for row in rows]


def unknowns() -> list:
    fields = ("number", "sightings_count", "ignored", "merged_into", "identity", "first_seen", "last_seen")
    return list(UnknownPerson.objects.filter(sightings_count__gt=0).order_by("number").values_list(*fields))


# --- Naming -----------------------------------------------------------------------------------------------------------
def test_naming_fills_all_past_sightings_and_enrols_three_faces_that_differ(gallery, curator, recounted):
    vectors = [unit(0), near(unit(0), 0.02), near(unit(0), 0.3), near(unit(0), 0.4, axis=2)]
    sightings = [sight(gallery, vector, later=60 * n, faces=1) for n, vector in enumerate(vectors)]
    before = state()
    result = name_unknown(actor=curator, unknown=sightings[0].unknown, name="Ada")
    for sighting in sightings:
        sighting.refresh_from_db()
        assert (sighting.decision, sighting.identity, sighting.unknown) == (
            "known",
            result.identity,
            sightings[0].unknown,
        )
        assert sighting.named_later_by == curator.user and sighting.named_at
    enrolled = {sample.photo_sha256 for sample in result.samples}
    assert len(enrolled) == 3 and len(set(vectors_of(result.samples)[:, :3].round(2).ravel())) > 4
    assert not result.refused and recounted == [result.identity.pk]
    assert result.event.details["sightings"] == 4 and not UnknownPerson.objects.open().exists()
    undone = undo(actor=curator, event=result.event)
    assert state() == before and recounted == [result.identity.pk] * 2
    undo(actor=curator, event=undone)
    assert Sighting.objects.filter(identity=result.identity).count() == 4
    assert result.identity.samples.count() == 3
    assert UnknownPerson.objects.get().identity == result.identity


def vectors_of(samples):
    import numpy as np

    return np.array([sample.embeddings.get().vector for sample in samples])


def test_naming_somebody_who_is_there_leaves_single_wrong_sightings_out(gallery, curator):
    ada = IdentityFactory(gallery=gallery, name="Ada")
    right, wrong = sight(gallery, unit(0)), sight(gallery, near(unit(0), 0.5), later=60)
    unknown = right.unknown
    chosen = right.faces.get(rank=1)
    before = state()
    result = name_unknown(actor=curator, unknown=unknown, identity=ada, faces=[chosen.pk], without=[wrong.pk])
    wrong.refresh_from_db()
    assert (wrong.decision, wrong.identity) == ("unknown", None) and wrong.unknown not in (None, unknown)
    [sample] = result.samples
    assert bytes(sample.crop.jpeg) == bytes(chosen.jpeg) and sample.identity == ada
    undo(actor=curator, event=result.event)
    assert state() == before
    assert not UnknownNot.objects.exists()  # the two may come together again


def test_the_quality_gate_refuses_faces_but_not_the_name(gallery, curator):
    ben = SampleFactory(identity__gallery=gallery, identity__name="Ben", vector=unit(7)).identity
    unknown = sight(gallery, unit(7)).unknown
    SightingFace.objects.filter(rank=1).update(quality_score=0.1, reasons=["low_quality"])
    SightingFace.objects.filter(rank=2).update(pack="second")
    faces = list(SightingFace.objects.values_list("pk", flat=True))
    result = name_unknown(actor=curator, unknown=unknown, name="Ada", faces=faces)
    assert [refused.code for refused in sorted(result.refused, key=lambda r: faces.index(r.face))] == [
        "identity_similarity_conflict", "low_quality", "pack_changed",
    ]  # fmt: skip
    assert not result.samples and Sighting.objects.get().identity == result.identity
    assert ben.name in result.refused[0].message + result.refused[1].message + result.refused[2].message


def test_who_has_not_agreed_gets_no_sightings(gallery, curator):
    gallery.requires_consent = True
    gallery.save()
    unknown = sight(gallery, unit(0)).unknown
    before = state()
    with pytest.raises(Conflict) as refused:
        name_unknown(actor=curator, unknown=unknown, name="Ada")
    assert refused.value.code == "consent_missing" and state() == before


@pytest.mark.parametrize("given", [{}, {"name": "Ada", "identity": "own"}, {"identity": "other"}, {"name": " "}])
def test_naming_needs_one_person_of_the_gallery(gallery, curator, given):
    people = {"own": IdentityFactory(gallery=gallery), "other": IdentityFactory()}
    given = {key: people.get(value, value) for key, value in given.items()}
    with pytest.raises(InvalidInput):
        name_unknown(actor=curator, unknown=sight(gallery, unit(0)).unknown, **given)


def test_an_undo_is_refused_once_an_enrolled_face_was_moved(gallery, curator):
    result = name_unknown(actor=curator, unknown=sight(gallery, unit(0)).unknown, name="Ada")
    FaceSample.objects.filter(pk=result.samples[0].pk).update(identity=IdentityFactory(gallery=gallery))
    with pytest.raises(Conflict, match="changed since"):
        undo(actor=curator, event=result.event)
    assert Sighting.objects.get().identity == result.identity


def test_an_undo_works_when_some_of_the_sightings_have_been_deleted(gallery, curator):
    kept, gone = sight(gallery, unit(0)), sight(gallery, unit(0), later=5)
    result = name_unknown(actor=curator, unknown=kept.unknown, name="Ada")
    gone.delete()
    undo(actor=curator, event=result.event)
    assert unknowns()[0][:2] == (1, 1)


# --- Merging, ignoring, splitting -------------------------------------------------------------------------------------
def test_a_merge_moves_sightings_and_its_undo_keeps_the_two_apart(gallery, curator):
    into, other = (sight(gallery, unit(axis)).unknown for axis in (0, 1))
    before = state()
    result = merge_unknowns(actor=curator, into=into, others=[other])
    assert unknowns()[0][:2] == (1, 2) and result.unknown.sightings_count == 2
    with pytest.raises(Conflict):
        set_ignored(actor=curator, unknown=other, ignored=True)
    undo(actor=curator, event=result.event)
    assert state() == before
    assert UnknownNot.objects.get().unknown == into
    merge_unknowns(actor=curator, into=other, others=[into])  # a curator may think again
    assert not UnknownNot.objects.exists()


def test_ignored_people_are_left_out_and_come_back(gallery, curator):
    unknown = sight(gallery, unit(0)).unknown
    event = set_ignored(actor=curator, unknown=unknown, ignored=True).event
    assert not UnknownPerson.objects.open().exists()
    with pytest.raises(Conflict):
        set_ignored(actor=curator, unknown=unknown, ignored=True)
    undo(actor=curator, event=event)
    assert UnknownPerson.objects.open().get() == unknown
    set_ignored(actor=curator, unknown=unknown, ignored=True)
    set_ignored(actor=curator, unknown=unknown, ignored=False)
    assert UnknownPerson.objects.open().get() == unknown


def test_what_was_split_off_does_not_come_back_by_itself(gallery, curator):
    first, second = sight(gallery, unit(0)), sight(gallery, near(unit(0), 0.3), later=60)
    before = state()
    result = split_unknown(actor=curator, unknown=first.unknown, sightings=[second.pk])
    assert [row[:2] for row in unknowns()] == [(1, 1), (2, 1)]
    assert set(UnknownNot.objects.values_list("other__number", "sighting")) == {(2, None), (None, second.pk)}
    undo(actor=curator, event=result.event)
    assert state() == before and not UnknownNot.objects.exists()
    for chosen in ([], [first.pk, second.pk], [sight(gallery, unit(9)).pk]):
        with pytest.raises(InvalidInput):
            split_unknown(actor=curator, unknown=first.unknown, sightings=chosen)


# --- One sighting -----------------------------------------------------------------------------------------------------
def test_not_x_is_remembered_and_the_sighting_is_of_an_unknown_person(gallery, curator, recounted):
    ada = SampleFactory(identity__gallery=gallery, vector=unit(0)).identity
    sighting = sight(gallery, near(unit(0), 0.4), identity=ada)
    before = state()
    result = reject_name(actor=curator, sighting=sighting, identity=ada)
    sighting.refresh_from_db()
    assert (sighting.decision, sighting.identity, sighting.unknown.number) == ("unknown", None, 1)
    assert sighting.named_later_by == curator.user and recounted == [ada.pk]
    rejected = FaceSample.objects.get(rejected=True)
    assert rejected.identity == ada and bytes(rejected.crop.jpeg) == bytes(sighting.faces.first().jpeg)
    with pytest.raises(Conflict):
        reject_name(actor=curator, sighting=sighting, identity=ada)
    undo(actor=curator, event=result.event)
    assert state() == before and recounted == [ada.pk] * 2


def test_not_x_does_not_join_who_stood_beside(gallery, curator):
    ada = SampleFactory(identity__gallery=gallery, vector=unit(0)).identity
    neighbour = sight(gallery, unit(0))
    sighting = sight(gallery, unit(0), identity=ada)  # at the same time, at the same camera
    assert reject_name(actor=curator, sighting=sighting, identity=ada).sighting.unknown != neighbour.unknown
    later = sight(gallery, unit(0), identity=ada, later=3600)
    assert reject_name(actor=curator, sighting=later, identity=ada).sighting.unknown is not None
    assert UnknownPerson.objects.count() == 2


def test_not_x_of_a_face_that_was_enrolled_marks_that_sample(gallery, curator):
    sighting = sight(gallery, unit(0), faces=1)
    named = name_unknown(actor=curator, unknown=sighting.unknown, name="Ada")
    sighting.refresh_from_db()
    before = state()
    result = reject_name(actor=curator, sighting=sighting, identity=named.identity)
    assert FaceSample.objects.get().rejected
    with pytest.raises(Conflict):
        undo(actor=curator, event=named.event)
    undo(actor=curator, event=result.event)
    assert state() == before
    undo(actor=curator, event=named.event)  # first in, last out


def test_is_y_takes_the_sighting_from_x_and_from_its_unknown_person(gallery, curator, recounted):
    ada, ben = (SampleFactory(identity__gallery=gallery, vector=unit(axis)).identity for axis in (0, 1))
    wrong = sight(gallery, near(unit(0), 0.3, axis=3), identity=ada)
    strangers = [sight(gallery, unit(5), later=later) for later in (60, 120)]
    before = state()
    first = name_sighting(actor=curator, sighting=wrong, identity=ben, enrol=True)
    assert first.sighting.identity == ben and FaceSample.objects.get(rejected=True).identity == ada
    assert not first.refused and ben.samples.count() == 2  # it looked like Ada, who is out of question now
    second = name_sighting(actor=curator, sighting=strangers[0], name="Cy", enrol=True)
    assert second.sighting.unknown is None and not second.refused
    assert unknowns()[0][:2] == (1, 1) and second.sighting.identity.samples.count() == 1
    third = name_sighting(actor=curator, sighting=strangers[1], identity=ben)  # the last one: the unknown person is Ben
    assert UnknownPerson.objects.get().identity == ben and third.sighting.unknown_id
    assert set(recounted) == {ada.pk, ben.pk, second.sighting.identity.pk}
    for result in (third, second, first):
        undo(actor=curator, event=result.event)
    assert state() == before


def test_right_is_signed_and_needs_the_name_that_was_seen(gallery, curator):
    ada, ben = IdentityFactory.create_batch(2, gallery=gallery)
    sighting = sight(gallery, unit(0), identity=ada)
    event = confirm_name(actor=curator, sighting=sighting).event
    assert Sighting.objects.get().named_later_by == curator.user
    undo(actor=curator, event=event)
    assert Sighting.objects.get().named_later_by is None
    Sighting.objects.update(identity=ben)
    with pytest.raises(Conflict):
        confirm_name(actor=curator, sighting=sighting)


def test_sightings_follow_a_merge_of_people_when_they_are_corrected(gallery, curator):
    ada, double = IdentityFactory.create_batch(2, gallery=gallery)
    sighting = sight(gallery, unit(0), identity=double)
    merge_identities(actor=curator, into=ada, others=[double])
    reject_name(actor=curator, sighting=sighting, identity=ada)
    assert FaceSample.objects.get(rejected=True).identity == ada


# --- Who may ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("who", ["viewer", "stranger", "curator elsewhere"])
def test_only_curators_write(gallery, who):
    actor = {
        "viewer": lambda: member(gallery, Role.VIEWER),
        "stranger": stranger,
        "curator elsewhere": lambda: member(GalleryFactory(), Role.CURATOR),
    }[who]()
    ada = IdentityFactory(gallery=gallery)
    first, second = (sight(gallery, unit(axis)) for axis in (0, 1))
    known = sight(gallery, unit(2), identity=ada)
    before = state()
    for act in (
        lambda: name_unknown(actor=actor, unknown=first.unknown, identity=ada),
        lambda: merge_unknowns(actor=actor, into=first.unknown, others=[second.unknown]),
        lambda: set_ignored(actor=actor, unknown=first.unknown, ignored=True),
        lambda: split_unknown(actor=actor, unknown=first.unknown, sightings=[first.pk]),
        lambda: deny_suggestion(actor=actor, unknown=first.unknown, identity=ada),
        lambda: confirm_name(actor=actor, sighting=known),
        lambda: reject_name(actor=actor, sighting=known, identity=ada),
        lambda: name_sighting(actor=actor, sighting=first, identity=ada),
    ):
        with pytest.raises(NotAllowed):
            act()
    assert state() == before and not UnknownNot.objects.exists()
    assert not AuditEvent.objects.filter(gallery_id=gallery.pk).exclude(action=UNDONE).exists()
