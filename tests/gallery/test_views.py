import pytest
from django.utils import timezone
from factories import GalleryFactory, IdentityFactory, SampleFactory, member, stranger

from accounts.models import AuditEvent
from accounts.roles import Role
from gallery.models import FaceSample, Identity

pytestmark = pytest.mark.django_db


@pytest.fixture
def person():
    gallery = GalleryFactory(slug="staff")
    sample = SampleFactory(identity=IdentityFactory(gallery=gallery, name="Ada"))
    return sample.identity


def addresses(person) -> dict[str, tuple[str, Role]]:
    base, sample = f"/galleries/staff/people/{person.pk}", person.samples.get()
    return {
        f"GET {base}/": Role.VIEWER,
        "GET /galleries/staff/": Role.VIEWER,
        "GET /galleries/staff/recognise": Role.VIEWER,
        "GET /galleries/staff/recognitions": Role.VIEWER,
        "GET /galleries/staff/add-faces": Role.CURATOR,
        f"POST {base}/": Role.CURATOR,
        f"POST {base}/delete": Role.CURATOR,
        f"POST /samples/{sample.pk}/delete": Role.CURATOR,
    }


@pytest.mark.parametrize("role", [None, *Role])
@pytest.mark.parametrize("number", range(8))
def test_each_page_needs_its_role(client, person, role, number):
    call, needed = list(addresses(person).items())[number]
    method, address = call.split()
    client.force_login((member(person.gallery, role) if role else stranger()).user)
    response = getattr(client, method.lower())(address, {"name": "Changed", "active": "on"})
    if role and role >= needed:
        assert response.status_code in (200, 302)
        return
    # a form that says no is shown again with the reason
    assert response.status_code == (404 if role is None else 400 if address.endswith(f"{person.pk}/") else 403)
    person.refresh_from_db()
    assert (person.name, FaceSample.objects.count(), AuditEvent.objects.count()) == ("Ada", 1, 0)


@pytest.mark.parametrize("address", ["/", "/galleries/staff/", "/audit", "/galleries/staff/add-faces"])
def test_signing_in_comes_first(client, person, address):
    assert client.get(address)["Location"].startswith("/sign-in?next=")


def test_the_dashboard_in_few_queries(client, person, django_assert_max_num_queries):
    for n in range(40):
        SampleFactory(identity=IdentityFactory(gallery=person.gallery, name=f"Person {n}"))
    Identity.objects.filter(pk=person.pk).update(last_recognized_at=timezone.now())
    client.force_login(member(person.gallery, Role.VIEWER).user)
    client.get("/galleries/staff/")  # the session remembers the gallery
    with django_assert_max_num_queries(10):
        page = client.get("/galleries/staff/").content.decode()
    assert page.count('class="tick"') == 1
    assert page.count("<li>") == 41
    assert "41 people" in page


def test_search_filter_and_pages(client, person):
    IdentityFactory(gallery=person.gallery, name="Bob", department="Radar", active=False)
    client.force_login(member(person.gallery, Role.VIEWER).user)

    def names(query: str) -> list[str]:
        page = client.get(f"/galleries/staff/?{query}").content.decode()
        return [name for name in ("Ada", "Bob") if f'<span class="name">{name}' in page]

    assert names("") == ["Ada"]
    assert names("state=inactive") == ["Bob"]
    assert names("state=all") == ["Ada", "Bob"]
    assert names("state=all&q=radar") == ["Bob"]
    assert names("state=nonsense&page=999") == ["Ada"]


@pytest.mark.parametrize(("role", "shown"), [(Role.VIEWER, False), (Role.CURATOR, True)])
@pytest.mark.parametrize("address", ["/galleries/staff/", "/galleries/staff/recognise", "/audit"])
def test_only_who_may_enrol_is_led_to_it(client, person, role, shown, address):
    client.force_login(member(person.gallery, role).user)
    client.get("/galleries/staff/")
    page = client.get(address).content.decode()
    assert ("/galleries/staff/add-faces" in page) is shown
    assert "/galleries/staff/recognise" in page


def test_names_are_escaped(client, person):
    IdentityFactory(gallery=person.gallery, name="<script>alert(1)</script>")
    client.force_login(member(person.gallery, Role.VIEWER).user)
    assert "<script>alert" not in client.get("/galleries/staff/").content.decode()


def test_every_answer_has_its_policy_and_request_id(client, person):
    response = client.get("/sign-in", headers={"X-Request-ID": "bad id\n"})
    assert "script-src 'self';" in response["Content-Security-Policy"]
    assert response["X-Frame-Options"] == "DENY"
    assert len(response["X-Request-ID"]) == 36


def test_a_samples_page_says_what_was_measured_and_what_is_poor(client, person):
    measures = {"eye_distance": 14.2, "sharpness": 120.0, "brightness": 130.0, "contrast": 50.0, "yaw": -12.0}
    FaceSample.objects.update(quality={"measures": measures, "reasons": ["face_too_small"]})
    client.force_login(member(person.gallery, Role.VIEWER).user)
    page = client.get(f"/galleries/staff/people/{person.pk}/").content.decode()
    assert "too small: the eyes are too close together" in page
    assert '<dd class="warn">14 px <small>(20 px and more)</small></dd>' in page
    assert "<dd>-12° <small>(at most 40°)</small></dd>" in page
    assert "Surely a face" not in page  # was not measured
