"""Invited by a link, an authenticator app, a passkey, one's own sessions: in real Chromium, wide and on a phone."""

import re

import pytest
from chromium import fits, sign_out
from factor_codes import totp
from platform_process import PASSWORD
from playwright.sync_api import expect

pytestmark = pytest.mark.browser
CHOSEN = "a few words in a row"
AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@pytest.fixture
def other(page, chromium, platform):
    """Another browser, with a passkey of its own; browsers want a name for these, not an address. Scripts may not fail in it."""
    address = platform.address.replace("127.0.0.1", "localhost")
    context = chromium.new_context(viewport=page.viewport_size, base_url=address)
    other, complaints = context.new_page(), []
    other.on("pageerror", lambda error: complaints.append(str(error)))
    other.on("console", lambda message: complaints.append(message.text) if "Security Policy" in message.text else None)
    session = context.new_cdp_session(other)
    session.send("WebAuthn.enable")
    session.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
    yield other
    context.close()
    assert complaints == []


def test_from_the_invitation_to_a_passkey(page, other):
    name = f"ada-{page.viewport_size['width']}"
    page.goto("/users")
    fits(page)
    page.fill("[name=username]", name)
    page.get_by_role("button", name="Invite").click()
    link = page.get_by_label("The link").input_value()
    fits(page)

    other.goto(link.replace("127.0.0.1", "localhost"))
    fits(other)
    for field in ("password1", "password2"):
        other.fill(f"[name={field}]", CHOSEN)
    other.get_by_role("button", name="Save and sign in").click()
    other.goto("/account")
    fits(other)
    expect(other.locator("h1 + p")).to_contain_text(name)

    other.get_by_role("link", name="Add an authenticator app").click()
    fits(other)
    assert other.locator("img.code").evaluate("async e => { await e.decode(); return e.naturalWidth }") > 20
    secret = other.locator("#secret").inner_text()
    other.fill("[name=code]", totp(secret))
    other.get_by_role("button", name="Add", exact=True).click()
    expect(other.locator(".codes li")).to_have_count(10)
    fits(other)
    other.get_by_role("link", name="Done").click()
    sign_out(other)

    def with_password():
        other.fill("[name=username]", name)
        other.fill("[name=password]", CHOSEN)
        other.get_by_role("button", name="Sign in", exact=True).click()
        expect(other.get_by_role("heading", name="Second factor")).to_be_visible()

    with_password()
    fits(other)
    other.fill("[name=code]", totp(secret, steps=1))
    other.get_by_role("button", name="Sign in", exact=True).click()
    expect(other.get_by_role("button", name="Account menu")).to_be_visible()

    other.goto("/account")
    other.get_by_role("link", name="Add a passkey").click()
    fits(other)
    other.fill("[name=name]", "My phone")
    other.check("[name=passwordless]")
    other.get_by_role("button", name="Add", exact=True).click()
    expect(other.get_by_text("My phone")).to_be_visible()
    sign_out(other)
    other.get_by_role("button", name="Sign in with a passkey").click()
    expect(other.get_by_role("button", name="Account menu")).to_be_visible()
    sign_out(other)
    with_password()
    other.get_by_role("button", name="Use a passkey").click()
    expect(other.get_by_role("button", name="Account menu")).to_be_visible()

    page.reload()  # the administrator's page
    page.goto(f"/users?q={name}")
    expect(page.locator("tbody tr")).to_contain_text("second factor")
    fits(page)
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_label(f"Change {name}").click()
    fits(page)
    page.get_by_role("button", name="Take second factors away").click()
    expect(page.get_by_text("no second factor any more")).to_be_visible()
    other.goto("/account")
    expect(other).to_have_url(re.compile("/sign-in"))


def test_ones_own_sessions(page, chromium, platform):
    context = chromium.new_context(base_url=platform.address, user_agent="Mozilla/5.0 (iPad) AppleWebKit Safari/605")
    elsewhere = context.new_page()
    elsewhere.goto("/sign-in")
    elsewhere.fill("[name=username]", "admin")
    elsewhere.fill("[name=password]", PASSWORD)
    elsewhere.get_by_role("button", name="Sign in", exact=True).click()
    elsewhere.wait_for_load_state()
    page.goto("/account")
    fits(page)
    page.get_by_label("End the session of Safari on iPad").click()
    expect(page.get_by_text("The session has ended.")).to_be_visible()
    elsewhere.goto("/account")
    expect(elsewhere).to_have_url(re.compile("/sign-in"))
    context.close()
