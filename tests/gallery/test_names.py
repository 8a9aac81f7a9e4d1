"""Names in every script: kept composed, the same however they are typed, and found without regard to case and accents."""

import re
import unicodedata

import pytest
from api_client import client_of, problem
from django.apps import apps
from django.core.management import call_command
from django.db import connection
from django.db.models import F
from django.test import Client
from factories import GalleryFactory, IdentityFactory, UserFactory, member

from accounts.actor import Actor, Via, system_actor
from accounts.keys.services import create_api_key
from accounts.models import AuditEvent
from accounts.roles import Role, Scope
from faceplatform.errors import Conflict, InvalidInput
from faceplatform.text import clean_name, same_name
from gallery.curation import history
from gallery.models import Gallery, Identity
from gallery.services import create_gallery, create_identity, update_gallery, update_identity

pytestmark = pytest.mark.django_db
SYSTEM = system_actor()

ZWNJ, ZWJ = "\u200c", "\u200d"
# As it is typed, as it is kept, texts that find it, and texts that do not.
NAMES = [
    ("Zoe\u0308 Kravitz", "Zoë Kravitz", ["zoe", "ZOË", "Zoe\u0308", "kravitz"], ["zoo"]),
    ("Frau Straße", "Frau Straße", ["strasse", "STRASSE", "straße"], ["strase"]),
    ("İstanbul Işık", "İstanbul Işık", ["istanbul", "ISTANBUL", "isik", "ışık"], ["astanbul"]),
    ("Søren Łukasz Ærø", "Søren Łukasz Ærø", ["soren", "lukasz", "aero", "SØREN"], ["saren"]),
    ("Nguye\u0302\u0303n Văn", "Nguyễn Văn", ["nguyen", "NGUYỄN VAN"], ["nguyan"]),
    ("أَحْمَد", "أَحْمَد", ["احمد", "أحمد"], ["حامد"]),
    ("می" + ZWNJ + "رزا", "می" + ZWNJ + "رزا", ["میرزا", "می" + ZWNJ + "رزا"], ["مرزا"]),
    ("हिन्दी कि", "हिन्दी कि", ["हिन्दी", "कि"], ["हन्द", "का", "हन्दी"]),
    ("क्" + ZWJ + "ष", "क्" + ZWJ + "ष", ["क्ष", "क्" + ZWJ + "ष"], ["कष"]),
    (unicodedata.normalize("NFD", "김한글"), "김한글", ["한글", unicodedata.normalize("NFD", "한글")], ["하"]),
    ("山田\u3000が太郎", "山田\u3000が太郎", ["山田 が", "太郎"], ["か太郎"]),
    ("葛\U000e0100城", "葛\U000e0100城", ["葛\U000e0100城"], ["城葛"]),
    ("Σίσυφος", "Σίσυφος", ["σισυφοσ", "ΣΊΣΥΦΟΣ"], ["σασ"]),
    ("Ёлкина Й", "Ёлкина Й", ["елкина", "ЁЛКИНА"], ["алкина"]),
    ("שָׁלוֹם", unicodedata.normalize("NFC", "שָׁלוֹם"), ["שלום"], ["שולם"]),
    ("100%_a\\b", "100%_a\\b", ["0%_A", "a\\b"], ["0_a", "%b"]),
]


@pytest.fixture
def gallery():
    return GalleryFactory(slug="staff")


@pytest.mark.parametrize(("typed", "kept", "finds", "misses"), NAMES)
def test_a_name_is_kept_composed_and_found(gallery, typed, kept, finds, misses):
    person = create_identity(actor=SYSTEM, gallery=gallery, name=typed)
    assert Identity.objects.get().name == person.name == kept
    assert AuditEvent.objects.get(action="identity.created").object_name == kept
    for text in finds:
        assert list(Identity.objects.matching(text)) == [person], text
        assert list(Identity.objects.matching(unicodedata.normalize("NFD", text))) == [person], text
    for text in misses:
        assert not Identity.objects.matching(text), text
    assert Identity.objects.filter(name=unicodedata.normalize("NFD", kept)).exists()


@pytest.mark.parametrize(
    "typed",
    [
        " Ada",
        "Ada\n",
        "A\u200bda",
        "\ufeffAda",
        "\u202eAda\u202c",
        "Ada\u200e",
        "A\u00adda",
        "Ad" + ZWJ + "a",
        "Ada" + ZWNJ,
    ],
)
def test_what_shows_nothing_is_removed(gallery, typed):
    assert create_identity(actor=SYSTEM, gallery=gallery, name=typed).name == "Ada"


def test_a_name_stays_as_it_is_written(gallery):
    for name in ("John'S", "René MÜLLER", "amy", "McDonald", "de la Cruz", "👩\u200d🚀"):
        assert create_identity(actor=SYSTEM, gallery=gallery, name=name).name == name


@pytest.mark.parametrize("field", ["name", "external_id", "department", "position"])
@pytest.mark.parametrize(
    ("character", "told"), [("\x1b", "U+001B"), ("\x7f", "U+007F"), ("\n", "U+000A"), ("\u2028", "U+2028")]
)
def test_control_characters_are_refused(gallery, field, character, told):
    values = {"name": "Ada"} | {field: f"A{character}b"}
    with pytest.raises(InvalidInput, match=told.replace("+", r"\+")):
        create_identity(actor=SYSTEM, gallery=gallery, **values)
    person = IdentityFactory(gallery=gallery, name="Ada")
    with pytest.raises(InvalidInput, match=field):
        update_identity(actor=SYSTEM, identity=person, **{field: f"A{character}b"})
    assert list(Identity.objects.values_list("name", "external_id", "department")) == [("Ada", "", "")]
    assert not AuditEvent.objects.exists()


@pytest.mark.parametrize("name", ["", "\u200b", "\u3164", "\ufeff \u2060", ZWJ])
def test_a_name_has_something_to_see(gallery, name):
    with pytest.raises(InvalidInput, match="name"):
        create_identity(actor=SYSTEM, gallery=gallery, name=name)
    assert not Identity.objects.exists()


def test_galleries_and_keys_too(gallery):
    made = create_gallery(actor=SYSTEM, name="Cafe\u0301\u200b")
    assert (made.name, made.slug) == ("Café", "cafe")
    assert Gallery.objects.called("Cafe\u0301") == made
    with pytest.raises(InvalidInput, match=r"U\+001B"):
        update_gallery(actor=SYSTEM, gallery=made, name="\x1b[31mred")
    operator = UserFactory(is_superuser=True)
    actor = Actor(user=operator, via=Via.SYSTEM)
    key, _ = create_api_key(actor=actor, user=operator, name="Tu\u0308r\u200b", scopes=[Scope.READ])
    key.refresh_from_db()
    assert key.name == "Tür"
    with pytest.raises(InvalidInput, match=r"U\+0007"):
        create_api_key(actor=actor, user=operator, name="bell\x07", scopes=[Scope.READ])


TYPED = unicodedata.normalize("NFD", "김" * 200)  # 600 characters, kept as 200


@pytest.mark.parametrize(
    ("typed", "kept"), [(TYPED, "김" * 200), (TYPED + "\u200b" * 9, "김" * 200), (TYPED + "a", None)]
)
def test_a_length_is_that_of_what_is_kept(gallery, typed, kept):
    curator = member(gallery, Role.CURATOR)
    made = client_of(curator).post(
        "/api/v1/identities", {"gallery": gallery.slug, "name": typed, "external_id": typed}, format="json"
    )
    page = Client()
    page.force_login(curator.user)
    person = IdentityFactory(gallery=gallery)
    page.post(f"/galleries/{gallery.slug}/people/{person.pk}/details", {"name": typed, "department": typed[:300]})
    person.refresh_from_db()
    if kept:
        assert (made.status_code, made.json()["name"], made.json()["external_id"]) == (201, kept, kept)
        assert (person.name, person.department) == (kept, "김" * 100)
    else:
        fields = problem(made, 400, "invalid_input")["errors"]
        assert set(fields) == {"name", "external_id"}
        assert person.name != kept


def test_pages_let_a_decomposed_name_be_typed_in_full(gallery):
    page = Client()
    page.force_login(member(gallery, Role.CURATOR).user)
    for path in ("add-faces", f"people/{IdentityFactory(gallery=gallery).pk}/details"):
        [name] = re.findall(
            r'<input[^>]* name="name"[^>]*>', page.get(f"/galleries/{gallery.slug}/{path}").content.decode()
        )
        assert "maxlength" not in name


def test_the_same_name_typed_otherwise_is_no_change(gallery):
    person = create_identity(actor=SYSTEM, gallery=gallery, name="Zoë", external_id="é")
    before = Identity.objects.get().updated_at
    update_identity(actor=SYSTEM, identity=person, name="Zoe\u0308", external_id="e\u0301\u200b")
    assert Identity.objects.get().updated_at == before
    assert not AuditEvent.objects.filter(action="identity.changed").exists()


def test_an_external_id_typed_otherwise_is_taken(gallery):
    create_identity(actor=SYSTEM, gallery=gallery, name="Zoë", external_id="Zoë")
    with pytest.raises(Conflict):
        create_identity(actor=SYSTEM, gallery=gallery, name="Zoe\u0308", external_id="Zoe\u0308")
    assert Identity.objects.count() == 1


def test_a_search_follows_changes_undo_and_plain_sql(gallery):
    person = create_identity(actor=SYSTEM, gallery=gallery, name="Zoë", department="Küche")
    update_identity(actor=SYSTEM, identity=person, name="Amélie")
    assert Identity.objects.matching("amelie").exists() and not Identity.objects.matching("zoe").exists()
    history.undo(actor=SYSTEM, event=AuditEvent.objects.get(action="identity.changed"))
    assert Identity.objects.matching("zoe").exists() and not Identity.objects.matching("amelie").exists()
    Identity.objects.update(department=F("name"))
    assert not Identity.objects.matching("kuche").exists()
    Identity.objects.bulk_create(
        [Identity(gallery=gallery, name="Chloé"), Identity(gallery=gallery, name="Chloe\u0301")]
    )
    assert Identity.objects.matching("CHLOE").count() == 2
    assert set(Identity.objects.values_list("name", flat=True)) == {"Zoë", "Chloé"}


def test_one_field_does_not_run_into_the_next(gallery):
    create_identity(actor=SYSTEM, gallery=gallery, name="Ada", external_id="7", department="Lab")
    for text in ("ada7", "7lab", "ada 8"):
        assert not Identity.objects.matching(text).exists()
    assert Identity.objects.matching("lab ada 7").exists()


def test_the_api_the_pages_and_the_admin_site_search_alike(gallery, client):
    owner = member(gallery, Role.OWNER)
    create_identity(actor=SYSTEM, gallery=gallery, name="Zoë", external_id="é1", department="Café")
    create_identity(actor=SYSTEM, gallery=gallery, name="Bob")
    api = client_of(owner)
    for query in (
        {"search": "zoe"},
        {"search": "ZOE\u0308"},
        {"department": "Cafe\u0301"},
        {"external_id": "e\u03011"},
    ):
        assert [row["name"] for row in api.get("/api/v1/identities", query).json()["results"]] == ["Zoë"], query
    answer = api.post("/api/v1/identities", {"gallery": "staff", "name": "A\x1bB"}, format="json")
    assert "U+001B" in problem(answer, 400, "invalid_input")["detail"]
    client.force_login(owner.user)
    page = client.get("/galleries/staff/", {"q": "ZOE"}).content.decode()
    assert "Zoë" in page and "Bob" not in page
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    for path, query in (("gallery/identity", "ZOE"), ("gallery/gallery", "Stáff"), ("accounts/membership", "STÁFF")):
        answer = client.get(f"/admin/{path}/", {"q": query})
        assert answer.context["cl"].result_count == 1, path


def test_text_that_is_compared():
    assert same_name("Zoe\u0308 ", "ZOË") and same_name("Straße", "STRASSE") and not same_name("Zoe", "Zoë")
    for typed, kept, *_ in NAMES:
        assert clean_name(clean_name(typed)) == clean_name(typed) == kept


@pytest.mark.django_db(transaction=True)
def test_people_who_were_there_before_are_cleaned_and_found(capsys):
    """On the tables as they were, filled."""
    gallery = GalleryFactory(slug="staff", name="Café")
    call_command("migrate", "gallery", "0008", verbosity=0)
    try:
        people = [
            ("Zoe\u0308", "1", ""),
            ("Ada", "e\u0301", ""),
            ("Bob", "é", ""),
            ("Eve\x1b", "", "Ku\u0308che"),
            ("\u200b", "", ""),
        ]
        with connection.cursor() as cursor:
            cursor.execute("UPDATE gallery_gallery SET name = %s", ["Cafe\u0301"])
            for name, number, department in people:
                cursor.execute(
                    "INSERT INTO gallery_identity (id, gallery_id, name, external_id, department, position, active, hidden, "
                    "metadata, updated_at) VALUES (gen_random_uuid(), %s, %s, %s, %s, '', true, false, '{}', now())",
                    [gallery.pk, name, number, department],
                )
    finally:
        call_command("migrate", verbosity=0)
    kept = {row.name: row for row in apps.get_model("gallery", "Identity").objects.all()}
    assert set(kept) == {"Zoë", "Ada", "Bob", "Eve\x1b", "\u200b"}
    assert (kept["Ada"].external_id, kept["Bob"].external_id) == ("e\u0301", "é")
    assert kept["Eve\x1b"].department == "Küche"
    assert Identity.objects.matching("zoe").exists() and Identity.objects.matching("kuche").exists()
    assert Gallery.objects.get().name == "Café"
    told = capsys.readouterr().err
    assert "external id of Ada" in told and "Eve" in told and "control character" in told
