"""The audit page: sentences instead of codes, and one row for an import."""

import re
from pathlib import Path

import pytest
from factories import GalleryFactory, IdentityFactory, member

from accounts import audit
from accounts.actor import Actor, Via
from accounts.audit.words import SENTENCES, facts, sentence_parts
from accounts.models import AuditEvent
from accounts.roles import Role

ROOT = Path(__file__).resolve().parents[3]


def test_each_action_has_a_sentence():
    sources = [path for app in ("accounts", "gallery", "recognition") for path in (ROOT / app).rglob("*.py")]
    written = {
        action
        for path in sources
        for action in re.findall(r'(?:action=|action": |_record\(\s*actor, )"(\w+\.\w+)"', path.read_text())
    }
    assert len(written) > 50
    assert written - set(SENTENCES) == set()


@pytest.mark.parametrize(
    ("details", "told"),
    [
        ({"name": ["Ada", "Ada Lovelace"], "active": [True, False]}, ["name: Ada → Ada Lovelace", "active: yes → no"]),
        ({"department": ["", "Navy"]}, ["department: nothing → Navy"]),
        ({"identity": "01a21c27-eb55-7e03-98b7-6e49471afce9", "photo": "a.jpg"}, ["photo: a.jpg"]),
        ({"sources": ["01a21c27-eb55-7e03-98b7-6e49471afce9"]}, []),
        ({"undone": "identity.deleted", "name": "Ada"}, ["undone: deleted", "name: Ada"]),
        ({"counts": {"people": 3}, "threshold_distance": 0.123456}, ["counts: people 3", "threshold distance: 0.1235"]),
        ({"fields": [str(n) for n in range(12)]}, ["fields: 0, 1, 2, 3, 4, 5, 6, 7 and 4 more"]),
        ({"note": "x" * 100, "none": None}, ["note: " + "x" * 80 + " …"]),
    ],
)
def test_details_are_told_in_words(details, told):
    assert facts(AuditEvent(action="identity.changed", details=details)) == told


def test_a_list_of_two_is_no_change():
    assert facts(AuditEvent(action="api_key.created", details={"scopes": ["read", "enrol"]})) == ["scopes: read, enrol"]


def test_an_action_nobody_has_words_for_is_told_by_its_code():
    assert sentence_parts(AuditEvent(action="moon.landed_on", object_name="Sea")) == ("moon landed on: ", "Sea", "")


@pytest.mark.django_db
def test_an_import_is_one_row(client, django_assert_max_num_queries):
    gallery = GalleryFactory(slug="staff")
    owner = member(gallery, Role.OWNER)
    actor = Actor(user=owner.user, via=Via.WEB, name="ada", request_id="r-1")
    other = Actor(user=owner.user, via=Via.WEB, name="ada", request_id="r-2")
    ben = IdentityFactory(gallery=gallery, name="Ben")
    for who, action in [
        (actor, "import.created"),
        *[(actor, "identity.created")] * 3,
        *[(actor, "sample.created")] * 60,
    ]:
        audit.record(actor=who, action=action, gallery=gallery, target=ben)
    audit.record(actor=other, action="sample.created", gallery=gallery, target=ben)
    client.force_login(owner.user)
    with django_assert_max_num_queries(12):
        page = client.get("/audit")
    assert len(page.context["events"]) == 2
    assert "3 people added, 60 faces enrolled" in page.content.decode() and "import=r-1" in page.content.decode()
    assert client.get("/audit?import=r-1").context["page"].paginator.count == 63
    assert client.get("/audit?q=started the import").context["page"].paginator.count == 1
    assert client.get("/audit?q=Ben").context["page"].paginator.count == 65
    client.force_login(member(GalleryFactory(), Role.OWNER).user)
    assert client.get("/audit?import=r-1").context["page"].paginator.count == 0
