"""Webhooks, delivered to a real server on this machine."""

import json
import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from unittest.mock import patch

import pytest
from django.utils import timezone
from factories import CameraFactory, GalleryFactory, IdentityFactory, member
from seen import open_sighting
from standardwebhooks import Webhook, WebhookVerificationError

from accounts.actor import system_actor
from accounts.roles import Role
from faceplatform.errors import Conflict, InvalidInput, NotAllowed
from recognition.alerts import delivery, services
from recognition.alerts.delivery import deliver_due
from recognition.alerts.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint

pytestmark = pytest.mark.django_db
ACTOR = system_actor()


class Receiver(ThreadingHTTPServer):
    """Answers each request as `answers` says, the last one for all further ones. received: (headers, body)."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: list[tuple[int, dict, bytes]] = [(204, {}, b"")]
        self.received: list[tuple[dict, bytes]] = []
        self.url = f"http://127.0.0.1:{self.server_port}/hook?token=abc"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append((dict(self.headers), body))
        status, headers, answer = self.server.answers.pop(0) if len(self.server.answers) > 1 else self.server.answers[0]
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def receiver():
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def loopback(settings):
    settings.OUTGOING_NETWORKS = ["public", "private", "127.0.0.1/32"]


@pytest.fixture
def hall():
    return GalleryFactory(slug="hall")


@pytest.fixture
def hook(hall, receiver):
    """An endpoint and its secret."""
    return services.create_endpoint(actor=ACTOR, gallery=hall, url=receiver.url)


def alert(hall):
    services.create_rule(actor=ACTOR, gallery=hall, name="all", kind="known", cooldown=0)
    anna = IdentityFactory(gallery=hall, name="Änna", external_id="7")
    row = open_sighting(hall, camera=CameraFactory(gallery=hall), decision="known", identity=anna)
    row.save()
    services.raise_for(row)
    return row


def due() -> None:
    """As if the pause were over."""
    WebhookDelivery.objects.filter(status="waiting").update(next_at=timezone.now() - timedelta(seconds=1))


def test_an_alert_is_told_signed_and_written_down(hall, hook, receiver):
    endpoint, secret = hook
    row = alert(hall)
    assert deliver_due(endpoint.pk) == 1
    [(headers, body)] = receiver.received
    told = Webhook(secret).verify(body, {name.lower(): value for name, value in headers.items()})
    assert told["type"] == "alert.known"
    assert told["data"]["identity"]["name"] == "Änna" and told["data"]["sighting"]["id"] == str(row.pk)
    assert len(body) < 20_000 and headers["Content-Type"] == "application/json"
    delivered = WebhookDelivery.objects.get()
    assert (delivered.status, delivered.attempts, delivered.next_at) == ("delivered", 1, None)
    tried = WebhookAttempt.objects.get()
    assert (tried.status, tried.error) == (204, "")
    assert deliver_due(endpoint.pk) == 0
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(body + b" ", {name.lower(): value for name, value in headers.items()})


def test_what_fails_is_tried_again_with_the_same_bytes(hall, hook, receiver):
    endpoint, _ = hook
    receiver.answers = [(500, {}, b"oh"), (302, {"Location": "http://169.254.169.254/"}, b""), (200, {}, b"ok")]
    alert(hall)
    for expected in (5, 300):
        assert deliver_due(endpoint.pk) == 1
        waiting = WebhookDelivery.objects.get()
        pause = (waiting.next_at - timezone.now()).total_seconds()
        assert waiting.status == "waiting" and 0.85 * expected < pause < 1.15 * expected
        assert deliver_due(endpoint.pk) == 0
        due()
    deliver_due(endpoint.pk)
    assert [tried.status for tried in WebhookAttempt.objects.all()] == [500, 302, 200]
    ids, bodies = {headers["webhook-id"] for headers, _ in receiver.received}, {body for _, body in receiver.received}
    assert len(ids) == len(bodies) == 1 and len(receiver.received) == 3
    assert WebhookAttempt.objects.first().answer == "oh"
    endpoint.refresh_from_db()
    assert endpoint.failing_since is None


@pytest.mark.parametrize("value", ["120", "a date", "soon", "-5"])
def test_an_endpoint_may_ask_for_a_pause(hall, hook, receiver, value):
    if value == "a date":
        value = format_datetime(datetime.now(UTC) + timedelta(seconds=120))
    receiver.answers = [(429, {"Retry-After": value}, b"")]
    alert(hall)
    deliver_due(hook[0].pk)
    pause = (WebhookDelivery.objects.get().next_at - timezone.now()).total_seconds()
    assert (60 < pause < 125) if value[:1] in "1FSMTW" else pause < 6


def test_gone_switches_it_off_and_so_do_five_days(hall, hook, receiver):
    endpoint, _ = hook
    receiver.answers = [(410, {}, b"")]
    alert(hall)
    deliver_due(endpoint.pk)
    endpoint.refresh_from_db()
    assert not endpoint.enabled and "410" in endpoint.off_reason
    assert WebhookDelivery.objects.get().status == "failed"
    endpoint = services.switch_endpoint(actor=ACTOR, endpoint=endpoint, enabled=True)
    services.send_test(actor=ACTOR, endpoint=endpoint)
    receiver.answers = [(500, {}, b"")]
    WebhookEndpoint.objects.update(failing_since=timezone.now() - timedelta(days=5, minutes=1))
    deliver_due(endpoint.pk)
    endpoint.refresh_from_db()
    assert not endpoint.enabled and "five days" in endpoint.off_reason
    due()
    assert deliver_due(endpoint.pk) == 0


def test_in_the_end_it_is_given_up_and_may_be_sent_again(hall, hook, receiver):
    endpoint, _ = hook
    receiver.answers = [(500, {}, b"")]
    alert(hall)
    for _ in range(len(delivery.PAUSES) + 1):
        due()
        deliver_due(endpoint.pk)
    row = WebhookDelivery.objects.get()
    assert (row.status, row.attempts) == ("failed", 10)
    receiver.answers = [(200, {}, b"")]
    services.replay(actor=ACTOR, delivery=row)
    with pytest.raises(Conflict):
        services.replay(actor=ACTOR, delivery=row)
    deliver_due(endpoint.pk)
    row.refresh_from_db()
    assert row.status == "delivered" and receiver.received[-1][1] == bytes(row.body)


def test_both_secrets_sign_for_a_day(hall, hook, receiver):
    endpoint, old = hook
    new = services.rotate_secret(actor=ACTOR, endpoint=endpoint)
    services.send_test(actor=ACTOR, endpoint=endpoint)
    deliver_due(endpoint.pk)
    headers, body = receiver.received[-1]
    for secret in (old, new):
        Webhook(secret).verify(body, {name.lower(): value for name, value in headers.items()})
    WebhookEndpoint.objects.update(old_secret_until=timezone.now())
    services.send_test(actor=ACTOR, endpoint=endpoint)
    deliver_due(endpoint.pk)
    headers, body = receiver.received[-1]
    with pytest.raises(WebhookVerificationError):
        Webhook(old).verify(body, {name.lower(): value for name, value in headers.items()})
    assert old not in json.dumps(list(WebhookEndpoint.objects.values("secret", "old_secret")))


def test_a_long_answer_is_not_read_to_its_end_and_a_dead_one_is_not_waited_for(hall, hook, receiver):
    endpoint, _ = hook
    receiver.answers = [(500, {}, b"x" * 10_000_000)]
    services.send_test(actor=ACTOR, endpoint=endpoint)
    deliver_due(endpoint.pk)
    assert len(WebhookAttempt.objects.get().answer) == 1000
    receiver.shutdown()
    due()
    with patch.object(delivery, "TIMEOUT", 0.3):
        deliver_due(endpoint.pk)
    assert "No answer within" in WebhookAttempt.objects.latest("id").error


def test_an_address_of_this_machine_is_not_called(hall, hook, receiver, settings):
    settings.OUTGOING_NETWORKS = ["public", "private"]
    endpoint, _ = hook
    for url in ("http://127.1/", "http://2130706433/", "http://[::1]/", "http://169.254.169.254/latest", "ftp://x/", "x",
                "http://me:pw@example.org/"):  # fmt: skip
        with pytest.raises(InvalidInput):
            services.create_endpoint(actor=ACTOR, gallery=hall, url=url)
    services.send_test(actor=ACTOR, endpoint=endpoint)  # as if its name had another address by now
    deliver_due(endpoint.pk)
    assert not receiver.received and "loopback" in WebhookAttempt.objects.get().error


def test_no_more_than_two_at_a_time(hall, hook):
    endpoint, _ = hook
    for _ in range(3):
        services.send_test(actor=ACTOR, endpoint=endpoint)
    claimed = [delivery._claim(endpoint.pk) for _ in range(3)]
    assert [row is not None for row in claimed] == [True, True, False]
    WebhookDelivery.objects.filter(pk=claimed[0].pk).update(leased_until=timezone.now() - timedelta(seconds=1))
    assert delivery._claim(endpoint.pk).pk in {claimed[0].pk, *WebhookDelivery.objects.values_list("pk", flat=True)}


def test_nothing_is_sent_of_what_did_not_happen(hall, hook, receiver):
    from django.db import transaction

    with pytest.raises(ZeroDivisionError), transaction.atomic():
        alert(hall)
        raise ZeroDivisionError
    assert not WebhookDelivery.objects.exists()


def test_only_owners_have_endpoints(hall, hook):
    curator = member(hall, Role.CURATOR)
    for act in (
        lambda: services.create_endpoint(actor=curator, gallery=hall, url="http://192.168.1.1/"),
        lambda: services.delete_endpoint(actor=curator, endpoint=hook[0]),
        lambda: services.rotate_secret(actor=curator, endpoint=hook[0]),
    ):
        with pytest.raises(NotAllowed):
            act()
    assert WebhookEndpoint.objects.count() == 1
    assert not WebhookEndpoint.objects.all().visible_to(curator).exists()
