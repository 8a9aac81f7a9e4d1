import pytest
from chromium import launched
from platform_process import PASSWORD, Platform

WIDE, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def platform(tmp_path_factory, pack_dir):
    running = Platform(tmp_path_factory.mktemp("a platform"))
    running.start(seconds=300)
    yield running
    assert running.interrupt() == 0, "".join(running.lines)


@pytest.fixture(scope="module")
def chromium():
    with launched() as browser:
        yield browser


@pytest.fixture(params=[(WIDE, "light"), (PHONE, "dark")], ids=["wide", "phone"])
def page(request, chromium, platform):
    """A signed-in page; fails the test where a script fails or the content security policy is broken."""
    viewport, scheme = request.param
    context = chromium.new_context(viewport=viewport, color_scheme=scheme, base_url=platform.address)
    page = context.new_page()
    complaints = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if "Security Policy" in message.text else None)
    sign_in(page)
    yield page
    context.close()
    assert complaints == []


def sign_in(page, password: str = PASSWORD) -> None:
    page.goto("/sign-in")
    page.fill("[name=username]", "admin")
    page.fill("[name=password]", password)
    page.click("button:has-text('Sign in')")
    page.wait_for_load_state()
