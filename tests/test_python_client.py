"""The Python client under clients/python, against a real web server and a working worker."""

import re
import sys
from pathlib import Path

import pytest
from factories import GalleryFactory, IdentityFactory, member, show, unit
from seen import sight

from accounts.keys.services import create_api_key
from accounts.roles import Role
from gallery.models import Identity
from recognition.alerts.services import raise_for
from recognition.cameras.models import Camera

CLIENT = Path(__file__).resolve().parents[1] / "clients" / "python"
sys.path.insert(0, str(CLIENT / "src"))
from faceplatform_client import ApiError, Client, ConnectionFailed  # noqa: E402

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def address(web, running_worker):
    """A platform: a web server in its own process, a worker in a thread of this one."""
    return web.address


@pytest.fixture
def key() -> str:
    curator = member(GalleryFactory(slug="staff"), Role.CURATOR)
    return create_api_key(actor=curator, user=curator.user, scopes=["recognize", "read", "enrol"])[1]


@pytest.fixture
def photos(tmp_path, hopper, collins, both, no_face):
    files = {"hopper.jpg": hopper, "visitor.jpg": both, "coffee.jpg": no_face, "collins.png": collins}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    return tmp_path


def test_enrol_recognise_compare_list_and_wait(address, key, photos, hopper):
    client = Client(address, key)
    assert client.me()["scopes"] == ["enrol", "read", "recognize"]
    assert [gallery["slug"] for gallery in client.galleries()] == ["staff"]
    person = client.add_person("Grace Hopper", gallery="staff", external_id="17")
    enrolment = client.enrol(person["id"], photos / "hopper.jpg", photos / "coffee.jpg")
    assert (enrolment["enrolled"], enrolment["refused"]) == (1, 1)
    nothing = client.enrol(person["id"], photos / "coffee.jpg")
    assert nothing["results"][0]["error"]["code"] == "face_not_found"
    found = client.recognize(photos / "visitor.jpg", gallery="staff", top_k=1)
    assert sorted(face["decision"] for face in found["faces"]) == ["known", "unknown"]
    later = client.submit(hopper, gallery="staff")
    assert client.wait(later["id"], seconds=60)["faces"][0]["identity"]["name"] == "Grace Hopper"
    assert len(client.detect(photos / "visitor.jpg", gallery="staff")["faces"]) == 2
    [face] = client.embed(hopper, gallery="staff", max_faces=1)["faces"]
    assert client.search(face["embedding"], gallery="staff")["identity"]["id"] == person["id"]
    [match] = client.compare(hopper, gallery="staff", identity=person["id"])["matches"]
    assert match["decision"] == "same"
    [match] = client.compare(photos / "collins.png", gallery="staff", reference=photos / "hopper.jpg")["matches"]
    assert match["decision"] == "different"
    for name in range(101):
        Identity.objects.create(gallery=Identity.objects.first().gallery, name=f"Person {name:03}")
    listed = [one["name"] for one in client.people(gallery="staff", ordering="name")]
    assert len(listed) == 102 and listed == sorted(listed)
    gallery = Identity.objects.first().gallery
    sight(gallery, unit(0), identity=Identity.objects.get(pk=person["id"]))
    sight(gallery, unit(1), later=60)
    [stranger] = client.unknown_people(gallery="staff")
    naming = client.name_unknown(stranger["id"], name="Eileen Collins")
    assert len(naming["enrolled"]) == 3
    assert [seen["identity"]["name"] for seen in client.sightings(gallery="staff")] == [
        "Eileen Collins",
        "Grace Hopper",
    ]
    client.undo(naming["event"])
    assert [seen["decision"] for seen in client.sightings(gallery="staff", decision="unknown")] == ["unknown"]
    client.delete_person(person["id"])
    with pytest.raises(ApiError, match="404 not_found"):
        client.person(person["id"])


def test_what_is_refused_is_told(address, key, photos):
    client = Client(address, key)
    with pytest.raises(ApiError) as told:
        client.compare(photos / "coffee.jpg", gallery="staff", reference=photos / "hopper.jpg")
    assert (told.value.status, told.value.code) == (422, "face_not_found")
    assert told.value.request_id and told.value.detail
    with pytest.raises(ApiError) as told:
        client.recognize(photos / "hopper.jpg", gallery="staff", top_k=0)
    assert "top_k" in told.value.errors
    with pytest.raises(ApiError, match="401"):
        Client(address, "fp_wrong").me()
    with pytest.raises(ConnectionFailed):
        Client("http://127.0.0.1:9", key).me()


def test_cameras(web, hopper, no_face):
    owner = member(GalleryFactory(slug="staff"), Role.OWNER)
    key = create_api_key(actor=owner, user=owner.user, scopes=["recognize", "read", "manage"])[1]
    client = Client(web.address, key)
    camera = client.add_camera("Kiosk", gallery="staff", kind="webcam")
    assert client.change_camera(camera["id"], enabled=True, role="entrance")["role"] == "entrance"
    assert [one["name"] for one in client.cameras(gallery="staff")] == ["Kiosk"]
    client.post_frame(camera["id"], hopper)
    with pytest.raises(ApiError) as told:
        client.camera_picture(camera["id"])
    assert (told.value.status, told.value.code) == (404, "no_picture")
    show(Camera.objects.get(), hopper)
    assert client.camera_picture(camera["id"]) == hopper
    assert client.camera(camera["id"])["picture"] == 1
    pictures = client.live(camera["id"])
    assert next(pictures) == hopper
    show(Camera.objects.get(), no_face, seq=2)
    assert next(pictures) == no_face
    pictures.close()
    kiosk = client.add_kiosk(camera["id"], "At the door", greets_strangers=True)
    assert kiosk["code"] and [one["name"] for one in client.kiosks(camera["id"])] == ["At the door"]
    client.end_kiosk(kiosk["id"])
    assert list(client.kiosks(camera["id"])) == []
    client.delete_camera(camera["id"])
    assert list(client.cameras()) == []
    with pytest.raises(ApiError) as told:
        next(client.live(camera["id"]))
    assert told.value.status == 404


def test_alerts(web):
    gallery = GalleryFactory(slug="staff")
    owner = member(gallery, Role.OWNER)
    key = create_api_key(actor=owner, user=owner.user, scopes=["read", "manage"])[1]
    client = Client(web.address, key)
    person = IdentityFactory(gallery=gallery, name="Grace")
    rule = client.add_alert_rule("Door", gallery="staff", kind="watch_list", people=[str(person.pk)])
    endpoint = client.add_webhook_endpoint("http://192.168.1.1/", gallery="staff")
    assert endpoint["secret"].startswith("whsec_") and "secret" not in next(client.webhook_endpoints())
    raise_for(sight(gallery, unit(0), identity=person))
    [alert] = client.alerts(gallery="staff", seen=False)
    assert (alert["identity"]["name"], alert["rule"], alert["seen"]) == ("Grace", "Door", False)
    assert client.alert_picture(alert["id"])[:2] == b"\xff\xd8"
    assert (client.mark_alerts_seen(alert["id"]), client.mark_alerts_seen(alert["id"])) == (1, 0)
    assert list(client.alerts(seen=False)) == [] and next(client.alerts())["seen_by"][0]["user"] == owner.name
    client.delete_webhook_endpoint(endpoint["id"])
    client.delete_alert_rule(rule["id"])
    assert (list(client.alert_rules()), list(client.webhook_endpoints())) == ([], [])


def test_the_example_in_the_readme_runs(address, key, photos, monkeypatch, capsys):
    [example] = re.findall(r"```python\n(.*?)```", (CLIENT / "README.md").read_text(), re.DOTALL)
    monkeypatch.chdir(photos)
    monkeypatch.setenv("FACEPLATFORM_KEY", key)
    exec(compile(example.replace("http://127.0.0.1:8000", address), "README.md", "exec"), {})
    printed = capsys.readouterr().out
    assert "1 photo enrolled" in printed and "Grace Hopper" in printed and "face_not_found" in printed
