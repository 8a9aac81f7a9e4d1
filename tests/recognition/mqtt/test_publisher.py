"""Sightings and alerts over MQTT, with a real broker that is absent, stopped, killed and back."""

import gc
import json
import os
import signal
import subprocess
import sys
import threading
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.db import OperationalError, transaction
from django.utils import timezone
from factories import CameraFactory, GalleryFactory, IdentityFactory, unit
from seen import sight
from web_process import ROOT, database_url

from accounts.actor import system_actor
from faceplatform.database.listen import Subscription
from faceplatform.setting_values import BrokerAddress
from recognition.alerts.models import Alert, MqttMessage, MqttTopic
from recognition.alerts.services import create_rule, raise_for
from recognition.cameras.models import Sighting, UnknownPerson

pytest.importorskip("paho", reason="paho-mqtt is not installed")
from mosquitto import SECONDS, Broker, Listener

from recognition.mqtt import publisher as publishing
from recognition.mqtt.broker import Connection, Lost, Message, connected
from recognition.mqtt.publisher import Publisher

pytestmark = pytest.mark.django_db(transaction=True)
SIGHTINGS, ALERTS, PERSON = "faces/hall/sightings", "faces/hall/alerts", "faces/hall/cameras/door/person"


class Gate(threading.Event):
    """A stop flag; a pause of the publisher's lasts until the test lets it pass."""

    def __init__(self) -> None:
        super().__init__()
        self.reached, self.open = threading.Event(), threading.Event()

    def wait(self, timeout: float | None = None) -> bool:
        self.reached.set()
        assert self.open.wait(SECONDS)
        self.open.clear()
        return self.is_set()


@pytest.fixture
def broker(tmp_path):
    made = Broker(tmp_path, "allow_anonymous true")
    yield made
    made.kill()


@pytest.fixture
def listen():
    """Makes listeners, which end with the test."""
    made = []

    def to(broker: Broker, *user: str) -> Listener:
        made.append(Listener(broker.port, *user))
        return made[-1]

    yield to
    for listener in made:
        listener.stop()


@pytest.fixture
def hall(settings):
    settings.TELLS_MQTT = True
    gallery = GalleryFactory(slug="hall")
    create_rule(actor=system_actor(), gallery=gallery, name="all", kind="known")
    CameraFactory(gallery=gallery, slug="door", name="Door")
    return gallery


def address_of(broker: Broker, user: str = "", password: str = "") -> BrokerAddress:
    return BrokerAddress("127.0.0.1", broker.port, False, user, password)


@pytest.fixture
def run_publisher():
    """Starts publishers; returns the gate of each."""
    running = []

    def run(broker: Broker, *user: str) -> Gate:
        gate = Gate()
        thread = threading.Thread(target=Publisher(address_of(broker, *user), "faces").run, args=(gate,))
        thread.start()
        running.append((gate, thread))
        return gate

    yield run
    for gate, thread in running:
        gate.set()
        gate.open.set()
        thread.join(SECONDS)
        assert not thread.is_alive()
    publishing.hub.close()


def see(gallery, name: str, **fields) -> Sighting:
    """Somebody comes into view, as a camera worker writes it."""
    person = IdentityFactory(gallery=gallery, name=name)
    with transaction.atomic():
        sighting = sight(gallery, unit(0), identity=person, at=timezone.now(), closed=False, **fields)
        raise_for(sighting)
    return sighting


def told_when_it_rests(monkeypatch) -> threading.Event:
    """Set whenever the publisher has done everything and waits for news."""
    rests, wait = threading.Event(), Subscription.wait
    monkeypatch.setattr(Subscription, "wait", lambda *given: (rests.set(), wait(*given))[1])
    return rests


def ids(payloads: list[str]) -> list[str]:
    return [json.loads(payload)["id"] for payload in payloads]


def test_a_broker_that_was_absent_at_the_start_is_told_everything(hall, broker, listen, run_publisher):
    seen = see(hall, "Ada")
    gate = run_publisher(broker)
    assert gate.reached.wait(SECONDS)  # nobody is there
    assert MqttMessage.objects.count() == 2
    broker.start()
    listener = listen(broker)
    gate.open.set()

    listener.wait_for(lambda it: it.on(SIGHTINGS) and it.on(ALERTS) and it.on(f"{PERSON}/attributes"))
    assert ids(listener.on(SIGHTINGS)) == [str(seen.pk)]
    assert json.loads(listener.on(SIGHTINGS)[0])["identity"]["name"] == "Ada"
    assert json.loads(listener.on(ALERTS)[0])["text"] == "Ada was seen at Door."
    assert listener.kept["faces/available"] == "online" and listener.kept[PERSON] == "Ada"
    attributes = json.loads(listener.kept[f"{PERSON}/attributes"])
    assert (attributes["sighting"], attributes["picture"]) == (str(seen.pk), f"/api/v1/sightings/{seen.pk}/crop.jpg")
    assert SIGHTINGS not in listener.kept and ALERTS not in listener.kept  # who comes later is told of now alone
    told = [topic for topic, _ in listener.heard]  # nobody takes what was kept before for what is now
    assert told.index(f"{PERSON}/attributes") < told.index("faces/available") < told.index(ALERTS)

    found = json.loads(listener.kept[f"homeassistant/device/faceplatform_{seen.camera_id.hex}/config"])
    person = found["components"]["person"]
    assert person["state_topic"] == person["json_attributes_topic"] == f"{PERSON}/attributes"  # both change at once
    assert person["qos"] == 1  # Home Assistant gives the device's own to its components only since 2026
    assert found["availability_topic"] == "faces/available" and found["device"]["name"] == "Door"
    event = json.loads(listener.kept[f"homeassistant/device/faceplatform_{hall.pk.hex}/config"])["components"]["alerts"]
    assert event["state_topic"] == ALERTS and "known" in event["event_types"]

    Sighting.objects.update(closed=True)
    listener.wait_for(lambda it: it.kept[PERSON] == "nobody")
    gate.set()
    listener.wait_for(lambda it: it.kept["faces/available"] == "offline")
    assert not MqttMessage.objects.exists()


def test_a_broker_that_is_killed_and_back_loses_nothing_and_is_told_nothing_twice(
    hall, broker, listen, run_publisher, monkeypatch
):
    broker.start()
    before = listen(broker)
    rests = told_when_it_rests(monkeypatch)
    gate = run_publisher(broker)
    first = see(hall, "Ada")
    before.wait_for(lambda it: it.on(SIGHTINGS) and it.on(ALERTS) and it.kept.get(PERSON) == "Ada")
    rests.clear()
    assert rests.wait(SECONDS)  # nothing is on its way

    sent, send = threading.Event(), Connection._send
    monkeypatch.setattr(Connection, "_send", lambda *given: (send(*given), sent.set())[0])
    broker.send(signal.SIGSTOP)  # it takes bytes, and confirms nothing
    second = see(hall, "Grace")
    assert sent.wait(SECONDS)
    broker.kill()
    third = see(hall, "Eileen")
    assert gate.reached.wait(SECONDS)
    broker.start()
    after = listen(broker)
    gate.open.set()

    after.wait_for(lambda it: len(it.on(SIGHTINGS)) == 2 and len(it.on(ALERTS)) == 2 and PERSON in it.kept)
    # what the broker had forgotten with its end is there again
    assert f"homeassistant/device/faceplatform_{first.camera_id.hex}/config" in after.kept
    assert ids(before.on(SIGHTINGS)) == [str(first.pk)]
    assert ids(after.on(SIGHTINGS)) == [str(second.pk), str(third.pk)]
    assert after.kept[PERSON] == "Eileen, Grace, Ada"


def test_what_the_broker_has_confirmed_is_not_sent_again_when_the_database_fails(hall, broker, listen, monkeypatch):
    broker.start()
    listener, publisher = listen(broker), Publisher(address_of(broker), "faces")
    see(hall, "Ada")
    forget, calls = Publisher._forget_confirmed, []

    def fails_once(self):
        calls.append(1)
        if len(calls) == 2:
            raise OperationalError("the server closed the connection unexpectedly")
        forget(self)

    monkeypatch.setattr(Publisher, "_forget_confirmed", fails_once)
    with connected(address_of(broker), client_id="x", will=Message("w", "w")) as link:
        with pytest.raises(OperationalError):
            publisher.tell(link)
        assert MqttMessage.objects.count() == 2
        publisher.tell(link)
        list(link.deliver([Message("end", "end")]))
    listener.wait_for(lambda it: it.on("end"))
    assert len(listener.on(SIGHTINGS)) == len(listener.on(ALERTS)) == 1
    assert not MqttMessage.objects.exists()


def test_what_commits_late_is_not_missed(hall, broker, listen):
    """Its number is lower than that of one that was told already."""
    broker.start()
    listener, publisher = listen(broker), Publisher(address_of(broker), "faces")
    late = see(hall, "Ada")
    [row] = MqttMessage.objects.filter(sighting=late)
    MqttMessage.objects.all().delete()
    with connected(address_of(broker), client_id="x", will=Message("w", "w")) as link:
        see(hall, "Grace")
        publisher.tell(link)
        row.save(force_insert=True)
        publisher.tell(link)
    listener.wait_for(lambda it: len(it.on(SIGHTINGS)) == 2)
    assert ids(listener.on(SIGHTINGS))[1] == str(late.pk)


def test_who_is_killed_is_offline(hall, broker, listen, tmp_path):
    """The command itself, in a process of its own; the user's password has what addresses do not like."""
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "FACEPLATFORM_DATA_DIR": str(tmp_path),
        "DATABASE_URL": database_url(),
        "FACEPLATFORM_MQTT_URL": f"mqtt://faces:p%40ss%2F@127.0.0.1:{broker.port}",
        "FACEPLATFORM_MQTT_PREFIX": "faces",
    }
    broker.start()
    listener = listen(broker)
    see(hall, "Ada")
    process = subprocess.Popen([sys.executable, "manage.py", "mqtt_publisher"], cwd=ROOT, env=environment)
    try:
        listener.wait_for(lambda it: it.kept.get("faces/available") == "online" and it.on(SIGHTINGS))
    finally:
        process.kill()
        process.wait()
    listener.wait_for(lambda it: it.kept["faces/available"] == "offline")


def test_what_the_broker_keeps_of_a_camera_goes_with_it(hall, broker, listen):
    """Also if nobody published when it was deleted; and a closed gallery is told of no more."""
    CameraFactory(gallery=hall, slug="yard")
    broker.start()
    listener = listen(broker)
    with connected(address_of(broker), client_id="x", will=Message("w", "w")) as link:
        Publisher(address_of(broker), "faces").keep(link)
        listener.wait_for(lambda it: "faces/hall/cameras/yard/person/attributes" in it.kept)
        hall.cameras.get(slug="yard").delete()
        Publisher(address_of(broker), "faces").keep(link)
        listener.wait_for(lambda it: it.on("faces/hall/cameras/yard/person/attributes")[-1] == "")
        emptied = [topic.split("/")[0] for topic, payload in listener.heard if not payload]
        assert emptied == ["homeassistant", "faces", "faces"]
        assert listener.kept[PERSON] == "nobody"

        see(hall, "Ada")
        hall.deletes_at = timezone.now()
        hall.save()
        publisher = Publisher(address_of(broker), "faces")
        publisher.tell(link)
        publisher.keep(link)
        list(link.deliver([Message("end", "end")]))
        listener.wait_for(lambda it: it.on("end"))
    still_kept = [topic for topic, payload in listener.kept.items() if payload]
    assert not listener.on(SIGHTINGS) and still_kept == ["faces/available"]
    assert [row.topic for row in MqttTopic.objects.all()] == ["faces/available"]


def test_what_the_broker_refuses_waits_and_keeps_nobody(hall, tmp_path, listen, monkeypatch):
    rights = tmp_path / "acl"
    rights.write_text("user faces\ntopic read #\ntopic write faces/yard/#\n")
    users = tmp_path / "users"
    users.touch(0o600)
    subprocess.run(["mosquitto_passwd", "-b", str(users), "faces", "p@ss/"], check=True, capture_output=True)
    broker = Broker(tmp_path, f"acl_file {rights}", f"password_file {users}")
    broker.start()
    try:
        listener, address = listen(broker, "faces", "p@ss/"), address_of(broker, "faces", "p@ss/")
        yard = GalleryFactory(slug="yard")
        refused, other = see(hall, "Ada"), see(yard, "Grace")
        publisher = Publisher(address, "faces")
        monkeypatch.setattr(publishing, "AT_ONCE", 2)
        with connected(address, client_id="x", will=Message("w", "w")) as link:
            assert publisher.tell(link) and not publisher.tell(link)
            listener.wait_for(lambda it: it.on("faces/yard/sightings"))
            assert ids(listener.on("faces/yard/sightings")) == [str(other.pk)]
            assert MqttMessage.objects.filter(sighting=refused).exists()

            rights.write_text("user faces\ntopic readwrite #\n")
            broker.send(signal.SIGHUP)
            monkeypatch.setattr(publishing, "REFUSED_FOR", -1.0)
            while MqttMessage.objects.exists():  # the broker reads its rights when it comes to it
                publisher._again_at = 0.0
                publisher.tell(link)
        listener.wait_for(lambda it: it.on(SIGHTINGS) and it.on(ALERTS))
    finally:
        broker.kill()


@pytest.mark.filterwarnings("ignore:Exception ignored in. <ssl.SSLSocket")  # paho leaves closing it to the collector
def test_a_broker_with_tls_has_to_show_a_certificate_that_is_trusted(tmp_path, monkeypatch):
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    key_bytes, certificate_bytes = self_signed("localhost")
    key.write_bytes(key_bytes), certificate.write_bytes(certificate_bytes)
    broker = Broker(tmp_path, "allow_anonymous true", f"certfile {certificate}", f"keyfile {key}")
    broker.start()
    address = BrokerAddress("localhost", broker.port, True, "", "")
    try:
        with pytest.raises(Lost, match="certificate"), connected(address, client_id="x", will=Message("w", "w")):
            pass
        gc.collect()
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        with connected(address, client_id="x", will=Message("w", "w")) as link:
            assert list(link.deliver([Message("faces", "told")])) == [(0, True)]
    finally:
        broker.kill()


def self_signed(name: str) -> tuple[bytes, bytes]:
    """A key and its certificate, PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject, now = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]), timezone.now()
    built = x509.CertificateBuilder(subject, subject, key.public_key(), 1, now, now + timedelta(days=1))
    built = built.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    plain = serialization.NoEncryption()
    pem = serialization.Encoding.PEM
    return (
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain),
        built.sign(key, hashes.SHA256()).public_bytes(pem),
    )


def test_nothing_is_written_where_nobody_is_told(hall, settings):
    stranger = sight(hall, unit(1), at=timezone.now(), closed=False)
    UnknownPerson.objects.update(ignored=True)
    raise_for(Sighting.objects.get(pk=stranger.pk))
    settings.TELLS_MQTT = False
    see(hall, "Ada")
    assert not MqttMessage.objects.exists()


def test_what_is_erased_is_not_told(hall):
    see(hall, "Ada").delete()
    assert [row.sighting for row in MqttMessage.objects.all()] == [None]  # the alert's
    Alert.objects.all().delete()
    assert not MqttMessage.objects.exists()
