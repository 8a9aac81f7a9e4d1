"""Very many inputs made by lot: damaged photos and archives, and calls made up from the OpenAPI schema with keys of every role.

No answer may be 500, every refusal has to say why, no worker may die, and memory and open files have to stay within bounds.
"""

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st
from schemathesis import GenerationMode

from recognition.lab.bench.api.client import Client, form
from tests.hardening.campaign import reading, seeds, verdict
from tests.hardening.campaign.field import SCOPES, Field
from tests.hardening.campaign.mutants import mutant
from tests.hardening.campaign.verdict import Row

THREADS = 4
SHARES = {"photos": 0.25, "archives": 0.01, "calls": 0.1}  # the rest is read by readers.py
PLACES = ("recognitions", "detections", "embeddings", "samples", "comparisons")
ROLES = ("viewer", "curator", "owner")
# The first word of a path with {id} → the table that the id is of.
TABLES = {
    "identities": "gallery_identity WHERE deleted_at IS NULL",
    "samples": "gallery_facesample WHERE deleted_at IS NULL",
    "recognitions": "recognition_recognitionrequest WHERE purpose = 'recognize'",
    "detections": "recognition_recognitionrequest WHERE purpose = 'detect'",
    "embeddings": "recognition_recognitionrequest WHERE purpose = 'embed'",
    "comparisons": "recognition_recognitionrequest WHERE purpose = 'compare'",
    "imports": "recognition_import",
    "undo": "accounts_auditevent",
    "api-keys": "accounts_apikey",
}
ENDLESS = ("/api/v1/cameras/{id}/live.mjpeg",)
DRAIN_LIMIT = 900.0  # seconds
KEPT = 10  # of the faults that are told
ENVIRONMENT = {
    "FACEPLATFORM_OUTGOING_NETWORKS": "192.0.2.0/24"
}  # made-up addresses of cameras and webhooks lead nowhere
OPENAPI = Path(__file__).resolve().parents[2] / "openapi.json"


@dataclass
class Told:
    """answers: status and code → count. faults: answers that must not be, with what was sent."""

    answers: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, what: str, status: int, body: object) -> None:
        words = body if isinstance(body, dict) else {}
        code = str(words.get("code", ""))
        said_why = status < 400 or (code and words.get("detail")) or "results" in words
        with self.lock:
            self.answers[f"{status} {code}".strip()] += 1
            if status in (0, 500) or not said_why:
                self.faults.append(f"{what}: {status} {str(body)[:200]}")


def run(target: Field, seed: int, count: int) -> Iterator[Row]:
    """One row for each kind of input. In all, `count` inputs."""
    shares = {name: round(count * share) for name, share in SHARES.items()}
    client = target.connect()
    person = client.call_checked("POST", "/identities", {"gallery": target.gallery, "name": "Input"})["id"]
    client.close()
    tries: dict[str, Callable[[Told, int], None]] = {
        "photos": lambda told, most: send_photos(target, told, seed, most, person),
        "archives": lambda told, most: send_archives(target, told, seed, most),
        "calls": lambda told, most: make_calls(target, told, seed, most),
    }
    for name, trying in tries.items():
        yield tried(target, name, shares[name], trying)
    yield from files(seed, count - sum(shares.values()))


def tried(target: Field, name: str, count: int, trying: Callable[[Told, int], None]) -> Row:
    warm_up(target)
    before, workers, told = target.size(), target.pids("recognition_worker"), Told()
    trying(told, count)
    began = time.monotonic()
    waiting = drain(target)
    recovered = verdict.seconds_to_recover(target)
    after, wrong = target.size(), told.faults[:KEPT]
    wrong += [f"{len(told.faults)} faults in all"] if len(told.faults) > KEPT else []
    wrong += [f"{waiting} photos are still waiting"] if waiting else []
    if dead := set(workers) - set(target.pids("recognition_worker")):
        wrong.append(f"{len(dead)} workers ended")
    wrong += verdict.grown(before, after)
    acknowledged = sum(count for word, count in told.answers.items() if word.startswith("2"))
    slowest = time.monotonic() - began
    return Row(
        f"inputs: {name}", f"{count} inputs", acknowledged, dict(told.answers), slowest, recovered, before, after, wrong
    )


def warm_up(target: Field) -> None:
    """So that what every process keeps once it has done a thing does not count as growth."""
    for number in range(20):
        verdict.detects(target, f"warm {number} {time.monotonic_ns()}")


def drain(target: Field) -> int:
    """Waits until nothing waits; returns how many photos and imports still do."""
    query = """SELECT (SELECT count(*) FROM recognition_recognitionrequest WHERE status IN ('queued', 'running'))
               + (SELECT count(*) FROM recognition_import WHERE status IN ('queued', 'running'))"""
    deadline = time.monotonic() + DRAIN_LIMIT
    while (left := target.rows(query)[0][0]) and time.monotonic() < deadline:
        time.sleep(0.5)
    return left


# --- Photos and archives ----------------------------------------------------------------------------------------------
def send_photos(target: Field, told: Told, seed: int, count: int, person: str) -> None:
    def send(client: Client, number: int) -> None:
        chance = random.Random(f"{seed} photo {number}")
        name, data = chance.choice(list(seeds.photos().items()))
        photo, place = mutant(data, chance), chance.choice(PLACES)
        path = f"/identities/{person}/samples" if place == "samples" else f"/{place}"
        files = {"photos" if place == "samples" else "photo": photo} | (
            {"reference": data} if place == "comparisons" else {}
        )
        sent, headers = form(files, **({} if place == "samples" else {"gallery": target.gallery}))
        answer = client.call("POST", path, sent, headers | {"Prefer": "wait=30"})
        told.note(f"photo {number}, {name}, {place}", answer.status, answer.body)

    in_threads(target, count, send)


def send_archives(target: Field, told: Told, seed: int, count: int) -> None:
    def send(client: Client, number: int) -> None:
        chance = random.Random(f"{seed} archive {number}")
        name, data = chance.choice(list(seeds.archives().items()))
        sent, headers = form({"file": mutant(data, chance)}, gallery=target.gallery)
        answer = client.call("POST", "/imports", sent, headers)
        told.note(f"archive {number}, {name}", answer.status, answer.body)

    in_threads(target, count, send)


def in_threads(target: Field, count: int, send: Callable[[Client, int], None]) -> None:
    def work(first: int) -> None:
        client = target.connect()
        for number in range(first, count, THREADS):
            send(client, number)
        client.close()

    threads = [threading.Thread(target=work, args=(first,)) for first in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


# --- Calls ------------------------------------------------------------------------------------------------------------
def make_calls(target: Field, told: Told, seed: int, count: int) -> None:
    """Of every operation as many, as the schema has them and not, with ids that are there and made-up ones, by every role."""
    schema = schemathesis.openapi.from_dict(json.loads(OPENAPI.read_text()))
    operations = sorted(
        (path, method.upper())
        for path, methods in json.loads(OPENAPI.read_text())["paths"].items()
        for method in methods
        if path not in ENDLESS
    )
    keys, known = keys_of_roles(target), ids_there(target)
    for number, (path, method) in enumerate(operations):
        most = count // len(operations) + (number < count % len(operations))
        if most:
            call_one(target, told, schema[path][method], keys, known, seed, most)


def call_one(
    target: Field, told: Told, operation, keys: dict[str, str], known: dict[str, list[str]], seed: int, most: int
):
    kinds = [operation.as_strategy()]
    if operation.body or operation.query or operation.path_parameters:
        kinds.append(operation.as_strategy(GenerationMode.NEGATIVE))

    @seeded(seed)
    @settings(
        max_examples=most,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=st.one_of(kinds), role=st.sampled_from(sorted(keys)), there=st.integers(0, 9))
    def call(case, role: str, there: int) -> None:
        if there < 9 and not (case.method == "DELETE" and case.path.endswith("/galleries/{slug}")):
            values = known | {"id": known.get(case.path.split("/")[3], known["id"])}
            case.path_parameters = {
                name: values[name][there % len(values[name])] if name in values else value
                for name, value in (case.path_parameters or {}).items()
            }
            if isinstance(case.body, dict) and "gallery" in case.body:
                case.body["gallery"] = target.gallery
        headers = {"Authorization": f"Bearer {keys[role]}", "Prefer": "wait=0"}
        try:
            with requests.Session() as session:
                session.trust_env = False
                answer = case.call(base_url=target.platform.address, session=session, headers=headers, timeout=60)
        except (requests.exceptions.InvalidHeader, UnicodeError, ValueError):
            return  # no client can send it
        except requests.RequestException as error:
            told.note(f"{operation.label} by {role}: {error}", 0, "")
            return
        told.note(f"{operation.label} by {role}: {str(case.body)[:200]}", answer.status_code, problem_in(answer))

    call()


def problem_in(answer: requests.Response) -> object:
    """The answer's JSON; of anything else, such as a picture, its type."""
    kind = (answer.headers.get("content-type") or [""])[0]
    return answer.json() if "json" in kind else kind


def keys_of_roles(target: Field) -> dict[str, str]:
    """Role → a key of somebody who has it; and keys that may little, or nothing."""
    keys = {"operator": target.key, "nobody": "fp_unknown"}
    for role in ROLES:
        target.manage("user", "create", role, "--gallery", target.gallery, "--role", role)
        keys[role] = target.manage("api_key", "create", "--user", role, "--scopes", *SCOPES)
    little = ("--user", "viewer", "--scopes", "recognize", "--gallery", target.gallery)
    keys["recognize"] = target.manage("api_key", "create", *little)
    return keys


def ids_there(target: Field) -> dict[str, list[str]]:
    """Values of path parameters that lead somewhere, by name; those of `id` by the path's first word, where there are any."""
    found = {
        word: [str(pk) for (pk,) in target.rows(f"SELECT id FROM {table} LIMIT 5")] for word, table in TABLES.items()
    }
    there = {word: ids for word, ids in found.items() if ids}
    fixed = {"slug": [target.gallery], "username": [*ROLES], "name": ["sface"], "index": ["0"], "rank": ["0"]}
    return there | fixed | {"id": [ids[0] for ids in there.values()]}


# --- Files that no call takes -----------------------------------------------------------------------------------------
def files(seed: int, count: int) -> Iterator[Row]:
    read = reading.read(seed=seed, count=count)
    (first, open_first), (last, open_last) = (read.sizes[0], read.sizes[-1]) if read.sizes else ((0, 0), (0, 0))
    good = sum(number for word, number in read.answers.items() if word.endswith("read"))
    before, after = verdict.Size(first, open_first), verdict.Size(last, open_last)
    yield Row("inputs: files", f"{count} inputs", good, read.answers, 0.0, 0.0, before, after, read.wrong())
