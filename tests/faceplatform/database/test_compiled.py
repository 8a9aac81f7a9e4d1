"""Compiled querysets return what the querysets themselves return, for every caller."""

import pytest
from api_world import make_rows
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from factories import GalleryFactory, IdentityFactory, SampleFactory, UserFactory, member

from accounts.actor import Actor, Via, system_actor
from accounts.compiled_reads import VisibleRow
from accounts.models import ApiKey, AuditEvent, Membership
from accounts.roles import Role
from faceplatform.database.compiled import Compiled, Given, insert
from gallery.compiled_reads import GALLERY, IDENTITY
from gallery.models import FaceSample, Gallery, Identity
from recognition.photos.compiled_reads import FIRST_OF_COMPARISON, RECOGNITION
from recognition.photos.models import Candidate, Purpose, RecognitionRequest
from recognition.photos.rejections import reject_identity
from recognition.photos.representation import recognition_as_dict

pytestmark = pytest.mark.django_db


def with_key(actor: Actor, gallery: Gallery | None) -> Actor:
    """The actor with a key for `gallery`, even if the user is not in it (any more)."""
    return Actor(user=actor.user, api_key=ApiKey(user=actor.user, gallery=gallery, scopes=["read"]), via=Via.API)


@pytest.fixture
def actors():
    """Every kind of actor, inside and outside the first of two galleries."""
    staff, guests = GalleryFactory(slug="staff"), GalleryFactory(slug="guests")
    operator = Actor(user=UserFactory(is_superuser=True))
    viewers = [member(staff, Role.VIEWER), member(guests, Role.VIEWER)]
    curators = [member(staff, Role.CURATOR), member(guests, Role.CURATOR)]
    asleep = Actor(user=UserFactory(is_superuser=True, is_active=False))
    users = [operator, asleep, *viewers, *curators]
    keys = [with_key(actor, gallery) for actor in users for gallery in (None, staff, guests)]
    return [system_actor(), *users, *keys]


def seen(queryset, actor, **lookup):
    return queryset.visible_to(actor).filter(**lookup).first()


def test_every_actor_sees_what_the_querysets_return(actors):
    galleries = Gallery.objects.all()
    people = [IdentityFactory(gallery=gallery) for gallery in galleries]
    asked = [
        RecognitionRequest.objects.create(
            gallery=gallery, pack="x", photo=b"x", purpose=purpose, requested_by=actor.user
        )
        for gallery in galleries
        for purpose in (Purpose.RECOGNIZE, Purpose.COMPARE)
        for actor in (actors[0], actors[3], actors[4])
    ]
    found = 0
    for actor in actors:
        for gallery in galleries:
            assert GALLERY.find(actor, gallery.slug) == seen(galleries, actor, slug=gallery.slug)
        for person in people:
            one = IDENTITY.find(actor, person.pk)
            assert one == seen(Identity.objects, actor, pk=person.pk)
            found += one is not None
        for row in asked:
            assert RECOGNITION.find(actor, row.pk) == seen(RecognitionRequest.objects.recognitions(), actor, pk=row.pk)
            assert FIRST_OF_COMPARISON.find(actor, row.pk) is None  # none has a reference
    assert 0 < found < len(actors) * len(people)


def test_losing_a_role_takes_effect_at_once():
    gallery = GalleryFactory()
    actor = member(gallery, Role.VIEWER)
    assert (GALLERY.find(actor, gallery.slug), actor.role_in(gallery)) == (gallery, Role.VIEWER)
    Membership.objects.all().delete()
    assert (GALLERY.find(actor, gallery.slug), actor.role_in(gallery)) == (None, None)


def test_a_row_comes_with_its_prefetched_rows():
    world = make_rows()
    row = RecognitionRequest.objects.get(pk=world["recognition"])
    face = row.faces.get()
    for rank, (person, distance) in enumerate([(world["other"], 0.3), (world["identity"], 0.4)]):
        Candidate.objects.create(face=face, rank=rank, identity_id=person, distance=distance, score=0.6)
    reject_identity(actor=system_actor(), face=face, identity=Identity.objects.get(pk=world["other"]))
    plain = RecognitionRequest.objects.with_results().get(pk=row.pk)
    RECOGNITION.find(system_actor(), row.pk)
    with CaptureQueriesContext(connection) as ran:
        compiled = RECOGNITION.find(system_actor(), row.pk)
        answer = recognition_as_dict(compiled)
        faces = compiled.faces.all()
        assert faces[0].request is compiled and faces[0].has_crop
    assert len(ran) == 4
    assert answer == recognition_as_dict(plain)
    assert [len(answer["faces"][0][name]) for name in ("candidates", "rejected")] == [1, 1]
    assert compiled.get_deferred_fields() == {"photo"} == plain.get_deferred_fields()
    assert faces[0].get_deferred_fields() == {"crop", "vector"}


def test_a_person_comes_with_portrait_and_count():
    sample = SampleFactory()
    person = IDENTITY.find(system_actor(), sample.identity_id)
    assert (person.portrait_id, person.sample_count, person.gallery) == (sample.pk, 1, sample.gallery)
    assert IDENTITY.find(system_actor(), sample.pk) is None


def test_rows_keep_the_order_of_the_queryset_and_prefetch_for_each():
    people = [IdentityFactory(name=name) for name in "cab"]
    for person in people[:2]:
        SampleFactory.create_batch(2, identity=person)
    read = Compiled(
        lambda: Identity.objects.filter(name__gt=Given("after")).order_by("name").prefetch_related("samples")
    )
    with CaptureQueriesContext(connection) as ran:
        found = [(person.name, len(person.samples.all())) for person in read(after="a")]
    assert (found, len(ran)) == ([("b", 0), ("c", 2)], 2)
    assert [person.name for person in read(after="b")] == ["c"]
    assert read(after="z") == []


def test_an_insert_writes_what_save_writes():
    gallery, user = GalleryFactory(), UserFactory()
    request = {
        "gallery": gallery,
        "pack": "x",
        "photo": b"\0\xff",
        "options": {"a": [1, None, "ü"]},
        "requested_by": user,
    }
    event = {"action": "a", "user": user, "ip": "2001:db8::1", "gallery_id": gallery.pk, "details": {"b": {}}}
    for model, values, moment in ((RecognitionRequest, request, "created_at"), (AuditEvent, event, "at")):
        saved, inserted = model(**values), model(**values)
        saved.save()
        insert([inserted])
        assert not inserted._state.adding
        first, second = (model.objects.values().get(pk=row.pk) for row in (saved, inserted))
        assert {name for name in first if first[name] != second[name]} == {"id", moment}
        assert getattr(inserted, moment) == second[moment]


def test_deferred_fields_are_loaded_as_usual():
    rows = VisibleRow(lambda: FaceSample.objects.only("photo_name"), "pk")
    sample = SampleFactory(photo_name="a.jpg")
    assert rows.find(system_actor(), sample.pk).detection_score == sample.detection_score


def test_what_is_read_on_from_prefetched_rows_stays_with_their_parent():
    people = IdentityFactory.create_batch(2)
    samples = [SampleFactory(identity=person) for person in people]
    read = Compiled(lambda: Identity.objects.filter(pk=Given("pk")).prefetch_related("samples"))
    person = read.first(pk=people[0].pk)
    assert list(person.samples.all()) == [samples[0]]
    assert list(person.samples.values_list("pk", flat=True)) == [samples[0].pk]
    assert list(person.samples.order_by("pk")) == [samples[0]]


def test_what_is_selected_with_a_row_is_read_as_the_queryset_reads_it(django_assert_num_queries):
    person = IdentityFactory(merged_into=IdentityFactory(), deleted_at=timezone.now())
    rows = Identity._base_manager.select_related("gallery", "merged_into__merged_into").defer(
        "metadata", "gallery__pack"
    )
    one = Compiled(lambda: rows.filter(pk=Given("pk"))).first(pk=person.pk)
    plain = rows.get(pk=person.pk)
    with django_assert_num_queries(0):
        assert (one, one.gallery, one.merged_into) == (plain, plain.gallery, plain.merged_into)
        assert one.merged_into.merged_into is None
    for ours, djangos in ((one, plain), (one.gallery, plain.gallery), (one.merged_into, plain.merged_into)):
        assert ours.get_deferred_fields() == djangos.get_deferred_fields()
    assert (one.metadata, one.gallery.pack) == (plain.metadata, plain.gallery.pack)
