"""Merge, split, move, "not X", delete: what they do, who may, and that undo restores every row exactly."""

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from factories import GalleryFactory, IdentityFactory, SampleFactory, member, unit
from pghistory.models import Context

from accounts.models import AuditEvent
from accounts.roles import Role
from faceplatform.errors import Conflict, DomainError, InvalidInput, NotAllowed
from gallery import services
from gallery.curation import services as curation
from gallery.curation.history import undo
from gallery.models import FaceEmbedding, FaceSample, Identity
from gallery.search.query import nearest_identities

pytestmark = pytest.mark.django_db


@pytest.fixture
def gallery():
    return GalleryFactory()


@pytest.fixture
def curator(gallery):
    return member(gallery, Role.CURATOR)


@pytest.fixture
def people(gallery):
    """Ann with two samples, her double with three, one of them of a photo that Ann has too."""
    ann = IdentityFactory(gallery=gallery, name="Ann", department="")
    double = IdentityFactory(gallery=gallery, name="Anne", external_id="7", department="Sales")
    for number in range(2):
        SampleFactory(identity=ann, vector=unit(number), photo_sha256=f"{number:064}")
    for number in range(1, 4):
        SampleFactory(identity=double, vector=unit(10 + number), photo_sha256=f"{number:064}")
    return ann, double


def undeleted_rows() -> dict:
    """All undeleted people and samples, with every column, and the number of vectors."""
    return {
        model.__name__: {str(row["pk" if "pk" in row else "id"]): row for row in model.objects.values()}
        for model in (Identity, FaceSample)
    } | {"vectors": FaceEmbedding.objects.count()}


def last_event() -> AuditEvent:
    return AuditEvent.objects.latest("id")


# --- What they do ---
def test_a_merge_moves_samples_once_each_and_fills_what_is_empty(curator, people):
    ann, double = people
    result = curation.merge_identities(actor=curator, into=ann, others=[double])
    ann = result.identity
    assert ann.samples.count() == 4  # both had one of the photos
    assert (ann.external_id, ann.department, ann.name) == ("7", "Sales", "Ann")
    merged = Identity.with_deleted.get(pk=double.pk)
    assert merged.deleted_at and merged.merged_into == ann and merged.current == ann
    assert result.event.details == {"merged": ["Anne"], "samples": 2}
    [[match]] = nearest_identities(gallery_id=ann.gallery_id, pack="dlib-resnet", probes=unit(12)[None], top_k=1)
    assert match.identity_id == ann.pk


def test_a_chain_of_merges_leads_to_the_last_person(curator, people, gallery):
    ann, double = people
    third = IdentityFactory(gallery=gallery)
    curation.merge_identities(actor=curator, into=ann, others=[double])
    curation.merge_identities(actor=curator, into=third, others=[ann])
    assert Identity.with_deleted.get(pk=double.pk).current == third


def test_a_split_makes_a_new_person(curator, people):
    _, double = people
    samples = list(double.samples.all())[:2]
    result = curation.split_identity(
        actor=curator, identity=double, samples=[row.pk for row in samples], name="Berta", department="IT"
    )
    assert (result.identity.name, result.identity.department) == ("Berta", "IT")
    assert set(result.identity.samples.all()) == set(samples)
    assert double.samples.count() == 1


def test_a_move_and_a_rejection(curator, people):
    ann, double = people
    sample = double.samples.get(photo_sha256=f"{3:064}")
    curation.move_sample(actor=curator, sample=sample, to=ann)
    assert ann.samples.count() == 3
    moved = FaceSample.objects.get(pk=sample.pk)
    curation.reject_sample(actor=curator, sample=moved)
    found = nearest_identities(gallery_id=ann.gallery_id, pack="dlib-resnet", probes=unit(13)[None], top_k=5)
    assert [match.identity_id for match in found[0]] == [double.pk]


def test_a_sample_is_not_moved_to_somebody_who_has_its_photo(curator, people):
    ann, double = people
    sample = double.samples.get(photo_sha256=f"{1:064}")
    with pytest.raises(Conflict, match="already has this photo"):
        curation.move_sample(actor=curator, sample=sample, to=ann)


@pytest.mark.parametrize("bad", ["itself", "nobody", "another gallery"])
def test_what_cannot_be_merged(curator, people, bad):
    ann, _ = people
    others = {"itself": [ann], "nobody": [], "another gallery": [IdentityFactory()]}[bad]
    before = undeleted_rows()
    with pytest.raises(InvalidInput):
        curation.merge_identities(actor=curator, into=ann, others=others)
    assert undeleted_rows() == before


def test_what_cannot_be_split(curator, people):
    ann, double = people
    for samples in ([], [double.samples.first().pk], [row.pk for row in ann.samples.all()]):
        with pytest.raises(InvalidInput):
            curation.split_identity(actor=curator, identity=ann, samples=samples, name="X")
    assert Identity.objects.count() == 2


# --- Undo ---
ACTS = {
    "merge": lambda actor, a, b: curation.merge_identities(actor=actor, into=a, others=[b]),
    "merge the other way": lambda actor, a, b: curation.merge_identities(actor=actor, into=b, others=[a]),
    "split": lambda actor, a, b: curation.split_identity(
        actor=actor, identity=b, samples=[b.samples.first().pk], name="New"
    ),
    "move": lambda actor, a, b: curation.move_sample(actor=actor, sample=b.samples.last(), to=a),
    "reject": lambda actor, a, b: curation.reject_sample(actor=actor, sample=b.samples.first()),
    "delete person": lambda actor, a, b: services.delete_identity(actor=actor, identity=a),
    "delete sample": lambda actor, a, b: services.delete_sample(actor=actor, sample=a.samples.first()),
    "deactivate": lambda actor, a, b: services.update_identity(actor=actor, identity=a, active=False),
    "hide": lambda actor, a, b: services.update_identity(actor=actor, identity=a, hidden=True),
    "rename": lambda actor, a, b: services.update_identity(actor=actor, identity=a, name="Zoe", metadata={"a": 1}),
}


@pytest.mark.parametrize("name", ACTS)
def test_undo_restores_the_rows_and_can_be_undone_in_turn(curator, people, name):
    before = undeleted_rows()
    ACTS[name](curator, *people)
    after = undeleted_rows()
    assert after != before
    first = last_event()
    undo(actor=curator, event=first)
    assert undeleted_rows() == before
    second = last_event()
    assert (second.action, second.object_id) == ("change.undone", str(first.pk))
    with pytest.raises(Conflict, match="already"):
        undo(actor=curator, event=first)
    undo(actor=curator, event=second)
    assert _without(undeleted_rows(), "deleted_at") == _without(after, "deleted_at")


def _without(rows: dict, field: str) -> dict:
    return {
        name: {key: {k: v for k, v in row.items() if k != field} for key, row in table.items()}
        for name, table in rows.items()
        if isinstance(table, dict)
    }


def test_a_change_is_not_undone_before_later_ones(curator, people):
    ann, double = people
    merge = curation.merge_identities(actor=curator, into=ann, others=[double]).event
    services.update_identity(actor=curator, identity=ann, external_id="8")
    before = undeleted_rows()
    with pytest.raises(Conflict, match="changed since"):
        undo(actor=curator, event=merge)
    assert undeleted_rows() == before
    undo(actor=curator, event=last_event())  # the later one first
    undo(actor=curator, event=merge)
    assert Identity.objects.get(pk=double.pk).external_id == "7"


def test_a_split_is_not_undone_while_the_new_person_has_new_samples(curator, people):
    _, double = people
    result = curation.split_identity(actor=curator, identity=double, samples=[double.samples.first().pk], name="New")
    SampleFactory(identity=result.identity)
    before = undeleted_rows()
    with pytest.raises(Conflict, match="got new samples since"):
        undo(actor=curator, event=result.event)
    assert undeleted_rows() == before


def test_a_deleted_persons_sample_is_not_restored(curator, people):
    ann, _ = people
    services.delete_sample(actor=curator, sample=ann.samples.first())
    event = last_event()
    services.delete_identity(actor=curator, identity=ann)
    with pytest.raises(Conflict, match="deleted since"):
        undo(actor=curator, event=event)


def test_a_person_whose_external_id_has_been_taken_is_not_restored(curator, people):
    _, double = people
    services.delete_identity(actor=curator, identity=double)
    event = last_event()
    IdentityFactory(gallery=double.gallery, external_id="7")
    before = undeleted_rows()
    with pytest.raises(Conflict, match="external id"):
        undo(actor=curator, event=event)
    assert undeleted_rows() == before


def test_what_cannot_be_undone(curator, people, gallery):
    created = services.create_identity(actor=curator, gallery=gallery, name="New")
    with pytest.raises(InvalidInput):
        undo(actor=curator, event=last_event())
    assert Identity.objects.filter(pk=created.pk).exists()


@pytest.mark.parametrize("later", [False, True])
def test_an_undo_costs_as_many_queries_for_many_samples_as_for_few(curator, gallery, later):
    def queries_of_undo(count: int) -> int:
        ann, double = (IdentityFactory(gallery=gallery) for _ in range(2))
        samples = [SampleFactory(identity=double, vector=unit(number)) for number in range(count)]
        merged = curation.merge_identities(actor=curator, into=ann, others=[double])
        if later:  # a change of one's own to each sample, which is undone first
            for sample in samples:
                moved = curation.move_sample(actor=curator, sample=FaceSample.objects.get(pk=sample.pk), to=second)
                undo(actor=curator, event=moved.event)
        with CaptureQueriesContext(connection) as queries:
            undo(actor=curator, event=merged.event)
        assert double.samples.count() == count
        return len(queries)

    second = IdentityFactory(gallery=gallery)
    assert queries_of_undo(2) == queries_of_undo(12)


# --- Purge ---
def test_a_move_from_somebody_purged_is_not_undone(curator, people):
    ann, double = people
    sample = ann.samples.first()
    moved = curation.move_sample(actor=curator, sample=sample, to=double)
    services.delete_identity(actor=curator, identity=ann)
    curation.purge_deleted(before=timezone.now())
    with pytest.raises(Conflict, match="purged"):
        undo(actor=curator, event=moved.event)
    assert FaceSample.objects.get(pk=sample.pk).identity == double


def test_a_purge_deletes_rows_crops_vectors_and_history(curator, people):
    ann, double = people
    services.delete_identity(actor=curator, identity=ann)
    event = last_event()
    services.delete_sample(actor=curator, sample=double.samples.first())
    assert curation.purge_deleted(before=timezone.now() - timedelta(days=1)) == {"samples": 0, "identities": 0}
    assert curation.purge_deleted(before=timezone.now()) == {"samples": 1, "identities": 1}
    assert Identity.with_deleted.count() == 1 and FaceSample.with_deleted.count() == 2
    assert FaceEmbedding.objects.count() == 2
    assert not Identity.history.rel.related_model.objects.filter(name="Ann").exists()
    with pytest.raises(Conflict, match="purged"):
        undo(actor=curator, event=event)


# --- Who made the change, and access ---
def test_the_history_says_who_and_the_request(curator, people):
    ann, _ = people
    services.update_identity(actor=curator, identity=ann, name="Zoe")
    [record] = Identity.history.rel.related_model.objects.filter(pgh_obj=ann, pgh_label="update")
    assert record.name == "Ann"
    context = Context.objects.get(pk=record.pgh_context_id)
    assert context.metadata["name"] == curator.name and context.metadata["via"] == "api"
    assert set(context.metadata) >= {"ip", "request_id", "service"}
    assert last_event().change_id == context.pk


def test_a_change_made_in_sql_is_in_the_history_too(people):
    ann, _ = people
    with connection.cursor() as cursor:
        cursor.execute("UPDATE gallery_identity SET name = 'Mallory' WHERE id = %s", [ann.pk])
    [record] = Identity.history.rel.related_model.objects.filter(pgh_obj=ann, pgh_label="update")
    assert record.name == "Ann" and record.pgh_context_id is None


def test_recognising_somebody_leaves_no_history(people):
    ann, _ = people
    services.note_recognized(identity_ids=[ann.pk], at=timezone.now())
    assert not Identity.history.rel.related_model.objects.filter(pgh_obj=ann, pgh_label="update").exists()


@pytest.mark.parametrize("name", ACTS)
def test_a_viewer_may_not_and_nothing_changes(gallery, people, name):
    before, events = undeleted_rows(), AuditEvent.objects.count()
    with pytest.raises(NotAllowed):
        ACTS[name](member(gallery, Role.VIEWER), *people)
    assert undeleted_rows() == before and AuditEvent.objects.count() == events


def test_a_viewer_may_not_undo(gallery, curator, people):
    services.delete_identity(actor=curator, identity=people[0])
    before = undeleted_rows()
    with pytest.raises(NotAllowed):
        undo(actor=member(gallery, Role.VIEWER), event=last_event())
    assert undeleted_rows() == before


# --- Two curators at once ---
def test_an_edit_of_a_stale_version_is_a_conflict(curator, people):
    ann, _ = people
    services.update_identity(actor=curator, identity=ann, name="Zoe", seen=ann.updated_at)
    with pytest.raises(Conflict) as caught:
        services.update_identity(actor=curator, identity=ann, name="Yes", seen=ann.updated_at)
    assert caught.value.code == "edited_meanwhile"
    assert Identity.objects.get(pk=ann.pk).name == "Zoe"


def test_curating_somebody_who_has_been_merged_is_a_conflict(curator, people, gallery):
    ann, double = people
    sample = double.samples.last()
    third = IdentityFactory(gallery=gallery)
    curation.merge_identities(actor=curator, into=ann, others=[double])
    before = undeleted_rows()
    for act in (
        lambda: curation.merge_identities(actor=curator, into=third, others=[double]),
        lambda: curation.move_sample(actor=curator, sample=sample, to=third),
        lambda: curation.split_identity(actor=curator, identity=double, samples=[sample.pk], name="X"),
    ):
        with pytest.raises(Conflict):
            act()
    assert undeleted_rows() == before


def test_locking_somebody_who_has_been_merged_gives_the_other_person(curator, people):
    ann, double = people
    curation.merge_identities(actor=curator, into=ann, others=[double])
    assert services.lock_identity(double.pk) == ann


@pytest.mark.django_db(transaction=True)
def test_two_people_merged_into_each_other_at_the_same_time(gallery):
    curator = member(gallery, Role.CURATOR)
    a, b = (IdentityFactory(gallery=gallery) for _ in range(2))
    for person in (a, b):
        SampleFactory(identity=person)
    outcomes, start = [], threading.Barrier(2)

    def merge(into, other):
        start.wait()
        try:
            outcomes.append(curation.merge_identities(actor=curator, into=into, others=[other]).identity)
        except DomainError as error:
            outcomes.append(error.status)
        finally:
            connection.close()

    threads = [threading.Thread(target=merge, args=pair) for pair in ((a, b), (b, a))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 409 in outcomes and len(set(map(str, outcomes))) == 2
    [left] = Identity.objects.all()
    assert left.samples.count() == 2
