"""The nightly look: who is merged, who is suggested, and who is left alone."""

import pytest
from factories import GalleryFactory, SampleFactory, member, unit
from seen import CameraFactory, near, sight

from accounts.actor import system_actor
from accounts.models import AuditEvent
from accounts.roles import Role
from faceplatform.errors import InvalidInput
from gallery.curation.history import undo
from recognition.cameras.models import Sighting, UnknownNot, UnknownPerson
from recognition.sightings import tasks
from recognition.sightings.merging import look_at_unknowns, suggest_names
from recognition.sightings.models import Suggestion
from recognition.sightings.services import deny_suggestion, name_unknown, set_ignored

pytestmark = pytest.mark.django_db
SYSTEM = system_actor()


@pytest.fixture
def gallery():
    return GalleryFactory(threshold_source="manual", threshold_distance=0.6)


def apart(gallery, *vectors, **fields) -> list[UnknownPerson]:
    """An unknown person for each vector, however near they are; hours apart."""
    people = []
    for number, vector in enumerate(vectors):
        sighting = sight(gallery, unit(20 + number), later=3600 * number, **fields)
        sighting.embeddings.update(vector=vector.tolist())
        people.append(sighting.unknown)
    from recognition.sightings.unknown_people import refresh

    refresh(person.pk for person in people)
    return people


def open_numbers() -> list[int]:
    return list(UnknownPerson.objects.open().order_by("number").values_list("number", flat=True))


def test_the_same_are_merged_the_similar_suggested_and_the_others_left_alone(gallery):
    first, same, similar, _ = apart(
        gallery, unit(0), near(unit(0), 0.5), near(unit(0), 0.58, axis=2), unit(5)
    )  # fmt: skip
    looked = look_at_unknowns(actor=SYSTEM, gallery=gallery)
    assert (looked.merged, open_numbers()) == (1, [1, 3, 4])
    same.refresh_from_db()
    assert same.merged_into == first and Sighting.objects.filter(unknown=first).count() == 2
    # .58 from the one and .67 from the other: .62 on average.
    assert not Suggestion.objects.exists()
    Sighting.objects.filter(unknown=first).first().delete()  # that of the second
    look_at_unknowns(actor=SYSTEM, gallery=gallery)
    pair = Suggestion.objects.get()
    assert {pair.unknown, pair.other} == {first, similar} and pair.distance == pytest.approx(0.58, abs=0.01)
    event = AuditEvent.objects.get(action="unknown.merged")
    assert event.user is None and event.change_id


def test_a_merge_that_was_undone_is_not_made_again(gallery):
    apart(gallery, unit(0), near(unit(0), 0.3))
    look_at_unknowns(actor=SYSTEM, gallery=gallery)
    assert open_numbers() == [1]
    undo(actor=member(gallery, Role.CURATOR), event=AuditEvent.objects.get(action="unknown.merged"))
    assert look_at_unknowns(actor=SYSTEM, gallery=gallery).merged == 0
    assert open_numbers() == [1, 2] and not Suggestion.objects.exists()


@pytest.mark.parametrize("same_camera", [True, False])
def test_two_who_stood_side_by_side_are_never_merged(gallery, same_camera):
    first = sight(gallery, unit(0))
    fields = {} if same_camera else {"camera": CameraFactory(gallery=gallery)}
    second = sight(gallery, unit(9), at=first.first_seen, **fields)
    second.embeddings.update(vector=near(unit(0), 0.2).tolist())
    looked = look_at_unknowns(actor=SYSTEM, gallery=gallery)
    assert (looked.merged, looked.pairs) == ((0, 0) if same_camera else (1, 0))


def test_ignored_and_named_people_are_left_out(gallery):
    curator = member(gallery, Role.CURATOR)
    people = apart(gallery, unit(0), near(unit(0), 0.2), near(unit(0), 0.3))
    set_ignored(actor=curator, unknown=people[0], ignored=True)
    name_unknown(actor=curator, unknown=people[1], name="Ada", faces=[])
    assert look_at_unknowns(actor=SYSTEM, gallery=gallery).merged == 0
    assert open_numbers() == [3]


def test_after_an_enrolment_it_is_suggested_who_an_unknown_person_may_be(gallery):
    unknown, other = apart(gallery, unit(0), unit(5))
    assert suggest_names(gallery=gallery) == 0
    ada = SampleFactory(identity__gallery=gallery, vector=near(unit(0), 0.64)).identity  # within 1.1 of the threshold
    tasks.name_unknowns(str(gallery.pk))
    assert Suggestion.objects.get().identity == ada and Suggestion.objects.get().unknown == unknown
    curator = member(gallery, Role.CURATOR)
    deny_suggestion(actor=curator, unknown=unknown, identity=ada)
    assert not Suggestion.objects.exists()
    assert look_at_unknowns(actor=SYSTEM, gallery=gallery).names == 0
    deny_suggestion(actor=curator, unknown=unknown, other=other)
    assert UnknownNot.objects.count() == 2
    for wrong in ({}, {"other": unknown}, {"identity": ada, "other": other}, {"identity": SampleFactory().identity}):
        with pytest.raises(InvalidInput):
            deny_suggestion(actor=curator, unknown=unknown, **wrong)


def test_jobs_are_queued_for_galleries_with_unknown_people_alone(gallery):
    from procrastinate.contrib.django.models import ProcrastinateJob

    SampleFactory()
    tasks.merge_nightly()
    tasks.name_after_enrolment()
    assert not ProcrastinateJob.objects.exists()
    apart(gallery, unit(0))
    tasks.name_after_enrolment()
    assert not ProcrastinateJob.objects.exists()  # nobody was enrolled
    SampleFactory(identity__gallery=gallery)
    for _ in range(2):
        tasks.merge_nightly()
        tasks.name_after_enrolment()
    jobs = ProcrastinateJob.objects.values_list("task_name", "args").order_by("id")
    own = {"gallery_id": str(gallery.pk)}
    place = "recognition.sightings.tasks"
    assert list(jobs) == [(f"{place}.merge_unknowns", own), (f"{place}.name_unknowns", own)]
    tasks.merge_unknowns(str(gallery.pk))


def test_an_empty_gallery_has_nothing_to_look_at(gallery):
    looked = look_at_unknowns(actor=SYSTEM, gallery=gallery)
    assert (looked.merged, looked.pairs, looked.names) == (0, 0, 0)
