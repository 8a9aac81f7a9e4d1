"""Kiosks: who makes and ends them, how a browser becomes one, and that it can do nothing else."""

import threading
from datetime import timedelta

import numpy as np
import pytest
from api_client import client_of, problem
from django.db import connection
from django.test import Client
from django.utils import timezone
from every_address import addresses
from factories import CameraFactory, GalleryFactory, IdentityFactory, UserFactory, member, stranger
from mjpeg_server import jpegs
from seen import open_sighting

from accounts.actor import system_actor
from accounts.models import AuditEvent, RequestBucket
from accounts.roles import Role
from faceplatform.errors import Conflict, InvalidInput
from gallery.models import Gallery, Identity
from recognition.cameras.models import Camera, IncomingFrame, Sighting
from recognition.kiosks.callers import is_known
from recognition.kiosks.models import Kiosk
from recognition.kiosks.services import MOST_KIOSKS, make_kiosk, start_kiosk

pytestmark = pytest.mark.django_db
JPEG = jpegs([np.full((48, 64, 3), 90, "uint8")])[0]


@pytest.fixture
def camera():
    return CameraFactory(gallery=GalleryFactory(slug="staff"), name="Front door")


def made(camera: Camera, **fields) -> tuple[Kiosk, str]:
    return make_kiosk(actor=system_actor(), camera=camera, name="Tablet", **fields)


def let_in(camera: Camera, **fields) -> Client:
    """The browser of a kiosk of this camera."""
    client = Client()
    assert client.post("/kiosk", {"code": made(camera, **fields)[1]}).status_code == 302
    return client


def post(client: Client, jpeg: bytes = JPEG):
    return client.post("/kiosk/frames", jpeg, content_type="image/jpeg")


def look(camera: Camera, *, ago: float = 0, **fields) -> Sighting:
    """A sighting that began a minute ago and was last written `ago` seconds ago."""
    row = open_sighting(camera.gallery, camera=camera, at=timezone.now() - timedelta(minutes=1), closed=False, **fields)
    row.last_seen = timezone.now() - timedelta(seconds=ago)
    row.save()
    return row


# --- Owners ---
@pytest.mark.parametrize("role", [None, *Role])
def test_owners_alone_make_and_end_kiosks(client, camera, role):
    kiosk, _ = made(camera)
    client.force_login((member(camera.gallery, role) if role else stranger()).user)
    before = list(Kiosk.objects.values()), AuditEvent.objects.count()
    base = f"/galleries/staff/cameras/{camera.pk}/kiosks"
    answers = [client.get(base), client.post(base, {"name": "Second"}), client.post(f"{base}/{kiosk.pk}/end")]
    if role == Role.OWNER:
        assert [answer.status_code for answer in answers] == [200, 302, 302]
        assert [row.name for row in Kiosk.objects.all()] == ["Second"]
        acts = (
            AuditEvent.objects.filter(action__startswith="kiosk.").order_by("id").values_list("action", "object_name")
        )
        assert list(acts) == [("kiosk.made", "Tablet"), ("kiosk.made", "Second"), ("kiosk.ended", "Tablet")]
    else:
        assert {answer.status_code for answer in answers} == {403 if role else 404}
        assert (list(Kiosk.objects.values()), AuditEvent.objects.count()) == before


def test_kiosks_of_another_gallery_or_camera_are_not_there(client, camera):
    client.force_login(member(camera.gallery, Role.OWNER).user)
    other, _ = made(CameraFactory())
    beside, _ = made(CameraFactory(gallery=camera.gallery))
    base = "/galleries/staff/cameras"
    assert client.get(f"{base}/{other.camera_id}/kiosks").status_code == 404
    for kiosk in (other, beside):
        assert client.post(f"{base}/{camera.pk}/kiosks/{kiosk.pk}/end").status_code == 404
    assert Kiosk.objects.count() == 2


def test_a_kiosk_needs_a_webcam_and_a_name_and_there_are_not_too_many(client, camera):
    client.force_login(member(camera.gallery, Role.OWNER).user)
    base = f"/galleries/staff/cameras/{camera.pk}"
    assert client.post(f"{base}/kiosks", {"name": " "}).status_code == 400
    assert 'href="' + f"{base}/kiosks" in client.get(f"{base}/").content.decode()
    for _ in range(MOST_KIOSKS):
        made(camera)
    refused = client.post(f"{base}/kiosks", {"name": "One more"})
    assert refused.status_code == 409 and "End one first" in refused.content.decode()
    Camera.objects.update(kind="file", address="a.mp4")
    assert client.get(f"{base}/kiosks").status_code == 302
    assert "/kiosks" not in client.get(f"{base}/").content.decode()
    with pytest.raises(Conflict, match="kind “webcam”"):
        made(camera)


def test_nothing_that_lets_in_is_stored_as_it_is(client, camera):
    client.force_login(member(camera.gallery, Role.OWNER).user)
    address = f"/galleries/staff/cameras/{camera.pk}/kiosks"
    assert client.post(address, {"name": "Tablet"}).status_code == 302
    in_session = dict(client.session)
    code = client.get(address).content.decode().partition("?code=")[2][:9]
    assert len(code) == 9 and code not in client.get(address).content.decode() and code not in str(in_session)
    _, key = start_kiosk(actor=system_actor(), code=code)
    stored = str(list(Kiosk.objects.values()) + list(AuditEvent.objects.values()))
    assert key not in stored and code not in stored and code.replace("-", "") not in stored


# --- Becoming one ---
def test_a_code_works_once_however_it_is_typed(client, camera):
    kiosk, code = made(camera)
    owner = member(camera.gallery, Role.OWNER).user
    client.force_login(owner)
    assert f'value="{code}"' in client.get(f"/kiosk?code={code}").content.decode()
    answer = client.post("/kiosk", {"code": f" {code.lower().replace('-', ' ')} "})
    cookie = answer.cookies["kiosk"]
    assert (answer["Location"], cookie["path"], cookie["httponly"], cookie["samesite"]) == (
        "/kiosk",
        "/kiosk",
        True,
        "Lax",
    )
    page = client.get("/kiosk")
    assert "Look here" in page.content.decode() and page["Permissions-Policy"].startswith("camera=(self)")
    assert client.get("/").status_code == 302, "it is signed out"
    started = AuditEvent.objects.get(action="kiosk.started")
    assert (started.user, started.object_id) == (owner, str(kiosk.pk))
    again = Client().post("/kiosk", {"code": code})
    assert again.status_code == 400 and "was used already" in again.content.decode()


@pytest.mark.parametrize("is_old", [True, False])
def test_an_old_or_wrong_code_lets_nobody_in(camera, is_old):
    kiosk, code = made(camera)
    wrong = code if is_old else code[:-1] + ("A" if code[-1] != "A" else "B")
    if is_old:
        Kiosk.objects.update(code_expires_at=timezone.now())
    for text in (wrong, "", "-", "\0", "Ä" * 20):
        answer = Client().post("/kiosk", {"code": text})
        assert answer.status_code == 400 and "kiosk" not in answer.cookies
    kiosk.refresh_from_db()
    assert kiosk.started_at is None


def test_guessing_is_limited_as_signing_in_is(camera, settings):
    settings.SIGN_IN_ADDRESS_RATE = 2
    _, code = made(camera)
    assert [Client().post("/kiosk", {"code": "AAAA-AAAA"}).status_code for _ in range(3)] == [400, 400, 429]
    assert Client().post("/kiosk", {"code": code}).status_code == 429
    RequestBucket.objects.all().delete()
    assert Client().post("/kiosk", {"code": code}).status_code == 302
    assert [Client().post("/kiosk", {"code": "AAAA-AAAA"}).status_code for _ in range(2)] == [400, 400]


@pytest.mark.django_db(transaction=True)
def test_of_two_browsers_at_once_one_gets_in(camera):
    _, code = made(camera)
    ready, outcomes = threading.Barrier(4), []

    def try_it():
        try:
            ready.wait()
            outcomes.append(start_kiosk(actor=system_actor(), code=code))
        except InvalidInput as error:
            outcomes.append(error.code)
        finally:
            connection.close()

    threads = [threading.Thread(target=try_it) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count("wrong_code") == 3 and len(outcomes) == 4
    assert AuditEvent.objects.filter(action="kiosk.started").count() == 1


# --- What a kiosk may ---
def test_a_kiosk_may_do_nothing_else(camera, subtests):
    client = let_in(camera)
    client.raise_request_exception = False
    own, open_to_all = {"/kiosk", "/kiosk/frames", "/kiosk/seen"}, {"/sign-in", "/health/live", "/health/ready"}
    paths = {path for path, _ in addresses()} - own - open_to_all
    assert len(paths) > 150
    before = AuditEvent.objects.count()
    for path in sorted(paths):
        for method in ("get", "post"):
            with subtests.test(path=path, method=method):
                answer = getattr(client, method)(path)
                if answer.status_code == 200:  # a page that is everybody's
                    assert getattr(Client(raise_request_exception=False), method)(path).status_code == 200
                elif answer.status_code == 302:
                    assert answer["Location"].startswith(
                        ("/sign-in", "/admin/login", "/password", "/accounts", "/static/")
                    )
                else:
                    assert answer.status_code in (400, 401, 403, 404, 405)
    assert AuditEvent.objects.count() == before and Camera.objects.count() == 1


def test_a_picture_is_kept_for_the_kiosks_own_camera(camera):
    client, other = let_in(camera), CameraFactory(gallery=camera.gallery)
    assert post(client).status_code == 204
    frame = IncomingFrame.objects.get()
    assert (frame.camera_id, bytes(frame.jpeg)) == (camera.pk, JPEG)
    assert Kiosk.objects.get().last_used_at is not None and other.kiosks.count() == 0
    quick = post(client)
    assert (quick.status_code, quick["Retry-After"], quick.json()["code"]) == (429, "1", "throttled")
    assert post(client, b"junk").json()["code"] == "invalid_image"
    Camera.objects.filter(pk=camera.pk).update(enabled=False)
    assert (post(client).status_code, post(client).json()["code"]) == (409, "switched_off")
    assert client.get("/kiosk/frames").status_code == 405 and client.post("/kiosk/seen").status_code == 405


def ended(camera) -> None:
    Kiosk.objects.all().delete()


def closed(camera) -> None:
    Gallery.objects.update(deletes_at=timezone.now() + timedelta(days=7), deletion={})


def changed(camera) -> None:
    Camera.objects.update(kind="file", address="a.mp4")


@pytest.mark.parametrize("act", [ended, closed, changed])
def test_a_kiosk_that_is_over_is_let_in_no_more(camera, act):
    client = let_in(camera)
    act(camera)
    assert (post(client).status_code, client.get("/kiosk/seen").status_code) == (401, 401)
    assert post(client).json()["code"] == "kiosk_ended" and not IncomingFrame.objects.exists()
    assert "Make this browser a kiosk" in client.get("/kiosk").content.decode()


@pytest.mark.django_db(transaction=True)
def test_its_pictures_are_received_however_large(camera):
    client = let_in(camera)
    headers = {b"cookie": f"a=b; kiosk={client.cookies['kiosk'].value}".encode()}
    assert is_known(headers) == str(Kiosk.objects.get().pk)
    assert is_known({b"cookie": b"kiosk=" + b"A" * 43}) == is_known({}) == ""
    ended(camera)
    assert is_known(headers) == ""


def test_it_needs_the_csrf_token_of_its_page(camera):
    client = Client(enforce_csrf_checks=True)
    client.cookies = let_in(camera).cookies
    assert post(client).status_code == 403
    client.get("/kiosk")
    token = {"HTTP_X_CSRFTOKEN": client.cookies["csrftoken"].value}
    assert client.post("/kiosk/frames", JPEG, content_type="image/jpeg", **token).status_code == 204


# --- Whom it greets ---
def test_it_is_told_the_newest_known_person_there_now_and_no_more(camera):
    client = let_in(camera)

    def told():
        return client.get("/kiosk/seen").json()["seen"]

    ada, eve = (IdentityFactory(gallery=camera.gallery, name=name, department="Secret") for name in ("Ada", "Eve"))
    assert told() is None
    look(camera, decision="unknown")
    look(camera, decision="known", identity=eve, ago=30)
    look(CameraFactory(gallery=camera.gallery), decision="known", identity=eve)
    assert told() is None
    seen = look(camera, decision="known", identity=ada)
    assert told() == {"name": "Ada", "at": seen.first_seen.isoformat()}
    newer = look(camera, decision="known", identity=eve)
    assert told()["name"] == "Eve"
    newer.delete()
    Identity.objects.filter(pk=ada.pk).update(deleted_at=timezone.now(), merged_into=eve)
    assert told()["name"] == "Eve"
    Identity.with_deleted.filter(pk=ada.pk).update(merged_into=None)
    assert told() is None


def test_strangers_are_told_so_only_if_the_owner_wants_it(camera):
    client = let_in(camera, greets_strangers=True)
    look(camera, decision="unusable")
    assert client.get("/kiosk/seen").json() == {"seen": None}
    seen = look(camera, decision="unknown")
    assert client.get("/kiosk/seen").json() == {"seen": {"name": None, "at": seen.first_seen.isoformat()}}


def test_the_browser_may_use_its_camera_on_pages_with_a_webcam_alone(client, camera):
    client.force_login(UserFactory(is_superuser=True, is_staff=True))
    person = IdentityFactory(gallery=camera.gallery)
    base = "/galleries/staff"
    uses = {
        f"{base}/add-faces",
        f"{base}/recognise",
        f"{base}/cameras/{camera.pk}/webcam",
        f"{base}/people/{person.pk}/",
        "/kiosk",
    }
    for path in (*uses, f"{base}/", f"{base}/cameras/", f"{base}/cameras/{camera.pk}/kiosks", "/api/v1/me", "/admin/"):
        answer = client.get(path)
        assert answer.status_code == 200, path
        assert answer["Permissions-Policy"].split(",")[0] == ("camera=(self)" if path in uses else "camera=()"), path


# --- Over the API ---
def test_an_owner_lists_makes_and_ends_kiosks_over_the_api(camera):
    owner, curator, door = member(camera.gallery, Role.OWNER), member(camera.gallery, Role.CURATOR), Client()
    api, base = client_of(owner), f"/api/v1/cameras/{camera.pk}/kiosks"
    answer = api.post(base, {"name": "Tablet"}, format="json", HTTP_IDEMPOTENCY_KEY="once")
    assert (answer.status_code, answer.json()["started_at"]) == (201, None)
    assert door.post("/kiosk", {"code": answer.json()["code"]}).status_code == 302
    assert post(door).status_code == 204
    again = api.post(base, {"name": "Tablet"}, format="json", HTTP_IDEMPOTENCY_KEY="once").json()
    assert again["code"] is None and Kiosk.objects.count() == 1
    [listed] = api.get(base).json()["results"]
    assert listed["id"] == answer.json()["id"] and listed["started_at"] and "code" not in listed
    kiosk = f"/api/v1/kiosks/{listed['id']}"
    for other, status in ((client_of(curator), 403), (client_of(stranger()), 404)):
        assert other.get(base).status_code == status
        assert other.post(base, {"name": "Mine"}, format="json").status_code == status
        assert other.delete(kiosk).status_code == status
    assert Kiosk.objects.get().name == "Tablet" and post(door).status_code != 401
    assert api.delete(kiosk).status_code == 204 and post(door).status_code == 401
    file = CameraFactory(gallery=camera.gallery, kind="file", address="a.mp4")
    problem(api.post(f"/api/v1/cameras/{file.pk}/kiosks", {"name": "x"}, format="json"), 409, "no_webcam")
    assert set(AuditEvent.objects.values_list("action", flat=True)) >= {"kiosk.made", "kiosk.started", "kiosk.ended"}
