"""A curator's first hour, in real Chromium against a real platform, wide and on a phone."""

import base64
import os
import re
import signal

import pytest
from chromium import fits, go, sign_out
from platform_process import PASSWORD
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser


def files(**photos: bytes) -> list[dict]:
    return [{"name": f"{name}.jpg", "mimeType": "image/jpeg", "buffer": data} for name, data in photos.items()]


@pytest.fixture
def gallery(page) -> str:
    """The people of a gallery: the first one is made on the welcome page."""
    page.goto("/")
    if page.get_by_role("heading", name="Welcome").is_visible():
        fits(page)
        page.fill("[name=name]", "Staff")
        page.click("button:has-text('Create gallery')")
        expect(page.get_by_role("heading", name="Add people")).to_be_visible()
    go(page, "People")
    expect(page.get_by_role("heading", name="People")).to_be_visible()
    return page.url


def enrol(page: Page, name: str, **photos: bytes) -> None:
    go(page, "Add faces")
    page.set_input_files("input[type=file]", files(**photos))
    page.fill("[name=name]", name)
    page.fill("[name=department]", "Navy")
    page.fill("[name=position]", "Rear admiral")
    page.check("[name=another]")
    page.click("button:has-text('Add faces')")
    expect(page.locator(".enrolment .notice")).to_be_visible(timeout=30_000)


def delete_everybody(page: Page) -> None:
    """The same face under a second name would be refused."""
    if page.locator(".portraits a").count():
        page.get_by_role("checkbox", name="Select ").check()
        page.get_by_role("button", name="More acts").click()
        page.get_by_role("button", name="Delete …").click()
        page.get_by_role("button", name="Delete", exact=False).last.click()
        expect(page.get_by_text("deleted.")).to_be_visible()


def test_enrol_recognise_and_see_it(page, gallery, hopper, hopper_again, collins, both):
    person = f"Grace {page.viewport_size['width']}"
    delete_everybody(page)
    enrol(page, person, portrait=hopper, group=both, junk=b"junk")
    fits(page)
    expect(page.locator(".enrolment .notice")).to_contain_text(f"1 photo enrolled for {person}. 2 refused.")
    expect(page.locator(".samples .refused").filter(has_text="group.jpg")).to_contain_text("There are 2 faces.")
    group = page.locator("li.refused").filter(has_text="group.jpg")
    assert group.locator("svg rect[stroke]").count() == 2
    expect(group.locator("image[data-local]")).to_have_attribute("href", re.compile("^blob:"))

    go(page, "Recognise")
    page.set_input_files("input[type=file]", files(again=hopper_again))
    result = page.locator(".result")
    expect(result).to_be_visible(timeout=30_000)
    fits(page)
    expect(page.locator("h2:focus")).to_have_text("1 known")
    expect(page).to_have_url(re.compile("/recognitions/[-0-9a-f]{36}/$"))
    face = result.locator(".faces > li")
    expect(face.locator("h3")).to_contain_text(person)
    expect(face.locator(".decision")).to_have_text(re.compile("^(Sure|Likely)$"))
    expect(face.locator(".compare img")).to_have_count(2)
    expect(result.locator("svg text")).to_have_text(re.compile(rf"{person} 0\.\d\d|{person} 1\.00"))
    expect(result).to_contain_text("1 face in")
    for image in face.locator("img").all():
        assert image.evaluate("async e => { await e.decode(); return e.naturalWidth }") > 20

    page.set_input_files("input[type=file]", files(stranger=collins))
    expect(result.locator(".faces h3")).to_contain_text("Unknown", timeout=30_000)

    go(page, "People")
    fits(page)
    expect(page.locator(".portraits li")).to_contain_text(["Today"])
    expect(page.locator(".tick")).to_have_count(1)

    page.locator(".portraits a").click()
    fits(page)
    expect(page.locator("h1")).to_have_text(person)
    expect(page.locator(".samples .card")).to_have_count(1)

    go(page, "Recognitions")
    fits(page)
    expect(page.locator(".recognitions > li").first).to_contain_text("unknown")
    go(page, "Audit")
    fits(page)
    expect(page.locator("tbody")).to_contain_text("got the answer to")
    expect(page.locator("tbody")).to_contain_text("enrolled")


def test_paste_and_drop(page, gallery, no_face):
    go(page, "Recognise")
    script = """([kind, selector, data]) => {
        const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
        const transfer = new DataTransfer();
        transfer.items.add(new File([bytes], "coffee.png", {type: "image/png"}));
        const event = kind === "paste"
            ? new ClipboardEvent("paste", {clipboardData: transfer, bubbles: true})
            : new DragEvent("drop", {dataTransfer: transfer, bubbles: true, cancelable: true});
        document.querySelector(selector).dispatchEvent(event);
    }"""
    for kind, selector in (("paste", "body"), ("drop", ".drop span")):
        go(page, "Recognise")
        page.evaluate(script, [kind, selector, base64.b64encode(no_face).decode()])
        expect(page.locator(".result")).to_contain_text("No face was found.", timeout=30_000)


def test_bad_photos_are_told_on_the_page(page, gallery, hopper):
    go(page, "Recognise")
    page.set_input_files("input[type=file]", files(junk=b"junk"))
    expect(page.get_by_role("alert")).to_contain_text("not a photo that can be read")
    page.set_input_files("input[type=file]", files(damaged=hopper[:3000]))
    expect(page.get_by_role("alert")).to_contain_text("damaged or incomplete", timeout=30_000)


def add_person(page: Page, gallery: str, name: str) -> None:
    """Somebody without a face."""
    page.goto(gallery)
    script = """([gallery, name]) => fetch("/api/v1/identities", {
        method: "POST", body: JSON.stringify({gallery, name}),
        headers: {"Content-Type": "application/json", ...JSON.parse(document.body.getAttribute("hx-headers"))},
    }).then((answer) => answer.status)"""
    assert page.evaluate(script, [gallery.rstrip("/").rpartition("/")[2], name]) == 201


def test_a_namesake_is_asked_about(page, gallery, hopper, collins):
    name = f"Eileen {page.viewport_size['width']}"
    add_person(page, gallery, name)
    go(page, "Add faces")
    page.set_input_files("input[type=file]", files(portrait=collins))
    page.fill("[name=name]", name.upper())
    page.click("button:has-text('Add faces')")
    expect(page.get_by_role("alert")).to_contain_text(f"There is already a {name} in this gallery.")


def test_the_page_waits_for_a_worker_that_hangs(page, gallery, platform, no_face):
    [worker] = platform.children("recognition_worker")
    go(page, "Recognise")
    os.kill(worker, signal.SIGSTOP)
    try:
        page.set_input_files("input[type=file]", files(coffee=no_face))
        expect(page.get_by_text("The photo is waiting for a worker")).to_be_visible(timeout=20_000)
    finally:
        os.kill(worker, signal.SIGCONT)
    expect(page.locator(".result")).to_contain_text("No face was found.", timeout=30_000)


def test_search_and_state_filter(page, gallery):
    go(page, "People")
    page.get_by_label("Search people").fill("nobody of this name")
    expect(page.locator("#people")).to_contain_text("Nobody found")


def test_signing_out_and_a_wrong_password(page, gallery, platform):
    sign_out(page)
    page.goto(gallery)
    assert "/sign-in?next=" in page.url
    fits(page)
    page.fill("[name=username]", "admin")
    page.fill("[name=password]", "wrong")
    page.click("button:has-text('Sign in')")
    expect(page.get_by_role("alert")).to_contain_text("correct username and password")
    page.fill("[name=password]", PASSWORD)
    page.click("button:has-text('Sign in')")
    expect(page).to_have_url(gallery)


def test_consent_export_and_erasure(page, gallery):
    name = f"Ann {page.viewport_size['width']}"
    add_person(page, gallery, name)
    go(page, "People")
    page.get_by_role("link", name=name).click()
    page.get_by_role("link", name="Details & consent").click()
    page.get_by_text("Note an answer").click()
    page.select_option("[name=consent]", "given")
    page.click("#consent button")
    expect(page.get_by_role("alert")).to_contain_text("say who gave it")
    page.fill("[name=consent_by]", "form 17")
    page.fill("[name=consent_at]", "2026-01-31")
    page.fill("[name=consent_until]", "2026-02-01")
    page.click("#consent button")
    expect(page.locator("#consent h2")).to_contain_text("expired")
    fits(page)
    page.get_by_role("button", name="More acts").click()
    with page.expect_download() as download:
        page.click("button:has-text('Download as ZIP')")
    assert download.value.path().read_bytes().startswith(b"PK")

    go(page, "Settings")
    page.get_by_role("link", name="Privacy", exact=True).click()
    fits(page)
    page.locator(".card", has_text="Consents").get_by_role("link", name=name).click()
    page.get_by_role("button", name="More acts").click()
    page.get_by_role("link", name="Erase for good").click()
    fits(page)
    page.fill("[name=reason]", "asked by letter")
    page.fill("[name=confirm]", "somebody else")
    page.click("button:has-text('Erase for good')")
    expect(page.get_by_role("alert")).to_contain_text("Nothing was erased")
    page.fill("[name=confirm]", name)
    page.click("button:has-text('Erase for good')")
    expect(page.locator("h1")).to_contain_text("Erasure of")
    fits(page)
    go(page, "Audit")
    expect(page.locator("tbody")).to_contain_text("redacted by an erasure")
    expect(page.locator("main")).not_to_contain_text(name)


@pytest.mark.parametrize(
    "address", ["/admin/", "/admin/gallery/identity/", "/admin/recognition/recognitionrequest/", "/api/v1/docs/"]
)
def test_admin_and_api_docs_load(page, gallery, address):
    assert page.goto(address).status == 200
    page.wait_for_load_state("networkidle")


def test_an_unknown_page(page):
    assert page.goto("/galleries/no-such-gallery/").status == 404
    expect(page.get_by_role("alert")).to_contain_text("nothing here")
    fits(page)


@pytest.fixture(scope="module")
def evaluated(platform, tmp_path_factory, hopper, hopper_again, collins, no_face):
    """Two evaluations of a list with a photo that has no face."""
    folder = tmp_path_factory.mktemp("set")
    for name, data in {"a": hopper, "b": hopper_again, "c": collins, "d": no_face}.items():
        (folder / f"{name}.jpg").write_bytes(data)
    (folder / "faces.csv").write_text("a,b,same\na.jpg,b.jpg,1\na.jpg,c.jpg,0\nb.jpg,c.jpg,0\nd.jpg,a.jpg,0\n")
    for _ in range(2):
        done = platform.manage("evaluate", "--pack", "dlib-resnet", "--set", str(folder / "faces.csv"))
        assert done.returncode == 0, done.stderr


def test_evaluations(page, evaluated):
    go(page, "Evaluations")
    fits(page)
    for box in page.get_by_role("checkbox").all():
        box.check()
    page.get_by_role("button", name="Compare").click()
    fits(page)
    expect(page.locator("svg polyline")).to_have_count(2)
    page.get_by_role("link", name="dlib-resnet (1) on faces").click()
    fits(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("dlib-resnet on faces")
    expect(page.get_by_role("img", name="ROC")).to_be_visible()
    expect(page.get_by_role("img", name="Distances")).to_be_visible()
    expect(page.locator("tbody")).to_contain_text(["Pairs", "d.jpg"])


@pytest.fixture(scope="module")
def searched(platform, tmp_path_factory, faces_dir):
    """An evaluation of searches with strangers, among eight people with two photos each."""
    folder = tmp_path_factory.mktemp("evaluated") / "people"
    for number in range(1, 9):
        (folder / f"s{number}").mkdir(parents=True)
        for photo in (1, 2):
            (folder / f"s{number}" / f"{photo}.pgm").symlink_to(faces_dir / "orl" / f"s{number}" / f"{photo}.pgm")
    done = platform.manage("evaluate", "--pack", "dlib-resnet", "--people", str(folder), "--draws", "3")
    assert done.returncode == 0, done.stderr


def test_searches_with_strangers(page, searched):
    go(page, "Evaluations")
    fits(page)
    page.get_by_role("row").filter(has_text="8 people, with strangers").get_by_role("link").click()
    fits(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("dlib-resnet on people")
    expect(page.get_by_role("img", name="DET")).to_be_visible()
    expect(page.locator("tbody").first).to_contain_text("6. s-norm, means alone: FNIR at FPIR 0.1")


def test_the_system_page_shows_the_backups(page, platform, tmp_path):
    name = f"a-backup-with-a-long-name-{page.viewport_size['width']}-of-the-whole-platform.backup"
    done = platform.manage("backup", str(tmp_path / name))
    assert done.returncode == 0, done.stderr
    assert page.goto("/system").status == 200
    expect(page.get_by_role("status").first).to_contain_text("No daily backups are made")
    row = page.get_by_role("row").filter(has_text=name)
    expect(row).to_contain_text("By hand")
    expect(row).to_contain_text(re.compile(r"\d\s(KB|MB)"))
    fits(page)
