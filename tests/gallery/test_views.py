import pytest
from django.utils import timezone
from factories import GalleryFactory, IdentityFactory, SampleFactory, member, stranger, unit

from accounts.actor import Actor
from accounts.models import AuditEvent
from accounts.roles import Role
from gallery.models import FaceSample, Identity

pytestmark = pytest.mark.django_db
MANY = ("inactive", "active", "hide", "show", "department", "consent", "merge", "delete", "export")


@pytest.fixture
def person():
    gallery = GalleryFactory(slug="staff")
    sample = SampleFactory(identity=IdentityFactory(gallery=gallery, name="Ada"))
    return sample.identity


def addresses(person) -> dict[str, tuple[str, Role]]:
    base = f"/galleries/staff/people/{person.pk}"
    return {
        f"GET {base}/": Role.VIEWER,
        "GET /galleries/staff/": Role.VIEWER,
        "GET /galleries/staff/recognise": Role.VIEWER,
        "GET /galleries/staff/recognitions": Role.VIEWER,
        "GET /galleries/staff/add-faces": Role.CURATOR,
        f"GET {base}/details": Role.VIEWER,
        f"GET {base}/history": Role.VIEWER,
        f"POST {base}/details": Role.CURATOR,
        f"POST {base}/delete": Role.CURATOR,
        f"GET {base}/choices": Role.CURATOR,
        **{f"POST {base}/{action}": Role.CURATOR for action in ("split", "move", "merge", "reject", "delete-samples")},
        **{f"POST /galleries/staff/people/many/{act}": Role.CURATOR for act in MANY},
    }


@pytest.mark.parametrize("role", [None, *Role])
@pytest.mark.parametrize("number", range(24))
def test_each_page_needs_its_role(client, person, role, number):
    call, needed = list(addresses(person).items())[number]
    method, address = call.split()
    client.force_login((member(person.gallery, role) if role else stranger()).user)
    values = {"name": "Changed", "active": "on", "samples": str(person.samples.get().pk), "people": str(person.pk)}
    response = getattr(client, method.lower())(address, values)
    if role and role >= needed:
        assert response.status_code in (200, 302)
        return
    assert response.status_code == (404 if role is None else 403)
    person.refresh_from_db()
    assert (person.name, FaceSample.objects.count(), AuditEvent.objects.count()) == ("Ada", 1, 0)


@pytest.mark.parametrize("address", ["/", "/galleries/staff/", "/audit", "/galleries/staff/add-faces"])
def test_pages_ask_to_sign_in_first(client, person, address):
    assert client.get(address)["Location"].startswith("/sign-in?next=")


def test_the_dashboard_in_few_queries(client, person, django_assert_max_num_queries):
    for n in range(40):
        SampleFactory(identity=IdentityFactory(gallery=person.gallery, name=f"Person {n}"))
    Identity.objects.filter(pk=person.pk).update(last_recognized_at=timezone.now())
    client.force_login(member(person.gallery, Role.VIEWER).user)
    client.get("/galleries/staff/")  # the session stores the gallery
    with django_assert_max_num_queries(12):
        page = client.get("/galleries/staff/").content.decode()
    assert page.count('class="tick"') == 1
    assert page.count('<span class="portrait ') == 41
    assert "41 people" in page


def test_search_filter_and_pages(client, person):
    IdentityFactory(gallery=person.gallery, name="Bob", department="Radar", active=False)
    client.force_login(member(person.gallery, Role.VIEWER).user)

    def names(query: str) -> list[str]:
        page = client.get(f"/galleries/staff/?{query}").content.decode()
        return [name for name in ("Ada", "Bob") if f'<bdi class="name">{name}' in page]

    assert names("") == ["Ada"]
    assert names("state=inactive") == ["Bob"]
    assert names("state=all") == ["Ada", "Bob"]
    assert names("state=all&q=radar") == ["Bob"]
    assert names("state=nonsense&page=999") == ["Ada"]


def test_people_are_found_by_words_in_any_order_and_counted(client, person):
    IdentityFactory(gallery=person.gallery, name="Anna García", department="Sales")
    IdentityFactory(gallery=person.gallery, name="Anna Bell", department="Support")
    client.force_login(member(person.gallery, Role.VIEWER).user)

    def found(query: str, **headers) -> tuple[int, bool]:
        page = client.get("/galleries/staff/", {"q": query}, **headers).content.decode()
        count = page.count('<bdi class="name">')
        return count, f"{count} of 3 people" in page

    assert found("Anna Sales") == found("sales anna") == found("garcia") == found("García  ann") == (1, True)
    assert found("anna") == (2, True)
    assert found("anna radar") == (0, True)
    assert found("anna", HTTP_HX_REQUEST="true") == (2, True)
    assert found("x " * 5000) == (0, True)


@pytest.mark.parametrize(("role", "shown"), [(Role.VIEWER, False), (Role.CURATOR, True)])
@pytest.mark.parametrize("address", ["/galleries/staff/", "/galleries/staff/recognise", "/audit"])
def test_only_curators_see_the_link_to_add_faces(client, person, role, shown, address):
    client.force_login(member(person.gallery, role).user)
    client.get("/galleries/staff/")
    page = client.get(address).content.decode()
    assert ("/galleries/staff/add-faces" in page) is shown
    assert "/galleries/staff/recognise" in page


@pytest.mark.parametrize("page", ["", "people/{pk}/", "people/{pk}/details", "people/{pk}/history"])
def test_a_membership_that_ends_during_the_request_shows_what_viewers_see(client, person, monkeypatch, page):
    client.force_login(member(person.gallery, Role.CURATOR).user)
    monkeypatch.setattr(Actor, "role_in", lambda self, gallery: None)
    response = client.get(f"/galleries/staff/{page.format(pk=person.pk)}")
    assert response.status_code == 200 and response.context["may_enrol"] is False


def test_names_are_escaped(client, person):
    IdentityFactory(gallery=person.gallery, name="<script>alert(1)</script>")
    client.force_login(member(person.gallery, Role.VIEWER).user)
    assert "<script>alert" not in client.get("/galleries/staff/").content.decode()


def test_every_answer_has_a_content_policy_and_a_request_id(client, person):
    response = client.get("/sign-in", headers={"X-Request-ID": "bad id\n"})
    assert "script-src 'self';" in response["Content-Security-Policy"]
    assert response["X-Frame-Options"] == "DENY"
    assert len(response["X-Request-ID"]) == 36


def test_a_persons_page_shows_each_samples_measures_and_weaknesses(client, person):
    measures = {"eye_distance": 14.2, "sharpness": 120.0, "brightness": 130.0, "contrast": 50.0, "yaw": -12.0}
    FaceSample.objects.update(quality={"measures": measures, "reasons": ["face_too_small"]})
    client.force_login(member(person.gallery, Role.VIEWER).user)
    page = client.get(f"/galleries/staff/people/{person.pk}/").content.decode()
    assert "too small: the eyes are too close together" in page
    assert '<dd class="warn">14 px <small>(at least 20 px)</small></dd>' in page
    assert "<dd>-12° <small>(at most 40°)</small></dd>" in page
    assert "Detection score" not in page  # was not measured


def curate(client, person, action: str, **values):
    response = client.post(f"/galleries/staff/people/{person.pk}/{action}", values, follow=True)
    assert response.status_code == 200
    return response.content.decode()


@pytest.fixture
def curator(client, person):
    client.force_login(member(person.gallery, Role.CURATOR).user)
    return client


def test_each_curation_of_ticked_samples_works_and_can_be_undone(curator, person):
    first = person.samples.get()
    second, third = SampleFactory(identity=person), SampleFactory(identity=person)
    page = curate(curator, person, "split", samples=[second.pk], name="Berta")
    assert "Berta" in page and "Undo" in page
    berta = Identity.objects.get(name="Berta")
    curate(curator, person, "move", samples=[third.pk], to=berta.pk)
    assert set(berta.samples.all()) == {second, third}
    page = curate(curator, person, "reject", samples=[first.pk])
    assert "Not <bdi>Ada</bdi></h2>" in page
    curate(curator, berta, "delete-samples", samples=[third.pk])
    assert list(berta.samples.all()) == [second]
    for event in AuditEvent.objects.order_by("-id"):
        curator.post(f"/undo/{event.pk}")
    assert set(person.samples.filter(rejected=False)) == {first, second, third}
    assert not Identity.objects.filter(name="Berta").exists()


def test_people_are_merged_and_the_merge_is_undone_from_the_audit_page(curator, person):
    double = IdentityFactory(gallery=person.gallery, name="Ada L.")
    SampleFactory(identity=double)
    assert "Ada L. was merged into Ada." in curate(curator, person, "merge", to=double.pk)
    page = curator.get("/audit").content.decode()
    address = f"/undo/{AuditEvent.objects.get().pk}"
    assert address in page
    assert "Undone: merged people into Ada." in curator.post(address, follow=True).content.decode()
    assert Identity.objects.count() == 2 and double.samples.count() == 1
    assert "has already been undone" in curator.post(address, follow=True).content.decode()


@pytest.mark.parametrize(
    ("action", "values", "text"),
    [
        ("split", {"name": "X"}, "Tick one or more samples first."),
        ("split", {}, "Type the new person"),
        ("merge", {}, "Choose the person first."),
        ("merge", {"to": "01a20b77-0000-7000-8000-000000000000"}, "no longer exists"),
    ],
)
def test_a_curation_form_says_what_is_missing(curator, person, action, values, text):
    assert text in curate(curator, person, action, **values)
    assert Identity.objects.count() == 1


def test_people_are_found_by_name_to_choose_from(curator, person):
    IdentityFactory(gallery=person.gallery, name="Berta")
    IdentityFactory(name="Bertram elsewhere")
    page = curator.get(f"/galleries/staff/people/{person.pk}/choices?q=bert").content.decode()
    assert "Berta" in page and "Bertram" not in page
    assert "Nobody found" in curator.get(f"/galleries/staff/people/{person.pk}/choices").content.decode()


def test_an_edit_on_a_stale_page_is_refused(curator, person):
    seen = person.updated_at.isoformat()
    values = {"name": "Zoe", "active": "on", "seen": seen}
    curator.post(f"/galleries/staff/people/{person.pk}/details", values)
    response = curator.post(f"/galleries/staff/people/{person.pk}/details", values | {"name": "Yes"})
    assert "changed Zoe in the meantime" in response.content.decode() and response.status_code == 409
    person.refresh_from_db()
    assert person.name == "Zoe"


def test_hidden_people_are_not_on_the_dashboard(curator, person):
    Identity.objects.update(hidden=True)
    assert "Ada" not in curator.get("/galleries/staff/").content.decode()
    assert "Ada" in curator.get("/galleries/staff/?state=hidden").content.decode()


def test_lookalikes_are_proposed_first(curator, person):
    twin, other = (IdentityFactory(gallery=person.gallery, name=name) for name in ("Twin", "Other"))
    for identity, length in ((person, 1), (other, 3), (twin, 1.1)):
        SampleFactory(identity=identity, vector=unit(0, length))
    page = curator.get(f"/galleries/staff/people/{person.pk}/choices").content.decode()
    assert 0 < page.index("Twin") < page.index("Other")
