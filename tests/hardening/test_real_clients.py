"""Real clients against a real server and worker: what is installed here; the rest is skipped and says so.

axios comes from folders named in AXIOS_FOLDERS (separated by colons), each with node_modules/axios and node_modules/form-data:
mkdir a && cd a && npm install axios@0.21 form-data@4
"""

import base64
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import requests
from factories import GalleryFactory, member

from accounts.actor import system_actor
from accounts.keys.services import create_api_key
from accounts.roles import Role
from gallery.models import FaceSample, Identity

pytestmark = pytest.mark.django_db(transaction=True)
HERE = Path(__file__).parent
FOLDERS = [Path(folder) for folder in os.environ.get("AXIOS_FOLDERS", "").split(":") if folder]


@pytest.fixture
def key(db) -> str:
    gallery = GalleryFactory(slug="staff")
    curator = member(gallery, Role.CURATOR).user
    scopes = ["recognize", "read", "enrol"]
    return create_api_key(actor=system_actor(), user=curator, gallery=gallery, scopes=scopes)[1]


@pytest.fixture
def photos(tmp_path, hopper, hopper_again) -> list[str]:
    for name, data in (("one.jpg", hopper), ("two.jpg", hopper_again)):
        (tmp_path / name).write_bytes(data)
    return [str(tmp_path / "one.jpg"), str(tmp_path / "two.jpg")]


def run(command: list[str], **options) -> str:
    if not shutil.which(command[0]):
        pytest.skip(f"{command[0]} is not installed")
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("folder", FOLDERS or [None], ids=lambda folder: folder.name if folder else "none")
def test_double_take_recognises_and_trains(web, running_worker, key, photos, folder):
    if folder is None:
        pytest.skip("AXIOS_FOLDERS names no folder with axios and form-data")
    modules = {"NODE_PATH": str(folder.resolve() / "node_modules")}
    command = ["node", str(HERE / "double_take.js"), web.address, key, *photos]
    before, trained, known, removed, gone = json.loads(run(command, env=os.environ | modules))
    assert before[0] == 200 and before[1]["result"][0]["subjects"] == []
    assert trained[0] == 201 and trained[1]["subject"] == "Grace Hopper"
    [face] = known[1]["result"]
    assert face["subjects"][0]["subject"] == "Grace Hopper" and face["subjects"][0]["similarity"] >= 0.6
    assert set(face["box"]) == {"probability", "x_min", "y_min", "x_max", "y_max"}
    assert removed == [200, {"deleted": 1}]
    assert gone[0] == 200 and gone[1]["result"][0]["subjects"] == []
    assert not Identity.objects.filter(deleted_at=None).exists() and not FaceSample.objects.enrolled().exists()


def test_go(web, running_worker, key, photos, tmp_path):
    address = f"{web.address}/api/v1/recognition/recognize"
    caches = {"GOCACHE": str(tmp_path / "go"), "GO111MODULE": "off"}
    told = run(["go", "run", str(HERE / "upload.go"), address, key, photos[0]], env=os.environ | caches)
    assert told.split() == ["200", "200"]


CURL = {
    "form": ["--form", "file=@{photo}"],
    "form over HTTP/1.0": ["--http1.0", "--form", "file=@{photo}"],
    "form in chunks": ["--header", "Transfer-Encoding: chunked", "--form", "file=@{photo}"],
    "form after 100-continue": ["--header", "Expect: 100-continue", "--form", "file=@{photo}"],
    "form from standard input": ["--form", "file=@-;filename=x.jpg"],
    "JSON from standard input": [
        "--upload-file",
        "-",
        "--request",
        "POST",
        "--header",
        "Content-Type: application/json",
    ],
}


@pytest.mark.parametrize("how", CURL)
def test_curl(web, running_worker, key, photos, how):
    options = [option.format(photo=photos[0]) for option in CURL[how]]
    data = Path(photos[0]).read_bytes()
    sent = json.dumps({"file": base64.b64encode(data).decode()}).encode() if "JSON" in how else data
    if not shutil.which("curl"):
        pytest.skip("curl is not installed")
    command = [
        "curl",
        "--silent",
        "--header",
        f"x-api-key: {key}",
        *options,
        f"{web.address}/api/v1/recognition/recognize",
    ]
    done = subprocess.run(command, input=sent, capture_output=True, timeout=60, check=True)
    assert len(json.loads(done.stdout)["result"]) == 1


def test_requests_with_a_generator(web, running_worker, key, photos):
    body = json.dumps({"file": base64.urlsafe_b64encode(Path(photos[0]).read_bytes()).decode()}).encode()
    pieces = (body[start : start + 10_000] for start in range(0, len(body), 10_000))
    headers = {"x-api-key": key, "Content-Type": "application/json"}
    answer = requests.post(f"{web.address}/api/v1/recognition/recognize", data=pieces, headers=headers, timeout=60)
    assert answer.status_code == 200 and len(answer.json()["result"]) == 1


def test_node_fetch(web, running_worker, key, photos):
    script = """
        const [url, key, path] = process.argv.slice(1);
        (async () => {
            const form = new FormData();
            form.append('file', new Blob([require('fs').readFileSync(path)]), 'photo.jpg');
            const whole = await fetch(url, { method: 'POST', body: form, headers: { 'x-api-key': key } });
            const kind = { 'x-api-key': key, 'content-type': 'application/json' };
            const text = JSON.stringify({ file: 'data:image/jpeg;base64,' + require('fs').readFileSync(path, 'base64') });
            const body = new Blob([text]).stream();
            const streamed = await fetch(url, { method: 'POST', body, duplex: 'half', headers: kind });
            console.log(whole.status, streamed.status);
        })();
    """
    told = run(["node", "-e", script, f"{web.address}/api/v1/recognition/recognize", key, photos[0]])
    assert told.split() == ["200", "200"]
