"""What compiled.py takes of Django's querysets, queries and models without a word in their documentation. A test that fails
after an upgrade says what breaks with it; what compiled.py gives in all is in test_compiled.py.
"""

import re

import pytest
from django.apps import apps
from django.db import connection
from django.db.models import NOT_PROVIDED, Count, F, Prefetch, signals
from django.db.models.functions import Length
from factories import IdentityFactory, SampleFactory

from accounts.models import AuditEvent
from faceplatform.database.compiled import Given, insert
from gallery.models import FaceSample, Gallery, Identity
from recognition.photos.models import RecognitionRequest, Worker

pytestmark = pytest.mark.django_db
OURS = [model for name in ("accounts", "gallery", "recognition") for model in apps.get_app_config(name).get_models()]


def parameters(queryset) -> list:
    return list(queryset.query.sql_with_params()[1])


# --- The statement ----------------------------------------------------------------------------------------------------
def test_a_given_stands_among_the_parameters_as_it_is():
    """Compiled puts each call's values in their place; else every API key is unknown, or is another's."""
    user, name, after = Given("user"), Given("name"), Given("after")
    galleries = Gallery.objects.filter(memberships__user=user).values("pk")
    people = Identity.objects.filter(name=name, pk__gt=after, active=True, gallery__in=galleries)
    found = [one for one in parameters(people) if isinstance(one, Given)]
    assert sorted(one.name for one in found) == ["after", "name", "user"]
    sql, values = Identity.objects.filter(name=name).filter(pk__gt=after).query.sql_with_params()
    assert (sql.count("%s"), [one.name for one in values if isinstance(one, Given)]) == (len(values), ["name", "after"])


def test_a_given_list_becomes_any_of_it():
    """Given(one_of=True) is written where a value would be, after the equals sign; else no worker gets its photos, and no
    recognition its faces."""
    keys = Given("keys", one_of=True)
    sql, values = Identity.objects.filter(pk=keys).order_by().query.sql_with_params()
    assert re.search(r'"gallery_identity"."id" = \(?ANY\(%s\)', sql), sql
    assert values[-1].name == "keys"
    sql, _ = FaceSample.objects.filter(identity=keys).order_by().query.sql_with_params()
    assert re.search(r'"identity_id" = \(?ANY\(%s\)', sql), sql


def test_a_list_of_values_keeps_the_order_of_their_names():
    """_Columns reads each row by the places of the names it asked for; else fields hold each other's values."""
    sample = SampleFactory(identity__name="Ada", detection_score=0.75)
    names = ["identity__name", "double", "id", "identity__gallery__slug", "gallery_id", "detection_score"]
    rows = FaceSample.objects.annotate(double=F("detection_score") * 2).select_related("identity__gallery")
    assert list(rows.values_list(*names)) == [
        ("Ada", 1.5, sample.pk, sample.gallery.slug, sample.gallery_id, 0.75),
    ]


def test_a_list_of_values_has_a_row_where_nothing_is_related():
    """As select_related has; else PERSON and RECOGNITION find nobody who was not merged, and no photo of nobody known."""
    person = IdentityFactory()
    assert list(Identity.objects.values_list("id", "merged_into__id", "merged_into__name")) == [(person.pk, None, None)]


def test_converters_come_from_fields_and_annotations_and_need_no_expression():
    """_Columns calls them with None for it; else JSON fields hold text, and keys have no scopes."""
    convert = [field.get_db_converters(connection) for field in RecognitionRequest._meta.concrete_fields]
    assert {len(found) for found in convert} == {0, 1}
    [one] = RecognitionRequest._meta.get_field("options").get_db_converters(connection)
    assert one('{"a": [1]}', None, connection) == {"a": [1]}
    annotations = Identity.objects.annotate(length=Length("name"), count=Count("samples")).query.annotation_select
    for annotation in annotations.values():
        for one in annotation.get_db_converters(connection):
            assert one(3, None, connection) == 3


# --- What a queryset selects ------------------------------------------------------------------------------------------
def test_the_mask_says_which_fields_are_read():
    """_Share reads those, all where it is empty; else photos are read with each answer, or fields are missing."""
    of = Identity._meta.get_field
    assert Identity.objects.all().query.get_select_mask() == {}
    assert set(Identity.objects.only("name").query.get_select_mask()) == {of("id"), of("name")}
    most = Identity.objects.defer("name").query.get_select_mask()
    assert [field for field in Identity._meta.concrete_fields if field not in most] == [of("name")]
    deep = Identity.objects.select_related("gallery").defer("gallery__pack").query.get_select_mask()
    below = deep[of("gallery")]
    assert [field.name for field in Gallery._meta.concrete_fields if field not in below] == ["pack"]


def test_what_is_selected_with_a_row_is_a_tree_of_names():
    """_Share walks down it; else each answer asks the database again for its gallery, its people and its key's user."""
    rows = FaceSample.objects
    assert not rows.all().query.select_related
    tree = rows.select_related("identity__gallery", "gallery").query.select_related
    assert tree == {"identity": {"gallery": {}}, "gallery": {}}


def test_annotations_are_by_name_without_aliases():
    """_Columns sets each on its row; else a person has no portrait and a candidate does not say that its face was deleted."""
    rows = Identity.objects.alias(left_out=F("name")).annotate(first=F("name"), second=Length("name"))
    assert list(rows.query.annotation_select) == ["first", "second"]


# --- What is prefetched -----------------------------------------------------------------------------------------------
def test_a_queryset_tells_what_it_prefetches():
    """_Prefetched compiles each; else faces, candidates and rejections are read one row at a time."""
    people = Identity.objects.order_by("name")
    rows = Gallery.objects.prefetch_related("samples", Prefetch("identities", queryset=people))
    plain, custom = rows._prefetch_related_lookups
    assert (plain, custom.prefetch_to) == ("samples", "identities")
    assert custom.queryset is people
    assert Prefetch("samples").queryset is None
    assert Gallery._meta.get_field("identities").field is Identity._meta.get_field("gallery")


def test_rows_put_where_prefetched_ones_are_kept_are_those_of_the_manager(django_assert_num_queries):
    """_Prefetched puts them into the parent's `_prefetched_objects_cache`, as the results of a queryset that has prefetched;
    else all of them are read a second time."""
    person = IdentityFactory()
    sample = SampleFactory(identity=person)
    rows = person.samples.all().prefetch_related("embeddings")
    rows._result_cache, rows._prefetch_done = [sample], True
    name = FaceSample._meta.get_field("identity").remote_field.cache_name
    person.__dict__["_prefetched_objects_cache"] = {name: rows}
    with django_assert_num_queries(0):
        [found] = person.samples.all()
        assert (found is sample, person.samples.count()) == (True, 1)


def test_a_manager_narrows_a_queryset_to_its_row(django_assert_num_queries):
    """_Prefetched asks it for the parent's filter; else who reads on from a recognition's faces gets those of all galleries."""
    samples = [SampleFactory() for _ in range(2)]
    ordered = FaceSample.objects.annotate(double=F("detection_score") * 2).order_by("-pk")
    with django_assert_num_queries(0):
        rows = samples[0].identity.samples._apply_rel_filters(ordered)
    assert [(row.pk, row.double) for row in rows] == [(samples[0].pk, samples[0].detection_score * 2)]
    assert rows.query.order_by == ("-pk",)


# --- Inserts ----------------------------------------------------------------------------------------------------------
def test_a_field_without_a_default_of_the_database_says_so():
    """insert() takes those fields' values from the row, and the others' from the database; else NOT NULL fails, or rows lack
    the time at which they were made."""
    of = AuditEvent._meta.get_field
    assert of("action").db_default is NOT_PROVIDED
    assert of("at").db_default is not NOT_PROVIDED
    assert {field.attname for field in AuditEvent._meta.concrete_fields} >= {"id", "action", "at", "user_id"}


@pytest.mark.parametrize("model", [model for model in OURS if model is not Worker], ids=lambda model: model.__name__)
def test_insert_leaves_out_nothing_that_a_model_needs(model):
    """insert() sends no signals, knows no parents, and takes what the database returns as it comes. Workers are saved without it:
    a default of theirs is JSON, which would have to be converted."""
    assert not model._meta.parents
    assert not any(signal.has_listeners(model) for signal in (signals.pre_save, signals.post_save))
    made = [field for field in model._meta.concrete_fields if field.db_default is not NOT_PROVIDED]
    assert not any(field.get_db_converters(connection) for field in made)


def test_an_inserted_row_is_no_new_one():
    """insert() sets of `_state` what save() sets; else saving the row again inserts it a second time."""
    saved, inserted = AuditEvent(action="a"), AuditEvent(action="a")
    saved.save()
    insert([inserted])
    assert vars(inserted._state) | {"fields_cache": {}} == vars(saved._state) | {"fields_cache": {}}
