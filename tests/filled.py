"""A platform with something on every page: the demo's people, seen by cameras, and made-up rows beside them.

Runs with the platform's own settings: `manage.py shell -c "import filled; filled.main()"`. Its pictures are the demo's
public-domain portraits alone.
"""

import io
import json
from datetime import timedelta

import numpy as np
from django.utils import timezone
from factories import UserFactory, unit
from PIL import Image
from seen import camera_of, near, sight

from accounts.actor import Actor, Via, system_actor
from accounts.keys.services import create_api_key
from accounts.models import Membership, User
from accounts.roles import Role
from gallery.models import Gallery, Identity
from gallery.services import create_gallery, create_identity, delete_identity
from recognition.alerts.models import Alert, AlertRule, WebhookDelivery, WebhookEndpoint
from recognition.alerts.services import create_endpoint, create_rule, raise_for
from recognition.attendance.services import correct, count_sighting
from recognition.cameras.models import Camera, CameraKind
from recognition.cameras.services import create_camera
from recognition.demo.portraits import require_portraits
from recognition.demo.services import SLUG, make_demo
from recognition.evaluations.models import Evaluation
from recognition.evaluations.services import record_evaluation
from recognition.health.models import HealthFinding
from recognition.imports.models import Import
from recognition.lab.evaluation.protocol import summarise
from recognition.photos.in_process import process_requests
from recognition.photos.installed_packs import manifest_of
from recognition.photos.models import RecognitionRequest
from recognition.photos.services import Photo, submit_recognition
from recognition.privacy.erasure import erase_subject
from recognition.privacy.models import Erasure
from recognition.privacy.subject import find_subject

LONG = "Maximiliane-Wilhelmina Freifrau von Hohenstein-Wackerbarthsruhe"  # over 60 letters
PEOPLE = (
    ("Ada Lovelace", "Engines", "Analyst"),
    ("Ben Okafor", "Front desk", "Host"),
    ("Chiara Rossi", "Engines", "Mechanic"),
    ("Dmitri Petrov", "Stores", "Buyer"),
    ("Elif Yılmaz", "Engines", "Analyst"),
    ("فاطمة الزهراء", "Stores", "Driver"),
    (LONG, "Engines", "Head of everything that has to do with engines"),
)
LANDMARKS = [[130, 120], [190, 120], [160, 160], [135, 200], [185, 200]]


def main() -> None:
    print(json.dumps(fill()))


def fill() -> dict[str, str]:
    """Makes everything. Returns the values of the parameters of addresses, by the word before them: {"people": UUID, …}."""
    system = system_actor()
    make_demo(actor=system)
    gallery = Gallery.objects.get(slug=SLUG)
    admin = User.objects.get(username="admin")
    actor = Actor(user=admin, via=Via.WEB, name="admin")
    people = [
        create_identity(actor=actor, gallery=gallery, name=name, department=department, position=position)
        for name, department, position in PEOPLE
    ]
    hopper, collins = gallery.identities.filter(name__in=("Grace Hopper", "Eileen Collins")).order_by("-name")
    crops = {person: _crops(person) for person in (hopper, collins)}
    create_gallery(actor=actor, name="Visitors of the second building")
    sightings = _seen(gallery, crops)
    webcam = create_camera(actor=actor, gallery=gallery, name="Front desk", kind=CameraKind.WEBCAM)
    alerts = _alerts(actor, gallery, sightings)
    correct(
        actor=actor, identity=people[0], day=timezone.localdate() - timedelta(days=1), presence="present",
        reason="At a customer's",
    )  # fmt: skip
    _members(gallery)
    create_api_key(actor=actor, user=admin, scopes=["read", "recognize"], name="Door of the main entrance")
    return {
        "slug": SLUG,
        "people": str(hopper.pk),
        "recognitions": str(_recognised(actor, gallery).pk),
        "imports": str(_import(gallery, admin).pk),
        "erasures": str(_erasure(actor, gallery).pk),
        "evaluations": str(_evaluation(0).pk),
        "other evaluation": str(_evaluation(1).pk),
        "cameras": str(Camera.objects.get(gallery=gallery, kind=CameraKind.FILE).pk),
        "webcam": str(webcam.pk),
        "unknown": str(next(row.unknown_id for row in sightings if row.unknown_id)),
        "finding": str(_finding(hopper, collins).pk),
        **alerts,
    }


def _crops(person: Identity) -> list:
    """A portrait's head, again and again a little brighter: no two pictures of a sighting are the same."""
    path = next(path for portrait, path in require_portraits().items() if portrait.name == person.name)
    box = (120, 0, 440, 320) if person.name == "Grace Hopper" else (110, 0, 350, 240)
    with Image.open(path) as image:
        head = image.convert("RGB").crop(box).resize((320, 320))
    return [_encoded(head.point(lambda value, n=n: min(255, value + 2 * n))) for n in range(40)]


def _encoded(image: Image.Image):
    out = io.BytesIO()
    image.save(out, "JPEG", quality=85)
    return out.getvalue(), LANDMARKS


def _seen(gallery: Gallery, crops) -> list:
    """Each of the two today and on days before, and as a stranger at the same door."""
    hopper, collins = crops
    rows, camera = [], camera_of(gallery)
    for days in (0, 1, 2):
        at = timezone.now() - timedelta(days=days, minutes=5)
        for number, person in enumerate(crops):
            three = [crops[person].pop() for _ in range(3)]
            rows.append(sight(gallery, unit(number), identity=person, at=at, crops=three, camera=camera))
            count_sighting(rows[-1])
    for number, person in enumerate((collins, hopper, collins)):
        three = [crops[person].pop() for _ in range(3)]
        rows.append(sight(gallery, near(unit(20 + number % 2), 0.2), later=600 * number, crops=three, camera=camera))
    return rows


def _alerts(actor: Actor, gallery: Gallery, sightings) -> dict[str, str]:
    create_rule(actor=actor, gallery=gallery, name="Anybody known at the entrance", kind="known")
    create_rule(actor=actor, gallery=gallery, name="Strangers", kind="unknown")
    create_endpoint(actor=actor, gallery=gallery, url="http://192.168.1.1/hook")
    for sighting in sightings:
        raise_for(sighting)
    return {
        "alerts": str(Alert.objects.first().pk),
        "rules": str(AlertRule.objects.first().pk),
        "webhooks": str(WebhookEndpoint.objects.get().pk),
        "deliveries": str(WebhookDelivery.objects.first().pk),
    }


def _recognised(actor: Actor, gallery: Gallery) -> RecognitionRequest:
    """A photo of both of them."""
    images = [Image.open(path).convert("RGB").resize((480, 560)) for path in require_portraits().values()]
    both = Image.new("RGB", (960, 560))
    for number, image in enumerate(images):
        both.paste(image, (480 * number, 0))
    jpeg, _ = _encoded(both)
    photo = Photo("visit.jpg", jpeg)
    request = submit_recognition(actor=actor, gallery=gallery, photo=photo, keep_photo=True, needs_worker=False)
    process_requests([request])
    return request


def _members(gallery: Gallery) -> None:
    for name, role in (("carla", Role.CURATOR), ("victor", Role.VIEWER), ("olga", Role.OWNER)):
        Membership.objects.create(user=UserFactory(username=name), gallery=gallery, role=role)


def _import(gallery: Gallery, user: User) -> Import:
    counts = {"total": 41, "enrolled": 39, "skipped": 1, "refused": 1}
    return Import.objects.create(
        gallery=gallery, name="portraits of everybody in the second building.zip", status="done", requested_by=user,
        finished_at=timezone.now(), **counts,
    )  # fmt: skip


def _erasure(actor: Actor, gallery: Gallery) -> Erasure:
    gone = create_identity(actor=actor, gallery=gallery, name="Somebody who was deleted")
    delete_identity(actor=actor, identity=gone)
    person = create_identity(actor=actor, gallery=gallery, name="Somebody who has left")
    subject = find_subject(person.pk)
    return erase_subject(actor=actor, subject=subject, confirm=person.name, reason="They asked for it")


def _evaluation(seed: int) -> Evaluation:
    """Of distances that are made up; the figures are computed."""
    same, random = np.arange(400) % 2 == 0, np.random.default_rng(seed)
    distances = np.where(same, random.normal(0.3, 0.1, 400), random.normal(0.8, 0.1, 400)).astype("float32")
    result = summarise(distances, same, name="Portraits", sha256="a" * 64, metric="L2", threshold=0.58)
    return record_evaluation(actor=system_actor(), manifest=manifest_of("sface"), result=result)


def _finding(one: Identity, other: Identity) -> HealthFinding:
    samples = [person.samples.first() for person in (one, other)]
    return HealthFinding.objects.create(
        gallery=one.gallery, kind="duplicate", reason="same_person", rank=1, identity=one, sample=samples[0],
        other=other, other_sample=samples[1], distance=0.41, found=1, total=1,
    )  # fmt: skip
