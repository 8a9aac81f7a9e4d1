"""A camera of a whole platform, read from a real stream: who comes by is one sighting, whatever is killed meanwhile."""

import itertools
import os
import signal
import time

import pytest
from platform_process import Platform
from rtsp_server import Clip, RtspServer
from video_files import scene, write_video
from watched import walker

from recognition.lab.bench.api.client import Client, form

PASSWORD = "p#ss/w?rd@1"


@pytest.fixture
def platform(tmp_path, pack_dir):
    made = Platform(tmp_path / "data", FACEPLATFORM_OUTGOING_NETWORKS="127.0.0.0/8")
    made.start()
    yield made
    made.interrupt()


@pytest.fixture
def entrance(tmp_path, hopper):
    """Grace Hopper walks past, over and over, before a camera that wants a password."""
    crossing = scene([walker(hopper, 0, 3)], seconds=4)
    with RtspServer(Clip(write_video(tmp_path / "entrance.ts", crossing)), auth=("viewer", PASSWORD)) as server:
        yield server


def wait(condition, seconds: float = 120):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.3)
    return found


def test_a_visit_is_told_once_though_worker_stream_and_database_are_killed(platform, entrance, hopper, tmp_path):
    key = platform.manage("api_key", "create", "--user", "admin", "--scopes", "read", "enrol", "manage").stdout.strip()
    client = Client(platform.address, key)
    client.call_checked("POST", "/galleries", {"name": "Hall", "slug": "hall"})
    person = client.call_checked("POST", "/identities", {"gallery": "hall", "name": "Grace Hopper"})
    data, headers = form({"photos": hopper})
    assert client.call("POST", f"/identities/{person['id']}/samples", data, headers).status in (201, 202)
    source = {"kind": "rtsp", "address": entrance.address, "user": "viewer", "password": PASSWORD}
    camera = client.call_checked("POST", "/cameras", {"gallery": "hall", "name": "Entrance", **source})

    def sightings() -> list[dict]:
        client.close()
        return client.call("GET", "/sightings?gallery=hall").body.get("results", [])

    def goes_on() -> bool:
        """Whether it is still written, from now on."""
        before = max((row["last_seen"] for row in sightings()), default="")
        return bool(wait(lambda: [row for row in sightings() if row["last_seen"] > before]))

    wait(lambda: [row for row in sightings() if row["decision"] == "known"])
    [worker] = platform.children("camera_worker")
    os.kill(worker, signal.SIGKILL)
    wait(lambda: platform.children("camera_worker") not in ([], [worker]))
    assert goes_on()
    for connection in list(entrance._connections):
        connection.close()
    assert goes_on()
    postmaster = int((tmp_path / "data" / "postgres" / "postmaster.pid").read_text().split()[0])
    os.kill(postmaster, signal.SIGKILL)
    assert goes_on()
    # More than one only where it took longer than a minute until the camera was read again. Who was cut off after a picture or
    # two is told as not to be recognised.
    rows = [row for row in sightings() if row["decision"] != "unusable"]
    seen = {(row["decision"], (row["identity"] or {}).get("name"), row["camera"]["id"]) for row in rows}
    assert seen == {("known", "Grace Hopper", camera["id"])}
    times = sorted((row["first_seen"], row["last_seen"]) for row in rows)
    assert all(earlier[1] <= later[0] for earlier, later in itertools.pairwise(times)), "one visit twice at a time"
    client.close()
    today = client.call_checked("GET", "/galleries/hall/attendance")["results"]
    assert [(day["presence"], day["cameras"]) for day in today] == [("present", ["Entrance"])]
    client.close()
    assert not [line for line in platform.lines if PASSWORD in line]
