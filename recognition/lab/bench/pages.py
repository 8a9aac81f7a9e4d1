"""What the pages cost in a large gallery: bytes, requests, queries, time in the server, and when a browser shows something."""

import gzip
import json
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from http.cookiejar import CookieJar
from statistics import median
from typing import Any
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, OpenerDirector, Request, build_opener

from recognition.lab.bench.api.platform import OwnPlatform
from recognition.lab.bench.engine import BenchError

PASSWORD = "only for the bench"
PAGES = {
    "people": "/galleries/{slug}/",
    "people, page 100": "/galleries/{slug}/?page=100",
    "people, searched": "/galleries/{slug}/?q=somebody",
    "a person": "/galleries/{slug}/people/{person}/",
    "recognise": "/galleries/{slug}/recognise",
    "recognitions": "/galleries/{slug}/recognitions",
    "sightings": "/galleries/{slug}/sightings",
    "unknown people": "/galleries/{slug}/unknown",
    "cameras": "/galleries/{slug}/cameras/",
    "attendance": "/galleries/{slug}/attendance",
    "attendance, month": "/galleries/{slug}/attendance/month",
    "alerts": "/galleries/{slug}/alerts",
    "health": "/galleries/{slug}/health",
    "audit": "/audit",
    "my account": "/account",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One page. kb, kb_sent: of its HTML, as it is and compressed. requests: with what it loads. first_paint: ms in Chromium,
    from an empty cache. Without a browser the last two are None."""

    page: str
    kb: float
    kb_sent: float
    queries: int
    server_p50: float
    requests: int | None
    first_paint: float | None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Painted:
    """requests: how many the page made. first_paint: ms from the start of the navigation."""

    requests: int | None
    first_paint: float | None


def measure(platform: OwnPlatform, slug: str, *, rounds: int) -> list[Row]:
    """All pages of a gallery, each `rounds` times. Raises BenchError where one does not answer."""
    opener, cookies = _signed_in(platform)
    people, _, _ = _get(opener, platform, PAGES["people"].format(slug=slug))
    person = re.search(rf"/galleries/{slug}/people/([0-9a-f-]{{36}})/", people)
    if person is None:
        raise BenchError("The gallery shows nobody.")
    addresses = {name: address.format(slug=slug, person=person[1]) for name, address in PAGES.items()}
    queries = json.loads(platform.manage("bench", "queries", *addresses.values()))
    rows = []
    with _browser(platform, cookies) as painted:
        for name, address in addresses.items():
            answers = [_get(opener, platform, address) for _ in range(rounds + 1)][1:]
            html, sent, _ = answers[0]
            seen = painted(address) if painted else Painted(None, None)
            rows.append(
                Row(
                    name, round(len(html.encode()) / 1e3, 1), round(sent / 1e3, 1), queries[address],
                    round(median(ms for _, _, ms in answers), 1), seen.requests, seen.first_paint,
                )
            )  # fmt: skip
    return rows


def table(rows: list[Row]) -> list[str]:
    """Lines of Markdown."""
    lines = [
        "| page | kB | kB sent | requests | queries | server, ms | first paint, ms |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        requests, paint = row.requests or "–", row.first_paint or "–"
        lines.append(
            f"| {row.page} | {row.kb} | {row.kb_sent} | {requests} | {row.queries} | {row.server_p50} | {paint} |"
        )
    return lines


def _signed_in(platform: OwnPlatform) -> tuple[OpenerDirector, CookieJar]:
    jar = CookieJar()
    opener = build_opener(HTTPCookieProcessor(jar))
    opener.open(platform.address + "/sign-in", timeout=60).close()
    token = next(cookie.value or "" for cookie in jar if cookie.name == "csrftoken")
    form = urlencode({"username": "bench", "password": PASSWORD, "csrfmiddlewaretoken": token}).encode()
    request = Request(platform.address + "/sign-in", form, {"Referer": platform.address})
    opener.open(request, timeout=60).close()
    return opener, jar


def _get(opener: OpenerDirector, platform: OwnPlatform, address: str) -> tuple[str, int, float]:
    """(HTML, bytes as they were sent, ms until the last of them)."""
    began = time.perf_counter()
    with opener.open(Request(platform.address + address, headers={"Accept-Encoding": "gzip"}), timeout=60) as answer:
        body, encoding = answer.read(), answer.headers.get("Content-Encoding")
    took = (time.perf_counter() - began) * 1e3
    if answer.url != platform.address + address:
        raise BenchError(f"{address} leads to {answer.url}.")
    return (gzip.decompress(body) if encoding == "gzip" else body).decode(), len(body), took


@contextmanager
def _browser(platform: OwnPlatform, jar: CookieJar) -> Iterator[Callable[[str], Painted] | None]:
    """What opens a page in Chromium; None where Playwright or a Chromium is missing."""
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError:
        yield None
        return
    cookies: list[Any] = [{"name": one.name, "value": one.value or "", "url": platform.address} for one in jar]
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        except Error:
            yield None
            return

        def painted(address: str) -> Painted:
            context = browser.new_context()
            context.add_cookies(cookies)
            page, requests = context.new_page(), 0

            def count(_: object) -> None:
                nonlocal requests
                requests += 1

            page.on("request", count)
            page.goto(platform.address + address, wait_until="load")
            page.wait_for_function("() => performance.getEntriesByName('first-contentful-paint').length > 0")
            moment = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
            context.close()
            return Painted(requests, round(moment))

        yield painted
        browser.close()
