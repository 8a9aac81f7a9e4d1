"""A worker and the web server are killed under load: no photo is lost, and none is looked at for two answers."""

import os
import signal
import threading
import time
import uuid

import pytest
from platform_process import Platform

from recognition.lab.bench.api.client import Client, form
from recognition.lab.bench.api.measure import drawn_photos

CLIENTS, LOAD, PATIENCE = 8, 9.0, 60.0  # seconds


@pytest.fixture
def platform(tmp_path, pack_dir):
    made = Platform(tmp_path, workers=2, FACEPLATFORM_KEY_RATE="0", FACEPLATFORM_USER_RATE="0")
    made.start()
    yield made
    made.interrupt()


def test_kill_9_of_a_worker_and_the_web_server_under_load(platform):
    scopes = ["--scopes", "recognize", "read", "manage"]
    key = platform.manage("api_key", "create", "--user", "admin", *scopes).stdout.strip()
    client = Client(platform.address, key)
    slug = client.call_checked("POST", "/galleries", {"name": "Staff"})["slug"]
    bodies = [form({"photo": photo}, gallery=slug) for photo in drawn_photos()]
    answers: dict[str, tuple[str, int]] = {}  # Idempotency-Key → the recognition's id, and how often it was asked
    stop = time.monotonic() + LOAD

    def work(number: int) -> None:
        own, count = Client(platform.address, key), number
        while time.monotonic() < stop:
            once = str(uuid.uuid4())
            answers[once] = until_answered(own, bodies[count % len(bodies)], once)
            count += 1
        own.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    time.sleep(LOAD / 3)
    kill(platform, "recognition_worker")
    time.sleep(LOAD / 3)
    kill(platform, "web_server")
    for thread in threads:
        thread.join()

    there = recognitions(client)
    client.close()
    print(f"{len(answers)} recognitions, {sum(asked > 1 for _, asked in answers.values())} of them asked for again")
    assert max(asked for _, asked in answers.values()) > 1, "nobody noticed"
    assert sorted(there) == sorted(pk for pk, _ in answers.values())
    assert set(there.values()) == {"done"}


def until_answered(client: Client, body: tuple[bytes, dict], once: str) -> tuple[str, int]:
    """Sends a photo until it is answered, always under the same key. Gives the recognition's id and how often."""
    data, headers = body
    deadline, asked = time.monotonic() + PATIENCE, 0
    while time.monotonic() < deadline:
        answer = client.call("POST", "/recognitions", data, headers | {"Idempotency-Key": once, "Prefer": "wait=10"})
        asked += 1
        if answer.status == 201:
            return answer.body["id"], asked
        assert answer.status in (0, 202, 503), answer
        time.sleep(0.2)
    raise AssertionError(f"{once} was never answered")


def kill(platform, part: str) -> None:
    os.kill(platform.children(part)[0], signal.SIGKILL)


def recognitions(client: Client) -> dict[str, str]:
    """Every recognition there is: id → status."""
    found, path = {}, "/recognitions?limit=100"
    while path:
        page = client.call_checked("GET", path)
        found |= {row["id"]: row["status"] for row in page["results"]}
        path = page["next"] and "/recognitions" + page["next"].partition("/recognitions")[2]
    return found
