"""Single sign-on as people meet it: Chromium, a whole platform, and a real OpenID Connect provider beside it."""

import json
import re
import warnings

import pytest
import requests
from chromium import fits
from platform_process import Platform
from playwright.sync_api import expect

pytestmark = [
    # The provider's own, of the library that it is made with.
    pytest.mark.filterwarnings(
        "ignore::DeprecationWarning:authlib.*", "ignore::DeprecationWarning:oidc_provider_mock.*"
    ),
]
SIZES = [{"width": 1280, "height": 800}, {"width": 390, "height": 844}]
ROLES = "admins=administrator,door=viewer@hall"
NAME = "Example Works"
# The last sign-in of everybody was more than ten minutes ago.
AGE = """
import time
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from accounts.sign_in.middleware import SIGNED_IN_AT
for row in Session.objects.all():
    session = SessionStore(row.pk)
    session[SIGNED_IN_AT] = time.time() - 700
    session.save()
"""


@pytest.fixture(scope="module")
def provider():
    """Its address."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from oidc_provider_mock import run_server_in_thread
    with run_server_in_thread() as server:
        yield f"http://localhost:{server.server_port}"


@pytest.fixture(scope="module")
def platform(tmp_path_factory, pack_dir, provider):
    """Nobody signs in with a password here."""
    running = Platform(
        tmp_path_factory.mktemp("a platform"),
        FACEPLATFORM_CAMERA_WORKERS="0",
        FACEPLATFORM_OIDC_ISSUER=provider,
        FACEPLATFORM_OIDC_CLIENT_ID="faces",
        FACEPLATFORM_OIDC_CLIENT_SECRET="s3cret",
        FACEPLATFORM_OIDC_NAME=NAME,
        FACEPLATFORM_OIDC_ROLES=ROLES,
        FACEPLATFORM_LOCAL_SIGN_IN="off",
    )
    running.start(seconds=240)
    made = running.manage(
        "shell", "-c", "from gallery.models import Gallery; Gallery.objects.create(name='Hall', slug='hall')"
    )
    assert made.returncode == 0, made.stderr
    yield running
    assert running.interrupt() == 0, "".join(running.lines)


@pytest.fixture(params=SIZES, ids=["wide", "phone"])
def page(request, chromium, platform):
    """Signed in nowhere; fails the test where a script fails or the content security policy is broken."""
    context = chromium.new_context(viewport=request.param, base_url=platform.address)
    page = context.new_page()
    complaints = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if "Security Policy" in message.text else None)
    yield page
    context.close()
    assert complaints == []


def know(provider: str, sub: str, **claims) -> None:
    requests.put(f"{provider}/users/{sub}", json={"preferred_username": sub, **claims}, timeout=20).raise_for_status()


def come(page, sub: str) -> None:
    """Through the provider, from a page that leads there."""
    page.get_by_role("link", name=re.compile(f"Sign in.* with {NAME}")).click()
    at_the_provider(page, sub)


def at_the_provider(page, sub: str) -> None:
    page.get_by_placeholder("sub").fill(sub)
    page.get_by_role("button", name="Authorize", exact=True).click()
    page.wait_for_load_state()


def test_a_newcomer_comes_in_by_the_button_and_out_again(page, provider):
    sub = f"ada-{page.viewport_size['width']}"
    know(provider, sub, groups=["door"])
    page.goto("/sign-in")
    expect(page.locator("[name=password]")).to_have_count(0)  # the organisation's sign-in is the only way
    expect(page.get_by_role("button", name="passkey")).to_have_count(0)
    fits(page, "sso-sign-in")
    come(page, sub)
    page.goto("/galleries/hall/")
    expect(page).to_have_url(re.compile("/galleries/hall/$"))
    fits(page)
    me = page.request.get("/api/v1/me").json()
    assert me["username"] == sub and json.dumps(me).count("hall") == 1
    page.get_by_role("button", name="Account menu").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("link", name=f"Sign in with {NAME}")).to_be_visible()
    assert page.request.get("/api/v1/me").status in (401, 403)


def test_who_has_no_role_is_told_so_and_led_back(page, provider):
    know(provider, "mallory", groups=["choir"])
    page.goto("/sign-in")
    come(page, "mallory")
    expect(page.get_by_role("heading", name="You have no access here")).to_be_visible()
    fits(page, "sso-no-access")
    page.get_by_role("link", name="Back to signing in").click()
    expect(page.get_by_role("link", name=f"Sign in with {NAME}")).to_be_visible()


def test_who_turns_back_at_the_provider_is_led_back(page):
    page.goto("/sign-in")
    page.get_by_role("link", name=f"Sign in with {NAME}").click()
    page.get_by_role("button", name="Deny").click()
    expect(page.get_by_role("heading", name="Signing in failed")).to_be_visible()
    fits(page, "sso-failed")
    page.get_by_role("link", name="Back to signing in").click()
    expect(page.get_by_role("link", name=f"Sign in with {NAME}")).to_be_visible()


def test_a_lost_session_ends_where_it_began(page, provider):
    know(provider, "grace", groups=["door"])
    page.goto("/sign-in")
    come(page, "grace")
    deep = "/galleries/hall/?q=hopper"
    page.goto(deep)
    page.context.clear_cookies(name="sessionid")
    page.reload()
    come(page, "grace")
    expect(page).to_have_url(re.compile(re.escape(deep) + "$"))


def test_a_sensitive_act_asks_the_provider_again(page, provider, platform):
    know(provider, "boss", groups=["admins"])
    page.goto("/sign-in")
    come(page, "boss")
    page.goto("/api-keys")
    assert platform.manage("shell", "-c", AGE).returncode == 0
    name = f"door {page.viewport_size['width']}"

    def ask_for_a_key() -> None:
        page.get_by_label("Name", exact=True).fill(name)
        page.get_by_role("button", name="Create").click()

    ask_for_a_key()
    with page.expect_request(lambda request: request.url.startswith(provider) and "prompt=login" in request.url):
        expect(page.get_by_role("heading", name="Confirm that it is you")).to_be_visible()
        fits(page, "sso-confirm")
        page.get_by_role("link", name=f"Sign in again with {NAME}").click()
    at_the_provider(page, "boss")
    expect(page).to_have_url(re.compile("/api-keys$"))
    ask_for_a_key()
    expect(page.get_by_text("copy the key now")).to_be_visible()
