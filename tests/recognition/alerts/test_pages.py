"""The pages of alerts, rules and webhooks: who may, what they show, and what their forms do."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from factories import GalleryFactory, IdentityFactory, member, stranger, unit
from seen import CameraFactory, sight

from accounts.actor import system_actor
from accounts.roles import Role
from recognition.alerts import services
from recognition.alerts.models import Alert, AlertRule, AlertSeen, WebhookDelivery, WebhookEndpoint

pytestmark = pytest.mark.django_db
ACTOR = system_actor()
HOME = "/galleries/hall/alerts"
BELL = 'aria-label="1 new alert"'


@pytest.fixture
def hall():
    return GalleryFactory(slug="hall", time_zone="Europe/Berlin")


@pytest.fixture
def alert(hall):
    services.create_rule(actor=ACTOR, gallery=hall, name="Door", kind="known", cooldown=0)
    return raised(hall, "Anna")


@pytest.fixture
def endpoint(hall):
    return services.create_endpoint(actor=ACTOR, gallery=hall, url="http://192.168.1.1/hook?token=abc")[0]


def raised(hall, name: str) -> Alert:
    services.raise_for(sight(hall, unit(0), identity=IdentityFactory(gallery=hall, name=name)))
    return Alert.objects.latest("id")


def as_(client, actor):
    client.force_login(actor.user)
    return client


def text(answer) -> str:
    assert answer.status_code == 200, answer.status_code
    return re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", answer.content.decode()))


def test_who_may(client, hall, alert, endpoint, subtests):
    rule = AlertRule.objects.get()
    services.send_test(actor=ACTOR, endpoint=endpoint)
    delivery = WebhookDelivery.objects.get(type="webhook.test")
    WebhookDelivery.objects.update(status="failed", next_at=None)
    viewer, owner, outside = member(hall, Role.VIEWER), member(hall, Role.OWNER), stranger()
    everybodys = [("get", HOME), ("get", f"{HOME}/new"), ("post", f"{HOME}/{alert.pk}/seen"), ("post", f"{HOME}/seen")]
    rules, webhooks = f"{HOME}/rules", f"{HOME}/webhooks"
    owners = [
        *(("get", f"{rules}{end}") for end in ("", "/new", f"/{rule.pk}/", "/people?q=a")),
        *(("post", f"{rules}{end}") for end in ("/new", f"/{rule.pk}/", f"/{rule.pk}/switch", f"/{rule.pk}/delete")),
        *(("get", f"{webhooks}{end}") for end in ("", f"/{endpoint.pk}/")),
        ("post", webhooks),
        ("post", f"{webhooks}/deliveries/{delivery.pk}/replay"),
        *(("post", f"{webhooks}/{endpoint.pk}/{act}") for act in ("", "rotate", "test", "switch", "delete")),
    ]
    for actor, refused in ((outside, 404), (member(hall, Role.CURATOR), 403)):
        as_(client, actor)
        before = [*AlertRule.objects.values(), *WebhookEndpoint.objects.values(), *WebhookDelivery.objects.values()]
        for method, address in owners:
            with subtests.test(actor=actor.name, address=address):
                assert getattr(client, method)(address).status_code == refused
        assert before == [
            *AlertRule.objects.values(), *WebhookEndpoint.objects.values(), *WebhookDelivery.objects.values()
        ]  # fmt: skip
    as_(client, outside)
    assert {getattr(client, method)(address).status_code for method, address in everybodys} == {404}
    assert not AlertSeen.objects.exists()
    as_(client, viewer)
    assert {getattr(client, method)(address).status_code for method, address in everybodys} == {200, 302}
    as_(client, owner)
    for method, address in owners:
        with subtests.test(owner=address):
            assert getattr(client, method)(address).status_code in (200, 302, 400)
    other = GalleryFactory(slug="other")
    as_(client, member(other, Role.OWNER))
    for address in (f"rules/{rule.pk}/", f"webhooks/{endpoint.pk}/", f"{alert.pk}/seen"):
        assert client.post(f"/galleries/other/alerts/{address}").status_code == 404


def test_alerts_are_told_in_words_and_marked_until_they_are_seen(client, hall, alert):
    viewer = member(hall, Role.VIEWER)
    as_(client, viewer)
    page = client.get(HOME)
    assert "New Anna was seen at" in text(page) and BELL in page.content.decode()
    assert "Webhooks" not in text(page)
    [picture] = re.findall(r'src="(/api/v1/alerts/[^"]+)"', page.content.decode())
    assert client.get(picture)["Content-Type"] == "image/jpeg"
    row = client.post(f"{HOME}/{alert.pk}/seen", HTTP_HX_REQUEST="true")
    assert f"Seen by {viewer.user}" in text(row) and "New" not in text(row)
    assert BELL not in client.get(HOME).content.decode()
    assert BELL in as_(client, member(hall, Role.VIEWER)).get(HOME).content.decode()


def test_all_is_marked_as_seen_but_what_came_after_the_page(client, hall, alert):
    as_(client, member(hall, Role.VIEWER))
    [until] = re.findall(r'name="until" value="([^"]+)"', client.get(HOME).content.decode())
    later = raised(hall, "Bella")
    client.post(f"{HOME}/seen", {"until": until})
    assert [seen.alert for seen in AlertSeen.objects.all()] == [alert]
    assert client.get(f"{HOME}?unseen=on").content.decode().count('id="alert-') == 1
    client.post(f"{HOME}/seen", {"until": "yesterday"})
    assert AlertSeen.objects.filter(alert=later).exists()


def test_filters_are_in_the_address_and_new_ones_come_by_themselves(client, hall, alert):
    as_(client, member(hall, Role.VIEWER))
    yard = CameraFactory(gallery=hall, slug="yard", name="Yard")
    page = client.get(f"{HOME}?camera=yard").content.decode()
    assert "There is no such alert." in page
    [address] = re.findall(r'hx-get="([^"]+alerts/new[^"]+)"', page)
    Alert.objects.update(camera=yard)
    assert 'id="alert-' in client.get(f"{HOME}?camera=yard&kind=known&identity={alert.identity_id}").content.decode()
    for nothing in ("kind=unknown", f"identity={alert.pk}"):
        assert 'id="alert-' not in client.get(f"{HOME}?{nothing}").content.decode()
    assert client.get(f"{HOME}?camera=nowhere&kind=x&identity=y&page=z").status_code == 200
    address = address.replace("&amp;", "&")
    assert "camera=yard" in address and 'id="alert-' not in client.get(address).content.decode()
    raised(hall, "Elsewhere")
    Alert.objects.filter(pk=alert.pk).update(raised_at=timezone.now() + timedelta(seconds=1))
    answer = client.get(address).content.decode()
    assert answer.count('id="alert-') == 1 and f"alert-{alert.pk}" in answer
    [again] = re.findall(r'hx-get="([^"]+)"\s+hx-trigger', answer)
    assert 'id="alert-' not in client.get(again.replace("&amp;", "&")).content.decode()


def test_the_number_of_queries_does_not_grow_with_the_alerts(client, hall, alert):
    as_(client, member(hall, Role.OWNER))
    services.mark_seen(actor=member(hall, Role.VIEWER), alerts=Alert.objects.all())
    with CaptureQueriesContext(connection) as few:
        client.get(HOME)
    for name in ("Bella", "Carla", "Dora"):
        services.mark_seen(actor=member(hall, Role.VIEWER), alerts=Alert.objects.filter(pk=raised(hall, name).pk))
    with CaptureQueriesContext(connection) as many:
        client.get(HOME)
    assert len(many) == len(few)


def test_a_merged_or_deleted_person_has_no_old_name(client, hall, alert):
    as_(client, member(hall, Role.VIEWER))
    alert.identity.merged_into = IdentityFactory(gallery=hall, name="Antonia")
    alert.identity.deleted_at = timezone.now()
    alert.identity.save()
    assert "Antonia was seen" in text(client.get(HOME))
    alert.identity.merged_into = None
    alert.identity.save()
    assert "A deleted person was seen" in text(client.get(HOME)) and "Anna" not in text(client.get(HOME))


def test_a_rule_is_made_changed_switched_and_deleted(client, hall):
    anna, bella = (IdentityFactory(gallery=hall, name=name) for name in ("Anna", "Bella"))
    door = CameraFactory(gallery=hall, name="Door")
    as_(client, member(hall, Role.OWNER))
    found = client.get(f"{HOME}/rules/people?field=people&q=ann").content.decode()
    assert "Anna" in found and "Bella" not in found
    assert f'value="{anna.pk}" checked' in client.get(f"{HOME}/rules/people?person={anna.pk}").content.decode()
    assert client.get(f"{HOME}/rules/people?person={IdentityFactory().pk}").status_code == 404
    values = {
        "name": "VIP", "kind": "watch_list", "people": [str(anna.pk)], "cameras": [str(door.pk)], "weekdays": ["0", "6"],
        "starts_at": "22:00", "ends_at": "06:00", "minutes": "2", "enabled": "on",
    }  # fmt: skip
    assert client.post(f"{HOME}/rules/new", values).status_code == 302
    rule = AlertRule.objects.get()
    assert (rule.weekdays, rule.cooldown, list(rule.people.all()), rule.enabled) == ([0, 6], 120, [anna], True)
    shown = client.get(f"{HOME}/rules/{rule.pk}/").content.decode()
    assert f'value="{anna.pk}" checked' in shown and str(bella.pk) not in shown and "22:00" in shown
    refused = client.post(f"{HOME}/rules/{rule.pk}/", values | {"people": []})
    assert refused.status_code == 400 and "Choose the people" in refused.content.decode()
    client.post(f"{HOME}/rules/{rule.pk}/", values | {"people": [str(bella.pk)], "name": "Very important"})
    rule.refresh_from_db()
    assert (rule.name, list(rule.people.all()), list(rule.cameras.all())) == ("Very important", [bella], [door])
    client.post(f"{HOME}/rules/{rule.pk}/switch")
    assert "Off" in text(client.get(f"{HOME}/rules"))
    client.post(f"{HOME}/rules/{rule.pk}/delete")
    assert not AlertRule.objects.exists()


def test_a_webhook_shows_its_secret_once(client, hall):
    as_(client, member(hall, Role.OWNER))
    refused = client.post(f"{HOME}/webhooks", {"url": "http://127.0.0.1/"})
    assert refused.status_code == 400 and "loopback" in refused.content.decode()
    answer = client.post(f"{HOME}/webhooks", {"url": "http://192.168.1.1/hook?token=abc", "kinds": ["known"]})
    [secret] = re.findall(r'value="(whsec_[^"]+)"', answer.content.decode())
    assert "no-store" in answer["Cache-Control"]
    page = client.get(f"{HOME}/webhooks").content.decode()
    assert secret not in page and "token=abc" not in page and "1 kind" in page
    endpoint = WebhookEndpoint.objects.get()
    home = f"{HOME}/webhooks/{endpoint.pk}/"
    again = re.findall(r'value="(whsec_[^"]+)"', client.post(f"{home}rotate").content.decode())
    assert again and again != [secret]
    client.post(home, {"kinds": ["known", "absent"]})
    endpoint.refresh_from_db()
    assert endpoint.kinds == ["known", "absent"] and client.post(home, {"kinds": ["x"]}).status_code == 400
    client.post(f"{home}test")
    assert "none yet" in text(client.get(home))
    delivery = WebhookDelivery.objects.get()
    assert "still waits" in text(client.post(f"{HOME}/webhooks/deliveries/{delivery.pk}/replay", follow=True))
    delivery.tries.create(status=500, milliseconds=7, answer="<b>oh</b>")
    WebhookDelivery.objects.update(status="failed", next_at=None)
    assert "500 7 ms &lt;b&gt;oh" in text(client.get(home))
    client.post(f"{HOME}/webhooks/deliveries/{delivery.pk}/replay")
    assert WebhookDelivery.objects.get().status == "waiting"
    client.post(f"{home}switch")
    assert "Off" in text(client.get(f"{HOME}/webhooks"))
    client.post(f"{home}delete")
    assert not WebhookEndpoint.objects.exists()
