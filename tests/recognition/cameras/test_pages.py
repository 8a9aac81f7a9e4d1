"""The pages of cameras: who may what, what they say, and what they never show."""

import logging
import re
from datetime import timedelta
from uuid import uuid4

import numpy as np
import pytest
from django.utils import timezone
from factories import CameraFactory, GalleryFactory, IdentityFactory, member, show, stranger, unit
from mjpeg_server import MjpegServer, jpegs
from seen import LANDMARKS, add_face, open_sighting

from accounts.models import AuditEvent
from accounts.roles import Role
from recognition.cameras import services
from recognition.cameras.models import Camera, CameraState, UnknownPerson

pytestmark = pytest.mark.django_db
SECRET = "s3cret/#"
JPEG = jpegs([np.full((48, 64, 3), 90, "uint8")])[0]
VALUES = {
    "name": "Exit",
    "kind": "webcam",
    "role": "exit",
    "fps": "4",
    "min_face_px": "48",
    "min_frames": "3",
    "live": "on",
}


@pytest.fixture
def gallery():
    return GalleryFactory(slug="staff")


@pytest.fixture
def door(gallery) -> Camera:
    return services.create_camera(
        actor=member(gallery, Role.OWNER),
        gallery=gallery,
        name="Entrance 1",
        kind="rtsp",
        address=f"rtsp://ada:{SECRET}@10.0.0.5/token-in-path",
    )


def sign_in(client, gallery, role: Role):
    client.force_login(member(gallery, role).user)
    return client


def calls(door, webcam) -> dict[str, tuple[Role, dict]]:
    base, one = "/galleries/staff/cameras", f"/galleries/staff/cameras/{door.pk}"
    return {
        f"GET {base}/": (Role.VIEWER, {}),
        f"GET {base}/states": (Role.VIEWER, {}),
        f"GET {one}/": (Role.VIEWER, {}),
        f"GET {base}/{webcam.pk}/webcam": (Role.CURATOR, {}),
        f"GET {base}/new": (Role.OWNER, {}),
        f"POST {base}/new": (Role.OWNER, VALUES),
        f"POST {base}/try": (Role.OWNER, {"kind": "rtsp", "address": "rtsp://no.invalid/"}),
        f"GET {one}/settings": (Role.OWNER, {}),
        f"POST {one}/settings": (Role.OWNER, VALUES),
        f"POST {one}/switch": (Role.OWNER, {"on": "0"}),
        f"POST {one}/delete": (Role.OWNER, {}),
    }


@pytest.mark.parametrize("role", [None, *Role])
def test_each_page_needs_its_role(client, gallery, door, role, subtests):
    webcam = CameraFactory(gallery=gallery)
    client.force_login((member(gallery, role) if role else stranger()).user)
    before = list(Camera.objects.values()), AuditEvent.objects.count()
    for call, (needed, values) in calls(door, webcam).items():
        method, address = call.split()
        with subtests.test(call):
            answer = getattr(client, method.lower())(address, values)
            if role and role >= needed:
                assert answer.status_code in (200, 302, 422), answer.content
            else:
                assert answer.status_code == (403 if role else 404)
                assert (list(Camera.objects.values()), AuditEvent.objects.count()) == before


def test_cameras_of_another_gallery_are_not_there(client, gallery, door):
    other = CameraFactory()
    sign_in(client, gallery, Role.OWNER)
    for path in ("", "settings", "webcam"):
        assert client.get(f"/galleries/staff/cameras/{other.pk}/{path}").status_code == 404
    for path in ("switch", "delete", "settings"):
        assert client.post(f"/galleries/staff/cameras/{other.pk}/{path}", VALUES).status_code == 404
    values = {"kind": "rtsp", "address": "rtsp://10.0.0.5/", "camera": str(other.pk)}
    assert client.post("/galleries/staff/cameras/try", values).status_code == 404
    assert Camera.objects.filter(pk=other.pk, enabled=True).exists()


def test_adding_changing_and_switching(client, gallery, settings):
    sign_in(client, gallery, Role.OWNER)
    address = f"rtsp://ada:{SECRET}@10.0.0.5/s"
    added = client.post("/galleries/staff/cameras/new", VALUES | {"kind": "rtsp", "address": address}, follow=True)
    camera = Camera.objects.get()
    assert "Exit was added." in added.content.decode()
    assert (camera.slug, camera.address, camera.role, camera.live) == ("exit", "rtsp://10.0.0.5/s", "exit", True)
    form = client.get(f"/galleries/staff/cameras/{camera.pk}/settings").content.decode()
    assert 'value="ada"' in form and "One is kept" in form

    kept = VALUES | {"kind": "rtsp", "address": "rtsp://10.0.0.5/s", "user": "ada", "name": "Way out"}
    client.post(f"/galleries/staff/cameras/{camera.pk}/settings", kept)
    assert Camera.objects.get().name == "Way out" and Camera.objects.get().credentials == camera.credentials
    moved = client.post(f"/galleries/staff/cameras/{camera.pk}/settings", kept | {"address": "rtsp://10.9.9.9/s"})
    assert moved.status_code == 400 and "Enter the password again" in moved.content.decode()
    client.post(f"/galleries/staff/cameras/{camera.pk}/settings", kept | {"user": ""})
    assert Camera.objects.get().credentials == ""
    off = client.post(f"/galleries/staff/cameras/{camera.pk}/switch", {"on": "0"}, follow=True).content.decode()
    assert "Way out was switched off." in off and "Switched off" in off and "Switch on" in off
    refused = client.post("/galleries/staff/cameras/new", VALUES | {"kind": "rtsp", "address": "rtsp://127.0.0.1/"})
    assert refused.status_code == 400 and "loopback address" in refused.content.decode()
    client.post(f"/galleries/staff/cameras/{camera.pk}/delete")
    assert not Camera.objects.exists()


def test_secrets_are_shown_nowhere(client, gallery, door, settings, caplog):
    settings.OUTGOING_NETWORKS = ["public", "private", "127.0.0.0/8"]
    caplog.set_level(logging.DEBUG)
    owner = sign_in(client, gallery, Role.OWNER)
    base = "/galleries/staff/cameras"
    texts = []
    with MjpegServer([JPEG], auth=("ada", "right")) as camera:
        pasted = camera.address.replace("http://", "http://eve:wr0ng-secret@")
        tried = owner.post(f"{base}/try", {"kind": "mjpeg", "address": pasted})
        assert "does not accept this user name and password" in tried.content.decode()
        answer = owner.post(
            "/api/v1/cameras/try",
            {"gallery": "staff", "kind": "mjpeg", "address": pasted},
            content_type="application/json",
        )
        assert answer.json()["code"] == "camera_wrong_password"
        right = camera.address.replace("http://", "http://ada:right@")
        assert (
            "data:image/jpeg;base64," in owner.post(f"{base}/try", {"kind": "mjpeg", "address": right}).content.decode()
        )
        texts += [tried.content.decode(), answer.content.decode()]
    bad = VALUES | {
        "kind": "rtsp",
        "address": f"rtsp://eve:{SECRET}@127.0.0.1/",
        "fps": "99",
        "password": "typed-secret",
    }
    texts += [owner.post(f"{base}/new", bad).content.decode().replace(f"rtsp://eve:{SECRET}@127.0.0.1/", "")]
    owner.post(f"{base}/{door.pk}/settings", bad | {"fps": "4", "address": "rtsp://10.0.0.5/other"})
    pages = [f"{base}/", f"{base}/{door.pk}/", f"{base}/{door.pk}/settings", f"{base}/states", "/audit"]
    api = ["/api/v1/cameras", f"/api/v1/cameras/{door.pk}", "/api/v1/audit-events"]
    texts += [owner.get(address).content.decode() for address in pages + api]
    everything = "\n".join([*texts, caplog.text])
    for secret in (SECRET, "wr0ng-secret", "typed-secret", "right@"):
        assert secret not in everything
    viewer = sign_in(client, gallery, Role.VIEWER)
    seen = "\n".join(viewer.get(address).content.decode() for address in (pages[0], pages[1], pages[3], *api))
    for told in ("10.0.0.5", "token-in-path", '"ada"'):
        assert told not in seen
    assert viewer.get(api[1]).json()["address"] is None and viewer.get(api[1]).json()["has_password"] is True


def test_what_a_camera_does_is_said_in_words(client, gallery, door):
    sign_in(client, gallery, Role.VIEWER)

    def text(**state) -> str:
        CameraState.objects.update(**state)
        page = client.get("/galleries/staff/cameras/states").content.decode()
        return " ".join(re.sub("<[^>]+>", " ", page).split())

    assert "Waiting for a camera worker No camera worker reads it" in text()
    held = {"claim_token": door.pk, "lease_expires_at": timezone.now() + timezone.timedelta(minutes=5)}
    live = {"status": "live", "width": 1280, "height": 720, "analysed_fps": 1.5}
    assert text(**held, **live) == "Live 1280 x 720, analysing 1.5 pictures a second, up to 4 while something moves"
    assert "Offline The camera does not answer. since" in text(status="offline", reason="The camera does not answer.")
    expired = {"lease_expires_at": timezone.now() - timezone.timedelta(seconds=1), "status": "live"}
    assert "Waiting for a camera worker" in text(**expired)
    assert 'hx-swap-oob="true"' in client.get(f"/galleries/staff/cameras/states?camera={door.pk}").content.decode()
    assert client.get("/galleries/staff/cameras/states?camera=x").status_code == 400


def test_numbers_are_written_as_the_reader_does_but_not_in_fields(client, gallery, door):
    client = sign_in(client, gallery, Role.OWNER)
    german = {"accept-language": "de"}
    settings = f"/galleries/staff/cameras/{door.pk}/settings"
    values = VALUES | {"kind": "rtsp", "address": door.address, "user": "ada", "fps": "2.5"}
    assert client.post(settings, values, headers=german).status_code == 302
    assert re.search(r'name="fps" value="2\.5"', client.get(settings, headers=german).content.decode())
    lease = timezone.now() + timedelta(minutes=1)
    CameraState.objects.filter(camera=door).update(
        status="live", analysed_fps=1.5, claim_token=uuid4(), lease_expires_at=lease
    )
    pages = [
        client.get("/galleries/staff/cameras/", headers={"accept-language": language}) for language in ("de", "en")
    ]
    german_page, english_page = (page.content.decode() for page in pages)
    assert "1,5" in german_page and "2,5" in german_page
    assert "analysing 1.5 pictures a second, up to 2.5 while something moves" in english_page


def test_who_was_seen_is_listed_and_found(client, gallery, door):
    ada, ben = (IdentityFactory(gallery=gallery, name=name) for name in ("Ada <Lovelace>", "Ben"))
    unknown = UnknownPerson.objects.create(
        gallery=gallery, number=12, first_seen=timezone.now(), last_seen=timezone.now()
    )
    for fields in (
        {"decision": "known", "identity": ada},
        {"decision": "known", "identity": ben},
        {"unknown": unknown},
    ):
        open_sighting(gallery, camera=door, **fields).save()
    elsewhere = open_sighting(gallery, camera=CameraFactory(gallery=gallery), decision="known", identity=ben)
    elsewhere.save()
    sign_in(client, gallery, Role.VIEWER)

    def names(query: str, **headers) -> set[str]:
        page = client.get(f"/galleries/staff/cameras/{door.pk}/?{query}", **headers).content.decode()
        assert page.count("<tr>") - 1 <= 3 and "<Lovelace>" not in page
        return {name for name in ("Ada &lt;Lovelace&gt;", "Ben", "Unknown 12") if name in page}

    assert names("") == {"Ada &lt;Lovelace&gt;", "Ben", "Unknown 12"}
    assert names("q=ben", HTTP_HX_REQUEST="true") == {"Ben"}
    assert names("q=unknown+12") - {"x"} == {"Unknown 12"}
    assert names("q=99999999999999") == set() == names("q=zoe%00")
    face = add_face(elsewhere, 0, JPEG, LANDMARKS, unit(0))
    face.sighting.camera = door
    face.sighting.save()
    assert (
        f"/api/v1/sightings/{elsewhere.pk}/faces/0"
        in client.get(f"/galleries/staff/cameras/{door.pk}/").content.decode()
    )
    assert "Nobody found." in client.get(f"/galleries/staff/cameras/{door.pk}/?q=zoe").content.decode()


def test_few_queries_however_many_cameras(client, gallery, door, django_assert_max_num_queries):
    for _ in range(20):
        camera = CameraFactory(gallery=gallery)
        show(camera, JPEG)
        open_sighting(gallery, camera=door, decision="known", identity=IdentityFactory(gallery=gallery)).save()
    sign_in(client, gallery, Role.VIEWER)
    client.get("/galleries/staff/cameras/")
    for path, most in (("", 8), ("states", 6), (f"{door.pk}/", 10)):
        with django_assert_max_num_queries(most):
            page = client.get(f"/galleries/staff/cameras/{path}").content.decode()
    assert page.count("<tr>") == 21
    with django_assert_max_num_queries(8):
        assert len(client.get("/api/v1/cameras?gallery=staff").json()["results"]) == 21
