"""CompreFace's calls with whatever clients may send: taken, or refused in CompreFace's shape, and then nothing is written.

A longer search: HARDENING_EXAMPLES=200.
"""

import json
import os
from dataclasses import dataclass
from urllib.parse import quote

import pytest
from api_client import compreface_error, upload
from api_world import database_state, make_rows, new_key, undocumented_operations
from django.db import transaction
from django.test.client import BOUNDARY, encode_multipart
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from nasty import FILE_NAMES, KINDS, NASTY, RAW
from rest_framework.test import APIClient

from accounts.roles import Scope

pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")
EXAMPLES = 10 * int(os.environ.get("HARDENING_EXAMPLES", "4"))
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "X"]
JSON, FORM = "application/json", f"multipart/form-data; boundary={BOUNDARY}"
CHARSETS = ["utf-7", "unicode_escape", "utf-16"]  # of which two can say half a surrogate pair in ASCII
WISHES = ["limit", "det_prob_threshold", "prediction_count", "status", "face_plugins", "page", "size", "subject"]
HEADERS = ["ACCEPT", "X_API_KEY", "AUTHORIZATION", "PREFER", "IDEMPOTENCY_KEY", "X_REQUEST_ID", "CONTENT_ENCODING"]
TOO_MANY = 1001  # fields

PLAIN = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
TEXT = PLAIN | st.sampled_from(
    [value for value in NASTY if isinstance(value, str)] + ["A\nB", "\n", "\\ud800", "+2AA-"]
)
NUMBER = (
    st.integers().map(str) | st.floats().map(str) | st.sampled_from(["9" * 5000, "1e5000", "٣", "1_0", "0x1", "-0"])
)
ANYTHING = st.sampled_from(NASTY) | TEXT | NUMBER
HEADER = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=60)


def spoilt(good: dict, odd):
    """The same but for two fields at most."""
    return st.dictionaries(st.sampled_from([*good]), odd, max_size=2).map(lambda broken: good | broken)


def in_url(text: str) -> str:
    return quote(text, safe="", errors="surrogatepass")


def bodies(rows):
    """(bytes, content type); a whole one has all fields of all calls."""
    photos = dict.fromkeys(("file", "source_image", "target_image"), rows["photo"])
    vectors = {"embeddings": [rows["vector"]], "source": rows["vector"], "targets": [rows["vector"]]}
    objects = spoilt(dict.fromkeys(WISHES) | {"subject": "New"} | photos | vectors, ANYTHING)
    lists = st.lists(st.just(rows["image_id"]) | ANYTHING, max_size=3)
    files = st.builds(upload, st.just(rows["jpeg"]) | st.binary(max_size=50), FILE_NAMES.map(lambda name: name or "x"))
    form = spoilt({"subject": "New"} | photos, files | PLAIN | NUMBER | st.lists(files | PLAIN, max_size=3))
    form |= st.just({f"field{number}": "" for number in range(TOO_MANY)})
    raw = st.sampled_from(RAW) | st.binary(max_size=50)
    return st.one_of(
        (objects | lists | st.sampled_from(NASTY)).map(lambda body: (json.dumps(body).encode(), JSON)),
        form.map(lambda body: (encode_multipart(BOUNDARY, body), FORM)),
        st.tuples(raw, st.sampled_from([JSON, FORM])),
    )


@dataclass
class Call:
    method: str
    address: str
    body: bytes
    kind: str
    headers: dict[str, str]

    def __repr__(self):
        return f"{self.method} {self.address[:500]} {self.kind[:100]} {self.headers} {self.body[:500]}"


@st.composite
def calls(draw, operation: str, rows) -> Call:
    """One or two parts of it are odd, mostly."""
    method, path = operation.split()
    method = draw(st.sampled_from([method] * 20 + METHODS))
    odd = {"subject": TEXT, "image_id": TEXT.map(lambda text: text.replace("/", ""))}
    names = {name: draw(st.just(rows[name]) | odd[name]) or rows[name] for name in odd}
    path = path.format(**{name: in_url(text) for name, text in names.items()})
    query = draw(st.dictionaries(st.sampled_from([*WISHES, "format"]), TEXT | NUMBER, max_size=2))
    query = "&".join(f"{name}={in_url(value)}" for name, value in query.items())
    body, kind = draw(bodies(rows))
    kind = draw(st.sampled_from([kind] * 30 + KINDS + [f"{kind}; charset={charset}" for charset in CHARSETS]))
    headers = draw(st.just({}) | st.dictionaries(st.sampled_from(HEADERS), HEADER, max_size=2))
    return Call(method, f"{path}?{query}", body, kind, {f"HTTP_{name}": value for name, value in headers.items()})


@pytest.fixture
def world(instant_worker, settings) -> tuple:
    """The rows, a client that may do everything, and what there is before any call."""
    settings.KEY_RATE = settings.USER_RATE = 0
    rows = make_rows()
    key = new_key(rows["operator"], Scope, rows["gallery"])
    return rows, APIClient(raise_request_exception=False, HTTP_X_API_KEY=key), database_state()


@pytest.mark.parametrize("operation", sorted(undocumented_operations()))
def test_no_call_crashes_or_is_refused_with_something_written(operation, world):
    rows, client, before = world

    @examples(
        max_examples=EXAMPLES, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    @given(call=calls(operation, rows))
    def check(call):
        with transaction.atomic():
            answer = client.generic(call.method, call.address, call.body, content_type=call.kind, **call.headers)
            after = database_state() if answer.status_code >= 400 else before
            transaction.set_rollback(True)
        assert answer.status_code < 500, answer.content
        assert after == before, "it was refused, and yet something changed"
        if answer.status_code >= 400 and call.method != "HEAD":
            compreface_error(answer)

    check()
