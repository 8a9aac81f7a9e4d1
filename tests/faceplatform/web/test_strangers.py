"""How often strangers may ask, told by address; and whoever is known as often as they like."""

import asyncio
import json
import time
from ipaddress import ip_network

import pytest

from faceplatform.web import strangers as module
from faceplatform.web.strangers import AT_ONCE, PATIENCE, Strangers, limit_strangers

PROXY = [ip_network("10.0.0.0/8")]


@pytest.fixture
def clock(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def asker(rate: float = 1, trusted=(), known=""):
    strangers = Strangers(rate, pause=0)

    async def is_known(headers):
        return known if headers.get(b"authorization") else ""

    async def answers(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def nothing():
        return {"type": "http.request", "body": b"", "more_body": False}

    application = limit_strangers(answers, is_known, strangers, trusted)

    def ask(client: str = "192.0.2.1", path: str = "/sign-in", **headers: str) -> list[dict]:
        sent: list[dict] = []

        async def send(message):
            sent.append(message)

        fields = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        scope = {"type": "http", "method": "GET", "path": path, "headers": fields, "client": (client, 1)}
        asyncio.run(application(scope, nothing, send))
        return sent

    return ask


def status(answer: list[dict]) -> int:
    return answer[0]["status"]


def test_who_comes_too_often_is_refused_and_others_are_not(clock):
    ask = asker(rate=1)
    assert [status(ask()) for _ in range(PATIENCE + 1)] == [200] * PATIENCE + [429]
    assert status(ask("192.0.2.2")) == 200
    clock[0] += 1
    assert [status(ask()), status(ask())] == [200, 429]
    clock[0] -= 3600  # a clock is not set back while it is monotonic, and if it were, nobody waits for an hour
    assert status(ask("192.0.2.3")) == 200


def test_a_crowd_is_answered_one_after_the_other(clock):
    strangers = Strangers(rate=16)
    waits = [strangers.wait_of("192.0.2.1") for _ in range(16 * PATIENCE + 1)]
    assert waits[: AT_ONCE + 1] == pytest.approx([0.0] * (AT_ONCE + 1))
    assert waits[AT_ONCE:-1] == pytest.approx([number / 16 for number in range(16 * PATIENCE - AT_ONCE)])
    assert waits[-1] is None
    clock[0] += 1
    assert [strangers.wait_of("192.0.2.1") for _ in range(17)][-2:] == [pytest.approx(PATIENCE - 11 / 16), None]


def test_whose_turn_has_not_come_waits_for_it():
    ask, began = asker(rate=1000), time.monotonic()
    for _ in range(1000):
        ask()
    spent = time.monotonic() - began
    assert spent >= (1000 - 1 - AT_ONCE) / 1000


def test_the_refusal_says_what_to_do(clock):
    ask = asker(rate=0.2)
    ask()
    refused = ask(path="/api/v1/me")
    fields = dict(refused[0]["headers"])
    assert refused[0]["status"] == 429 and int(fields[b"retry-after"]) > 0
    problem = json.loads(b"".join(part.get("body", b"") for part in refused[1:]))
    assert problem["code"] == "too_many_requests" and "Wait some seconds" in problem["detail"]
    page = b"".join(part.get("body", b"") for part in ask()[1:]).decode()
    assert "Wait some seconds" in page and "<html" in page


def test_who_is_known_and_what_is_cheap_is_not_counted(clock):
    ask = asker(rate=0.2, known="somebody")
    ask()
    assert status(ask()) == 429
    assert status(ask(authorization="Bearer key")) == 200
    assert [status(ask(path=path)) for path in ("/static/app.css", "/health/ready", "/metrics")] == [200] * 3


def test_a_key_that_is_not_valid_counts_as_none(clock):
    ask = asker(rate=0.2)
    assert [status(ask(authorization="Bearer made up")) for _ in range(2)] == [200, 429]


def test_behind_a_trusted_proxy_the_clients_are_told_apart_and_else_its_word_is_not_taken(clock):
    ask = asker(rate=0.2, trusted=PROXY)
    assert [status(ask("10.0.0.1", x_forwarded_for=client)) for client in ("192.0.2.1", "192.0.2.2")] == [200, 200]
    assert status(ask("10.0.0.1", x_forwarded_for="192.0.2.1")) == 429
    ask = asker(rate=0.2)
    assert [status(ask(x_forwarded_for=client)) for client in ("192.0.2.1", "192.0.2.2")] == [200, 429]


def test_a_network_of_ipv6_is_one_address(clock):
    ask = asker(rate=0.2)
    assert [status(ask(client)) for client in ("2001:db8::1", "2001:db8::2", "2001:db8:0:1::1")] == [200, 429, 200]


def test_without_a_rate_there_is_no_limit_and_addresses_are_forgotten_before_they_are_many(clock, monkeypatch):
    ask = asker(rate=0)
    assert {status(ask()) for _ in range(50)} == {200}
    monkeypatch.setattr(module, "MOST_ADDRESSES", 3)
    strangers = Strangers(0.2)
    assert [strangers.wait_of(str(number)) for number in range(10)] == [0.0] * 10
    assert len(strangers._turns) == 3
