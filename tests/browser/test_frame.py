"""What holds all pages together: toasts, the keyboard, the user's theme, paper."""

import pytest
from chromium import fits
from playwright.sync_api import expect

pytestmark = pytest.mark.browser


def save_name(page, name: str) -> None:
    page.goto("/account")
    page.fill("[name=first_name]", name)
    page.locator("form[action='/account/name'] button").click()
    expect(page.get_by_role("status")).to_contain_text("Saved.")


def test_a_toast_stays_for_ten_seconds(page):
    page.clock.install()
    save_name(page, "Ada")
    toast = page.get_by_role("status")
    page.clock.fast_forward(4_000)  # and the clock goes on: a busy machine needs some of the rest itself
    expect(toast).to_be_visible()
    page.clock.fast_forward(7_000)
    expect(toast).to_have_count(0)


def test_a_toast_stays_while_somebody_points_at_it_and_can_be_dismissed(page):
    page.clock.install()
    save_name(page, "Ada")
    toast = page.get_by_role("status")
    toast.hover()
    page.clock.fast_forward(25_000)
    expect(toast).to_be_visible()
    toast.get_by_role("button", name="Dismiss").click()
    expect(toast).to_have_count(0)


def test_the_keyboard_skips_the_menu(page):
    page.goto("/api-keys")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('main') !== null")


def test_the_theme_of_ones_own_is_in_force_whatever_the_device_says(page):
    page.goto("/account")
    dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    other = "light" if dark else "dark"

    def background():
        return page.evaluate("getComputedStyle(document.body).backgroundColor")

    before = background()
    page.select_option("[name=theme]", other)
    page.select_option("[name=time_zone]", "Pacific/Kiritimati")
    page.locator("form[action='/account/display'] button").click()
    expect(page.get_by_role("status")).to_contain_text("Saved.")
    assert background() != before
    fits(page, "display")
    page.goto("/audit")
    assert background() != before
    page.goto("/account")
    page.select_option("[name=theme]", "")
    page.select_option("[name=time_zone]", "")
    page.locator("form[action='/account/display'] button").click()
    expect(page.get_by_role("status")).to_contain_text("Saved.")
    assert background() == before


def test_on_paper_there_is_the_page_alone(page):
    page.goto("/audit")
    page.emulate_media(media="print")
    expect(page.get_by_role("heading", name="Audit")).to_be_visible()
    expect(page.locator(".bar")).to_be_hidden()
    expect(page.locator(".side")).to_be_hidden()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
