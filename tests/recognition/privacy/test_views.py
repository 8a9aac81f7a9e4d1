"""The privacy pages."""

from datetime import timedelta

import pytest
from django.utils import timezone
from factories import IdentityFactory, member

from accounts.actor import system_actor
from accounts.roles import Role
from gallery import services

pytestmark = pytest.mark.django_db
ACTOR = system_actor()


def test_the_pages(client, gallery, django_assert_max_num_queries):
    today = timezone.localdate()
    given = {"consent": "given", "consent_by": "form", "consent_at": today - timedelta(days=400)}
    for name, consent in {
        "Ending": given | {"consent_until": today + timedelta(days=3)},
        "Expired": given | {"consent_until": today - timedelta(days=3)},
        "Withdrawn": {"consent": "withdrawn"},
    }.items():
        IdentityFactory(gallery=gallery, name=f"{name} Person", **consent)
    client.force_login(member(gallery, Role.OWNER).user)
    address = f"/galleries/{gallery.slug}/privacy"
    with django_assert_max_num_queries(30):
        page = client.get(address)
    for name in ("ending", "expired", "withdrawn"):
        assert [person.name for person in page.context[name]] == [f"{name.capitalize()} Person"]
    values = {"requests": "90", "photos": "default", "unknown_faces": "7", "imports": "keep", "requires_consent": "on"}
    values |= dict.fromkeys(("sightings", "unknown_sightings", "alerts"), "default")
    assert client.post(address, values | {"photos": "x"}).status_code == 400
    asked = client.post(address, values)
    assert asked.status_code == 400 and "2 of 3 people become unknown" in asked.content.decode()
    assert "Yes, 2 people become unknown" in asked.content.decode()
    gallery.refresh_from_db()
    assert not gallery.requires_consent and not gallery.retention_rules.exists()
    done = client.post(address, values | {"silence": "on"})
    assert done.status_code == 302, done.context["form"].errors
    assert "become unknown" not in client.get(address).content.decode()
    gallery.refresh_from_db()
    assert gallery.requires_consent
    assert dict(gallery.retention_rules.values_list("category", "days")) == {
        "requests": 90, "unknown_faces": 7, "imports": None
    }  # fmt: skip
    person = gallery.identities.get(name="Withdrawn Person")
    services.delete_identity(actor=ACTOR, identity=person)
    assert list(client.get(address).context["deleted"]) == [person]
    zipped = client.post(f"{person.get_absolute_url()}export")
    assert zipped.getvalue().startswith(b"PK")
    erasing = f"{person.get_absolute_url()}erase"
    assert "Erase Withdrawn Person" in client.get(erasing).content.decode()
    assert client.post(erasing, {"confirm": "somebody", "reason": "asked"}).status_code == 400
    done = client.post(erasing, {"confirm": "Withdrawn Person", "reason": "asked"}, follow=True)
    assert done.status_code == 200 and b"Withdrawn" not in done.content
    report = client.get(done.request["PATH_INFO"], {"download": ""})
    assert report.json()["counts"]["gallery_identity"] == 1

    client.force_login(member(gallery, Role.CURATOR).user)
    assert client.get(address).status_code == 200
    assert client.post(address, values).status_code == 403
    assert client.get(f"{gallery.identities.first().get_absolute_url()}erase").status_code == 403
    client.force_login(member(gallery, Role.VIEWER).user)
    assert client.get(address).status_code == 403
    assert client.post(f"{gallery.identities.first().get_absolute_url()}export").status_code == 403
