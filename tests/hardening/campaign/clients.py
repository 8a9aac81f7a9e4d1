"""Clients who enrol and recognise without a pause, each call under an Idempotency-Key until it is answered for good."""

import json
import random
import threading
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field

from recognition.lab.bench.api.client import Answer, Client, form
from tests.hardening.campaign.field import Field

CLIENTS = 4
PATIENCE = 180.0  # seconds until a client gives a call up
PAUSE = 0.3  # seconds before a call is repeated
WAIT = {"Prefer": "wait=10"}
AGAIN = {0, 202, 408, 429, 500, 502, 503}


@dataclass
class Ledger:
    """What the clients were told. made: kind → the ids acknowledged. refused: final answers other than 201.

    answers: all answers by status and code, "none" for broken connections. given_up: calls without a final answer.
    """

    made: dict[str, list[str]] = field(default_factory=lambda: {"person": [], "sample": [], "recognition": []})
    answers: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    given_up: Counter[str] = field(default_factory=Counter)
    repeats: list[tuple[str, bytes, dict, str]] = field(default_factory=list)
    slowest: float = 0.0  # seconds until a call was acknowledged, repeats included


class Clients:
    """CLIENTS threads that work from `start` until `finish`. seed: which calls they make, and when."""

    def __init__(self, target: Field, seed: int):
        self.field, self.seed, self.ledger = target, seed, Ledger()
        self._run = uuid.UUID(int=random.Random(seed).getrandbits(128)).hex[:8] + f"-{time.monotonic_ns()}"
        self._over, self._lock = threading.Event(), threading.Lock()
        self._threads = [threading.Thread(target=self._work, args=(number,)) for number in range(CLIENTS)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def finish(self) -> Ledger:
        """Lets every call come to its end."""
        self._over.set()
        for thread in self._threads:
            thread.join()
        return self.ledger

    def _work(self, number: int) -> None:
        chance, client, count = random.Random(self.seed * 1000 + number), self.field.connect(), 0
        while not self._over.is_set():
            count += 1
            photo = numbered(chance.choice(self.field.photos), f"{self._run}-{number}-{count}")
            if chance.random() < 0.4:
                self._enrol(client, f"Person {self._run}-{number}-{count}", photo)
            else:
                self._send(client, "recognition", "/recognitions", *form({"photo": photo}, gallery=self.field.gallery))
        client.close()

    def _enrol(self, client: Client, name: str, photo: bytes) -> None:
        values = json.dumps({"gallery": self.field.gallery, "name": name}).encode()
        person = self._send(client, "person", "/identities", values, {"Content-Type": "application/json"})
        if person:
            self._send(client, "sample", f"/identities/{person['id']}/samples", *form({"photos": photo}))

    def _send(self, client: Client, kind: str, path: str, data: bytes, headers: dict) -> dict | None:
        """The body of the answer 201, however often it takes; None if it was refused, or never came."""
        headers = headers | WAIT | {"Idempotency-Key": str(uuid.uuid4())}
        began = time.monotonic()
        while True:
            answer = client.call("POST", path, data, headers)
            waited = time.monotonic() - began
            with self._lock:
                self.ledger.answers[word_of(answer)] += 1
                if answer.status == 201:
                    self.ledger.made[kind].append(id_in(kind, answer.body))
                    self.ledger.repeats.append((path, data, headers, id_in(kind, answer.body)))
                    self.ledger.slowest = max(self.ledger.slowest, waited)
                    return answer.body
                if answer.status not in AGAIN:
                    self.ledger.refused[f"{kind}: {word_of(answer)}"] += 1
                    return None
                if waited > PATIENCE:
                    self.ledger.given_up[f"{kind}: {word_of(answer)}"] += 1
                    return None
            time.sleep(PAUSE)


def word_of(answer: Answer) -> str:
    """The status, and the code of a problem."""
    code = answer.body.get("code", "")
    return f"{answer.status} {code}".strip() if answer.status else "none"


def id_in(kind: str, body: dict) -> str:
    return body["results"][0]["sample"]["id"] if kind == "sample" else body["id"]


def numbered(photo: bytes, text: str) -> bytes:
    """The same JPEG with a comment, so that no two are the same file."""
    comment = text.encode()
    return photo[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + photo[2:]
