"""Alerts by e-mail, to a real SMTP server on this machine."""

from datetime import timedelta

import pytest
from django.utils import timezone
from factories import GalleryFactory, IdentityFactory, UserFactory, unit
from seen import sight

from accounts.actor import system_actor
from faceplatform.errors import InvalidInput
from recognition.alerts import mailing, services
from recognition.alerts.models import AlertMail

pytestmark = pytest.mark.django_db
ACTOR = system_actor()


@pytest.fixture
def hall():
    return GalleryFactory(slug="hall", time_zone="Europe/Berlin")


def seen(hall, *addresses: str) -> None:
    services.create_rule(actor=ACTOR, gallery=hall, name="Tür", kind="known", emails=list(addresses))
    services.raise_for(sight(hall, unit(0), identity=IdentityFactory(gallery=hall, name="Änna")))


def test_each_address_of_the_rule_is_told_once(hall, mail_server):
    seen(hall, "a@example.org", "b@example.org")
    assert mailing.send_due() == 2 and mailing.send_due() == 0
    assert sorted(recipient for recipient, _ in mail_server.received) == ["a@example.org", "b@example.org"]
    message = mail_server.received[0][1]
    assert message["Subject"].startswith("Änna was seen at ")
    assert "Rule: Tür" in message.get_content() and "Europe/Berlin" in message.get_content()
    assert {mail.status for mail in AlertMail.objects.all()} == {"delivered"}


def test_who_has_an_account_is_told_in_their_language(hall, mail_server):
    UserFactory(email="A@example.org", language="de")
    UserFactory(email="b@example.org", language="")
    seen(hall, "a@example.org", "b@example.org", "c@example.org")
    mailing.send_due()
    told = dict(mail_server.received)
    assert told["a@example.org"]["Subject"].startswith("Änna wurde an ")
    assert "Galerie: Hall\nRegel: Tür\n" in told["a@example.org"].get_content().replace("\r", "")
    for address in ("b@example.org", "c@example.org"):
        assert told[address]["Subject"].startswith("Änna was seen at ")


def test_what_is_not_taken_is_tried_again_and_given_up_in_the_end(hall, mail_server):
    mail_server.refuses = True
    seen(hall, "a@example.org")
    assert mailing.send_due() == 1 and mailing.send_due() == 0 and not mailing.is_due()
    waiting = AlertMail.objects.get()
    assert waiting.status == "waiting" and waiting.next_at > timezone.now() and "could not be sent" in waiting.error
    for _ in mailing.PAUSES:
        AlertMail.objects.update(next_at=timezone.now() - timedelta(seconds=1))
        assert mailing.is_due()
        mailing.send_due()
    assert AlertMail.objects.get().status == "failed" and not mail_server.received
    mail_server.refuses = False
    AlertMail.objects.update(status="waiting", next_at=timezone.now())
    mailing.send_due()
    assert len(mail_server.received) == 1 and AlertMail.objects.get().error == ""


def test_one_that_a_lost_worker_had_is_sent_after_its_lease(hall, mail_server):
    seen(hall, "a@example.org")
    assert mailing._claim() is not None and mailing._claim() is None
    AlertMail.objects.update(leased_until=timezone.now() - timedelta(seconds=1))
    assert mailing.send_due() == 1


def test_nothing_waits_where_no_mail_is_set_up(hall, settings):
    settings.SENDS_EMAIL = False
    seen(hall, "a@example.org")
    assert not AlertMail.objects.exists()


@pytest.mark.parametrize("addresses", [["nobody"], ["a@example.org\nBcc: b@example.org"], ["a@example.org"] * 11])
def test_addresses_that_are_none_are_refused(hall, addresses):
    with pytest.raises(InvalidInput):
        seen(hall, *addresses)
