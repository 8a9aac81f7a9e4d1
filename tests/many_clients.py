"""Clients that recognise photos and add people without a pause, ask again until they are answered, and remember all of it."""

import itertools
import json
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from recognition.lab.bench.api.client import Client, form
from recognition.lab.bench.api.measure import drawn_photos

ASK_AGAIN = (
    0,
    202,
    502,
    503,
    504,
)  # unanswered, not done yet, or refused for now by the platform or the web server before it
PAUSE = 0.2  # seconds
PATIENCE = 150.0  # seconds until one call must have been answered
TIMEOUT = 15.0  # seconds for one attempt; it waits 10 s for its photo


@dataclass(frozen=True, slots=True)
class Answered:
    """A call and its answer. path: what was made. began, ended: seconds. asked: how often."""

    key: str
    path: str
    pk: str
    began: float
    ended: float
    asked: int


class Crowd:
    """So many clients of the API at `addresses`; each asks the next one where one fails it."""

    def __init__(self, addresses: Sequence[str], api_key: str, gallery: str, *, count: int = 16, people: bool = True):
        self.addresses, self.api_key, self.gallery = addresses, api_key, gallery
        self.answers: list[Answered] = []
        self.failures: list[str] = []
        self._photos = [form({"photo": photo}, gallery=gallery) for photo in drawn_photos()]
        self._people = people
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._work, args=(number,)) for number in range(count)]

    @contextmanager
    def busy(self) -> Iterator[None]:
        """In the block they call; after it every call has been answered."""
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in self._threads:
                thread.join()
        assert not self.failures, self.failures[:5]

    def _work(self, number: int) -> None:
        clients = [Client(address, self.api_key, timeout=TIMEOUT) for address in self.addresses]
        turn = number
        while not self._stop.is_set() and not self.failures:
            key, turn = str(uuid.uuid4()), turn + 1
            if self._people and turn % 3 == 0:
                person = json.dumps({"gallery": self.gallery, "name": key}).encode()
                call = "/identities", person, {"Content-Type": "application/json"}
            else:
                call = "/recognitions", *self._photos[turn % len(self._photos)]
            self._until_answered(clients, number, key, *call)
        for client in clients:
            client.close()

    def _until_answered(self, clients: list[Client], at: int, key: str, path: str, data: bytes, headers: dict) -> None:
        headers = headers | {"Idempotency-Key": key, "Prefer": "wait=10"}
        began, asked = time.monotonic(), 0
        while time.monotonic() < began + PATIENCE:
            client = clients[(at + asked) % len(clients)]
            answer = client.call("POST", path, data, headers)
            asked += 1
            if answer.status == 201:
                self.answers.append(Answered(key, path, answer.body["id"], began, time.monotonic(), asked))
                return
            client.close()
            if answer.status not in ASK_AGAIN:
                self.failures.append(f"{path} {answer}")
                return
            time.sleep(PAUSE)
        self.failures.append(f"{path} {key} was never answered")

    def wait_for_new_calls(self, seconds: float = PATIENCE) -> float:
        """Waits until twice as many calls as there are clients have begun from now on and been answered; the seconds it took."""
        now = time.monotonic()
        while sum(answer.began > now for answer in list(self.answers)) < 2 * len(self._threads):
            assert time.monotonic() < now + seconds and not self.failures, self.failures[:5] or "nobody is answered"
            time.sleep(0.05)
        return time.monotonic() - now

    def made(self, path: str) -> dict[str, str]:
        """Idempotency-Key → id of what the answers said was made there."""
        return {answer.key: answer.pk for answer in list(self.answers) if answer.path == path}

    def slowest(self, since: float, until: float) -> float:
        """The seconds that the slowest of the calls took which were under way between the two."""
        spans = [one.ended - one.began for one in list(self.answers) if one.ended > since and one.began < until]
        return max(spans, default=0.0)

    def silence(self, since: float, until: float) -> float:
        """The longest time between the two in which nobody was answered, in seconds."""
        ended = sorted(one.ended for one in list(self.answers) if since < one.ended < until)
        moments = [since, *ended, until]
        return max(after - before for before, after in itertools.pairwise(moments))

    def rate(self, since: float, until: float, path: str = "/recognitions") -> float:
        """Answers a second."""
        return sum(one.path == path and since < one.ended < until for one in list(self.answers)) / (until - since)


def listed(client: Client, path: str) -> list[dict]:
    """Every row of a list: `path` has a query."""
    found, collection = [], path.partition("?")[0]
    while path:
        page = client.call_checked("GET", path)
        found += page["results"]
        path = page["next"] and collection + page["next"].partition(collection)[2]
    return found
