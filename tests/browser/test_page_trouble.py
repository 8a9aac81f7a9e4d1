"""What a page does when a key is pressed in the wrong place, and when its session, its connection or the server is lost."""

import re

import pytest
from platform_process import PASSWORD
from playwright.sync_api import expect

WIDE = {"width": 1280, "height": 800}
pytestmark = [pytest.mark.browser, pytest.mark.parametrize("page", [(WIDE, "light")], indirect=True, ids=["wide"])]


@pytest.fixture(scope="module")
def gallery(platform, tmp_path_factory, hopper, collins) -> str:
    """The address of a gallery of Grace and Eileen."""
    folder = tmp_path_factory.mktemp("people")
    for name, photo in (("Grace", hopper), ("Eileen", collins)):
        (folder / name).mkdir()
        (folder / name / "portrait.jpg").write_bytes(photo)
    done = platform.manage("import_faces", str(folder), "--gallery", "staff", "--create", "--quality", "off")
    assert "2 samples of 2 people enrolled" in done.stdout, done.stderr
    return "/galleries/staff/"


def open_grace(page, gallery: str) -> None:
    page.goto(gallery)
    page.get_by_role("link", name="Grace").click()
    expect(page.locator("h1")).to_have_text("Grace")


def find_the_other_entry(page):
    page.get_by_role("button", name="More acts").click()
    page.get_by_role("button", name="Merge with another entry …").click()
    return page.get_by_label("Find the other entry")


def test_enter_fires_none_of_several_acts(page, gallery):
    open_grace(page, gallery)
    sent = []
    page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
    page.locator("[name=samples]").first.check()
    page.get_by_role("button", name="Split off as a new person …").click()
    page.get_by_label("Name of a new person").fill("Somebody")
    page.get_by_label("Name of a new person").press("Enter")
    page.keyboard.press("Escape")
    page.locator("[name=samples]").first.press("Enter")
    page.get_by_role("button", name="Move to another person …").click()
    search = page.get_by_label("Find the person to move them to")
    search.fill("Eil")
    search.press("Enter")
    page.locator("#move-to [name=to]").first.check()
    page.locator("#move-to [name=to]").first.press("Enter")
    page.keyboard.press("Escape")
    find_the_other_entry(page).fill("Eil")
    page.locator("#merge-with [name=to]").first.check()
    page.get_by_label("Find the other entry").press("Enter")
    page.reload()
    expect(page.locator("[name=samples]")).to_have_count(1)
    assert sent == []


def lose_session(page) -> None:
    page.context.clear_cookies(name="sessionid")


def sign_in_again(page) -> None:
    page.fill("[name=username]", "admin")
    page.fill("[name=password]", PASSWORD)
    page.click("button:has-text('Sign in')")


def test_a_lost_session_leads_back_to_the_page_and_keeps_what_was_typed(page, gallery, hopper):
    page.goto(f"{gallery}add-faces")
    page.fill("[name=name]", "Ann Droid")
    page.fill("[name=department]", "Navy")
    page.set_input_files("input[type=file]", [{"name": "a.jpg", "mimeType": "image/jpeg", "buffer": hopper}])
    lose_session(page)
    page.click("button:has-text('Add faces')")
    page.wait_for_url("**/sign-in?next=**")
    expect(page.locator("main")).to_have_count(1)
    sign_in_again(page)
    page.wait_for_url(f"**{gallery}add-faces")
    expect(page.locator("[name=name]")).to_have_value("Ann Droid")
    expect(page.locator("[name=department]")).to_have_value("Navy")
    page.reload()
    expect(page.locator("[name=name]")).to_have_value("")


def test_a_plain_form_leads_back_to_the_page_too(page, gallery):
    open_grace(page, gallery)
    page.get_by_role("link", name="Edit", exact=True).click()
    person = page.url
    page.fill("[name=position]", "Admiral")
    lose_session(page)
    page.locator("#edit").get_by_role("button", name="Save").click()
    page.wait_for_url("**/sign-in?next=**")
    sign_in_again(page)
    page.wait_for_url(person)
    expect(page.locator("[name=position]")).to_have_value("Admiral")


PROXYS = "<html><body><h1>Bad gateway</h1><p class='error' role='alert'>Our proxy's own page</p></body></html>"


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (None, "no connection to the server"),
        ({"status": 413, "content_type": "text/html", "body": PROXYS}, "too large to be sent"),
        ({"status": 502, "content_type": "text/html", "body": PROXYS}, "cannot be reached right now"),
        ({"status": 500, "content_type": "application/json", "body": '{"detail": "raw"}'}, "did not work (status 500)"),
    ],
    ids=["no connection", "413", "502", "500"],
)
def test_what_the_server_did_not_say_is_said_in_words(page, gallery, hopper, answer, text):
    page.goto(f"{gallery}recognise")
    page.route(
        "**/recognise",
        lambda route: route.abort() if answer is None else route.fulfill(**answer),
    )
    page.set_input_files("input[type=file]", [{"name": "a.jpg", "mimeType": "image/jpeg", "buffer": hopper}])
    expect(page.get_by_role("alert")).to_contain_text(re.compile(re.escape(text)))
    expect(page.locator("#result")).to_be_empty()
    assert page.evaluate("document.querySelector('input[type=file]').files.length") == 1


def test_the_servers_own_refusal_is_told_outside_of_the_part(page, gallery, platform):
    open_grace(page, gallery)
    page.route("**/choices?**", lambda route: route.continue_(url=f"{platform.address}/galleries/none/people/x"))
    find_the_other_entry(page).fill("Eil")
    expect(page.get_by_role("alert")).to_contain_text("There is nothing here")
    expect(page.locator("#merge-with")).to_be_empty()
    page.unroute_all()
    page.get_by_label("Find the other entry").fill("Eile")
    expect(page.locator("#merge-with [name=to]")).to_have_count(1)
    expect(page.get_by_role("alert")).to_be_hidden()


def test_a_search_is_in_the_address_and_back_shows_what_was_there(page, gallery):
    page.goto(gallery)
    people = page.locator(".portraits li")
    expect(people).to_have_count(2)
    page.get_by_label("Search people").fill("grace")
    expect(people).to_have_count(1)
    expect(page.locator("#people-count")).to_contain_text("1 of 2 people")
    expect(page).to_have_url(re.compile(r"\?q=grace"))
    page.reload()
    expect(people).to_have_count(1)
    page.locator(".chips label", has_text="Inactive").click()
    expect(people).to_have_count(0)
    page.go_back()
    expect(people).to_have_count(1)
    expect(page.get_by_role("radio", name="Active", exact=False).first).to_be_checked()
    page.go_back()
    expect(people).to_have_count(2)
    expect(page.get_by_label("Search people")).to_have_value("")
    assert page.evaluate("Object.keys({...localStorage, ...sessionStorage})") == ["htmx-current-path-for-history"]
