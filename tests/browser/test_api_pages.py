"""API keys and the API's own documentation, in real Chromium, without the internet."""

import pytest
from chromium import fits
from playwright.sync_api import expect

pytestmark = pytest.mark.browser


def test_a_key_is_made_and_shown_once(page):
    page.goto("/api-keys")
    page.fill("[name=name]", "Front door")
    page.check("[name=scopes][value=enrol]")
    page.click("button:has-text('Create key')")
    key = page.get_by_label("The new key")
    expect(key).to_be_visible()
    assert key.input_value().startswith("fp_")
    fits(page)
    page.goto("/api-keys")
    expect(page.get_by_text("Front door").first).to_be_visible()
    expect(page.get_by_label("The new key")).to_have_count(0)
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Revoke Front door").first.click()
    expect(page.get_by_text("are refused from now on")).to_be_visible()


def test_the_docs_work_without_the_internet(page, platform):
    elsewhere = []

    def only_here(route):
        if route.request.url.startswith((platform.address, "data:", "blob:")):
            return route.continue_()
        elsewhere.append(route.request.url)
        return route.abort()

    page.route("**/*", only_here)
    page.goto("/api/v1/docs/")
    page.locator("#operations-tag-recognitions button").click(timeout=30_000)
    page.get_by_text("Who is in this photo?").click()
    expect(page.get_by_text("Idempotency-Key").first).to_be_visible()
    assert elsewhere == []
